package main

import (
	"bytes"
	"errors"
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

	"rcptgate/internal/lab"
)

// patience bounds each wait for the process: a hang must end as a failure.
const patience = time.Minute

// processConfig is a daemon whose far end is a lab on loopback: directory,
// name server, port, further keys of [probe].
const processConfig = `hostname = "out1.lab.test"
[listen]
policy = ["unix:%[1]s/policy.sock"]
milter = ["unix:%[1]s/milter.sock"]
http   = ""
admin  = "unix:%[1]s/admin.sock"
unix_group = ""
[dns]
servers = [%[2]q]
[store]
path     = "%[1]s/store"
key_file = "%[1]s/store/key"
[audit]
path = "%[1]s/audit.jsonl"
[policy]
mode = "enforce"
[probe]
sender   = "verify@probe.lab.test"
port     = %[3]d
allow_mx = ["127.64.0.0/10"]
allow_unfit_identity = true
%[4]s
`

// host is a machine with a simulated internet, on which daemons are started.
type host struct {
	*lab.Internet
	t      *testing.T
	dir    string
	binary string
}

func newHost(t *testing.T, probe string) *host {
	t.Helper()
	h := &host{Internet: lab.New(lab.Options{}), t: t}
	t.Cleanup(h.Close)
	h.Domain("probe.lab.test")
	dns, port, err := h.Listen()
	h.must(err)
	h.dir, err = os.MkdirTemp("", "rg") // short enough for a socket's path
	h.must(err)
	t.Cleanup(func() { os.RemoveAll(h.dir) })
	h.must(os.Chmod(h.dir, 0o755)) // another user reads it, too
	h.must(os.WriteFile(h.config(), fmt.Appendf(nil, processConfig, h.dir, dns, port, probe), 0o644))
	h.must(os.Mkdir(h.path("store"), 0o700))
	// The test binary is the command when it is called by that name; go test
	// keeps it where other users cannot look.
	h.binary = h.path("rcptgate")
	self, err := os.Executable()
	h.must(err)
	h.must(copyFile(h.binary, self))
	return h
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func (h *host) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }
func (h *host) config() string          { return h.path("rcptgate.toml") }

// serving is a daemon that runs.
type serving struct {
	*exec.Cmd
	h     *host
	said  said
	ended chan struct{}
}

// said keeps what a process writes and tells when more has come.
type said struct {
	mu    sync.Mutex
	text  []byte
	grown chan struct{}
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = append(s.text, p...)
	select {
	case s.grown <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.text)
}

// wait returns once the text has been written.
func (s *said) wait(t *testing.T, text string) {
	t.Helper()
	late := time.After(patience)
	for !strings.Contains(s.String(), text) {
		select {
		case <-s.grown:
		case <-late:
			t.Fatalf("waiting for %q; there is:\n%s", text, s.String())
		}
	}
}

// serve starts the daemon and waits until it serves.
func (h *host) serve() *serving {
	h.t.Helper()
	d := h.launch(exec.Command(h.binary, "serve", "-c", h.config()))
	d.said.wait(h.t, "msg=serving")
	return d
}

func (h *host) launch(cmd *exec.Cmd) *serving {
	h.t.Helper()
	d := &serving{Cmd: cmd, h: h, said: said{grown: make(chan struct{}, 1)}, ended: make(chan struct{})}
	d.Stdout, d.Stderr = &d.said, &d.said
	h.must(d.Start())
	go func() {
		defer close(d.ended)
		_ = d.Wait() // the caller reads ProcessState
	}()
	h.t.Cleanup(func() {
		d.kill()
		if text := d.said.String(); h.t.Failed() && len(text) < 64<<10 {
			h.t.Logf("the daemon said:\n%s", text)
		}
	})
	return d
}

func (d *serving) kill() {
	_ = d.Process.Kill() // it may have ended by itself
	<-d.ended
}

// stop ends the daemon as systemd does; it must end well.
func (d *serving) stop() {
	d.h.t.Helper()
	d.h.must(d.Process.Signal(syscall.SIGTERM))
	<-d.ended
	if code := d.ProcessState.ExitCode(); code != 0 {
		d.h.t.Errorf("exit status %d after SIGTERM", code)
	}
}

// rcpt asks the policy socket about one recipient.
func (h *host) rcpt(instance, rcpt string) string {
	h.t.Helper()
	conn, err := net.Dial("unix", h.path("policy.sock"))
	h.must(err)
	defer conn.Close()
	h.must(conn.SetDeadline(time.Now().Add(patience)))
	action, err := lab.NewPolicyClient(conn).Rcpt(instance, "127.0.0.1", "", "news@esp.test", rcpt)
	h.must(err)
	return action
}

// exec runs the command to its end.
func (h *host) exec(credential *syscall.Credential, args ...string) (code int, stdout, stderr string) {
	h.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(h.binary, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", &out, &errs
	if credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	}
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		h.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}
