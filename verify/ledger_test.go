package verify

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// TestDNSTakesBackItsOwnNegative: the domain was not there, and is now. What
// comes after the lookup does not matter.
func TestDNSTakesBackItsOwnNegative(t *testing.T) {
	denials := map[mx.Outcome]verdict.Reason{
		mx.NXDomain: verdict.DomainNotFound, mx.NoMail: verdict.DomainNoMail, mx.NullMX: verdict.DomainNoMail,
	}
	for _, c := range []struct {
		name string
		set  func(w *world)
		want verdict.Reason
	}{
		{"greylists", func(w *world) {
			w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return later(verdict.Greylisted) }
		}, verdict.Greylisted},
		{"forbidden", func(w *world) { w.terms.Probing = false }, verdict.NotProbed},
		{"unfit", func(w *world) { w.st.Unfit = "no hostname" }, verdict.NotProbed},
		{"queue full", func(w *world) {
			w.pacer.refuse = func(job) *pace.Outcome { return &pace.Outcome{Reason: verdict.NotProbed} }
		}, verdict.NotProbed},
		{"slow", func(w *world) { w.pacer.delay = time.Hour }, verdict.NotProbed},
		{"reserved", func(w *world) { w.dns.set(func(d *fakeDNS) { d.outcome = mx.Reserved }) }, verdict.MXReserved},
		{"panics", func(w *world) {
			w.pacer.reply = func(string, pace.Kind, int) pace.Answer { panic("reply") }
		}, verdict.InternalError},
	} {
		for outcome, denied := range denials {
			t.Run(fmt.Sprint(c.name, " after ", outcome), func(t *testing.T) {
				inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
					w.dns.outcome = outcome
					w.want("user@example.test", denied)
					time.Sleep(2 * time.Hour)
					w.dns.set(func(d *fakeDNS) { d.outcome = mx.Failed })
					w.want("user@example.test", denied) // nothing else is known
					time.Sleep(retryRefresh)
					w.dns.set(func(d *fakeDNS) { d.outcome = mx.Found })
					c.set(w)
					w.want("user@example.test", c.want)
					if v, ok := w.e.Known(addr(t, "user@example.test")); ok && v.Reason == denied {
						t.Error("it is still known")
					}
				})
			})
		}
	}
}

// A live asker is not told the old negative either, when it leaves before the
// end because it is settled or its probe comes too late.
func TestDNSTakesBackItsOwnNegativeForThoseWhoLeave(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(q *Query)
		want verdict.Reason
	}{
		"settled": {func(q *Query) {
			q.Settled = func(possible []verdict.Reason, _ []verdict.Tag) bool {
				for _, r := range possible {
					if r == verdict.DomainNotFound {
						return false
					}
				}
				return true
			}
		}, verdict.NotProbed},
		"predicted too late":    {func(q *Query) { q.Uncapped = false }, verdict.Pending},
		"joins without waiting": {func(q *Query) { q.Budget = 0 }, verdict.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
				w.dns.outcome = mx.NXDomain
				w.want("user@example.test", verdict.DomainNotFound)
				time.Sleep(2 * time.Hour)
				w.dns.set(func(d *fakeDNS) { d.outcome = mx.Found })
				w.pacer.delay = 2 * time.Minute
				if name == "joins without waiting" {
					// Both read the store before the lookup has ended.
					w.dns.set(func(d *fakeDNS) { d.delay = time.Second })
					w.with("user@example.test", c.set)
					time.Sleep(2 * time.Second)
				}
				if v := w.with("user@example.test", c.set); v.Reason != c.want {
					t.Errorf("%s, want %s", v.Reason, c.want)
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
			})
		})
	}
}

func TestHasMX(t *testing.T) {
	hosts := []mx.Host{{Name: "mx.test"}}
	for _, c := range []struct {
		r    mx.Route
		want bool
	}{
		{mx.Route{Outcome: mx.Found, Hosts: hosts}, true},
		{mx.Route{Outcome: mx.Found, Hosts: hosts, Implicit: true}, true},
		{mx.Route{Outcome: mx.Reserved, Hosts: hosts, Implicit: true}, true},
		{mx.Route{Outcome: mx.NoTarget, Hosts: hosts}, true},
		{mx.Route{Outcome: mx.Failed, Hosts: hosts}, true}, // of the addresses
		{mx.Route{Outcome: mx.Failed, Hosts: hosts, Implicit: true}, false},
		{mx.Route{Outcome: mx.Failed}, false},
		{mx.Route{Outcome: mx.NoTarget}, false},
		{mx.Route{Outcome: mx.NXDomain}, false},
		{mx.Route{Outcome: mx.NullMX}, false},
	} {
		if got := hasMX(c.r); got != c.want {
			t.Errorf("%+v: %v", c.r, got)
		}
	}
}

// TestSuspectNegativeOverwritesNothingProven is rule 5: a negative without its
// sample is no better than none.
func TestSuspectNegativeOverwritesNothingProven(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.want("user@example.test", verdict.Accepted)
		w.want("gone@example.test", verdict.MailboxNotFound)
		time.Sleep(2 * 24 * time.Hour)
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return unknown() }
		w.want("n1@b.test", verdict.MailboxNotFound)
		w.want("n2@b.test", verdict.MailboxNotFound)
		// A stale negative is asked within the budget, and stands.
		if v := w.want("gone@example.test", verdict.MailboxNotFound); v.Has(verdict.Suspect) || v.Served != verdict.FromCache {
			t.Errorf("%v, %s", v.Tags, v.Served)
		}
		time.Sleep(6 * 24 * time.Hour)
		w.want("n3@b.test", verdict.MailboxNotFound)
		w.want("n4@b.test", verdict.MailboxNotFound)
		w.want("user@example.test", verdict.Accepted) // asked again behind
		time.Sleep(time.Minute)
		w.want("user@example.test", verdict.Accepted)
		// With two of the hour free, the refusal counts.
		time.Sleep(24 * time.Hour)
		w.want("user@example.test", verdict.Accepted)
		time.Sleep(time.Minute)
		w.want("user@example.test", verdict.MailboxNotFound)
	})
}

func TestSuspectNegativeReplaces(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		old     verdict.Reason
		suspect bool
		want    bool // replaced
	}{
		{verdict.Accepted, false, false},
		{verdict.MailboxNotFound, false, false},
		{verdict.AcceptAll, false, false},
		{verdict.DomainNotFound, false, false},
		{verdict.MailboxNotFound, true, true},
		{verdict.TemporaryFailure, false, true},
	} {
		old, v := verdict.New(c.old, verdict.FromProbe, now), verdict.New(verdict.MailboxDisabled, verdict.FromProbe, now)
		v.Tags = []verdict.Tag{verdict.Suspect}
		if c.suspect {
			old.Tags = v.Tags
		}
		if stands(old, v) == c.want {
			t.Errorf("%s (suspect %v): replaced %v", c.old, c.suspect, !c.want)
		}
	}
}

// The asker is told what the MX said; the store keeps nobody's address.
func TestStoreHoldsNoClearAddress(t *testing.T) {
	inWorld(t, provider.Truthful, func(t *testing.T, w *world) {
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer {
			a := refused(verdict.MailboxDisabled)
			a.Evidence.Text = "551 <rcpt> has moved, try <bob@other.test>"
			return a
		}
		if v := w.want("user@example.test", verdict.MailboxDisabled); !strings.Contains(v.Evidence.Text, "bob@other.test") {
			t.Errorf("fresh: %q", v.Evidence.Text)
		}
		if v := w.want("user@example.test", verdict.MailboxDisabled); v.Evidence.Text != "551 <rcpt> has moved, try <address>" {
			t.Errorf("stored: %q", v.Evidence.Text)
		}
		// Kept against an inconclusive answer, it is stored once more.
		time.Sleep(13 * time.Hour)
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return later(verdict.TemporaryFailure) }
		w.want("user@example.test", verdict.MailboxDisabled)
		for _, v := range w.store.verdicts {
			if strings.Contains(v.Evidence.Text, "bob") {
				t.Errorf("stored: %q", v.Evidence.Text)
			}
		}
	})
}
