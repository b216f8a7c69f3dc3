package daemon

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/policy"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// TestPaceAtOneSite asks about 980 existing and 20 unknown addresses of one
// domain at once, at a site that nobody knows, under the default pace, and
// counts at the far end: no number of the table is exceeded in any window, and
// all is decided within 1.1 times what the table implies.
func TestPaceAtOneSite(t *testing.T) {
	for _, c := range []struct{ name, postmaster string }{
		{"postmaster accepted", ""},
		{"postmaster unknown", "550 5.1.1 <ADDR>: Recipient address rejected: User unknown"},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, lab.Options{RTT: benchRTT}, `queue_timeout = "24h"`, func(t *testing.T, n *lab.Internet, core *Core) {
				n.Site("site.test", lab.Host{
					Postmaster: c.postmaster,
					Exists:     func(local, _ string) bool { return strings.HasPrefix(local, "user-") },
				})
				took := askAll(t, core)
				n.Close()
				log := n.Log()
				checkTable(t, log, provider.DefaultLimits())
				implied := impliedTime(log, provider.DefaultLimits())
				t.Logf("decided in %v; the table implies %v for what was asked: ratio %.3f (wanted: at most 1.1)",
					took.Round(time.Second), implied.Round(time.Second), took.Seconds()/implied.Seconds())
				if took > implied*11/10 {
					t.Errorf("took %v, the table implies %v", took, implied)
				}
			})
		})
	}
}

// askAll asks about all addresses at once, in an order as a list has it, and
// returns when the last one was decided. The list begins with two unknown
// ones, for which postmaster is the only control.
func askAll(t *testing.T, core *Core) time.Duration {
	const existing, unknown, lead = 980, 20, 2
	locals := make([]string, 0, existing+unknown)
	for i := range unknown {
		locals = append(locals, fmt.Sprintf("gone-%d", i))
	}
	for i := range existing {
		locals = append(locals, fmt.Sprintf("user-%d", i))
	}
	rest := locals[lead:]
	rand.New(rand.NewPCG(8, 20)).Shuffle(len(rest), func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
	start := time.Now()
	verdicts := make([]*verdict.Verdict, len(locals))
	var wg sync.WaitGroup
	for i, local := range locals {
		wg.Go(func() {
			verdicts[i], _ = core.policy.VerifyNow(t.Context(), local+"@site.test", "", "", 48*time.Hour, policy.DoorCLI)
		})
	}
	wg.Wait()
	took := time.Since(start)
	reasons := map[verdict.Reason]int{}
	for i, v := range verdicts {
		reasons[v.Reason]++
		want := verdict.Accepted
		if strings.HasPrefix(locals[i], "gone-") {
			want = verdict.MailboxNotFound
		}
		if v.Reason != want {
			t.Errorf("%s: %s, want %s (%+v)", locals[i], v.Reason, want, v.Evidence)
		}
	}
	t.Logf("verdicts: %v", reasons)
	return took
}

// checkTable fails where the far end, one MX address, saw more than a number
// of the table.
func checkTable(t *testing.T, log []lab.Entry, l provider.Limits) {
	t.Helper()
	most := func(name string, got, limit int) {
		t.Helper()
		t.Logf("%-24s at most %3d of %3d", name, got, limit)
		if got > limit {
			t.Errorf("%s: %d, the table says %d", name, got, limit)
		}
	}
	verb := func(v string) func(lab.Entry) bool { return func(e lab.Entry) bool { return e.Verb == v } }
	refused := func(e lab.Entry) bool { return e.Verb == "RCPT" && e.Code/100 == 5 }
	random := func(e lab.Entry) bool {
		return refused(e) && !listed(e) && !strings.Contains(e.Arg, "<postmaster@")
	}
	all := func(lab.Entry) bool { return true }
	most("connections", lab.MaxOpen(log, all), l.Connections)
	most("connections_per_minute", lab.MaxInWindow(log, time.Minute, verb("CONNECT")), l.ConnectionsPerMinute)
	most("probes_per_minute", lab.MaxInWindow(log, time.Minute, verb("RCPT")), l.ProbesPerMinute)
	most("invalid_per_hour", lab.MaxInWindow(log, time.Hour, refused), l.InvalidPerHour)
	most("random controls an hour", lab.MaxInWindow(log, time.Hour, random), (3*l.InvalidPerHour+9)/10)

	type session struct {
		rcpts, invalid, inTransaction int
		last                          time.Time // of an asked address
	}
	sessions := map[int]*session{}
	// An address is asked once; seen again, it is the control of another.
	seen := map[string]bool{}
	rcpts, invalid, together, closest := 0, 0, 0, time.Hour
	for _, e := range log {
		s := sessions[e.Session]
		if s == nil {
			s = &session{}
			sessions[e.Session] = s
		}
		switch e.Verb {
		case "MAIL":
			s.inTransaction = 0
		case "RCPT":
			s.rcpts++
			s.inTransaction++
			if refused(e) {
				s.invalid++
			}
			if listed(e) && !seen[e.Arg] {
				seen[e.Arg] = true
				if !s.last.IsZero() {
					closest = min(closest, e.At.Sub(s.last))
				}
				s.last = e.At
			}
		}
		rcpts, invalid, together = max(rcpts, s.rcpts), max(invalid, s.invalid), max(together, s.inTransaction)
	}
	most("rcpts_per_session", rcpts, l.RcptsPerSession)
	most("rcpts_per_transaction", together, l.RcptsPerTransaction)
	most("invalid_per_session", invalid, l.InvalidPerSession)
	t.Logf("%-24s at least %v of %v, in %d sessions", "min_interval", closest, l.MinInterval, len(sessions))
	if closest < l.MinInterval {
		t.Errorf("min_interval: %v, the table says %v", closest, l.MinInterval)
	}
}

// listed tells the addresses of the list from postmaster and random ones.
func listed(e lab.Entry) bool {
	return strings.Contains(e.Arg, "<user-") || strings.Contains(e.Arg, "<gone-")
}

// impliedTime is what the table implies for the RCPTs that the far end saw, in
// their order: each as soon as probes_per_minute has room for it, and, because
// nobody knows beforehand whom the server will refuse, invalid_per_hour has
// room for a refusal. The other numbers allow more a minute: 20 connections of
// 5 RCPTs, or 2 of one a second.
func impliedTime(log []lab.Entry, l provider.Limits) time.Duration {
	var all, bad []time.Duration
	at := time.Duration(0)
	for _, e := range log {
		if e.Verb != "RCPT" {
			continue
		}
		if i := len(all) - l.ProbesPerMinute; i >= 0 {
			at = max(at, all[i]+time.Minute)
		}
		if i := len(bad) - l.InvalidPerHour; i >= 0 {
			at = max(at, bad[i]+time.Hour)
		}
		all = append(all, at)
		if e.Code/100 == 5 {
			bad = append(bad, at)
		}
	}
	return at
}
