package daemon

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// childConfig names the file of the daemon that TestChildDaemon is to be.
const childConfig = "RCPTGATE_CHILD_DAEMON"

// TestChildDaemon is no test: it is the daemon in a process of its own, of
// which BenchmarkTarpits counts the memory. Without its environment it ends.
func TestChildDaemon(t *testing.T) {
	path := os.Getenv(childConfig)
	if path == "" {
		return
	}
	d, err := New(Options{ConfigPath: path, Logger: slog.New(slog.DiscardHandler), Version: "bench"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	go func() { // ends with the parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	fmt.Println("serving")
	// The far ends are tarpits: what is under way is cut off.
	if err := d.Run(ctx, nil); err != nil {
		t.Log(err)
	}
}

// tarpitPace lets ten thousand sessions open at once.
const tarpitPace = `dialogue_timeout = "10m"
after_accept = "queue"` + lifted

// BenchmarkTarpits is the memory of a daemon with 10,000 sessions open at
// servers that do not answer RCPT, each at a site of its own. The daemon is a
// process of its own; nobody waits for its answers. What a session costs under
// TLS stands beside, with fewer of them: ten thousand handshakes take longer
// than the servers let a session wait.
func BenchmarkTarpits(b *testing.B) {
	for _, c := range []struct {
		name, startTLS string
		sessions       int
	}{{"plain text", "", 10_000}, {"TLS", "ok", 2000}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				tarpits(b, c.startTLS, c.sessions)
			}
		})
	}
}

func tarpits(b *testing.B, startTLS string, sessions int) {
	const askers, servers = 50, 100
	r := newRig(b)
	hosts := make([]string, servers)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("tarpit%d.bench.test", i)
		r.Host(hosts[i], lab.Host{StartTLS: startTLS, Delay: map[string]time.Duration{"RCPT": time.Hour}})
	}
	pid, socket := r.child(tarpitPace, `answer_budget = "1ms"`)
	start := time.Now()
	var wg sync.WaitGroup
	for c := range askers {
		a := dialAsker(b, socket)
		wg.Go(func() {
			for i := c; i < sessions; i += askers {
				d := fmt.Sprintf("d%d.bench.test", i)
				r.Alias("mx."+d, hosts[i%servers])
				r.Domain(d, lab.MX{Pref: 10, Host: "mx." + d})
				a.ask("ada@"+d, "DUNNO")
			}
		})
	}
	// A MAIL with a 250 is a session that waits for RCPT, for 45 s.
	peak, open := 0, 0
	for open < sessions && time.Since(start) < 40*time.Second {
		time.Sleep(100 * time.Millisecond)
		open = r.Count("", "MAIL", 2) - r.Count("", "CLOSE", -1)
		peak = max(peak, rssAnon(b, pid))
	}
	took := time.Since(start)
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		peak = max(peak, rssAnon(b, pid))
	}
	wg.Wait()
	if open < sessions {
		b.Errorf("%d sessions open", open)
	}
	load(b)
	b.Logf("%d sessions open after %.1f s: RssAnon %d MB at most, %.0f kB a session (wanted with 10,000: at most 500 MB)",
		open, took.Seconds(), peak, float64(peak)*1024/float64(sessions))
	b.ReportMetric(float64(peak), "MB-RssAnon")
	b.ReportMetric(float64(open), "sessions")
}

// child starts a daemon in a process of its own.
func (r *rig) child(probe, policy string) (pid int, socket string) {
	b, dir := r.b, r.b.TempDir()
	file := filepath.Join(dir, "rcptgate.toml")
	if err := os.WriteFile(file, fmt.Appendf(nil, benchConfig, dir, r.dns, r.port, probe, policy), 0o600); err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestChildDaemon$", "-test.timeout=0")
	cmd.Env = append(os.Environ(), childConfig+"="+file)
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
	b.Cleanup(func() { // at once: its sessions would be waited for
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	said := bufio.NewScanner(out)
	for said.Scan() && said.Text() != "serving" {
		b.Log(said.Text())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the child
	return cmd.Process.Pid, filepath.Join(dir, "policy.sock")
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
