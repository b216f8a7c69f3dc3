//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
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
// that would have stored the verdict: it starts again, on a store that it can
// read, and asks again. That the far end is asked again proves that the verdict
// was unwritten at the kill; a round in which the batch was faster proves
// nothing, and does not count.
func TestAllKilledBeforeWrite(t *testing.T) {
	w := begin(t)
	w.host("batch.lab", lab.Host{Exists: users("alice")})
	d := w.startDaemon(t, "batch", daemonOptions{})
	ask := func(rcpt string) {
		t.Helper()
		c, err := net.Dial("tcp", d.policy)
		must(t, err)
		p := lab.NewPolicyClient(c)
		defer p.Close()
		action, err := p.Rcpt(rcpt, "127.0.0.1", "", "news@"+senderDomain, rcpt)
		must(t, err)
		if !strings.HasPrefix(action, "550 5.1.1") {
			t.Errorf("%s: action %q", rcpt, action)
		}
	}
	const wanted, most = 5, 20
	unwritten := 0
	for i := 0; unwritten < wanted; i++ {
		if i == most {
			t.Fatalf("the batch was faster than the kill in %d of %d rounds", most-unwritten, most)
		}
		rcpt := fmt.Sprintf("unknown%d@batch.lab", i)
		ask(rcpt)
		d.kill()
		d.start(t)
		before := w.lab.Count("mx.batch.lab", "RCPT", 5)
		ask(rcpt)
		if w.lab.Count("mx.batch.lab", "RCPT", 5) > before {
			unwritten++
		}
	}
	d.stop()
	if log, err := os.ReadFile(d.log()); err != nil || bytes.Contains(log, []byte("set aside")) {
		t.Errorf("a kill broke the store (%v): %s", err, log)
	}
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

// roundText is in the configuration that TestAllReload changes, and in each
// refusal under it.
var roundText = regexp.MustCompile(`round ([0-9]+)`)

// TestAllReload changes the configuration and rotates under load. Each refusal
// is worded by the configuration in force, no reply is wrong, no message and no
// audit line is lost.
func TestAllReload(t *testing.T) {
	w := begin(t)
	w.host("reload.lab", lab.Host{Exists: users("alice")})
	d := w.startDaemon(t, "reload", daemonOptions{policy: "[policy.reply.mailbox_not_found]\ntext = \"round 0\"\n"})
	near := w.startNear(t, "reloadpf", 3300, d)
	config, err := os.ReadFile(d.config())
	must(t, err)
	// What is in force for certain, and the newest that somebody was told.
	var inForce, newest, asked, accepted atomic.Int64
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
				least := inForce.Load()
				replies := c.flight("MAIL FROM:<news@"+senderDomain+">", "RCPT TO:<unknown@reload.lab>", "RCPT TO:<alice@reload.lab>", "DATA")
				asked.Add(2)
				round := int64(-1)
				if m := roundText.FindStringSubmatch(replies[1]); m != nil {
					round, _ = strconv.ParseInt(m[1], 10, 64)
				}
				if !strings.HasPrefix(replies[1], "550 5.1.1") || round < least || !strings.HasPrefix(replies[2], "250") {
					t.Errorf("round %d or later: replies %q", least, replies)
				}
				if reply := c.cmd("Subject: reload\r\n\r\nhello\r\n."); strings.HasPrefix(reply, "250") {
					accepted.Add(1)
				} else {
					t.Errorf("message: %q", reply)
				}
				for old := newest.Load(); round > old && !newest.CompareAndSwap(old, round); old = newest.Load() {
				}
			}
		})
	}
	const rounds = 20
	for i := int64(1); i <= rounds; i++ {
		must(t, os.WriteFile(d.config(), roundText.ReplaceAll(config, fmt.Appendf(nil, "round %d", i)), 0o644))
		// As logrotate does it: rename, then the signal.
		must(t, os.Rename(d.path("audit.jsonl"), d.path(fmt.Sprintf("audit.jsonl.%d", i))))
		must(t, d.cmd.Process.Signal(syscall.SIGHUP))
		waitFor(t, "a refusal by the new configuration", func() bool { return newest.Load() == i })
		inForce.Store(i)
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
	waitFor(t, fmt.Sprintf("%d messages in the queue", accepted.Load()), func() bool { return near.queued(t) == int(accepted.Load()) })
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
