package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rcptgate/internal/lab"
	"rcptgate/verify/cache"
)

// TestDrain: at a stop whoever waits gets his answer, a message under way is
// answered to its end, and nobody new is let in.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		w.start()
		w.Site("slow.test", lab.Host{Exists: exists("ada"), Delay: map[string]time.Duration{"RCPT": 2 * time.Second}})
		w.NullMX("nomail.test")
		idle := w.dial("policy")
		m, err := lab.NewMilterClient(w.dial("milter"))
		w.must(err)
		_, err = m.Connect("127.0.0.1")
		w.must(err)
		_, err = m.Mail("news@esp.test", "")
		w.must(err)
		answer, admin := make(chan string), make(chan string)
		go func() { answer <- w.rcpt("nobody@slow.test") }()
		go func() { admin <- w.check("ada@slow.test").Reason }()
		time.Sleep(time.Second) // both wait for the MX
		w.cancel()
		synctest.Wait()
		if c, err := w.doors["policy"].dial(); err == nil {
			t.Error("a new connection was taken")
			c.Close()
		}
		if got := <-answer; !strings.HasPrefix(got, "550 5.1.1") {
			t.Errorf("who waited: %q", got)
		}
		if got := <-admin; got != "accepted" && got != "pending" {
			t.Errorf("who waited at the admin socket: %q", got)
		}
		for rcpt, want := range map[string]string{"a@nomail.test": "y 550", "b@slow.test": "y 550"} {
			if got, err := m.Rcpt(rcpt, "esmtp"); err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("the message under way, %s: %q, %v", rcpt, got, err)
			}
		}
		if got, err := m.End(); err != nil || got != "c" {
			t.Errorf("end of the message under way: %q, %v", got, err)
		}
		w.must(<-w.ended)
		if _, err := idle.Read(make([]byte, 1)); err == nil {
			t.Error("an idle connection was not closed")
		}
		w.must(w.Stop(t.Context())) // once more
		w.must(w.Daemon.Close(t.Context()))
		w.Internet.Close()
		w.verify(worldOptions{})
		if want := []string{"READY=1", "STOPPING=1"}; !slices.Equal(firstLines(w.states.list()), want) {
			t.Errorf("systemd was told %q, want %q", w.states.list(), want)
		}
	})
}

// TestDrainOfASilentMTA: a message that an MTA leaves open is cut in the end.
// It costs nobody else anything: askers at the other door are answered, and
// all lines are written.
func TestDrainOfASilentMTA(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		w.start()
		w.Site("slow.test", lab.Host{Exists: exists("ada"), Delay: map[string]time.Duration{"RCPT": 2 * time.Second}})
		m, err := lab.NewMilterClient(w.dial("milter"))
		w.must(err)
		_, err = m.Mail("news@esp.test", "")
		w.must(err)
		answer := make(chan string)
		go func() { answer <- w.rcpt("nobody@slow.test") }()
		time.Sleep(time.Second)
		start := time.Now()
		w.cancel()
		if got := <-answer; !strings.HasPrefix(got, "550 5.1.1") {
			t.Errorf("who waited: %q", got)
		}
		w.must(<-w.ended)
		if took := time.Since(start); took > stopTimeout || took < drainTimeout {
			t.Errorf("the stop took %v", took)
		}
		if _, _, err := m.Read(); err == nil {
			t.Error("the silent MTA got an answer")
		}
		w.Internet.Close()
		w.verify(worldOptions{})
		if d := w.decided("nobody@slow.test"); d["action"] != "reject" {
			t.Errorf("audit log: %v", d)
		}
	})
}

// TestMonitorRecordsSurviveAStop: the verdicts that only the audit log waits
// for are written before the end.
func TestMonitorRecordsSurviveAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{mode: "monitor"})
		w.start()
		w.Site("slow.test", lab.Host{Exists: exists("ada"), Delay: map[string]time.Duration{"RCPT": 2 * time.Second}})
		if got := w.rcpt("nobody@slow.test"); got != "DUNNO" {
			t.Errorf("monitor mode: %q", got)
		}
		w.must(w.stop())
		w.Internet.Close()
		if d := w.decided("nobody@slow.test"); d["would"] != "reject" || d["action"] != "accept" || d["reason"] != "mailbox_not_found" {
			t.Errorf("audit log: %v", d)
		}
	})
}

// TestStopInAHurry: a stop that may take no time cuts who waits, and still
// writes what is known.
func TestStopInAHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{mode: "monitor"})
		w.start()
		w.Site("slow.test", lab.Host{Exists: exists("ada"), Delay: map[string]time.Duration{"RCPT": time.Minute}})
		w.rcpt("nobody@slow.test")
		time.Sleep(time.Second)
		hurry, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		if err := w.Stop(hurry); err == nil {
			t.Error("records were cut short, and it does not say so")
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v", took)
		}
		w.cancel()
		<-w.ended
		w.Internet.Close()
		if d := w.decided("nobody@slow.test"); d["reason"] != "pending" {
			t.Errorf("audit log: %v", d)
		}
	})
}

// TestStates is what systemd is told, in order.
func TestStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		d, err := w.make()
		w.must(err)
		w.Daemon = d
		w.opts.Watchdog = 10 * time.Second
		if got := w.states.list(); len(got) > 0 {
			t.Errorf("told before it serves: %q", got)
		}
		w.run()
		w.reloadNow()
		time.Sleep(6 * time.Second)
		w.must(w.stop())
		w.Internet.Close()
		got := firstLines(w.states.list())
		if want := []string{"READY=1", "WATCHDOG=1", "RELOADING=1", "READY=1", "WATCHDOG=1", "STOPPING=1"}; !slices.Equal(got, want) {
			t.Errorf("systemd was told %q, want %q", got, want)
		}
		for _, s := range w.states.list() {
			if strings.HasPrefix(s, "RELOADING=1") && !strings.Contains(s, "\nMONOTONIC_USEC=") {
				t.Errorf("%q without the time that Type=notify-reload wants", s)
			}
		}
	})
}

func firstLines(all []string) []string {
	for i, s := range all {
		all[i], _, _ = strings.Cut(s, "\n")
	}
	return all
}

// TestSocketsOfSystemd: one that [listen] names and systemd did not pass is an
// error; one that nothing names is told and closed.
func TestSocketsOfSystemd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{edit: func(s string) string { return strings.Replace(s, `"fd:http"`, `""`, 1) }})
		w.start()
		if !strings.Contains(w.journal.String(), "level=WARN") || !strings.Contains(w.journal.String(), "fd=fd:http") {
			t.Error("the socket that nothing serves is not named")
		}
		if _, err := w.doors["http"].dial(); err == nil {
			t.Error("the socket that nothing serves is open")
		}
		w.must(w.stop())
		w.rewrite(`"fd:milter"`, `"fd:miller"`)
		if _, err := w.make(); err == nil || !strings.Contains(err.Error(), "[listen] milter: fd:miller") {
			t.Errorf("a socket that systemd did not pass: %v", err)
		}
		w.Internet.Close()
	})
}

// TestAdminOverTCP: the admin door has no password, so what systemd passes for
// it must not be open to the network.
func TestAdminOverTCP(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := onLoopback(t, t.TempDir())
	cfg.Listen.Admin = "fd:admin"
	_, err = New(Options{Config: cfg, Logger: slog.New(slog.DiscardHandler), Listeners: map[string][]net.Listener{"admin": {l}}})
	if err == nil || !strings.Contains(err.Error(), "[listen] admin: fd:admin is a TCP socket") {
		t.Errorf("%v", err)
	}
}

// TestDoorThatEnds: a daemon of which a door has failed does not live on half
// deaf; systemd starts it anew.
func TestDoorThatEnds(t *testing.T) {
	inWorld(t, worldOptions{mistakes: true}, func(t *testing.T, w *world) {
		w.doors["http"].fail(errors.New("this is a test"))
		err := <-w.ended
		if err == nil || !strings.Contains(err.Error(), "http door: this is a test") {
			t.Errorf("%v", err)
		}
		w.ended <- err
	})
}

// onLoopback is a configuration on real sockets that needs no far end.
func onLoopback(t *testing.T, dir string) *Config {
	t.Helper()
	cfg, err := Parse("test.toml", fmt.Appendf(nil, `
[listen]
policy = ["unix:%[1]s/policy.sock", "inet:127.0.0.1:0"]
milter = ["unix:%[1]s/milter.sock"]
http   = "inet:127.0.0.1:0"
admin  = "unix:%[1]s/admin.sock"
unix_group = ""
[dns]
servers = ["127.0.0.1:9"]
[store]
path = %[1]q
key_file = "%[1]s/key"
[audit]
path = "%[1]s/audit.jsonl"
`, dir))
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// TestStartThatFailsRollsBack: what was acquired before the mistake is given
// back, so that the next start finds nothing in its way.
func TestStartThatFailsRollsBack(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	cfg := onLoopback(t, dir)
	taken, err := net.Listen("unix", filepath.Join(dir, "admin.sock")) // the last to be opened
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Config: cfg, Logger: slog.New(slog.DiscardHandler), Version: "test"}
	_, err = New(o)
	if err == nil || !strings.Contains(err.Error(), "[listen] admin") || !strings.Contains(err.Error(), "another process serves this socket") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"policy.sock", "milter.sock"} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !os.IsNotExist(err) {
			t.Errorf("%s is left behind", name)
		}
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	d, err := New(o) // the store's lock is free, too
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Stop(t.Context()); err != nil { // before Run
		t.Error(err)
	}
}

// TestNothingIsLeft over three lives on real sockets: no goroutine, no socket.
func TestNothingIsLeft(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	for range 3 {
		d, err := New(Options{Config: onLoopback(t, dir), Logger: slog.New(slog.DiscardHandler), Version: "test", Watchdog: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		reload, ended := make(chan struct{}), make(chan error)
		go func() { ended <- d.Run(ctx, reload) }()
		for _, a := range d.Addrs("policy") {
			c, err := net.Dial(a.Network(), a.String())
			if err != nil {
				t.Fatal(err)
			}
			p := lab.NewPolicyClient(c)
			if got, err := p.Rcpt("i", "127.0.0.1", "", "a@b.test", "c@d.test"); err != nil || got != "DUNNO" {
				t.Errorf("%q, %v", got, err)
			}
			defer p.Close() // it may stay open
		}
		reload <- struct{}{}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.sock")); len(left) > 0 {
			t.Errorf("left: %q", left)
		}
	}
}

// TestTwoDaemons: the second on one store is told so, and touches nothing.
func TestTwoDaemons(t *testing.T) {
	dir := t.TempDir()
	o := Options{Config: onLoopback(t, dir), Logger: slog.New(slog.DiscardHandler), Version: "test"}
	d, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	_, err = New(o)
	if !errors.Is(err, cache.ErrLocked) || !strings.Contains(err.Error(), "hint: one daemon a store") {
		t.Errorf("%v", err)
	}
	for _, name := range []string{"policy.sock", "milter.sock", "admin.sock"} {
		c, err := net.Dial("unix", filepath.Join(dir, name))
		if err != nil {
			t.Errorf("the first daemon's %s: %v", name, err)
			continue
		}
		_ = c.Close()
	}
}
