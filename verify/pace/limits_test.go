package pace

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"rcptgate/internal/lab"
	"rcptgate/verify/mx"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// exceeded says which limits the far end saw exceeded among the entries, which
// are those of one site, address or provider. asked tells an address that was
// asked for itself from a control.
func exceeded(log []lab.Entry, l provider.Limits, asked func(string) bool) (out []string) {
	rcpt := func(e lab.Entry) bool { return e.Verb == "RCPT" }
	bad := func(e lab.Entry) bool { return e.Verb == "RCPT" && e.Code >= 500 }
	limit := func(what string, got, allowed int) {
		if got > allowed {
			out = append(out, fmt.Sprintf("%s: %d, allowed %d", what, got, allowed))
		}
	}
	limit("connections", lab.MaxOpen(log, func(lab.Entry) bool { return true }), l.Connections)
	limit("connections_per_minute", lab.MaxInWindow(log, time.Minute, func(e lab.Entry) bool { return e.Verb == "CONNECT" }), l.ConnectionsPerMinute)
	limit("probes_per_minute", lab.MaxInWindow(log, time.Minute, rcpt), l.ProbesPerMinute)
	limit("invalid_per_hour", lab.MaxInWindow(log, time.Hour, bad), l.InvalidPerHour)
	limit("random controls", lab.MaxInWindow(log, time.Hour, func(e lab.Entry) bool {
		return bad(e) && strings.Contains(e.Arg, "random")
	}), (3*l.InvalidPerHour+9)/10)
	sessions := map[int][]lab.Entry{}
	transactions := map[int]int{} // RCPTs in the last one of a session
	for _, e := range log {
		switch {
		case e.Verb == "MAIL":
			transactions[e.Session] = 0
		case rcpt(e):
			transactions[e.Session]++
			limit("rcpts_per_transaction", transactions[e.Session], l.RcptsPerTransaction)
			sessions[e.Session] = append(sessions[e.Session], e)
		}
	}
	for _, s := range sessions {
		limit("rcpts_per_session", len(s), l.RcptsPerSession)
		invalid := 0
		var last time.Time
		for _, e := range s {
			if bad(e) {
				invalid++
			}
			if !asked(e.Arg) {
				continue
			}
			if d := e.At.Sub(last); d < l.MinInterval {
				out = append(out, fmt.Sprintf("min_interval: %v, allowed %v", d, l.MinInterval))
			}
			last = e.At
		}
		limit("invalid_per_session", invalid, l.InvalidPerSession)
	}
	return out
}

// converse holds the conversation that verify holds: the address, a catch-all
// control after the first 250 of a domain, a positive control after a refusal.
func (w *world) converse(q *pending, j *Job, random *sync.Map) {
	began := time.Now()
	j.Converse = func(ctx context.Context, s *Session) {
		res := result{probeID: s.ProbeID()}
		ask := func(local string, k Kind) Answer {
			a := s.Ask(ctx, addr(w.t, local+"@"+j.Route.Domain.String()), k)
			res.answers = append(res.answers, a)
			return a
		}
		a := ask(j.Rcpt.Local(), KindAddress)
		switch _, known := random.Load(j.Route.Domain); {
		case a.Class.Reason == verdict.Accepted && !known && s.CanAsk(KindRandom):
			random.Store(j.Route.Domain, true)
			ask("random", KindRandom)
		case a.Class.AboutMailbox():
			ask("postmaster", KindPositive)
		}
		res.after = time.Since(began)
		q.done <- res
	}
}

// TestFigure is the table's case: 980 existing and 20 unknown addresses at one
// domain of a site that is not in the book.
func TestFigure(t *testing.T) {
	for _, order := range []string{"spread", "shuffled", "unknown last", "unknown first"} {
		t.Run(order, func(t *testing.T) {
			inWorld(t, func(s *Settings) { s.QueueTimeout = 24 * time.Hour }, func(w *world) {
				r := w.site("figure.test", lab.Host{Exists: func(l, _ string) bool { return l[0] == 'g' }})
				names := make([]string, 1000)
				for i := range names {
					bad := i%50 == 25
					switch order {
					case "unknown last":
						bad = i >= 980
					case "unknown first":
						bad = i < 20
					}
					names[i] = pick(bad, fmt.Sprintf("b%d", i), fmt.Sprintf("g%d", i))
				}
				if order == "shuffled" {
					rand.New(rand.NewPCG(1, 2)).Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
				}
				var random sync.Map
				began := time.Now()
				jobs := make([]*pending, len(names))
				for i, n := range names {
					jobs[i] = w.submit(r, n, func(q *pending, j *Job) {
						j.Live = false
						w.converse(q, j, &random)
					})
				}
				count := map[string]int{}
				for _, q := range jobs {
					count[q.wait().String()]++
				}
				took := time.Since(began)
				if count["accepted"] != 980 || count["mailbox_not_found"] != 20 {
					t.Errorf("results %v", count)
				}
				for _, x := range exceeded(w.net.Log(), provider.DefaultLimits(), asked) {
					t.Error(x)
				}
				// 20 unknown and one random control at 10 an hour.
				implied := 2 * time.Hour
				if order == "unknown first" || order == "unknown last" {
					// The invalid that is kept back for a control leaves
					// nine an hour to addresses; where they come in one
					// lump the last two are a third hour's, and the 980
					// take 17 minutes before or after.
					implied += 17 * time.Minute
				}
				if took > implied+implied/10 {
					t.Errorf("took %v, the table implies %v", took, implied)
				}
			})
		})
	}
}

// asked tells addresses from controls in the arguments of RCPT.
func asked(arg string) bool {
	return !strings.Contains(arg, "random") && !strings.Contains(arg, "postmaster")
}

// workload is what TestNoLimitExceeded draws.
type workload struct {
	limits provider.Limits
	sites  []labSite
	jobs   []labJob
}

type labSite struct {
	provider, shared bool          // at the provider; at the address all shared sites have
	delay            time.Duration // of RCPT, at most
	drops            int           // percent of RCPTs at which the connection is cut
}

type labJob struct {
	site             int
	bad, live, fresh bool
	pause            time.Duration
	tenant           string
	cancel           bool
	kind             Kind
}

func drawWorkload(rt *rapid.T) workload {
	w := workload{limits: provider.Limits{
		Connections:          rapid.IntRange(1, 3).Draw(rt, "connections"),
		ConnectionsPerMinute: rapid.IntRange(1, 10).Draw(rt, "connections a minute"),
		RcptsPerSession:      rapid.IntRange(1, 6).Draw(rt, "rcpts a session"),
		RcptsPerTransaction:  rapid.IntRange(1, 4).Draw(rt, "rcpts a transaction"),
		InvalidPerSession:    rapid.IntRange(1, 4).Draw(rt, "invalids a session"),
		InvalidPerHour:       rapid.IntRange(1, 12).Draw(rt, "invalids an hour"),
		ProbesPerMinute:      rapid.IntRange(1, 40).Draw(rt, "probes a minute"),
		MinInterval:          rapid.SampledFrom([]time.Duration{0, 500 * time.Millisecond, time.Second, 7 * time.Second}).Draw(rt, "interval"),
	}}
	w.sites = rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) labSite {
		return labSite{
			provider: rapid.Bool().Draw(rt, "provider"), shared: rapid.Bool().Draw(rt, "shared"),
			delay: time.Duration(rapid.IntRange(0, 9000).Draw(rt, "delay")) * time.Millisecond,
			drops: rapid.SampledFrom([]int{0, 0, 0, 5}).Draw(rt, "drops"),
		}
	}), 1, 4).Draw(rt, "sites")
	w.jobs = rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) labJob {
		return labJob{
			site: rapid.IntRange(0, len(w.sites)-1).Draw(rt, "site"), bad: rapid.IntRange(0, 3).Draw(rt, "bad") == 0,
			live: rapid.Bool().Draw(rt, "live"), fresh: rapid.IntRange(0, 9).Draw(rt, "fresh") == 0,
			pause:  time.Duration(rapid.SampledFrom([]int{0, 0, 0, 10, 700, 20000}).Draw(rt, "pause")) * time.Millisecond,
			tenant: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "tenant"),
			cancel: rapid.IntRange(0, 9).Draw(rt, "cancel") == 0,
			kind:   rapid.SampledFrom([]Kind{KindAddress, KindAddress, KindAddress, KindPositive, KindRandom}).Draw(rt, "kind"),
		}
	}), 1, 60).Draw(rt, "jobs")
	return w
}

// TestNoLimitExceeded draws limits, sites and jobs, and counts at the far end.
func TestNoLimitExceeded(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		load := drawWorkload(rt)
		var wrong []string
		synctest.Test(t, func(t *testing.T) { wrong = load.run(t) })
		for _, x := range wrong {
			rt.Error(x)
		}
	})
}

// run plays the workload and returns what went wrong.
func (load workload) run(t *testing.T) (wrong []string) {
	lim := load.limits
	all := provider.Partial{
		Connections: &lim.Connections, ConnectionsPerMinute: &lim.ConnectionsPerMinute, RcptsPerSession: &lim.RcptsPerSession,
		RcptsPerTransaction: &lim.RcptsPerTransaction, InvalidPerSession: &lim.InvalidPerSession, InvalidPerHour: &lim.InvalidPerHour,
		ProbesPerMinute: &lim.ProbesPerMinute, MinInterval: &lim.MinInterval,
	}
	w := newWorld(t, newMemory(), func(s *Settings) {
		s.QueueTimeout = 10000 * time.Hour
		s.Book = book(t, provider.Overrides{Pace: lim, Provider: map[string]provider.Partial{"microsoft365": all}})
	})
	defer w.stop()
	routes := make([]mx.Route, len(load.sites))
	var atProvider []string
	for i, s := range load.sites {
		routes[i] = w.labSite(i, s)
		if s.provider {
			atProvider = append(atProvider, routes[i].Targets[0].Addr.String())
		}
	}
	var random sync.Map
	var jobs []*pending
	for i, j := range load.jobs {
		time.Sleep(j.pause)
		local := fmt.Sprintf("%s%d", pick(j.bad, "b", "g"), i)
		local = pick(j.kind == KindRandom, "random", pick(j.kind == KindPositive, "postmaster", local))
		q := w.submit(routes[j.site], local, func(q *pending, job *Job) {
			job.Live, job.Fresh, job.Tenant, job.Kind = j.live, j.fresh, j.tenant, j.kind
			if j.kind == KindAddress {
				w.converse(q, job, &random)
			}
		})
		if j.cancel && q.ticket != nil && q.ticket.Cancel() {
			continue
		}
		jobs = append(jobs, q)
	}
	for _, q := range jobs {
		q.wait()
	}
	time.Sleep(2 * time.Minute)
	synctest.Wait()
	wrong = append(wrong, w.p.leaks()...)
	log := w.net.Log()
	by := func(what string, keep func(lab.Entry) bool) {
		for _, x := range exceeded(slices.DeleteFunc(slices.Clone(log), func(e lab.Entry) bool { return !keep(e) }), lim, asked) {
			wrong = append(wrong, what+": "+x)
		}
	}
	for i, r := range routes {
		by(fmt.Sprintf("address of site %d", i), func(e lab.Entry) bool { return e.Addr == r.Targets[0].Addr })
	}
	by("provider", func(e lab.Entry) bool { return slices.Contains(atProvider, e.Addr.String()) })
	return wrong
}

// labSite registers a drawn site. Sites that share an address are other names
// of one server; only those in no provider do, so that each is seen apart.
func (w *world) labSite(i int, s labSite) mx.Route {
	name := fmt.Sprintf("mx.site%d.test", i)
	if s.provider {
		name = fmt.Sprintf("site%d.mail.protection.outlook.com", i)
	}
	var count atomic.Int64
	host := lab.Host{
		Exists: func(l, _ string) bool { return l[0] == 'g' },
		Rcpt: func(string, *lab.Session) string {
			n := int(count.Add(1))
			time.Sleep(time.Duration(n*7919%(int(s.delay/time.Millisecond)+1)) * time.Millisecond)
			if s.drops > 0 && n%(100/s.drops) == 0 {
				return "drop"
			}
			return ""
		},
	}
	if s.shared && !s.provider {
		host.Addrs = []netip.Addr{netip.MustParseAddr("127.64.99.1")}
	}
	w.net.Host(name, host)
	return w.route(fmt.Sprintf("site%d.test", i), name)
}

// leaks says what is still held although nothing is under way.
func (p *Pacer) leaks() (out []string) {
	p.lock()
	defer p.unlock()
	say := func(what string, n int) {
		if n != 0 {
			out = append(out, fmt.Sprintf("%s: %d left", what, n))
		}
	}
	say("connections", p.conns)
	say("closing", p.leaving)
	say("queued", p.queued)
	say("tenants", len(p.tenants))
	say("idle", p.idle.n)
	for k, l := range p.limiters {
		for r := range l.acc {
			say(fmt.Sprintf("%v resource %d held", k, r), l.acc[r].held)
			if g := l.acc[r].gate; g != nil {
				say(fmt.Sprintf("%v resource %d waiting", k, r), g.waiting())
			}
		}
	}
	for r := range p.global.acc {
		say(fmt.Sprintf("global resource %d held", r), p.global.acc[r].held)
	}
	for k, s := range p.sites {
		for _, l := range s.lanes {
			say(fmt.Sprintf("%v jobs", k), l.jobs.len())
		}
	}
	return out
}

// Random controls may take 30 % of invalid_per_hour, rounded up: one at least.
func TestShareOfRandomControls(t *testing.T) {
	for invalid, want := range map[int]int{1: 1, 2: 1, 3: 1, 4: 2, 7: 3, 10: 3, 11: 4, 100: 30, 101: 31} {
		if got := limitOf(&provider.Limits{InvalidPerHour: invalid}, randoms); got != want {
			t.Errorf("%d invalids an hour: %d random controls, want %d", invalid, got, want)
		}
	}
}

// Broken TLS costs a second connection, which counts as the first one does.
func TestBrokenTLSCountsTwice(t *testing.T) {
	limits := provider.DefaultLimits()
	limits.ConnectionsPerMinute = 4
	inWorld(t, func(s *Settings) { s.Book = book(t, provider.Overrides{Pace: limits}) }, func(w *world) {
		r := w.site("tls.test", lab.Host{Exists: everybody, StartTLS: "broken"})
		var jobs []*pending
		for i := range 6 {
			jobs = append(jobs, w.submit(r, fmt.Sprintf("g%d", i), func(_ *pending, j *Job) { j.Fresh = true }))
		}
		for _, q := range jobs {
			w.want("answer", q.wait().String(), "accepted")
		}
		connects := func(e lab.Entry) bool { return e.Verb == "CONNECT" }
		if n := lab.MaxInWindow(w.net.Log(), time.Minute, connects); n != 4 {
			t.Errorf("%d connections in a minute, want 4", n)
		}
		if n := w.net.Count("", "CONNECT", -1); n != 12 {
			t.Errorf("%d connections for 6 dialogues, want 12", n)
		}
	})
}

// TestRcptsPerTransaction: as many RCPTs as the key says follow one MAIL.
func TestRcptsPerTransaction(t *testing.T) {
	l := provider.DefaultLimits()
	l.RcptsPerTransaction = 2
	inWorld(t, func(s *Settings) { s.Book = book(t, provider.Overrides{Pace: l}) }, func(w *world) {
		r := w.site("good.test", lab.Host{Exists: everybody})
		for _, local := range []string{"ann", "bob", "cid"} {
			w.want(local, w.ask(r, local), "accepted")
		}
		var verbs []string
		for _, e := range w.net.Log() {
			if e.Verb == "MAIL" || e.Verb == "RCPT" {
				verbs = append(verbs, e.Verb)
			}
		}
		if got := strings.Join(verbs, " "); got != "MAIL RCPT RCPT MAIL RCPT" {
			t.Errorf("the far end saw %s", got)
		}
	})
}

// TestRcptSentAgain: a RCPT that its transaction had no room for, and that is
// sent in one of its own, counts twice.
func TestRcptSentAgain(t *testing.T) {
	l := provider.DefaultLimits()
	l.RcptsPerTransaction, l.RcptsPerSession, l.ProbesPerMinute, l.MinInterval = 5, 5, 5, 0
	truthful := provider.Truthful
	overrides := provider.Overrides{Pace: l, Domain: map[string]provider.Partial{"good.test": {Truth: &truthful}}}
	inWorld(t, func(s *Settings) { s.Book = book(t, overrides) }, func(w *world) {
		r := w.site("good.test", lab.Host{Exists: everybody, Rcpt: func(_ string, s *lab.Session) string {
			if s.Rcpts%3 == 1 { // the second of a session joins the first
				return "452 4.5.3 too many recipients"
			}
			return ""
		}})
		for _, local := range []string{"ann", "bob", "cid", "dan"} {
			w.want(local, w.ask(r, local), "accepted")
		}
		sent := map[string]int{}
		for _, e := range w.net.Log() {
			if e.Verb == "RCPT" {
				sent[e.Arg]++
			}
		}
		if len(sent) != 4 || sent["TO:<bob@good.test>"] != 2 {
			t.Errorf("the far end saw %v", sent)
		}
		if out := exceeded(w.net.Log(), l, func(string) bool { return true }); len(out) > 0 {
			t.Error(out)
		}
	})
}
