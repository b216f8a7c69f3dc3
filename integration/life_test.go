//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// TestCoreKilled takes the daemon away: with the documented settings mail
// flows, in sessions that are open and in new ones, and the daemon is asked
// again when it is back.
func TestCoreKilled(t *testing.T) {
	w := begin(t)
	w.host("killed.lab", lab.Host{Exists: users("alice")})
	d := w.startDaemon(t, "mortal", daemonOptions{})
	near := w.startNear(t, "mortalpf", 3200, d)
	sm := startSendmail(t, "mortalsm", "127.0.0.1:3225", sendmailFilter(d))
	doors := []door{{"postfix-policy", near.addr}, {"postfix-milter", near.viaMilter}, {"sendmail-milter", sm.addr}}

	open := make([]*client, len(doors))
	for i, door := range doors {
		open[i] = dialSMTP(t, door.addr)
		open[i].want("250", open[i].cmd("MAIL FROM:<news@%s>", senderDomain))
		open[i].want("550 5.1.1", open[i].cmd("RCPT TO:<unknown@killed.lab>"))
	}
	d.kill()
	for i, door := range doors {
		open[i].want("250", open[i].cmd("RCPT TO:<unknown@killed.lab>"))
		open[i].want("250", open[i].message("while it is away"))
		c := dialSMTP(t, door.addr)
		c.want("250", c.cmd("MAIL FROM:<news@%s>", senderDomain))
		c.want("250", c.cmd("RCPT TO:<unknown@killed.lab>"))
		c.want("250", c.message("new session while it is away"))
		c.want("221", c.cmd("QUIT"))
	}
	d.start(t)
	defer d.stop()
	for _, door := range doors {
		askAll(t, d, door.addr, []outcome{{"unknown@killed.lab", "550 5.1.1", ""}})
	}
	if got := near.queued(t); got != 4 {
		t.Errorf("postfix has queued %d messages, want 4", got)
	}
	if got := sm.queued(t); got != 2 {
		t.Errorf("sendmail has queued %d messages, want 2", got)
	}
}

// TestAllKilledBeforeWrite kills the daemon between its reply and the batch
// that would have stored the verdict.
func TestAllKilledBeforeWrite(t *testing.T) {
	w := begin(t)
	w.host("batch.lab", lab.Host{Exists: users("alice")})
	d := w.startDaemon(t, "batch", daemonOptions{})
	for i := range 5 {
		c, err := net.Dial("tcp", d.policy)
		must(t, err)
		p := lab.NewPolicyClient(c)
		action, err := p.Rcpt(fmt.Sprintf("i%d", i), "127.0.0.1", "", "news@"+senderDomain, "unknown@batch.lab")
		must(t, err)
		if !strings.HasPrefix(action, "550 5.1.1") {
			t.Errorf("round %d: action %q", i, action)
		}
		d.kill()
		p.Close()
		d.start(t)
	}
	d.stop()
}

// TestAllTwoDaemons starts a second daemon on the store of the first.
func TestAllTwoDaemons(t *testing.T) {
	w := begin(t)
	w.host("store.lab", lab.Host{Exists: users("alice")})
	first := w.startDaemon(t, "first", daemonOptions{})
	defer first.stop()
	config, err := os.ReadFile(first.config())
	must(t, err)
	second := filepath.Join(first.dir, "second.toml")
	text := strings.NewReplacer(first.policy, "127.0.0.1:19001", first.milter, "127.0.0.1:19002", first.http, "127.0.0.1:19003",
		"admin.sock", "second.sock", "audit.jsonl", "second.jsonl").Replace(string(config))
	must(t, os.WriteFile(second, []byte(text), 0o644))
	cmd := first.command("serve", "-c", second)
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit %d (%v), want 1: %s", code, err, out)
	}
	if !bytes.Contains(out, []byte("store")) {
		t.Errorf("it does not say what is wrong: %s", out)
	}
	check(t, first, "unknown@store.lab", "mailbox_not_found")
}

// check runs rcptgate check and compares the reason.
func check(t *testing.T, d *daemon, rcpt, reason string) {
	t.Helper()
	out, err := d.command("check", "-c", d.config(), "--json", rcpt).Output()
	if err != nil {
		t.Errorf("check: %v: %s", err, out)
	}
	var v struct{ Address, Reason string }
	if err := json.Unmarshal(out, &v); err != nil || v.Address != rcpt || v.Reason != reason {
		t.Errorf("check %s: %s (%v), want %s", rcpt, out, err, reason)
	}
}

// TestAllCheckUnderDaemon asks on the command line while the daemon holds the
// store, and again when it is gone.
func TestAllCheckUnderDaemon(t *testing.T) {
	w := begin(t)
	w.host("check.lab", lab.Host{Exists: users("alice")})
	d := w.startDaemon(t, "checked", daemonOptions{})
	check(t, d, "unknown@check.lab", "mailbox_not_found")
	check(t, d, "alice@check.lab", "accepted")
	before := w.lab.Count("mx.check.lab", "RCPT", 0)
	d.stop()
	check(t, d, "unknown@check.lab", "mailbox_not_found")
	if got := w.lab.Count("mx.check.lab", "RCPT", 0); got != before {
		t.Errorf("asked %d times more: the store did not keep the verdict", got-before)
	}
}

// TestAllReload reloads and rotates under load: no reply is wrong and no audit
// line is lost.
func TestAllReload(t *testing.T) {
	w := begin(t)
	w.host("reload.lab", lab.Host{Exists: users("alice")})
	d := w.startDaemon(t, "reload", daemonOptions{})
	near := w.startNear(t, "reloadpf", 3300, d)
	var asked, wrong atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, addr := range []string{near.addr, near.viaMilter, near.addr, near.viaMilter} {
		c := dialSMTP(t, addr)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					c.cmd("QUIT")
					return
				default:
				}
				replies := c.flight("MAIL FROM:<news@"+senderDomain+">", "RCPT TO:<unknown@reload.lab>", "RCPT TO:<alice@reload.lab>", "RSET")
				asked.Add(2)
				if !strings.HasPrefix(replies[1], "550 5.1.1") || !strings.HasPrefix(replies[2], "250") {
					wrong.Add(1)
					t.Errorf("replies %q", replies)
				}
			}
		})
	}
	const rounds = 20
	for i := range rounds {
		// As logrotate does it: rename, then the signal.
		must(t, os.Rename(d.path("audit.jsonl"), d.path(fmt.Sprintf("audit.jsonl.%d", i))))
		must(t, d.cmd.Process.Signal(syscall.SIGHUP))
		waitFor(t, "a new audit file", func() bool {
			_, err := os.Stat(d.path("audit.jsonl"))
			return err == nil
		})
		n := asked.Load()
		waitFor(t, "some load", func() bool { return asked.Load() > n+20 })
	}
	close(stop)
	wg.Wait()
	d.stop()
	lines := 0
	files, err := filepath.Glob(d.path("audit.jsonl*"))
	must(t, err)
	for _, f := range files {
		data, err := os.ReadFile(f)
		must(t, err)
		lines += bytes.Count(data, []byte(`"event":"decision"`))
	}
	if len(files) != rounds+1 || lines != int(asked.Load()) {
		t.Errorf("%d decisions in %d files, want %d in %d", lines, len(files), asked.Load(), rounds+1)
	}
}

// TestAllSameRequest sends one policy request twice, side by side and one after
// the other: Postfix does so when a connection breaks, and when the service is
// listed twice.
func TestAllSameRequest(t *testing.T) {
	w := begin(t)
	d := w.theGate(t)
	w.host("same.lab", lab.Host{Exists: users("alice"), Delay: map[string]time.Duration{"RCPT": 500 * time.Millisecond}})
	answers := make(chan string, 3)
	ask := func() {
		conn, err := net.Dial("tcp", d.policy)
		if err != nil {
			answers <- err.Error()
			return
		}
		p := lab.NewPolicyClient(conn)
		defer p.Close()
		action, err := p.Rcpt("same-instance", "127.0.0.1", "", "news@"+senderDomain, "unknown@same.lab")
		if err != nil {
			action = err.Error()
		}
		answers <- action
	}
	go ask()
	go ask()
	first, second := <-answers, <-answers
	go ask()
	third := <-answers
	if !strings.HasPrefix(first, "550 5.1.1") || first != second || first != third {
		t.Errorf("answers differ: %q, %q, %q", first, second, third)
	}
	// The address, and the control that each refusal has.
	if got := w.lab.Count("mx.same.lab", "MAIL", 0); got > 2 {
		t.Errorf("%d transactions at the far end, want at most 2", got)
	}
	if got := d.decided(t, 0, "unknown@same.lab"); len(got) != 1 {
		t.Errorf("%d audit lines, want 1: %+v", len(got), got)
	}
}
