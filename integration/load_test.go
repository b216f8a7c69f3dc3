//go:build integration

package integration

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// TestAllHundredWaiting lets 100 smtpd processes wait at once, for 100 sites
// that answer late. All are answered, and meanwhile what is known is too.
func TestAllHundredWaiting(t *testing.T) {
	w := begin(t)
	d := w.startDaemon(t, "crowd", daemonOptions{})
	defer d.kill() // a drain would wait for the slow dialogues
	near := w.startNear(t, "crowdpf", 3400, d)
	w.host("known.lab", lab.Host{Exists: users("alice")})
	askAll(t, d, near.addr, []outcome{{"unknown@known.lab", "550 5.1.1", "mailbox_not_found"}})

	const n = 100
	// Sessions cost a process each: all are there before the first RCPT, so that
	// no budget ends before the last.
	sessions := make([]*client, n+1)
	for i := range sessions {
		sessions[i] = dialSMTP(t, []string{near.addr, near.viaMilter}[i%2])
		sessions[i].want("250", sessions[i].cmd("MAIL FROM:<news@%s>", senderDomain))
	}
	replies := make(chan string, n)
	for i, c := range sessions[:n] {
		domain := fmt.Sprintf("tar%d.lab", i)
		w.host(domain, lab.Host{Exists: users("alice"), Delay: map[string]time.Duration{"RCPT": 20 * time.Second}})
		go func() { replies <- c.cmd("RCPT TO:<unknown@%s>", domain) }()
	}
	// 80 wait (max_waiting), 20 were told at once. What is known is answered
	// before any of the 80.
	for range n - 80 {
		if r := <-replies; !strings.HasPrefix(r, "250") {
			t.Errorf("past max_waiting: %q", r)
		}
	}
	sessions[n].want("550 5.1.1", sessions[n].cmd("RCPT TO:<unknown@known.lab>"))
	if got := len(replies); got > 0 {
		t.Errorf("%d of the waiting were answered before what is known", got)
	}
	for range 80 {
		if r := <-replies; !strings.HasPrefix(r, "250") {
			t.Errorf("budget over: %q", r)
		}
	}
}

// TestAllEgressCut takes the network away. Once the daemon has seen that it is
// blind, misses are answered at once, and what is known still counts.
func TestAllEgressCut(t *testing.T) {
	w := begin(t)
	d := w.startDaemon(t, "blind", daemonOptions{})
	defer d.stop()
	for i := range 8 {
		w.host(fmt.Sprintf("cut%d.lab", i), lab.Host{
			Addrs:  []netip.Addr{netip.MustParseAddr(fmt.Sprintf("198.18.9.%d", i+1))},
			Exists: users("alice"),
		})
	}
	conn, err := net.Dial("tcp", d.policy)
	must(t, err)
	p := lab.NewPolicyClient(conn)
	defer p.Close()
	instance := 0
	ask := func(rcpt string) string {
		instance++
		action, err := p.Rcpt(fmt.Sprint("cut", instance), "127.0.0.1", "", "news@"+senderDomain, rcpt)
		must(t, err)
		return action
	}
	if got := ask("unknown@cut0.lab"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Fatalf("with a network: %q", got)
	}
	must(t, command("ip route del local 198.18.0.0/15 dev lo"))
	defer func() { must(t, command("ip route add local 198.18.0.0/15 dev lo")) }()
	for i := range 7 {
		if got := ask(fmt.Sprintf("unknown@cut%d.lab", i+1)); got != "DUNNO" {
			t.Errorf("site %d: %q", i+1, got)
		}
	}
	var took []time.Duration
	for i := range 200 {
		start := time.Now()
		if got := ask(fmt.Sprintf("someone%d@cut%d.lab", i, i%8)); got != "DUNNO" {
			t.Errorf("blind: %q", got)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	fmt.Fprintf(os.Stdout, "integration: egress cut: a miss is answered after %s (median), %s (p99)\n", took[len(took)/2], took[len(took)*99/100])
	if got := d.reason(t, "someone199@cut7.lab"); got != "not_probed" {
		t.Errorf("reason %s, want not_probed", got)
	}
	if got := ask("unknown@cut0.lab"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Errorf("known, blind: %q", got)
	}
}

// TestAllCallout asks an Exim that, before it answers, asks the MX of our probe
// sender by SMTP. That MX is our own Postfix, which asks us: nobody may wait for
// itself.
func TestAllCallout(t *testing.T) {
	w := begin(t)
	w.theExim(t)
	near := w.theNear(t)
	d := w.theGate(t)
	askAll(t, d, near.addr, []outcome{
		{"alice@callout.exim", "250", "accepted|accept_unproven"},
		{"unknown@callout.exim", "550 5.1.1", "mailbox_not_found"},
	})
	log, err := os.ReadFile(near.log())
	must(t, err)
	if !strings.Contains(string(log), "["+farExim+"]") {
		t.Error("Exim made no callout")
	}
	for _, e := range d.events(t) {
		if e.Event == "decision" && e.Recipient == probeSender && e.Action != "accept" {
			t.Errorf("our own probe sender was refused: %+v", e)
		}
	}
}
