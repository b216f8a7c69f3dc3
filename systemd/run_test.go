package systemd

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds each wait for the daemon: a hang must end as a failure.
const patience = time.Minute

// TestMain removes what build built.
func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := builtIn(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// builtIn makes a directory for the daemon's binary that anybody may enter.
var builtIn = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "rg")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
})

// built is the daemon, built once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := builtIn()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "rcptgate")
	cmd := exec.Command("go", "build", "-o", path, "rcptgate/cmd/rcptgate")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	return path, nil
})

func build(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// shortDir is a directory whose paths fit in a socket address.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// configure writes a configuration whose files all lie in dir and returns its
// path.
func configure(t *testing.T, dir, policy string) string {
	t.Helper()
	path := filepath.Join(dir, "rcptgate.toml")
	text := fmt.Sprintf(`[listen]
policy = [%q]
milter = []
http = ""
admin = "unix:%[2]s/admin.sock"
unix_group = ""
[store]
path = "%[2]s/store"
key_file = "%[2]s/store/key"
[audit]
path = "%[2]s/audit.jsonl"
`, policy, dir)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "store"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// notified is the other end of sd_notify.
type notified struct {
	*net.UnixConn
	path string
}

func listenNotify(t *testing.T, dir string) notified {
	t.Helper()
	path := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return notified{c, path}
}

// wait reads until a state that begins with want is told.
func (n notified) wait(t *testing.T, want string) {
	t.Helper()
	b := make([]byte, 4096)
	_ = n.SetReadDeadline(time.Now().Add(patience))
	for {
		k, err := n.Read(b)
		if err != nil {
			t.Fatalf("waiting for %s: %v", want, err)
		}
		if strings.HasPrefix(string(b[:k]), want) {
			return
		}
	}
}

// process is a running daemon; its lines are read by a goroutine that Wait
// waits for.
type process struct {
	*exec.Cmd
	out output
}

// output keeps what is written and tells when a line has come.
type output struct {
	mu    sync.Mutex
	text  []byte
	grown chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	select {
	case o.grown <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return string(o.text)
}

// wait returns once the text has been written.
func (o *output) wait(t *testing.T, text string) {
	t.Helper()
	late := time.After(patience)
	for !strings.Contains(o.String(), text) {
		select {
		case <-o.grown:
		case <-late:
			t.Fatalf("waiting for %q", text)
		}
	}
}

func start(t *testing.T, env []string, name string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(name, args...), out: output{grown: make(chan struct{}, 1)}}
	p.Env = append(os.Environ(), env...)
	p.Stdout, p.Stderr = &p.out, &p.out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
		if t.Failed() {
			t.Logf("the daemon said:\n%s", p.out.String())
		}
	})
	return p
}

// stop ends the daemon, which must end well.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// ask sends a policy request, which must be answered DUNNO.
func ask(t *testing.T, path string) {
	t.Helper()
	c, err := net.DialTimeout("unix", path, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, "request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=a@example.test\n\n")
	if line, err := bufio.NewReader(c).ReadString('\n'); line != "action=DUNNO\n" {
		t.Errorf("answer %q, %v", line, err)
	}
}

// TestSocketActivation lets systemd's own tool make the policy socket and
// start the daemon at the first query.
func TestSocketActivation(t *testing.T) {
	activate := tool(t, "systemd-socket-activate")
	dir := shortDir(t)
	binary, config := build(t), configure(t, dir, "fd:policy")
	n := listenNotify(t, dir)
	path := filepath.Join(dir, "policy.sock")
	p := start(t, []string{"NOTIFY_SOCKET=" + n.path}, activate, "--listen="+path, "--fdname=policy",
		"--setenv=NOTIFY_SOCKET="+n.path, binary, "serve", "-c", config)
	p.out.wait(t, "Listening on")
	ask(t, path)
	n.wait(t, "READY=1")
	p.stop(t)
	n.wait(t, "STOPPING=1")
}

// unprivileged runs a daemon as nobody without a capability, in a mount
// namespace where the root is read-only but for one directory: what the
// hardened service gives it.
const unprivileged = `set -e
dir=$1; shift
mount --make-rprivate /
mount --bind "$dir" "$dir"
mount -o remount,bind,ro /
exec setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs "$@"
`

func TestUnprivileged(t *testing.T) {
	unshare := tool(t, "unshare")
	tool(t, "setpriv")
	if os.Getuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("root is needed to make a mount namespace")
		}
		fmt.Fprintf(os.Stderr, "NOT RUN: %s needs root\n", t.Name())
		t.Skip("needs root")
	}
	dir := shortDir(t)
	policy := filepath.Join(dir, "policy.sock")
	binary, config := build(t), configure(t, dir, "unix:"+policy)
	n := listenNotify(t, dir)
	for _, path := range []string{dir, filepath.Join(dir, "store"), n.path} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	p := start(t, []string{"NOTIFY_SOCKET=" + n.path}, unshare, "--mount", "/bin/sh", "-c", unprivileged, "sh", dir, binary, "serve", "-c", config)
	n.wait(t, "READY=1")
	ask(t, policy)
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	n.wait(t, "RELOADING=1")
	n.wait(t, "READY=1")
	ask(t, policy)
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Uid:\t65534\t65534\t65534\t65534\n", "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
		if !strings.Contains(string(status), line) {
			t.Errorf("the process has no %q", line)
		}
	}
	p.stop(t)
	if b, err := os.ReadFile(filepath.Join(dir, "audit.jsonl")); err != nil || !bytes.Contains(b, []byte(`"event":"decision"`)) {
		t.Errorf("audit log: %v\n%s", err, b)
	}
}
