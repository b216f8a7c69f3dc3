package verify

import (
	"slices"
	"testing"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// A negative that the DNS has just refuted does not settle the asker who has it
// at hand: it rejects domain_not_found and defers temporary_failure, and the
// null MX of two hours ago is gone.
func TestRefutedNegativeSettlesNobody(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.dns.outcome = mx.NullMX
		w.want("user@example.test", verdict.DomainNoMail)
		time.Sleep(2 * time.Hour) // stale
		w.dns.set(func(d *fakeDNS) { d.outcome = mx.Found; d.delay = time.Second })
		w.pacer.rtt = time.Second
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return later(verdict.TemporaryFailure) }
		act := func(r verdict.Reason) int {
			switch r {
			case verdict.DomainNotFound:
				return 5
			case verdict.TemporaryFailure:
				return 4
			}
			return 2
		}
		same := func(p []verdict.Reason, _ []verdict.Tag) bool {
			return !slices.ContainsFunc(p, func(r verdict.Reason) bool { return act(r) != act(p[0]) })
		}
		v := w.with("user@example.test", func(q *Query) {
			q.Settled, q.AcceptedWhenLeft, q.Uncapped = same, true, false
			q.Budget = 8 * time.Second
		})
		if len(w.pacer.log()) == 0 || v.Reason != verdict.TemporaryFailure {
			t.Errorf("%s %q, asked %q", v.Reason, v.Evidence.Text, w.pacer.log())
		}
	})
}

// Who comes when a flight has just found nobody to ask for begins another.
func TestJoinAfterNobody(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		f := &flight{
			key: w.e.keyer.Key(addr(t, "nobody@example.test")), addr: addr(t, "nobody@example.test"), st: w.st,
			changed: make(chan struct{}), possible: possibleAtMX, waiters: map[*waiter]struct{}{},
		}
		w.e.mu.Lock()
		w.e.flights[f.key] = f
		w.e.mu.Unlock()
		if _, wanted := w.e.arrive(f); wanted {
			t.Error("a flight without askers is wanted")
		}
		w.want("nobody@example.test", verdict.MailboxNotFound)
	})
}
