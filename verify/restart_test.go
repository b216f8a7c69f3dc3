package verify

import (
	"fmt"
	"testing"
	"time"

	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// restart makes the engine forget what only the process remembers.
func (w *world) restart() { w.e.facts.init(w.store) }

// everybodyUnknown is the answer of an MX that refuses all alike.
func everybodyUnknown(string, pace.Kind, int) pace.Answer { return unknown() }

// TestRestartRefillsNoPlainRefusals: at most 4 an hour beside an unknown
// postmaster@, however often the process begins anew.
func TestRestartRefillsNoPlainRefusals(t *testing.T) {
	inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
		w.pacer.reply = everybodyUnknown
		for i := range 10 {
			want := verdict.MailboxNotFound
			if i >= plainPerHour {
				want = verdict.BlanketRefusal
			}
			w.want(fmt.Sprintf("n%d@example.test", i), want)
			w.restart()
			time.Sleep(5 * time.Minute)
		}
		time.Sleep(10 * time.Minute) // an hour since the first
		w.want("n10@example.test", verdict.MailboxNotFound)
		w.restart()
		time.Sleep(time.Minute)
		w.want("n11@example.test", verdict.BlanketRefusal)
	})
}

// The counter outlives what is known of catch-all, and the other way round.
func TestPlainCounterAndCatchAllShareARecord(t *testing.T) {
	inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
		w.pacer.reply = everybodyUnknown
		d := w.e.keyer.DomainKey(addr(t, "n@example.test").Domain())
		for i := range plainPerHour {
			w.want(fmt.Sprintf("n%d@example.test", i), verdict.MailboxNotFound)
		}
		if _, ok := w.e.facts.domain(d, "", time.Now()); ok {
			t.Error("a counter alone is taken for a catch-all fact")
		}
		w.pacer.reply = only("user")
		w.want("user@example.test", verdict.Accepted) // learns: no catch-all
		w.restart()
		if f, ok := w.e.facts.domain(d, "mx.test", time.Now()); !ok || f.CatchAll != CatchAllNo || len(f.Plain) != plainPerHour {
			t.Errorf("%v %+v", ok, f)
		}
		w.pacer.reply = everybodyUnknown
		w.want("last@example.test", verdict.BlanketRefusal)
	})
}

func TestDomainFactUntil(t *testing.T) {
	t0 := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	hour := func(h int) time.Time { return t0.Add(time.Duration(h) * time.Hour) }
	for _, c := range []struct {
		f    DomainFact
		want time.Time
	}{
		{DomainFact{}, time.Time{}},
		{DomainFact{ExpiresAt: hour(2)}, hour(2)},
		{DomainFact{Plain: []time.Time{t0, hour(1)}}, hour(2)},
		{DomainFact{ExpiresAt: hour(5), Plain: []time.Time{hour(1)}}, hour(5)},
		{DomainFact{ExpiresAt: hour(1), Plain: []time.Time{hour(1)}}, hour(2)},
	} {
		if got := c.f.Until(); !got.Equal(c.want) {
			t.Errorf("%+v: %v", c.f, got)
		}
	}
}

// TestRestartRefillsNoNegatives is the same for rule 4c.
func TestRestartRefillsNoNegatives(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		for i := range 20 {
			v := w.want(fmt.Sprintf("n%d@example.test", i), verdict.MailboxNotFound)
			if v.Has(verdict.Suspect) != (i >= freeNegatives) {
				t.Errorf("negative %d: suspect %v", i+1, v.Has(verdict.Suspect))
			}
			w.restart()
			time.Sleep(7 * time.Minute) // the hour slides over all of them
		}
		time.Sleep(time.Hour)
		if v := w.want("later@example.test", verdict.MailboxNotFound); v.Has(verdict.Suspect) {
			t.Error("suspect after an hour without a negative")
		}
	})
}

// A stored counter is what it was a minute ago at most, and bounded.
func TestNegativesAreStoredOnceAMinute(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		for i := range 100 {
			w.want(fmt.Sprintf("n%d@example.test", i), verdict.MailboxNotFound)
			time.Sleep(time.Second)
			f, _ := w.store.GetSite("mx.test")
			if n := len(f.Negatives); n != freeNegatives || (i > 0 && time.Since(f.Negatives[0]) > time.Minute+2*time.Second) {
				t.Fatalf("after %d: %v", i+1, f.Negatives)
			}
		}
	})
}

// TestFutureCountersCountAsNow: the clock was set back by six hours.
func TestFutureCountersCountAsNow(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		future := time.Now().Add(6 * time.Hour)
		w.store.PutSite("mx.test", SiteFact{Negatives: []time.Time{future, future}})
		w.store.PutSite("mx.short.test", SiteFact{Negatives: []time.Time{future}})
		w.store.PutSite("mx.long.test", SiteFact{Negatives: []time.Time{{}, {}, {}, {}, future}})
		for host, free := range map[string]int{"mx.test": 0, "mx.short.test": 1, "mx.long.test": 1} {
			w.dns.set(func(d *fakeDNS) { d.host = host })
			for i := range 3 {
				v := w.want(fmt.Sprintf("n%d@%s", i, host), verdict.MailboxNotFound)
				if v.Has(verdict.Suspect) != (i >= free) {
					t.Errorf("%s: negative %d: suspect %v", host, i+1, v.Has(verdict.Suspect))
				}
			}
		}
		time.Sleep(time.Hour)
		w.dns.set(func(d *fakeDNS) { d.host = "mx.test" })
		if v := w.want("later@example.test", verdict.MailboxNotFound); v.Has(verdict.Suspect) {
			t.Error("it counts for longer than an hour")
		}
	})
}

// TestOnlyAFreshAnswerVouches: a verdict out of the store is of another clock.
func TestOnlyAFreshAnswerVouches(t *testing.T) {
	for name, at := range map[string]time.Duration{
		"a minute ago": -time.Minute, "just now": 0, "in the future": 6 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
				good := addr(t, "user@example.test")
				v := verdict.New(verdict.Accepted, verdict.FromProbe, time.Now().Add(at).Round(0))
				v.Site = "mx.test"
				w.store.PutVerdict(w.e.keyer.Key(good), v)
				w.want("user@example.test", verdict.Accepted)
				w.pacer.canAsk = func(k pace.Kind, _ int) bool { return k != pace.KindPositive }
				for i := range 5 {
					v := w.want(fmt.Sprintf("n%d@example.test", i), verdict.MailboxNotFound)
					if v.Has(verdict.Suspect) != (i >= freeNegatives) {
						t.Errorf("negative %d: suspect %v", i+1, v.Has(verdict.Suspect))
					}
				}
				// It is known to exist all the same, unless its time is nonsense.
				if a, ok := w.e.facts.goodAtSite("mx.test", time.Now()); ok != (at <= 0) || (ok && a != good) {
					t.Errorf("known good: %v %v", a, ok)
				}
			})
		})
	}
}
