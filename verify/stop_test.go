package verify

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

func TestPanicsAreOurOwnTrouble(t *testing.T) {
	for name, set := range map[string]func(w *world, q *Query){
		"resolver":     func(w *world, _ *Query) { w.dns.panics = true },
		"conversation": func(w *world, _ *Query) { w.pacer.reply = func(string, pace.Kind, int) pace.Answer { panic("reply") } },
		"control": func(w *world, _ *Query) {
			w.pacer.reply = func(_ string, k pace.Kind, _ int) pace.Answer {
				if k == pace.KindRandom {
					panic("random")
				}
				return accept()
			}
		},
		"settled": func(w *world, q *Query) {
			w.dns.delay = time.Second // or the verdict may be there before it matters
			q.Settled = func([]verdict.Reason, []verdict.Tag) bool { panic("settled") }
		},
		"settings": func(w *world, _ *Query) {
			w.e.settings = func() *Settings { return nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
				q := Query{Address: addr(t, "user@example.test"), Probe: true, Budget: time.Minute}
				set(w, &q)
				v := w.e.Verify(t.Context(), &q)
				if v.Reason != verdict.InternalError && name != "control" {
					t.Errorf("%s", v.Reason)
				}
				synctest.Wait()
				if w.e.panics.Load() != 1 {
					t.Errorf("%d panics counted", w.e.panics.Load())
				}
			})
		})
	}
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, provider.Truthful)
		w.pacer.rtt = 5 * time.Second
		begun, queued := make(chan verdict.Reason, 1), make(chan verdict.Reason, 1)
		go func() { begun <- w.ask("user@example.test").Reason }()
		synctest.Wait()
		w.pacer.mu.Lock()
		w.pacer.delay = time.Hour
		w.pacer.mu.Unlock()
		go func() { queued <- w.ask("other@example.test").Reason }()
		synctest.Wait()
		start := time.Now()
		if err := w.e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if a, b := <-begun, <-queued; a != verdict.Accepted || b != verdict.NotProbed || time.Since(start) != 5*time.Second {
			t.Errorf("%s and %s after %v", a, b, time.Since(start))
		}
		w.want("third@example.test", verdict.NotProbed)
		w.want("user@example.test", verdict.Accepted) // what is known is still said
		if err := w.e.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if w.e.Start() == nil {
			t.Error("started after Stop")
		}
		w.pacer.wg.Wait()
	})
}

func TestStopThatRunsOutOfTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, provider.Truthful)
		w.pacer.rtt = time.Hour
		got := make(chan verdict.Reason, 1)
		go func() { got <- w.with("user@example.test", func(q *Query) { q.Budget = 2 * time.Hour }).Reason }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if w.e.Stop(ctx) == nil {
			t.Error("no error though a flight is under way")
		}
		if r := <-got; r != verdict.NotProbed {
			t.Errorf("%s", r)
		}
		w.pacer.wg.Wait() // the late answer finds its flight ended
	})
}

func TestSiteThatCannotBeTalkedTo(t *testing.T) {
	for _, r := range []verdict.Reason{verdict.Unreachable, verdict.Timeout} {
		inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
			down := true
			w.pacer.drop = func(job) *pace.Outcome {
				if down {
					return &pace.Outcome{Reason: r}
				}
				return nil
			}
			w.want("user@example.test", r)
			for i := range 20 {
				w.want(fmt.Sprintf("u%d@d%d.test", i, i), r)
			}
			if len(w.pacer.submitted) != 1 {
				t.Errorf("dialled %d times for one site", len(w.pacer.submitted))
			}
			time.Sleep(6 * time.Minute)
			w.want("u20@d20.test", r) // asked again past five minutes
			down = false
			time.Sleep(6 * time.Minute)
			w.want("user@d21.test", verdict.Accepted)
			w.want("user@d22.test", verdict.Accepted)
			if len(w.pacer.submitted) != 4 {
				t.Errorf("%d jobs", len(w.pacer.submitted))
			}
		})
	}
}

func TestConcurrentEverything(t *testing.T) {
	w := newWorld(t, provider.PerDomain)
	w.st.MaxWaiting = 20
	w.pacer.reply = only("u1", "u3", "u5", "postmaster")
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 60 {
				a, err := address.Parse(fmt.Sprintf("u%d@d%d.test", i%8, (i+g)%5), address.External)
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i%3)*time.Millisecond)
				v := w.e.Verify(ctx, &Query{
					Address: a, Probe: true, Budget: time.Duration(i%4) * time.Second, Uncapped: i%2 == 0,
					AcceptedWhenLeft: i%3 == 0, RetryGreylisted: i%5 == 0, Settled: rejects(verdict.MailboxNotFound),
				})
				cancel()
				good := i%8 == 1 || i%8 == 3 || i%8 == 5
				if (good && v.Status() == verdict.Undeliverable) || (!good && v.Status() == verdict.Deliverable) {
					t.Errorf("%s: %s", a, v.Reason)
				}
			}
		})
	}
	wg.Wait()
	w.stop(t)
}
