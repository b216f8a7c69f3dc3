package pace

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/provider"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

const (
	blocked550 = "550 5.7.1 Service unavailable; client [198.51.100.1] blocked using zen.spamhaus.org"
	slow450    = "450 4.7.1 too many connections from your IP, rate limited"
	noSender   = "550 5.1.8 <verify@probe.example.net>: Sender address rejected: Domain not found"
)

// always answers every RCPT the same.
func always(reply string) lab.Host {
	return lab.Host{Rcpt: func(string, *lab.Session) string { return reply }}
}

func (w *world) states() string {
	var out []string
	for _, b := range w.p.Snapshot().Breakers {
		out = append(out, fmt.Sprintf("%s:%s:%s:%d", b.Scope, b.State, b.Reason, b.Times))
	}
	return strings.Join(out, " ")
}

func TestBreakerDoublesAndHalfOpens(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		refuse := true
		h := lab.Host{Exists: everybody, Mail: func(string, *lab.Session) string { return pick(refuse, noSender, "") }}
		r := w.site("shy.test", h)
		w.want("first", w.ask(r, "ann"), "sender_refused")
		scope := w.p.Snapshot().Breakers[0].Scope
		got := w.submit(r, "bob", nil).wait()
		w.want("while open", got.String(), "refused not_probed")
		if !strings.HasPrefix(got.refused.Detail, "breaker open until ") || got.refused.Evidence.Rule == "" {
			t.Errorf("outcome %+v", got.refused)
		}
		away := time.Hour
		for i := 2; i <= 7; i++ {
			time.Sleep(away - time.Minute)
			w.want("a minute early", w.ask(r, "ann"), "refused not_probed")
			time.Sleep(2 * time.Minute)
			w.want("states", w.states(), fmt.Sprintf("%s:half_open:sender_refused:%d", scope, i-1))
			q := w.submit(r, "ann", nil)
			w.want("second trial", w.ask(r, "bob"), "refused not_probed")
			w.want("trial", q.wait().String(), "sender_refused")
			away = min(2*away, 24*time.Hour)
			b := w.p.Snapshot().Breakers[0]
			if left := time.Until(b.Until).Round(time.Second); left != away {
				t.Errorf("opening %d: away for %v, want %v", i, left, away)
			}
		}
		refuse = false
		time.Sleep(away + time.Second)
		w.want("good trial", w.ask(r, "ann"), "accepted")
		w.want("closed", w.states(), "")
		refuse = true
		time.Sleep(time.Minute)
		w.want("again", w.ask(r, "ann"), "sender_refused")
		w.want("starts anew", w.states(), fmt.Sprintf("%s:open:sender_refused:1", scope))
		synctest.Wait()
		if why := w.dialogues[1].Why; why != WhyTrial {
			t.Errorf("the trial's dialogue says %q", why)
		}
	})
}

// A trial that says nothing, as it does not connect or is never held, leaves
// the breaker to the next.
func TestTrialWithoutAnswer(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("shy.test", lab.Host{Mail: func(string, *lab.Session) string { return noSender }})
		w.ask(r, "ann")
		time.Sleep(61 * time.Minute)
		w.net.Host("mx1.shy.test", lab.Host{Addrs: []netip.Addr{r.Targets[0].Addr}, Dead: true})
		w.want("dead", w.ask(r, "ann"), "dropped unreachable")
		w.net.Host("mx1.shy.test", lab.Host{Addrs: []netip.Addr{r.Targets[0].Addr}, Exists: everybody})
		w.want("alive", w.ask(r, "ann"), "accepted")
		w.want("states", w.states(), "")
	})
}

// What a trial did not reach stays as it is, though another host answers.
func TestHostTrialWithoutAnswer(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("two.test", lab.Host{Greeting: "421 4.3.0 mail system is going down"}, lab.Host{Exists: everybody})
		w.want("walk", w.ask(r, "ann"), "accepted")
		w.want("states", w.states(), "host:open:temporary_failure:1")
		time.Sleep(6 * time.Minute)
		w.net.Host("mx1.two.test", lab.Host{Addrs: []netip.Addr{r.Targets[0].Addr}, Dead: true})
		w.want("walk", w.ask(r, "ann"), "accepted")
		w.want("states", w.states(), "host:half_open:temporary_failure:1")
		time.Sleep(6 * time.Minute)
		w.net.Host("mx1.two.test", lab.Host{Addrs: []netip.Addr{r.Targets[0].Addr}, Exists: everybody})
		w.want("first again", w.ask(r, "ann"), "accepted")
		w.want("states", w.states(), "")
	})
}

func TestScopesAtRcpt(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.net.Host("mx.shared.test", always(blocked550))
		a, b, c := w.route("a.test", "mx.shared.test"), w.route("b.test", "mx.shared.test"), w.route("c.test", "mx.shared.test")
		class := reply.Classify(verdict.Rcpt, mustParse(t, blocked550), "mx.shared.test")
		if !class.AboutUs() || class.Scope == reply.ScopeSite {
			t.Fatalf("the reply is judged %+v", class)
		}
		w.want("a", w.ask(a, "ann"), "probe_blocked")
		w.want("a again", w.ask(a, "bob"), "refused not_probed")
		w.want("states", w.states(), "domain:open:probe_blocked:1")
		w.want("b", w.ask(b, "ann"), "probe_blocked")
		w.want("two domains", w.states(), "domain:open:probe_blocked:1 domain:open:probe_blocked:1 site:open:probe_blocked:1")
		w.want("c", w.ask(c, "ann"), "refused not_probed")
	})
}

func mustParse(t *testing.T, raw string) reply.Reply {
	t.Helper()
	r, err := reply.Parse([]byte(raw + "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What the class says is followed, whatever the rules of package reply are.
// A 5xx at RCPT that names our sender and not the recipient is about us,
// whatever else it says (docs/design.md, rule 3).
func TestReplyNamesSender(t *testing.T) {
	tests := []struct{ reply, want string }{
		{"550 5.1.1 <verify@probe.example.net>: User unknown in virtual mailbox table", "sender_refused"},
		{"550 5.1.1 Verify@Probe.Example.NET does not exist.", "sender_refused"},
		{"550-5.1.1 no such user|550 5.1.1 from=verify@probe.example.net.", "sender_refused"},
		{"550 5.1.1 用户不存在verify@probe.example.net不存在", "sender_refused"},
		{"553 mail from verify@probe.example.net: mailbox <ann@other.test> unknown", "sender_refused"},
		// Of two addresses the words decide, and so they do without any.
		{"550 5.1.1 <ann@plain.test>: unknown user (asked by <verify@probe.example.net>)", "mailbox_not_found"},
		{"550 5.1.1 <ANN@plain.test>: User unknown", "mailbox_not_found"},
		{"550 5.1.1 User unknown", "mailbox_not_found"},
		// A part of another address is none.
		{"550 5.1.1 <noverify@probe.example.net>: User unknown", "mailbox_not_found"},
		{"550 5.1.1 <verify@probe.example.net.test>: User unknown", "mailbox_not_found"},
		{"550 5.1.1 <joann@plain.test>: unknown (asked by verify@probe.example.net)", "sender_refused"},
		// The recipient's own list of senders; a 4xx, which is no verdict.
		{"550 5.7.1 verify@probe.example.net is not a member of this list", "recipient_policy"},
		{"450 4.2.0 <verify@probe.example.net>: Greylisted", "greylisted"},
	}
	for _, tt := range tests {
		inWorld(t, nil, func(w *world) {
			r := w.site("plain.test", always(strings.ReplaceAll(tt.reply, "|", "\r\n")))
			got := w.submit(r, "ann", nil).wait()
			w.want(tt.reply, got.String(), tt.want)
			synctest.Wait()
			states := ""
			if tt.want == "sender_refused" {
				states = "domain:open:sender_refused:1"
				if c := got.answers[0].Class; c.Scope != reply.ScopeDomain || c.FromHost || !c.Permanent || c.AboutMailbox() {
					t.Errorf("%s: %+v", tt.reply, c)
				}
			}
			w.want(tt.reply, w.states(), states)
		})
	}
	// Without a sender nothing names it.
	if names("<>: User unknown", "") {
		t.Error("the null sender is named")
	}
}

func TestTripClass(t *testing.T) {
	for _, tt := range []struct {
		stage verdict.Stage
		class reply.Class
		want  string
	}{
		{verdict.Rcpt, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeDomain}, "domain"},
		{verdict.Rcpt, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeHost}, "domain"},
		{verdict.Rcpt, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeSite}, "domain site"},
		{verdict.Rcpt, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeDomain, FromHost: true}, "domain site"},
		{verdict.Rcpt, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeProvider}, "domain provider"},
		{verdict.Mail, reply.Class{Reason: verdict.SenderRefused, Scope: reply.ScopeSite}, "site"},
		{verdict.Mail, reply.Class{Reason: verdict.SenderRefused, Scope: reply.ScopeHost}, "host"},
		{verdict.EHLO, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeProvider}, "provider"},
		{verdict.EHLO, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeDomain}, "domain"},
	} {
		inWorld(t, nil, func(w *world) {
			name := "x.mail.protection.outlook.com"
			w.net.Host(name, lab.Host{})
			r := w.route("x.test", name)
			terms := w.settings.Load().Book.Terms(r)
			if !terms.ProviderScope {
				t.Fatal("the book gives microsoft365 no provider scope")
			}
			w.p.lock()
			l := w.p.lane(netip.Addr{}, r, terms)
			e := &entry{job: &Job{Route: r}, terms: terms, lane: l}
			w.p.tripClass(&conn{lane: l, target: r.Targets[0]}, e, tt.class, verdict.Evidence{Stage: tt.stage})
			var got []string
			for k := range w.p.breakers {
				got = append(got, string(k.scope))
			}
			w.p.unlock()
			slices.Sort(got)
			w.want(fmt.Sprint(tt), strings.Join(got, " "), tt.want)
		})
	}
}

func TestAway(t *testing.T) {
	b := book(t, provider.Overrides{Pace: provider.DefaultLimits(), Site: map[string]provider.Partial{
		".book.test": {StayAway: map[verdict.Reason]time.Duration{verdict.RateLimited: 2 * time.Hour}},
	}})
	inWorld(t, nil, func(w *world) {
		w.net.Host("mx.book.test", lab.Host{})
		w.net.Host("mx.plain.test", lab.Host{})
		plain, special := b.Terms(w.route("plain.test", "mx.plain.test")), b.Terms(w.route("book.test", "mx.book.test"))
		for _, tt := range []struct {
			terms  provider.Terms
			reason verdict.Reason
			brief  bool
			want   time.Duration
		}{
			{plain, verdict.RateLimited, false, 15 * time.Minute},
			{plain, verdict.ProbeBlocked, false, time.Hour},
			{plain, verdict.SenderRefused, false, time.Hour},
			{plain, verdict.TLSRequired, false, time.Hour},
			{plain, verdict.AuthRequired, false, time.Hour},
			{plain, verdict.BlanketRefusal, false, time.Hour},
			{plain, verdict.ProbeBlocked, true, 5 * time.Minute},
			{plain, verdict.TemporaryFailure, true, 5 * time.Minute},
			{special, verdict.RateLimited, false, 2 * time.Hour},
			{special, verdict.ProbeBlocked, false, time.Hour},
		} {
			if got := away(tt.terms, tt.reason, tt.brief); got != tt.want {
				t.Errorf("%s brief %v: %v, want %v", tt.reason, tt.brief, got, tt.want)
			}
		}
	})
}

// The jobs that wait behind a breaker are told at once, and all of them.
func TestEvacuation(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		var n atomic.Int64
		h := lab.Host{Mail: func(string, *lab.Session) string {
			return pick(n.Add(1) > 2, noSender, "")
		}, Exists: everybody}
		r := w.site("shy.test", h)
		var jobs []*pending
		for i := range 50 {
			jobs = append(jobs, w.submit(r, fmt.Sprintf("g%d", i), func(_ *pending, j *Job) { j.Live = i%2 == 0 }))
		}
		count := map[string]int{}
		for _, q := range jobs {
			count[q.wait().String()]++
		}
		if count["accepted"] != 2 || count["sender_refused"] == 0 || count["dropped not_probed"]+count["sender_refused"]+count["not asked"] != 48 {
			t.Errorf("results %v", count)
		}
		if s := w.p.Snapshot(); s.Queued != 0 {
			t.Errorf("%d still queued", s.Queued)
		}
	})
}

// A drop rests the host, but not where the session was answered and nothing
// invalid asked.
func TestDrop(t *testing.T) {
	drop := func(after int, invalid bool) lab.Host {
		return lab.Host{Exists: func(string, string) bool { return !invalid }, Rcpt: func(_ string, s *lab.Session) string {
			return pick(s.Rcpts >= after, "drop", "")
		}}
	}
	for _, tt := range []struct {
		name  string
		host  lab.Host
		want  string
		state string
	}{
		{"at once", drop(0, false), "temporary_failure", "host:open:temporary_failure:1"},
		{"after a good one", drop(1, false), "accepted temporary_failure", ""},
		{"after a bad one", drop(1, true), "mailbox_not_found temporary_failure", "host:open:temporary_failure:1"},
		{"421", always("421 4.3.0 closing"), "temporary_failure", "host:open:temporary_failure:1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				r := w.site("drop.test", tt.host)
				var got []string
				for i := range strings.Fields(tt.want) {
					got = append(got, w.ask(r, fmt.Sprintf("g%d", i)))
				}
				w.want("answers", strings.Join(got, " "), tt.want)
				w.want("breakers", w.states(), tt.state)
				if tt.state != "" {
					w.want("the next", w.ask(r, "next"), "refused not_probed")
				}
			})
		})
	}
}

// A positive control that is dropped, or answered 421, is asked once more on a
// connection of its own: nobody is kept away for it (docs/design.md, rule 4b).
func TestLostControlIsAskedAgain(t *testing.T) {
	for _, lost := range []string{"drop", "421 4.3.0 later"} {
		inWorld(t, nil, func(w *world) {
			first := true
			r := w.site("lost.test", lab.Host{Rcpt: func(a string, _ *lab.Session) string {
				if strings.HasPrefix(a, "postmaster@") && first {
					first = false
					return lost
				}
				return ""
			}})
			var random sync.Map
			got := w.submit(r, "nobody", func(q *pending, j *Job) { w.converse(q, j, &random) }).wait()
			if len(got.answers) != 2 || got.answers[1].Class.Reason != verdict.TemporaryFailure {
				t.Fatalf("%s: %+v", lost, got)
			}
			again := w.submit(r, "postmaster", func(_ *pending, j *Job) { j.Kind, j.Fresh = KindPositive, true }).wait()
			w.want("asked again, after "+lost, again.String(), "accepted")
			if told := w.told(); len(told) > 0 {
				t.Errorf("%s: opened %q", lost, told)
			}
		})
	}
}

func TestRecipientPolicyOpensNothing(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("policy.test", always("451 4.3.0 try again"))
		w.want("ann", w.ask(r, "ann"), "temporary_failure")
		w.want("states", w.states(), "")
	})
}

func TestBlanket(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("liar.test", lab.Host{Exists: everybody})
		w.ask(r, "ann")
		w.p.Blanket(r, netip.Addr{}, verdict.Evidence{Text: "no", Rule: "x"})
		got := w.submit(r, "bob", nil).wait()
		w.want("bob", got.String(), "refused not_probed")
		w.want("rule", got.refused.Evidence.Rule, "x")
		w.want("states", w.states(), "site:open:blanket_refusal:1")
		synctest.Wait()
		if s := w.p.Snapshot(); s.IdleSessions != 0 {
			t.Errorf("an idle session is kept at a resting site")
		}
		w.want("told", strings.Join(w.told(), ", "), "site mx1.liar.test closed>open blanket_refusal 1h0m0s")
	})
}

func TestBreakerForgotten(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("liar.test", lab.Host{Exists: everybody})
		w.p.Blanket(r, netip.Addr{}, verdict.Evidence{})
		time.Sleep(26 * time.Hour)
		synctest.Wait()
		w.want("states", w.states(), "")
		if len(w.mem.data) != 0 {
			t.Errorf("the memory keeps %v", w.mem.data)
		}
		w.p.lock()
		defer w.p.unlock()
		if len(w.p.sites)+len(w.p.limiters) != 0 {
			t.Errorf("%d sites and %d limiters are kept", len(w.p.sites), len(w.p.limiters))
		}
	})
}
