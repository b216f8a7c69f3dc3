//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// daemon is a running rcptgate with files of its own, as its own user.
type daemon struct {
	dir    string
	policy string // host:port
	milter string
	http   string
	passed []passed
	cmd    *exec.Cmd
	done   chan struct{} // the process has ended
}

const binary = "/usr/local/bin/rcptgate"

// daemonConfig is the file of every daemon here; limits are lifted, since the
// cases are about mail servers and not about the pace.
const daemonConfig = `hostname = %[1]q
[listen]
policy = ["inet:%[2]s"]
milter = ["inet:%[3]s"]
http = "inet:%[4]s"
admin = "unix:%[5]s/admin.sock"
unix_group = "rcptgate"
[dns]
servers = [%[6]q]
[probe]
sender = %[7]q
port = %[8]d
allow_mx = ["127.64.0.0/10", "198.18.0.0/15"]
connects_per_second = 1000
[[probe.source]]
ip = "127.0.0.1"
[pace]
connections = 20
connections_per_minute = 10000
rcpts_per_session = 100
invalid_per_session = 100
invalid_per_hour = 10000
probes_per_minute = 10000
min_interval = "1ms"
[store]
path = "%[5]s/store"
key_file = "%[5]s/store/key"
[audit]
path = "%[5]s/audit.jsonl"
[milter]
decide = %[9]q
on_partial = %[10]q
[policy]
mode = "enforce"
max_refusals = 1000
skip_domains = ["localhost", "out1.sender.zone", "sender.zone", ".sender.zone"]
%[11]s
`

// daemonOptions says what differs.
type daemonOptions struct {
	decide    string // default rcpt
	onPartial string // default keep
	policy    string // further lines of [policy] and below
	edit      func(config string) string
	passed    []passed
}

// passed is a listening socket that the daemon gets as systemd passes it, by
// the name of fd:NAME.
type passed struct {
	name string
	file *os.File
}

// startDaemon starts a daemon; the caller stops it.
func (w *world) startDaemon(t testing.TB, name string, o daemonOptions) *daemon {
	t.Helper()
	w.daemonSeq++
	port := 11000 + 10*w.daemonSeq
	addr := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", port+i) }
	d := &daemon{dir: "/srv/" + name, policy: addr(0), milter: addr(1), http: addr(2), passed: o.passed}
	must(t, os.MkdirAll(d.path("store"), 0o700))
	for _, dir := range []string{d.dir, d.path("store")} {
		must(t, os.Chown(dir, uid("rcptgate"), uid("rcptgate")))
	}
	if o.decide == "" {
		o.decide = "rcpt"
	}
	if o.onPartial == "" {
		o.onPartial = "keep"
	}
	config := fmt.Sprintf(daemonConfig, hostname, d.policy, d.milter, d.http, d.dir, w.dns, probeSender, w.port, o.decide, o.onPartial, o.policy)
	if o.edit != nil {
		config = o.edit(config)
	}
	must(t, os.WriteFile(d.config(), []byte(config), 0o644))
	d.start(t)
	return d
}

// start runs the daemon (again) and waits until it is ready.
func (d *daemon) start(t testing.TB) {
	t.Helper()
	log, err := os.OpenFile(d.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	must(t, err)
	defer log.Close()
	d.cmd = d.serve()
	d.cmd.Stdout, d.cmd.Stderr = log, log
	must(t, d.cmd.Start())
	d.done = make(chan struct{})
	go func() {
		defer close(d.done)
		d.cmd.Wait() // how it ended is in the log
	}()
	waitFor(t, "the daemon to be ready\n"+d.log(), func() bool {
		select {
		case <-d.done:
			t.Fatalf("the daemon ended: %s", tail(d.log(), 20))
		default:
		}
		conn, err := net.Dial("tcp", d.http) // opened after the doors of the mail servers
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

// serve is the command that systemd would run.
func (d *daemon) serve() *exec.Cmd {
	cmd := d.command("serve", "-c", d.config())
	if len(d.passed) == 0 {
		return cmd
	}
	// LISTEN_PID is the process that the sockets are for (sd_listen_fds(3)); a
	// shell knows it beforehand.
	cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	var names []string
	for _, p := range d.passed {
		names = append(names, p.name)
		cmd.ExtraFiles = append(cmd.ExtraFiles, p.file)
	}
	cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	return cmd
}

// command is an invocation of the binary as the daemon's user.
func (d *daemon) command(args ...string) *exec.Cmd {
	cmd := exec.Command(binary, args...)
	cmd.Dir = d.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid("rcptgate")), Gid: uint32(uid("rcptgate"))}}
	return cmd
}

// stop drains the daemon; kill does not.
func (d *daemon) stop() { d.signal(syscall.SIGTERM) }
func (d *daemon) kill() { d.signal(syscall.SIGKILL) }

func (d *daemon) signal(s syscall.Signal) {
	d.cmd.Process.Signal(s) // it may have ended by itself
	<-d.done
}

func (d *daemon) path(name string) string { return filepath.Join(d.dir, name) }
func (d *daemon) config() string          { return d.path("rcptgate.toml") }
func (d *daemon) log() string             { return d.path("journal") }

// event is one audit line, as far as the cases read it.
type event struct {
	Event     string `json:"event"`
	Door      string `json:"door"`
	Recipient string `json:"recipient"`
	Sender    string `json:"sender"`
	Action    string `json:"action"`
	Would     string `json:"would"`
	Status    string `json:"status"`
	Reason    string `json:"reason"`
	Reply     string `json:"smtp_reply"`
	QueueID   string `json:"queue_id"`
	Rule      string `json:"rule"`
	Served    string `json:"served"`
}

// events reads the audit log.
func (d *daemon) events(t testing.TB) []event {
	t.Helper()
	data, err := os.ReadFile(d.path("audit.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	must(t, err)
	var all []event
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			continue // the last line may be half written
		}
		all = append(all, e)
	}
	return all
}

// lines counts the audit lines written so far.
func (d *daemon) lines(t testing.TB) int { return len(d.events(t)) }

// served counts the decisions whose verdict came from there.
func (d *daemon) served(t testing.TB, from string) int {
	n := 0
	for _, e := range d.events(t) {
		if e.Event == "decision" && e.Served == from {
			n++
		}
	}
	return n
}

// decided returns the decisions about a recipient after the first n audit
// lines, once there is one.
func (d *daemon) decided(t testing.TB, n int, rcpt string) []event {
	t.Helper()
	var found []event
	waitFor(t, "an audit line about "+rcpt, func() bool {
		found = nil
		for _, e := range d.events(t)[n:] {
			if e.Event == "decision" && strings.EqualFold(e.Recipient, rcpt) {
				found = append(found, e)
			}
		}
		return len(found) > 0
	})
	return found
}

// reasonAfter is the reason of the last decision about a recipient after the
// first n audit lines; reason that of all.
func (d *daemon) reasonAfter(t testing.TB, n int, rcpt string) string {
	t.Helper()
	e := d.decided(t, n, rcpt)
	return e[len(e)-1].Reason
}

func (d *daemon) reason(t testing.TB, rcpt string) string { return d.reasonAfter(t, 0, rcpt) }

// waitFor polls real processes, which send no event that could be waited for.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for %s", what)
		}
		<-tick.C
	}
}
