package verify

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// TestJudge is the table of what one answer means before its control.
func TestJudge(t *testing.T) {
	mail := says(550, reply.Class{Reason: verdict.SenderRefused, Scope: reply.ScopeSite})
	mail.Step.Stage = verdict.Mail
	mailUnknown := unknown()
	mailUnknown.Step.Stage = verdict.Mail
	for _, c := range []struct {
		name   string
		a      pace.Answer
		backup bool
		truth  provider.Truth
		want   verdict.Reason
		need   need
	}{
		{"250 truthful", accept(), false, provider.Truthful, verdict.Accepted, needNothing},
		{"250 per domain", accept(), false, provider.PerDomain, verdict.AcceptUnproven, needCatchAll},
		{"250 unknown", accept(), false, provider.UnknownTruth, verdict.AcceptUnproven, needCatchAll},
		{"250 backup", accept(), true, provider.Truthful, verdict.AcceptUnproven, needNothing},
		{"250 backup unknown", accept(), true, provider.UnknownTruth, verdict.AcceptUnproven, needNothing},
		{"252", says(252, reply.Class{Reason: verdict.AcceptUnproven}), false, provider.Truthful, verdict.AcceptUnproven, needNothing},
		{"5xx truthful", unknown(), false, provider.Truthful, verdict.MailboxNotFound, needSample},
		{"5xx per domain", unknown(), false, provider.PerDomain, verdict.MailboxNotFound, needPositive},
		{"5xx disabled", refused(verdict.MailboxDisabled), false, provider.UnknownTruth, verdict.MailboxDisabled, needPositive},
		{"5xx syntax", refused(verdict.InvalidSyntax), false, provider.UnknownTruth, verdict.InvalidSyntax, needPositive},
		{"5xx full", refused(verdict.MailboxFull), false, provider.UnknownTruth, verdict.MailboxFull, needNothing},
		{"5xx policy", refused(verdict.RecipientPolicy), false, provider.Truthful, verdict.RecipientPolicy, needNothing},
		{"5xx blocked", blocked(), false, provider.Truthful, verdict.ProbeBlocked, needNothing},
		{"5xx domain gone, says the MX", refused(verdict.DomainNotFound), false, provider.Truthful, verdict.Unclassified, needNothing},
		{"5xx that claims to be good", refused(verdict.Accepted), false, provider.Truthful, verdict.Unclassified, needNothing},
		{"4xx unknown user", later(verdict.MailboxNotFound), false, provider.Truthful, verdict.TemporaryFailure, needNothing},
		{"4xx greylisted", later(verdict.Greylisted), false, provider.Truthful, verdict.Greylisted, needNothing},
		{"4xx full", later(verdict.MailboxFull), false, provider.Truthful, verdict.MailboxFull, needNothing},
		{"mail refused", mail, false, provider.Truthful, verdict.SenderRefused, needNothing},
		{"unknown user at MAIL", mailUnknown, false, provider.Truthful, verdict.TemporaryFailure, needNothing},
		{"lost", lost(), false, provider.Truthful, verdict.TemporaryFailure, needNothing},
		{"not asked", notAsked(), false, provider.Truthful, verdict.NotProbed, needNothing},
	} {
		if got, need := judge(c.a, !c.backup, c.truth); got != c.want || need != c.need {
			t.Errorf("%s: %s need %d, want %s need %d", c.name, got, need, c.want, c.need)
		}
	}
}

// TestUndeliverableNeedsItsControl goes through all codes and reasons: no
// answer to the real address alone makes an undeliverable verdict at a site
// that may lie, and no 4xx anywhere.
func TestUndeliverableNeedsItsControl(t *testing.T) {
	for _, i := range verdict.Table() {
		for _, code := range []int{250, 252, 421, 450, 550, 554} {
			for _, truth := range []provider.Truth{provider.Truthful, provider.PerDomain, provider.UnknownTruth, provider.AcceptAll, ""} {
				r, need := judge(says(code, reply.Class{Reason: i.Reason}), true, truth)
				if r.Status() == verdict.Undeliverable && (need == needNothing || code < 500) {
					t.Errorf("%d %s at %s: %s without control", code, i.Reason, truth, r)
				}
				if r.Status() == verdict.Deliverable && (code/100 != 2 || truth != provider.Truthful) {
					t.Errorf("%d %s at %s: %s", code, i.Reason, truth, r)
				}
			}
		}
	}
}

func TestCatchAllControl(t *testing.T) {
	for _, c := range []struct {
		name   string
		random pace.Answer
		backup bool
		want   verdict.Reason
		fact   CatchAll // "": none
		life   time.Duration
	}{
		{"accepted", accept(), false, verdict.AcceptAll, CatchAllYes, 7 * 24 * time.Hour},
		{"refused", unknown(), false, verdict.Accepted, CatchAllNo, 3 * 24 * time.Hour},
		{"temporary", later(verdict.Greylisted), false, verdict.AcceptUnproven, CatchAllUnknown, time.Hour},
		{"252", says(252, reply.Class{Reason: verdict.AcceptUnproven}), false, verdict.AcceptUnproven, CatchAllUnknown, time.Hour},
		{"policy", refused(verdict.RecipientPolicy), false, verdict.AcceptUnproven, CatchAllUnknown, time.Hour},
		{"blocked", blocked(), false, verdict.AcceptUnproven, CatchAllUnknown, time.Hour},
		{"lost", lost(), false, verdict.AcceptUnproven, CatchAllUnknown, time.Hour},
		{"no budget", notAsked(), false, verdict.AcceptUnproven, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
				w.pacer.reply = func(_ string, k pace.Kind, _ int) pace.Answer {
					if k == pace.KindRandom {
						return c.random
					}
					return accept()
				}
				v := w.want("user@example.test", c.want)
				w.want("second@example.test", c.want)
				fact, _ := w.store.GetDomain(w.e.keyer.DomainKey(addr(t, "user@example.test").Domain()))
				if fact.CatchAll != c.fact || (c.fact != "" && fact.ExpiresAt.Sub(fact.CheckedAt) != c.life) {
					t.Errorf("fact %+v", fact)
				}
				randoms := 0
				for _, a := range w.pacer.log() {
					if strings.Contains(a, "random@") {
						randoms++
					}
				}
				if c.fact != "" && randoms != 1 {
					t.Errorf("%d random controls, want 1: %q", randoms, w.pacer.log())
				}
				if w.pacer.log()[0] != "1 user@example.test" {
					t.Errorf("the real address is not first: %q", w.pacer.log())
				}
				if c.want == verdict.AcceptAll && (v.Origin != verdict.FromControl || slices.Contains(w.pacer.log(), "2 second@example.test")) {
					t.Errorf("origin %s, asked %q", v.Origin, w.pacer.log())
				}
			})
		})
	}
}

func TestRandomControlOnItsOwnConnection(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.canAsk = func(k pace.Kind, n int) bool { return k != pace.KindRandom || n == 0 }
		w.want("user@example.test", verdict.Accepted)
		w.wantAsked("1 user@example.test", "2 random@example.test")
	})
}

func TestRandomControlWithoutBudget(t *testing.T) {
	for name, set := range map[string]func(w *world){
		"refused": func(w *world) {
			w.pacer.refuse = func(j job) *pace.Outcome {
				if j.kind == pace.KindRandom {
					return &pace.Outcome{Reason: verdict.NotProbed}
				}
				return nil
			}
		},
		"dropped": func(w *world) {
			w.pacer.drop = func(j job) *pace.Outcome {
				if j.kind == pace.KindRandom {
					return &pace.Outcome{Reason: verdict.NotProbed}
				}
				return nil
			}
		},
		"an hour away": func(w *world) {
			reply := w.pacer.reply
			w.pacer.reply = func(r string, k pace.Kind, n int) pace.Answer {
				w.pacer.mu.Lock()
				w.pacer.delay = time.Hour // for the next job
				w.pacer.mu.Unlock()
				return reply(r, k, n)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
				w.pacer.canAsk = func(k pace.Kind, _ int) bool { return k != pace.KindRandom }
				set(w)
				start := time.Now()
				w.want("user@example.test", verdict.AcceptUnproven)
				if len(w.store.domains) != 0 || time.Since(start) > 0 {
					t.Errorf("facts %v after %v", w.store.domains, time.Since(start))
				}
				w.wantAsked("1 user@example.test")
			})
		})
	}
}

func TestOneRandomControlForManyAddresses(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.rtt = time.Second
		w.pacer.reply = func(_ string, k pace.Kind, _ int) pace.Answer {
			if k == pace.KindRandom {
				return unknown()
			}
			return accept()
		}
		got := make(chan *verdict.Verdict)
		for i := range 50 {
			go func() { got <- w.ask(fmt.Sprintf("user%d@example.test", i)) }()
		}
		for range 50 {
			if v := <-got; v.Reason != verdict.Accepted {
				t.Errorf("%s", v.Reason)
			}
		}
		if n := len(w.pacer.log()); n != 51 {
			t.Errorf("%d RCPTs, want 51", n)
		}
	})
}

func TestDomainFactFallsWithItsSite(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return accept() }
		w.want("user@example.test", verdict.AcceptAll)
		w.pacer.reply = only("second")
		w.want("third@example.test", verdict.AcceptAll)
		if v, ok := w.e.Known(addr(t, "fourth@example.test")); !ok || v.Reason != verdict.AcceptAll {
			t.Errorf("known: %s %v", v.Reason, ok)
		}
		w.dns.set(func(d *fakeDNS) { d.host = "mx.moved.test" })
		w.want("second@example.test", verdict.Accepted)
	})
}

func TestStaleDomainFactIsGivenAtOnceAndRefreshedBehind(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return accept() }
		w.want("user@example.test", verdict.AcceptAll)
		time.Sleep(25 * time.Hour)
		w.pacer.reply = only("second")
		w.pacer.rtt = time.Second
		start := time.Now()
		w.want("second@example.test", verdict.AcceptAll)
		w.want("third@example.test", verdict.AcceptAll)
		if time.Since(start) != 0 {
			t.Errorf("waited %v", time.Since(start))
		}
		time.Sleep(5 * time.Second)
		w.want("second@example.test", verdict.Accepted)
		w.wantAsked("1 user@example.test", "1 random@example.test", "2 second@example.test", "2 random@example.test")
	})
}

// TestPositiveControl is the matrix of rule 4b.
func TestPositiveControl(t *testing.T) {
	type row struct {
		name    string
		known   bool          // a known-good address is at hand
		session []pace.Answer // answers to the control: on the session, then on the new connection
		want    verdict.Reason
		asked   int // RCPTs beside the real one
		blanket bool
	}
	for _, c := range []row{
		{"postmaster accepted", false, []pace.Answer{accept()}, verdict.MailboxNotFound, 1, false},
		{"known good accepted", true, []pace.Answer{accept()}, verdict.MailboxNotFound, 1, false},
		{"252 is accepted too", false, []pace.Answer{says(252, reply.Class{Reason: verdict.AcceptUnproven})}, verdict.MailboxNotFound, 1, false},
		{"full mailbox exists", true, []pace.Answer{refused(verdict.MailboxFull)}, verdict.MailboxNotFound, 1, false},
		{"postmaster plainly unknown", false, []pace.Answer{unknown()}, verdict.MailboxNotFound, 1, false},
		{"postmaster refused otherwise", false, []pace.Answer{refused(verdict.RecipientPolicy)}, verdict.BlanketRefusal, 1, false},
		{"postmaster not plainly unknown", false, []pace.Answer{refused(verdict.MailboxNotFound)}, verdict.BlanketRefusal, 1, false},
		{"known good refused", true, []pace.Answer{unknown()}, verdict.BlanketRefusal, 1, true},
		{"known good refused by policy", true, []pace.Answer{refused(verdict.RecipientPolicy)}, verdict.BlanketRefusal, 1, true},
		{"control refused because of us", false, []pace.Answer{blocked()}, verdict.BlanketRefusal, 1, false},
		{"known good refused because of us", true, []pace.Answer{blocked()}, verdict.BlanketRefusal, 1, true},
		{"4xx, then accepted", false, []pace.Answer{later(verdict.RateLimited), accept()}, verdict.MailboxNotFound, 2, false},
		{"4xx full, then accepted", false, []pace.Answer{later(verdict.MailboxFull), accept()}, verdict.MailboxNotFound, 2, false},
		{"4xx full twice", true, []pace.Answer{later(verdict.MailboxFull), later(verdict.MailboxFull)}, verdict.TemporaryFailure, 2, false},
		{"4xx unknown twice", true, []pace.Answer{later(verdict.MailboxNotFound), later(verdict.MailboxNotFound)}, verdict.TemporaryFailure, 2, false},
		{"lost, then accepted", false, []pace.Answer{lost(), accept()}, verdict.MailboxNotFound, 2, false},
		{"no room, then accepted", false, []pace.Answer{notAsked(), accept()}, verdict.MailboxNotFound, 2, false},
		{"lost, then plainly unknown", false, []pace.Answer{lost(), unknown()}, verdict.MailboxNotFound, 2, false},
		{"lost, then known good refused", true, []pace.Answer{lost(), unknown()}, verdict.BlanketRefusal, 2, true},
		{"4xx twice", false, []pace.Answer{later(verdict.TemporaryFailure), later(verdict.TemporaryFailure)}, verdict.TemporaryFailure, 2, false},
		{"greylisted twice", false, []pace.Answer{later(verdict.Greylisted), later(verdict.Greylisted)}, verdict.Greylisted, 2, false},
		{"lost twice", true, []pace.Answer{lost(), lost()}, verdict.TemporaryFailure, 2, false},
		{"never asked", false, []pace.Answer{notAsked(), notAsked()}, verdict.TemporaryFailure, 2, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
				control := "postmaster@example.test"
				if c.known {
					control = "good@example.test"
					d := addr(t, control)
					w.st.KnownGood = map[address.Domain]address.Address{d.Domain(): d}
				}
				n := 0
				w.pacer.reply = func(_ string, k pace.Kind, _ int) pace.Answer {
					if k != pace.KindPositive {
						return unknown()
					}
					n++
					return c.session[n-1]
				}
				v := w.want("nobody@example.test", c.want)
				want := []string{"1 nobody@example.test", "1 " + control, "2 " + control}[:1+c.asked]
				w.wantAsked(want...)
				if c.asked == 2 && !w.pacer.submitted[1].fresh {
					t.Error("the second control is not the first RCPT of a new connection")
				}
				if got := len(w.pacer.blankets) == 1; got != c.blanket {
					t.Errorf("blanket %v", w.pacer.blankets)
				}
				if v.Reason == verdict.BlanketRefusal && v.Origin != verdict.FromControl {
					t.Errorf("origin %s", v.Origin)
				}
				for _, f := range w.store.domains {
					if f.CatchAll != "" {
						t.Errorf("learned %+v", f)
					}
				}
			})
		})
	}
}

func TestControlThatCannotBeQueued(t *testing.T) {
	for _, c := range []struct {
		late, ours bool
		want       verdict.Reason
	}{
		{want: verdict.TemporaryFailure},
		{late: true, want: verdict.TemporaryFailure},
		{late: true, ours: true, want: verdict.NotProbed}, // this host could not connect
	} {
		inWorld(t, provider.UnknownTruth, func(t *testing.T, w *world) {
			w.pacer.canAsk = func(pace.Kind, int) bool { return false }
			no := func(j job) *pace.Outcome {
				if j.kind == pace.KindPositive {
					return &pace.Outcome{Reason: verdict.NotProbed, Ours: c.ours}
				}
				return nil
			}
			if c.late {
				w.pacer.drop = no
			} else {
				w.pacer.refuse = no
			}
			w.want("nobody@example.test", c.want)
		})
	}
}

func TestAcceptedAddressBecomesTheControl(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.want("user@example.test", verdict.Accepted)
		w.want("nobody@example.test", verdict.MailboxNotFound)
		w.want("nobody@other.test", verdict.MailboxNotFound)
		time.Sleep(23 * time.Hour)
		w.want("none@example.test", verdict.MailboxNotFound)
		time.Sleep(23 * time.Hour) // accepted again as control, hence still known
		w.want("no@example.test", verdict.MailboxNotFound)
		time.Sleep(25 * time.Hour)
		w.want("not@example.test", verdict.MailboxNotFound)
		w.wantAsked("1 user@example.test", "1 random@example.test",
			"2 nobody@example.test", "2 user@example.test",
			"3 nobody@other.test", "3 postmaster@other.test",
			"4 none@example.test", "4 user@example.test",
			"5 no@example.test", "5 user@example.test",
			"6 not@example.test", "6 postmaster@example.test")
	})
}

func TestControlIsNeverTheAddressItself(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return unknown() }
		w.want("postmaster@example.test", verdict.Unclassified)
		good := addr(t, "good@second.test")
		w.st.KnownGood = map[address.Domain]address.Address{good.Domain(): good}
		w.pacer.reply = only("postmaster")
		w.want("good@second.test", verdict.MailboxNotFound)
		w.wantAsked("1 postmaster@example.test", "2 good@second.test", "2 postmaster@second.test")
	})
}

func TestControlsAreNotShared(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		for i := range 3 {
			w.want(fmt.Sprintf("nobody%d@example.test", i), verdict.MailboxNotFound)
		}
		if n := len(w.pacer.log()); n != 6 {
			t.Errorf("%d RCPTs for three refusals, want 6", n)
		}
	})
}

func TestPlainPostmasterCountsFourAnHour(t *testing.T) {
	inWorld(t, provider.PerDomain, func(t *testing.T, w *world) {
		w.pacer.reply = func(string, pace.Kind, int) pace.Answer { return unknown() }
		for i := range 4 {
			w.want(fmt.Sprintf("n%d@example.test", i), verdict.MailboxNotFound)
			time.Sleep(10 * time.Minute)
		}
		w.want("n4@example.test", verdict.BlanketRefusal)
		w.want("n4@other.test", verdict.MailboxNotFound) // a cap for each domain
		time.Sleep(20 * time.Minute)                     // an hour since the first
		w.want("n5@example.test", verdict.MailboxNotFound)
		w.want("n6@example.test", verdict.BlanketRefusal)
		if len(w.pacer.blankets) != 0 {
			t.Error("a postmaster@ that does not exist made the site rest")
		}
	})
}
