package daemon

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"rcptgate/internal/lab"
)

// The environment of the children: the file of the daemon that TestChildDaemon
// is to be; the name server and the port that TestChildProber is to ask, and its socket.
const (
	childConfig = "RCPTGATE_CHILD_DAEMON"
	childWorld  = "RCPTGATE_CHILD_PROBER"
)

// TestChildDaemon is no test: it is the daemon in a process of its own, as it
// is deployed. Without its environment it ends.
func TestChildDaemon(t *testing.T) {
	path := os.Getenv(childConfig)
	if path == "" {
		return
	}
	defer runtime.KeepAlive(Headroom())
	d, err := New(Options{ConfigPath: path, Logger: slog.New(slog.DiscardHandler), Version: "bench"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { // ends with the parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	fmt.Println(childReady)
	// The far ends may be tarpits: what is under way is cut off.
	if err := d.Run(ctx, nil); err != nil {
		t.Log(err)
	}
}

// TestChildProber is no test: it is the bare prober in a process of its own. It
// serves askers of the policy protocol at its socket, one address at a time
// each. Of a line on its standard input it asks about all addresses side by
// side, without askers, and then says "done", or what went wrong. Without its
// environment it ends.
func TestChildProber(t *testing.T) {
	world := strings.Fields(os.Getenv(childWorld))
	if len(world) != 3 {
		return
	}
	port, err := strconv.Atoi(world[1])
	if err != nil {
		t.Fatal(err)
	}
	probe := func(rcpt string) error {
		code, err := lab.BareProbe(context.Background(), new(net.Dialer).DialContext, world[0], port, rcpt)
		if err == nil && code != "250" {
			err = fmt.Errorf("%s: %s", rcpt, code)
		}
		return err
	}
	l, err := net.Listen("unix", world[2])
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go lab.TrivialPolicy(c, func(rcpt string) string {
				if err := probe(rcpt); err != nil {
					return "450 " + err.Error()
				}
				return lab.Dunno(rcpt)
			})
		}
	}()
	fmt.Println(childReady)
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if err != nil { // ends with the parent
			return
		}
		rcpts := strings.Fields(line)
		errs := make([]error, len(rcpts))
		var wg sync.WaitGroup
		for i, rcpt := range rcpts {
			wg.Go(func() { errs[i] = probe(rcpt) })
		}
		wg.Wait()
		said := "done"
		if err := errors.Join(errs...); err != nil {
			said = strings.ReplaceAll(err.Error(), "\n", "; ")
		}
		fmt.Println(said)
	}
}

// childReady is the first line that a child says; what comes before it is the
// test framework's.
const childReady = "ready"

// child is a process of its own that does what one of the tests above does.
type child struct {
	pid int
	in  io.Writer
	out *bufio.Reader
}

// spawn starts a child, which ends with the benchmark: at once, as its sessions
// would be waited for.
func spawn(b *testing.B, test, env string) *child {
	cmd := exec.Command(os.Args[0], "-test.run=^"+test+"$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), env)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	c := &child{cmd.Process.Pid, in, bufio.NewReader(out)}
	for c.line(b) != childReady {
	}
	return c
}

// line is the next line that the child says.
func (c *child) line(b *testing.B) string {
	line, err := c.out.ReadString('\n')
	if err != nil {
		b.Fatalf("the child ended: %v %s", err, line)
	}
	return strings.TrimSuffix(line, "\n")
}

// daemonProcess starts a daemon in a process of its own, with further lines for
// [probe] and [policy]. The policy door is at socket.
func (r *rig) daemonProcess(probe, policy string) (c *child, socket string) {
	b, dir := r.b, r.b.TempDir()
	file := filepath.Join(dir, "rcptgate.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, benchConfig, dir, r.dns, r.port, probe, policy), 0o600); err != nil {
		b.Fatal(err)
	}
	return spawn(b, "TestChildDaemon", childConfig+"="+file), filepath.Join(dir, "policy.sock")
}

// proberProcess starts a bare prober in a process of its own. Its policy door is
// at socket.
func (r *rig) proberProcess() (c *child, socket string) {
	socket = filepath.Join(r.b.TempDir(), "prober.sock")
	return spawn(r.b, "TestChildProber", fmt.Sprintf("%s=%s %d %s", childWorld, r.dns, r.port, socket)), socket
}

// probe has the prober ask about all addresses side by side, each of which must
// be accepted.
func (c *child) probe(b *testing.B, rcpts []string) {
	if _, err := io.WriteString(c.in, strings.Join(rcpts, " ")+"\n"); err != nil {
		b.Fatal(err)
	}
	if said := c.line(b); said != "done" {
		b.Fatal(said)
	}
}

var rssAnonLine = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)

// rssAnon reads the anonymous memory of a process, in MB.
func rssAnon(b *testing.B, pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	m := rssAnonLine.FindSubmatch(text)
	if m == nil {
		b.Fatal("no RssAnon")
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		b.Fatal(err)
	}
	return kb / 1024
}
