package verify

import (
	"fmt"
	"testing"
	"time"

	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

func TestBlanketRefusalMakesNegativesSuspect(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.want("user@example.test", verdict.Accepted)
		w.want("before@example.test", verdict.MailboxNotFound) // its control passed
		time.Sleep(time.Minute)
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return unknown() }
		w.want("since@other.test", verdict.MailboxNotFound) // postmaster@ plainly unknown: counts
		time.Sleep(time.Minute)
		w.want("third@example.test", verdict.BlanketRefusal)
		if len(w.pacer.blankets) != 1 {
			t.Fatalf("blankets %v", w.pacer.blankets)
		}
		for s, suspect := range map[string]bool{"before@example.test": false, "since@other.test": true} {
			if v := w.want(s, verdict.MailboxNotFound); v.Has(verdict.Suspect) != suspect {
				t.Errorf("%s: suspect %v", s, v.Has(verdict.Suspect))
			}
		}
		time.Sleep(2 * time.Hour)
		w.pacer.reply = only("postmaster")
		if v := w.want("after@example.test", verdict.MailboxNotFound); v.Has(verdict.Suspect) {
			t.Error("a negative after the refusal is suspect")
		}
		// Past refresh a suspect negative does not stand against an inconclusive answer.
		time.Sleep(12 * time.Hour)
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return later(verdict.TemporaryFailure) }
		w.want("since@other.test", verdict.TemporaryFailure)
		w.want("before@example.test", verdict.MailboxNotFound)
	})
}

// TestPostmasterCountsOnlyAtASiteBeyondDoubt: a plainly unknown postmaster@
// says nothing only where it was never accepted, and where the site has not
// refused somebody who exists.
func TestPostmasterCountsOnlyAtASiteBeyondDoubt(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.reply = only("postmaster")
		w.want("first@example.test", verdict.MailboxNotFound)
		w.pacer.reply = only()
		w.want("second@example.test", verdict.BlanketRefusal) // it was there a moment ago
		if len(w.pacer.blankets) != 1 {
			t.Fatalf("blankets %v", w.pacer.blankets)
		}
		time.Sleep(2 * time.Hour)
		w.want("third@example.test", verdict.BlanketRefusal) // in doubt since
		w.want("third@other.test", verdict.BlanketRefusal)   // so is the whole site
		if len(w.pacer.blankets) != 1 {
			t.Errorf("blankets %v: a postmaster@ nobody has seen made the site rest", w.pacer.blankets)
		}
		time.Sleep(time.Minute)
		w.pacer.reply = only("user")
		w.want("user@other.test", verdict.Accepted) // the site accepts again
		time.Sleep(time.Minute)
		w.want("fourth@example.test", verdict.MailboxNotFound)
	})
}

// TestTruthfulSitesAreSampled is rule 4c.
func TestTruthfulSitesAreSampled(t *testing.T) {
	nobody := func(w *world, i int, want verdict.Reason, suspect bool) {
		w.t.Helper()
		if v := w.want(fmt.Sprintf("n%d@d%d.test", i, i), want); v.Has(verdict.Suspect) != suspect {
			w.t.Errorf("n%d: suspect %v", i, v.Has(verdict.Suspect))
		}
	}
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		nobody(w, 1, verdict.MailboxNotFound, false)
		nobody(w, 2, verdict.MailboxNotFound, false)
		nobody(w, 3, verdict.MailboxNotFound, true) // nobody is known there
		w.want("user@d4.test", verdict.Accepted)
		nobody(w, 4, verdict.MailboxNotFound, false) // accepted just now, at another domain
		time.Sleep(6 * time.Minute)
		nobody(w, 5, verdict.MailboxNotFound, false) // asked as its control
		w.wantAsked("1 n1@d1.test", "2 n2@d2.test", "3 n3@d3.test", "4 user@d4.test", "5 n4@d4.test", "6 n5@d5.test", "6 user@d4.test")
		time.Sleep(6 * time.Minute)
		w.pacer.reply = func(_ string, k pace.Kind, _ int) pace.Answer {
			if k == pace.KindPositive {
				return later(verdict.TemporaryFailure)
			}
			return unknown()
		}
		nobody(w, 6, verdict.MailboxNotFound, true)
		w.pacer.canAsk = func(pace.Kind, int) bool { return false }
		nobody(w, 7, verdict.MailboxNotFound, true)
		w.pacer.canAsk = nil
		w.pacer.reply = only()
		nobody(w, 8, verdict.BlanketRefusal, false)
		if len(w.pacer.blankets) != 1 {
			t.Errorf("blankets %v", w.pacer.blankets)
		}
		// The known address is refused and forgotten; an hour later two count again.
		time.Sleep(time.Hour)
		nobody(w, 9, verdict.MailboxNotFound, false)
		nobody(w, 10, verdict.MailboxNotFound, false)
		nobody(w, 11, verdict.MailboxNotFound, true)
	})
}

// A postmaster@ that was accepted vouches for nobody: many sites accept it and
// nobody else.
func TestPostmasterVouchesForNoSite(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.want("n1@d1.test", verdict.MailboxNotFound)
		w.want("n2@d2.test", verdict.MailboxNotFound)
		w.want("postmaster@d3.test", verdict.Accepted)
		if v := w.want("n3@d3.test", verdict.MailboxNotFound); !v.Has(verdict.Suspect) {
			t.Error("the third negative is enforced, on the word of a postmaster@")
		}
		w.wantAsked("1 n1@d1.test", "2 n2@d2.test", "3 postmaster@d3.test", "4 n3@d3.test")
	})
}

func TestProbeFailuresAtTheEngine(t *testing.T) {
	failure := func(r verdict.Reason, f probe.Failure) pace.Answer {
		return pace.Answer{Asked: true, Class: reply.Class{Reason: r}, Step: probe.Step{Stage: verdict.Rcpt, Failure: f}}
	}
	for _, c := range []struct {
		a      pace.Answer
		want   verdict.Reason
		stored bool
	}{
		{failure(verdict.Timeout, probe.TimedOut), verdict.Timeout, true},
		{failure(verdict.ProtocolError, probe.Protocol), verdict.ProtocolError, true},
		{failure(verdict.SMTPUTF8Unsupported, probe.NoSMTPUTF8), verdict.SMTPUTF8Unsupported, true},
		{failure(verdict.NotProbed, probe.Canceled), verdict.NotProbed, false},
		{lost(), verdict.TemporaryFailure, true},
		{blocked(), verdict.ProbeBlocked, false},
	} {
		inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
			w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return c.a }
			w.want("user@example.test", c.want)
			if (len(w.store.verdicts) == 1) != c.stored || len(w.store.sites) != 0 {
				t.Errorf("%s: stored %d, sites %v", c.want, len(w.store.verdicts), w.store.sites)
			}
		})
	}
}
