package verify

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// greylister records when it was asked and defers until ends.
type greylister struct {
	ends time.Time
	mu   sync.Mutex
	at   []time.Duration
}

func newGreylister(w *world, delay time.Duration) *greylister {
	g := &greylister{ends: time.Now().Add(delay)}
	start := time.Now()
	w.pacer.reply = func(_ string, _ pace.Kind, _ int) pace.Answer {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.at = append(g.at, time.Since(start))
		if time.Now().Before(g.ends) {
			return later(verdict.Greylisted)
		}
		return accept()
	}
	return g
}

// wantAt checks that retries came at the times, at most the jitter late.
func (g *greylister) wantAt(t *testing.T, want ...time.Duration) {
	t.Helper()
	g.mu.Lock()
	defer g.mu.Unlock()
	ok := len(g.at) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = g.at[i] >= want[i] && g.at[i] <= want[i]+retryJitter
	}
	if !ok {
		t.Errorf("asked at %v, want %v", g.at, want)
	}
}

func deferred(q *Query) { q.RetryGreylisted = true }

func TestGreylistSchedule(t *testing.T) {
	for _, c := range []struct {
		delay time.Duration
		at    []time.Duration
		end   verdict.Reason
	}{
		{5 * time.Minute, []time.Duration{0, 6 * time.Minute}, verdict.Accepted},
		{15 * time.Minute, []time.Duration{0, 6 * time.Minute, 20 * time.Minute}, verdict.Accepted},
		{time.Hour, []time.Duration{0, 6 * time.Minute, 20 * time.Minute, 65 * time.Minute}, verdict.Accepted},
		{24 * time.Hour, []time.Duration{0, 6 * time.Minute, 20 * time.Minute, 65 * time.Minute}, verdict.Greylisted},
	} {
		t.Run(c.delay.String(), func(t *testing.T) {
			inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
				g := newGreylister(w, c.delay)
				start := time.Now()
				v := w.with("user@example.test", deferred)
				if v.Reason != verdict.Greylisted || time.Since(start) != 0 {
					t.Errorf("%s after %v: no asker waits for the schedule", v.Reason, time.Since(start))
				}
				if w.e.Snapshot().Greylist != 1 {
					t.Error("not on the schedule")
				}
				time.Sleep(100 * time.Minute)
				synctest.Wait()
				g.wantAt(t, c.at...)
				w.want("user@example.test", c.end)
				if w.e.Snapshot().Greylist != 0 {
					t.Error("still on the schedule")
				}
				for _, j := range w.pacer.submitted[1:] {
					if j.why != pace.WhyGreylist || j.source != v.Evidence.SourceIP || !j.source.IsValid() || j.live {
						t.Errorf("retried as %s from %v, live %v", j.why, j.source, j.live)
					}
				}
			})
		})
	}
}

func TestGreylistedIsNotRetriedUnasked(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		g := newGreylister(w, 5*time.Minute)
		w.want("user@example.test", verdict.Greylisted)
		time.Sleep(10 * time.Minute)
		g.wantAt(t, 0)
		// An asker that comes back for the answer puts it on the schedule,
		// from where the first deferral stands.
		w.with("user@example.test", deferred)
		w.with("user@example.test", deferred)
		time.Sleep(time.Hour)
		g.wantAt(t, 0, 20*time.Minute)
		w.want("user@example.test", verdict.Accepted)
	})
}

func TestGreylistRetryThatIsRefused(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		g := newGreylister(w, 5*time.Minute)
		w.with("user@example.test", deferred)
		w.pacer.set(func(p *fakePacer) {
			p.refuse = func(job) *pace.Outcome { return &pace.Outcome{Reason: verdict.NotProbed} }
		})
		time.Sleep(10 * time.Minute)
		w.pacer.set(func(p *fakePacer) { p.refuse = nil })
		w.want("user@example.test", verdict.Greylisted) // stands meanwhile
		time.Sleep(15 * time.Minute)
		g.wantAt(t, 0, 20*time.Minute)
	})
}

func TestGreylistEndsWithTheSettings(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		g := newGreylister(w, time.Hour)
		w.with("user@example.test", deferred)
		st := *w.st
		st.SkipDomains = []string{"example.test"}
		w.next.Store(&st)
		time.Sleep(2 * time.Hour)
		g.wantAt(t, 0)
		if w.e.Snapshot().Greylist != 0 {
			t.Error("still on the schedule")
		}
	})
}

func TestGreylistConclusiveAnswerMeanwhile(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		g := newGreylister(w, time.Hour)
		w.with("user@example.test", deferred)
		w.dns.set(func(d *fakeDNS) { d.outcome = mx.NXDomain })
		time.Sleep(10 * time.Minute)
		w.dns.set(func(d *fakeDNS) { d.outcome = "" })
		w.want("user@example.test", verdict.DomainNotFound)
		time.Sleep(2 * time.Hour)
		g.wantAt(t, 0)
	})
}

func TestGreylistIsBounded(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		now := time.Now()
		for i := range maxGreylist + 10 {
			w.e.retryLater(addr(t, fmt.Sprintf("u%d@example.test", i)), "", netip.Addr{}, now)
		}
		if n := w.e.Snapshot().Greylist; n != maxGreylist {
			t.Errorf("%d on the schedule", n)
		}
	})
}
