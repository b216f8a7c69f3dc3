package verify

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// asker is a query as the doors send it.
func asker(budget time.Duration) func(*Query) {
	return func(q *Query) { q.Budget, q.Uncapped = budget, false }
}

// rejects is a Settled for a rule that rejects the reasons and accepts all else.
func rejects(rs ...verdict.Reason) func([]verdict.Reason, []verdict.Tag) bool {
	return func(possible []verdict.Reason, tags []verdict.Tag) bool {
		n := 0
		for _, r := range possible {
			if slices.Contains(rs, r) && !slices.Contains(tags, verdict.Suspect) {
				n++
			}
		}
		return n == 0 || n == len(possible)
	}
}

func TestSingleFlight(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.delay, w.pacer.rtt = time.Second, time.Second
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if v := w.ask("user@example.test"); v.Reason != verdict.Accepted {
					t.Errorf("%s", v.Reason)
				}
			})
		}
		synctest.Wait()
		if s := w.e.Snapshot(); s.Flights != 1 {
			t.Errorf("%d flights", s.Flights)
		}
		wg.Wait()
		w.wantAsked("1 user@example.test", "1 random@example.test")
		if w.dns.lookups != 1 {
			t.Errorf("%d lookups", w.dns.lookups)
		}
	})
}

func TestAskersOfDifferentBudgets(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.st.MaxWaitingPerSite = 100
		w.pacer.delay, w.pacer.rtt, w.pacer.eta = 5*time.Second, time.Second, time.Second
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			budget := time.Duration(i+1) * 500 * time.Millisecond
			wg.Go(func() {
				v := w.with("user@example.test", asker(budget))
				took, want := time.Since(start), verdict.Accepted
				if budget < 6*time.Second {
					want = verdict.Pending
				}
				switch {
				case budget == 6*time.Second: // the answer and the end of the budget come together
				case v.Reason != want || took != min(budget, 6*time.Second):
					// asked until its budget ends or the answer is there
					if budget < time.Second && took == 0 && v.Reason == verdict.Pending {
						return // predicted not to fit
					}
					t.Errorf("budget %v: %s after %v", budget, v.Reason, took)
				case v.Reason == verdict.Pending && v.RetryAfter <= 0:
					t.Error("pending without a time to come back")
				}
			})
		}
		wg.Wait()
		w.wantAsked("1 user@example.test")
	})
}

// An asker whose decision cannot change once the DNS has found MXs leaves, and
// takes the question along, unless it comes back for the answer.
func TestSettledByDNSIsNotAsked(t *testing.T) {
	for _, comesBack := range []bool{false, true} {
		inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
			w.dns.delay, w.pacer.rtt = time.Second, time.Second
			for i := range 20 {
				v := w.with(fmt.Sprintf("user%d@example.test", i), func(q *Query) {
					q.Settled, q.AcceptedWhenLeft = rejects(verdict.DomainNotFound), !comesBack
				})
				if v.Reason != verdict.NotProbed {
					t.Errorf("%s", v.Reason)
				}
			}
			time.Sleep(time.Minute)
			if n, q := len(w.pacer.log()), len(w.pacer.submitted); comesBack != (n > 0) || comesBack != (q > 0) {
				t.Errorf("comes back %v, and %d were queued, %d asked", comesBack, q, n)
			}
		})
	}
}

func TestSettledIsAnsweredAtOnce(t *testing.T) {
	for _, c := range []struct {
		name   string
		reject []verdict.Reason
		reply  func(string, pace.Kind, int) pace.Answer
		after  time.Duration
		want   verdict.Reason
		final  verdict.Reason
	}{
		{"all accepted: nothing to wait for", nil, only("user"), 0, verdict.NotProbed, verdict.Accepted},
		{"250 whatever the control says", []verdict.Reason{verdict.MailboxNotFound}, only("user"), time.Second, verdict.AcceptUnproven, verdict.Accepted},
		{"accept_all is rejected: waits for the control", []verdict.Reason{verdict.AcceptAll}, only("user"), 2 * time.Second, verdict.Accepted, verdict.Accepted},
		{"5xx waits for its control", []verdict.Reason{verdict.MailboxNotFound}, only("postmaster"), 2 * time.Second, verdict.MailboxNotFound, verdict.MailboxNotFound},
		{"5xx of another kind than is rejected", []verdict.Reason{verdict.DomainNotFound}, only("postmaster"), 0, verdict.NotProbed, verdict.MailboxNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
				w.dns.delay = 0
				w.pacer.rtt, w.pacer.reply = time.Second, c.reply
				start := time.Now()
				v := w.with("user@example.test", func(q *Query) { q.Settled = rejects(c.reject...) })
				if v.Reason != c.want || time.Since(start) != c.after {
					t.Errorf("%s after %v", v.Reason, time.Since(start))
				}
				synctest.Wait()
				if _, stored := w.store.GetVerdict(w.e.keyer.Key(addr(t, "user@example.test"))); stored != (c.after == 2*time.Second) {
					t.Errorf("stored %v", stored)
				}
				time.Sleep(3 * time.Second) // the work went on
				w.want("user@example.test", c.final)
			})
		})
	}
}

func TestPredictedNotToFit(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.pacer.delay = 30 * time.Second
		start := time.Now()
		v := w.with("user@example.test", asker(8*time.Second))
		if v.Reason != verdict.Pending || v.RetryAfter != 30*time.Second || time.Since(start) != 0 {
			t.Errorf("%s after %v, retry after %v", v.Reason, time.Since(start), v.RetryAfter)
		}
		time.Sleep(31 * time.Second)
		w.want("user@example.test", verdict.Accepted) // went on behind
		if !slices.Equal(w.pacer.live, []bool{false}) {
			t.Errorf("live %v", w.pacer.live)
		}
	})
}

func TestUncappedWaitsWhateverIsPredicted(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.st.MaxWaiting, w.st.MaxWaitingPerSite = 1, 1
		w.pacer.delay, w.pacer.eta = 30*time.Second, time.Hour
		w.want("user@example.test", verdict.Accepted)
		w.pacer.delay = 2 * time.Minute
		w.want("nobody@example.test", verdict.NotProbed) // no dialogue could begin
		synctest.Wait()
		if w.e.Snapshot().Flights != 0 {
			t.Error("a probe that nobody waits for is still queued")
		}
		w.pacer.delay, w.pacer.rtt = 0, 2*time.Minute
		if v := w.want("other@example.test", verdict.Pending); v.RetryAfter <= 0 {
			t.Error("pending without a time to come back")
		}
		time.Sleep(5 * time.Minute)
	})
}

func TestAfterAccept(t *testing.T) {
	for _, c := range []struct {
		name     string
		accepted bool
		all      bool
		begun    bool
		asked    bool
	}{
		{"deferred: queued goes on", false, false, false, true},
		{"accepted: queued is dropped", true, false, false, false},
		{"accepted, after_accept queue", true, true, false, true},
		{"accepted: begun is finished", true, false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
				w.st.AfterAcceptAll = c.all
				w.pacer.eta = time.Second
				if c.begun {
					w.pacer.rtt = 20 * time.Second
				} else {
					w.pacer.delay = 20 * time.Second
				}
				v := w.with("user@example.test", func(q *Query) {
					q.Budget, q.Uncapped, q.AcceptedWhenLeft = 8*time.Second, false, c.accepted
				})
				if v.Reason != verdict.Pending {
					t.Errorf("%s", v.Reason)
				}
				time.Sleep(time.Minute)
				if asked := len(w.pacer.log()) == 1; asked != c.asked {
					t.Errorf("asked %v", asked)
				}
			})
		})
	}
}

func TestClientThatHangsUp(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.pacer.delay = 20 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		v := w.e.Verify(ctx, &Query{Address: addr(t, "user@example.test"), Probe: true, Budget: time.Minute})
		if v.Reason != verdict.Pending || time.Since(start) != 3*time.Second {
			t.Errorf("%s after %v", v.Reason, time.Since(start))
		}
		time.Sleep(time.Minute)
		if w.pacer.canceled != 1 || len(w.pacer.log()) != 0 {
			t.Errorf("canceled %d, asked %q", w.pacer.canceled, w.pacer.log())
		}
		// One that stays keeps the probe of one that hangs up.
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			w.e.Verify(ctx, &Query{Address: addr(t, "user@example.test"), Probe: true, Budget: time.Minute})
		}()
		w.want("user@example.test", verdict.Accepted)
	})
}

func TestCutOffDialogueIsAskedAgain(t *testing.T) {
	hungUp := says(421, reply.Class{Reason: verdict.TemporaryFailure})
	for _, c := range []struct {
		name  string
		first pace.Answer
		again pace.Answer
		deny  bool
		want  verdict.Reason
		rcpts int
	}{
		{"lost", lost(), accept(), false, verdict.Accepted, 2},
		{"421", hungUp, accept(), false, verdict.Accepted, 2},
		{"lost twice", lost(), lost(), false, verdict.TemporaryFailure, 2},
		{"host at rest", lost(), accept(), true, verdict.TemporaryFailure, 1},
		{"421 about us", says(421, reply.Class{Reason: verdict.RateLimited, Scope: reply.ScopeSite}), accept(), false, verdict.RateLimited, 1},
	} {
		for _, drop := range []bool{false, true} {
			inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
				no := func(j job) *pace.Outcome {
					if c.deny && j.fresh {
						return &pace.Outcome{Reason: verdict.NotProbed}
					}
					return nil
				}
				if w.pacer.refuse = no; drop {
					w.pacer.refuse, w.pacer.drop = nil, no
				}
				w.pacer.reply = func(_ string, _ pace.Kind, conn int) pace.Answer {
					if conn == 1 {
						return c.first
					}
					return c.again
				}
				w.want("user@example.test", c.want)
				if got := w.pacer.log(); len(got) != c.rcpts {
					t.Errorf("%s: asked %q", c.name, got)
				}
			})
		}
	}
}

// An asker without time gets what is known, and what nobody comes back for is
// not begun: not even where a probe of the address is queued for others.
func TestBudgetZeroAfterAccept(t *testing.T) {
	const user = "user@example.test"
	noTime := func(accepted bool) func(*Query) {
		return func(q *Query) { q.Budget, q.Uncapped, q.AcceptedWhenLeft = 0, false, accepted }
	}
	other := func(q *Query) { q.Budget, q.Uncapped, q.AcceptedWhenLeft = 8*time.Second, false, true }
	for _, c := range []struct {
		name     string
		accepted bool
		all      bool
		beside   bool // another asker waits, who is told accept in the end
		asked    bool
	}{
		{name: "deferred", asked: true},
		{name: "accepted", accepted: true},
		{name: "accepted, after_accept queue", accepted: true, all: true, asked: true},
		{name: "accepted, beside one that waits", accepted: true, beside: true},
		{name: "deferred, beside one that waits", beside: true, asked: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
				w.st.AfterAcceptAll = c.all
				w.pacer.delay, w.pacer.eta = 20*time.Second, time.Second
				if c.beside {
					go w.with(user, other)
					synctest.Wait()
				}
				if v := w.with(user, noTime(c.accepted)); v.Reason != verdict.Pending || v.RetryAfter <= 0 {
					t.Errorf("%s, retry after %v", v.Reason, v.RetryAfter)
				}
				time.Sleep(time.Minute)
				if asked := len(w.pacer.log()) == 1; asked != c.asked {
					t.Errorf("asked %v", asked)
				}
				if flown := w.dns.lookups == 1; flown != (c.asked || c.beside) {
					t.Errorf("a flight %v", flown)
				}
			})
		})
	}
}

func TestBudgetZeroGetsWhatIsKnown(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.want("nobody@example.test", verdict.MailboxNotFound)
		time.Sleep(13 * time.Hour)
		v := w.with("nobody@example.test", func(q *Query) { q.Budget, q.AcceptedWhenLeft = 0, true })
		synctest.Wait()
		if v.Reason != verdict.MailboxNotFound || len(w.pacer.log()) != 1 {
			t.Errorf("%s, asked %q", v.Reason, w.pacer.log())
		}
	})
}

func TestBudgetZeroBeginsBehind(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.pacer.delay = 20 * time.Second
		v := w.with("user@example.test", func(q *Query) { q.Budget = 0 })
		if v.Reason != verdict.Pending || v.RetryAfter <= 0 {
			t.Errorf("%s, retry after %v", v.Reason, v.RetryAfter)
		}
		synctest.Wait()
		if w.pacer.submitted[0].live {
			t.Error("live without an asker")
		}
		v = w.with("user@example.test", asker(30*time.Second))
		if v.Reason != verdict.Accepted || !slices.Equal(w.pacer.live, []bool{true}) {
			t.Errorf("%s, live %v", v.Reason, w.pacer.live)
		}
	})
}

func TestMaxWaiting(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.st.MaxWaiting, w.st.MaxWaitingPerSite = 3, 100
		w.pacer.rtt = 2 * time.Second
		got := make(chan verdict.Reason, 5)
		for i := range 5 {
			go func() { got <- w.with(fmt.Sprintf("u%d@d%d.test", i, i), asker(8*time.Second)).Reason }()
		}
		synctest.Wait()
		if s := w.e.Snapshot(); s.Waiting != 3 || s.Flights != 3 || len(got) != 2 {
			t.Errorf("%+v, %d answered", s, len(got))
		}
		w.want("other@d9.test", verdict.MailboxNotFound) // not counted
		time.Sleep(3 * time.Second)
		n := 0
		for range 5 {
			if <-got == verdict.NotProbed {
				n++
			}
		}
		if n != 2 || len(w.pacer.log()) != 4 {
			t.Errorf("%d not probed, asked %q", n, w.pacer.log())
		}
	})
}

func TestMaxWaitingPerSite(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.st.MaxWaitingPerSite = 2
		w.pacer.rtt = 2 * time.Second
		got := make(chan verdict.Reason, 5)
		for i := range 5 {
			go func() { got <- w.with(fmt.Sprintf("u%d@d%d.test", i, i), asker(8*time.Second)).Reason }()
		}
		synctest.Wait()
		if s := w.e.Snapshot(); s.Waiting != 2 || s.Flights != 2 || len(got) != 3 {
			t.Errorf("%+v, %d answered", s, len(got))
		}
		// A second asker of a flight under way is counted too.
		if v := w.with("u0@d0.test", asker(8*time.Second)); v.Reason != verdict.NotProbed {
			t.Errorf("%s", v.Reason)
		}
		time.Sleep(3 * time.Second)
		if len(w.pacer.log()) != 2 {
			t.Errorf("asked %q", w.pacer.log())
		}
		for range 5 {
			<-got
		}
	})
}

// Askers of one flight that are too many for its site leave when the DNS has
// named it, and those below the cap stay.
func TestOverTheCapOfASiteLeavesAtOnce(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.st.MaxWaitingPerSite = 2
		w.dns.delay, w.pacer.rtt = time.Second, 2*time.Second
		start, left, got := time.Now(), 0, make(chan verdict.Reason, 5)
		for range cap(got) {
			go func() { got <- w.with("user@example.test", asker(8*time.Second)).Reason }()
		}
		for range cap(got) {
			switch r, took := <-got, time.Since(start); {
			case r == verdict.NotProbed && took == time.Second:
				left++
			case r != verdict.Accepted || took != 3*time.Second:
				t.Errorf("%s after %v", r, took)
			}
		}
		if left != 3 {
			t.Errorf("%d left", left)
		}
	})
}

func TestOverloadServesWhatIsKnown(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.want("nobody@example.test", verdict.MailboxNotFound)
		time.Sleep(13 * time.Hour)
		w.st.MaxWaiting, w.pacer.rtt = 1, time.Second
		go w.with("user@example.test", asker(8*time.Second))
		synctest.Wait()
		if v := w.with("nobody@example.test", asker(8*time.Second)); v.Reason != verdict.MailboxNotFound {
			t.Errorf("%s", v.Reason)
		}
		time.Sleep(2 * time.Second)
	})
}
