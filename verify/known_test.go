package verify

import (
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

func TestNeverAsked(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.st.SkipDomains = []string{"partner.test", ".intern.test"}
		for _, s := range []string{
			"postmaster", "user@[192.0.2.1]", "user@localhost", "user@example.1",
			"user@printer.local", "user@db.internal", "user@nas.lan", "user@r.home.arpa", "user@home.arpa",
			"user@out1.example.com", "user@partner.test", "user@a.intern.test", "verify@probe.example.com",
			"VERIFY@probe.example.com", "Verify@Probe.Example.COM",
		} {
			a, err := address.Parse(s, address.External)
			if err != nil {
				t.Fatalf("%s: %v", s, err)
			}
			v := w.e.Verify(t.Context(), &Query{Address: a, Probe: true, Budget: time.Minute, Uncapped: true})
			if v.Reason != verdict.NotProbed {
				t.Errorf("%s: %s", s, v.Reason)
			}
		}
		for _, s := range []string{"verify@probe.example.com", "Verify@probe.example.com"} {
			v := w.with("user@elsewhere.test", func(q *Query) { q.Sender = addr(t, s) })
			if v.Reason != verdict.NotProbed {
				t.Errorf("from %s: %s", s, v.Reason)
			}
		}
		if w.dns.lookups != 0 || len(w.pacer.log()) != 0 {
			t.Errorf("%d lookups, asked %q", w.dns.lookups, w.pacer.log())
		}
		w.want("user@sub.partner.test", verdict.Accepted)
		w.want("user@intern.test", verdict.Accepted)
	})
}

func TestOutcomesWithoutDialogue(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(w *world)
		want   verdict.Reason
		origin verdict.Origin
		stored bool
	}{
		{"nxdomain", func(w *world) { w.dns.outcome = mx.NXDomain }, verdict.DomainNotFound, verdict.FromDNS, true},
		{"no mail", func(w *world) { w.dns.outcome = mx.NoMail }, verdict.DomainNoMail, verdict.FromDNS, true},
		{"null mx", func(w *world) { w.dns.outcome = mx.NullMX }, verdict.DomainNoMail, verdict.FromDNS, true},
		{"no target", func(w *world) { w.dns.outcome = mx.NoTarget }, verdict.Unreachable, verdict.FromDNS, true},
		{"reserved", func(w *world) { w.dns.outcome = mx.Reserved }, verdict.MXReserved, verdict.FromDNS, true},
		{"failed", func(w *world) { w.dns.outcome = mx.Failed }, verdict.DNSFailure, verdict.FromDNS, true},
		{"failed and blind", func(w *world) { w.dns.outcome, w.dns.blind = mx.Failed, true }, verdict.NotProbed, "", false},
		{"trouble of our own", func(w *world) { w.dns.outcome = mx.Unasked }, verdict.NotProbed, "", false},
		{"forbidden", func(w *world) { w.terms.Probing = false }, verdict.NotProbed, "", false},
		{"accept-all provider", func(w *world) { w.terms.Truth = provider.AcceptAll }, verdict.AcceptAll, verdict.FromList, true},
		{"unfit", func(w *world) { w.st.Unfit = "no hostname" }, verdict.NotProbed, "", false},
		{"refused by the pacer", func(w *world) {
			w.pacer.refuse = func(job) *pace.Outcome { return &pace.Outcome{Reason: verdict.NotProbed, Detail: "queue full"} }
		}, verdict.NotProbed, "", false},
		{"breaker", func(w *world) {
			w.pacer.refuse = func(job) *pace.Outcome { return &pace.Outcome{Reason: verdict.ProbeBlocked} }
		}, verdict.ProbeBlocked, verdict.FromProbe, false},
		{"pacer that claims too much", func(w *world) {
			w.pacer.drop = func(job) *pace.Outcome { return &pace.Outcome{Reason: verdict.MailboxNotFound} }
		}, verdict.NotProbed, "", false},
		{"unreachable", func(w *world) {
			w.pacer.drop = func(job) *pace.Outcome { return &pace.Outcome{Reason: verdict.Unreachable} }
		}, verdict.Unreachable, verdict.FromProbe, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
				c.set(w)
				v := w.want("user@example.test", c.want)
				_, stored := w.store.GetVerdict(w.e.keyer.Key(addr(t, "user@example.test")))
				if v.Origin != c.origin || stored != c.stored || len(w.pacer.log()) != 0 {
					t.Errorf("origin %q, stored %v, asked %q", v.Origin, stored, w.pacer.log())
				}
			})
		})
	}
}

func TestUnfitStillAnswersFromStoreAndDNS(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.want("user@example.test", verdict.Accepted)
		w.st.Unfit = "no sender"
		w.want("user@example.test", verdict.Accepted)
		w.dns.set(func(d *fakeDNS) { d.outcome = mx.NXDomain })
		w.want("user@gone.test", verdict.DomainNotFound)
	})
}

func TestBlindDNSLetsOneTrialOut(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.dns.outcome, w.dns.blind = mx.Failed, true
		for range 5 {
			w.want("user@example.test", verdict.NotProbed)
		}
		if w.dns.lookups != 1 {
			t.Errorf("%d lookups at once, want 1", w.dns.lookups)
		}
		time.Sleep(30 * time.Second)
		w.want("user@example.test", verdict.NotProbed)
		if w.dns.lookups != 2 {
			t.Errorf("%d lookups after 30 s, want 2", w.dns.lookups)
		}
		// Nor may another go out when this host could not even ask.
		w.dns.set(func(d *fakeDNS) { d.outcome = mx.Unasked })
		time.Sleep(30 * time.Second)
		for range 5 {
			w.want("user@example.test", verdict.NotProbed)
		}
		if w.dns.lookups != 3 {
			t.Errorf("%d lookups after 60 s, want 3", w.dns.lookups)
		}
		// An answer out of the resolver's memory is no trial of the network.
		w.dns.set(func(d *fakeDNS) { d.outcome = "" })
		time.Sleep(30 * time.Second)
		w.want("user@example.test", verdict.Accepted)
		w.want("user@second.test", verdict.Accepted)
		if !w.e.Snapshot().DNSBlind {
			t.Error("snapshot does not say blind")
		}
	})
}

func TestCacheServesAndExpires(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		first := w.want("user@example.test", verdict.Accepted)
		second := w.want("user@example.test", verdict.Accepted)
		if first.Served != verdict.Fresh || second.Served != verdict.FromCache || second.ProbeID != first.ProbeID {
			t.Errorf("served %s, then %s by %s", first.Served, second.Served, second.ProbeID)
		}
		if v, ok := w.e.Known(addr(t, "user@example.test")); !ok || v.Reason != verdict.Accepted {
			t.Errorf("known: %v %v", v.Reason, ok)
		}
		if _, ok := w.e.Known(addr(t, "other@example.test")); ok {
			t.Error("knows what nobody asked")
		}
		w.wantAsked("1 user@example.test")
		time.Sleep(31 * 24 * time.Hour)
		w.want("user@example.test", verdict.Accepted)
		w.wantAsked("1 user@example.test", "2 user@example.test")
	})
}

func TestStalePositiveIsServedAndRefreshedBehind(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.pacer.rtt = time.Second
		old := w.want("user@example.test", verdict.Accepted)
		time.Sleep(8 * 24 * time.Hour)
		synctest.Wait()
		w.wantAsked("1 user@example.test") // on demand only
		v := w.with("user@example.test", func(q *Query) { q.Probe = false })
		if v.Reason != verdict.Accepted {
			t.Errorf("without probing: %s", v.Reason)
		}
		start := time.Now()
		v = w.want("user@example.test", verdict.Accepted)
		if time.Since(start) != 0 || !v.CheckedAt.Equal(old.CheckedAt) {
			t.Errorf("waited %v for a stale positive checked at %v", time.Since(start), v.CheckedAt)
		}
		time.Sleep(2 * time.Second)
		v = w.want("user@example.test", verdict.Accepted)
		if !v.CheckedAt.After(old.CheckedAt) {
			t.Error("was not refreshed behind")
		}
		w.wantAsked("1 user@example.test", "2 user@example.test")
		if w.pacer.submitted[1].why != pace.WhyRefresh || w.pacer.submitted[1].live {
			t.Errorf("refreshed as %s, live %v", w.pacer.submitted[1].why, w.pacer.submitted[1].live)
		}
	})
}

func TestStaleNegativeIsAskedWithinTheBudget(t *testing.T) {
	for _, c := range []struct {
		name  string
		reply pace.Answer
		want  verdict.Reason
	}{
		{"nothing conclusive: it stands", later(verdict.TemporaryFailure), verdict.MailboxNotFound},
		{"a conclusive answer replaces it", accept(), verdict.Accepted},
		{"a block says nothing", blocked(), verdict.MailboxNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
				w.want("nobody@example.test", verdict.MailboxNotFound)
				time.Sleep(13 * time.Hour)
				w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return c.reply }
				w.want("nobody@example.test", c.want)
				if n := len(w.pacer.log()); n != 2 {
					t.Errorf("asked %d times, want 2", n)
				}
				// Rule 5: what is stored is what was served.
				if v, _ := w.store.GetVerdict(w.e.keyer.Key(addr(t, "nobody@example.test"))); v.Reason != c.want {
					t.Errorf("stored %s", v.Reason)
				}
				w.dns.set(func(d *fakeDNS) { d.outcome = mx.Failed })
				time.Sleep(3 * 24 * time.Hour)
				if c.want == verdict.MailboxNotFound {
					w.want("nobody@example.test", verdict.DNSFailure) // expired
				}
			})
		})
	}
}

func TestStaleNegativeStandsWhenTheBudgetEnds(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.want("nobody@example.test", verdict.MailboxNotFound)
		time.Sleep(13 * time.Hour)
		w.pacer.delay = 10 * time.Second
		w.pacer.eta = time.Second // a prediction that does not hold
		start := time.Now()
		v := w.with("nobody@example.test", func(q *Query) { q.Budget, q.Uncapped = 8*time.Second, false })
		if v.Reason != verdict.MailboxNotFound || time.Since(start) != 8*time.Second {
			t.Errorf("%s after %v", v.Reason, time.Since(start))
		}
	})
}

func TestInconclusiveNeverOverwrites(t *testing.T) {
	now := time.Now()
	for _, old := range verdict.Table() {
		for _, v := range verdict.Table() {
			s := newMapStore()
			l := ledger{verdicts: s}
			l.put(Key{}, verdict.New(old.Reason, verdict.FromProbe, now), now)
			l.put(Key{}, verdict.New(v.Reason, verdict.FromProbe, now.Add(time.Minute)), now.Add(time.Minute))
			got, ok := s.GetVerdict(Key{})
			want := v.Reason
			switch {
			case !v.Reason.Stored(),
				old.Reason.Conclusive() && !v.Reason.Conclusive(),
				v.Reason == verdict.AcceptUnproven && old.Status == verdict.Deliverable:
				want = old.Reason
			}
			if ok != (old.Reason.Stored() || v.Reason.Stored()) || (ok && want.Stored() && got.Reason != want) {
				t.Errorf("%s after %s: stored %q (%v)", v.Reason, old.Reason, got.Reason, ok)
			}
		}
	}
}

func TestProbeFalseAsksNothing(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		v := w.with("user@example.test", func(q *Query) { q.Probe = false })
		synctest.Wait()
		if v.Reason != verdict.NotProbed || w.dns.lookups != 0 {
			t.Errorf("%s, %d lookups", v.Reason, w.dns.lookups)
		}
	})
}

// An operator who reads not_probed wants to know why.
func TestNotProbedSaysWhy(t *testing.T) {
	inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
		w.st.Unfit = "hostname is not set"
		for in, want := range map[string]string{
			"user@localhost":    "no domain that the DNS could lead from to an MX",
			"user@printer.lan":  "never asked: a private name, this host, or skip_domains",
			"user@example.test": "nothing is probed: hostname is not set",
		} {
			if v := w.want(in, verdict.NotProbed); v.Evidence.Text != want {
				t.Errorf("%s: %q, want %q", in, v.Evidence.Text, want)
			}
		}
	})
}
