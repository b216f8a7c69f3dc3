package pace

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
)

// order is in what order addresses reached the far end.
func (w *world) order() (out []string) {
	for _, e := range w.net.Log() {
		if e.Verb == "RCPT" {
			arg := strings.TrimPrefix(e.Arg, "TO:<")
			out = append(out, arg[:strings.IndexByte(arg, '@')])
		}
	}
	return out
}

// single is a setting with one connection of many recipients.
func single(t *testing.T) func(*Settings) {
	return func(s *Settings) {
		l := provider.DefaultLimits()
		l.Connections, l.RcptsPerSession, l.InvalidPerSession = 1, 30, 10
		l.ProbesPerMinute = 1000
		s.Book = book(t, provider.Overrides{Pace: l})
	}
}

func TestOrder(t *testing.T) {
	inWorld(t, single(t), func(w *world) {
		w.net.Host("mx.shared.test", lab.Host{Exists: everybody})
		a, b := w.route("a.test", "mx.shared.test"), w.route("b.test", "mx.shared.test")
		var jobs []*pending
		add := func(r mx.Route, local, tenant string, live bool, k Kind) *pending {
			q := w.submit(r, local, func(_ *pending, j *Job) { j.Tenant, j.Live, j.Kind = tenant, live, k })
			jobs = append(jobs, q)
			return q
		}
		add(a, "first", "x", false, KindAddress) // opens the connection
		for i := range 4 {
			add(a, fmt.Sprintf("xa%d", i), "x", false, KindAddress)
		}
		add(b, "xb0", "x", false, KindAddress)
		add(a, "ya0", "y", false, KindAddress)
		add(a, "live0", "x", true, KindAddress)
		late := add(a, "late", "x", false, KindAddress)
		add(a, "control", "x", true, KindPositive)
		late.ticket.SetLive(true)
		for _, q := range jobs {
			w.want("answer", q.wait().String(), "accepted")
		}
		want := "first control live0 late xa0 ya0 xb0 xa1 xa2 xa3"
		w.want("order", strings.Join(w.order(), " "), want)
		if n := w.net.Count("", "CONNECT", 0); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
	})
}

func TestFreshAndPinned(t *testing.T) {
	one, two := netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2")
	inWorld(t, func(s *Settings) {
		s.Sources = []probe.Source{{IP: one, HELO: "a.example.net"}, {IP: two, HELO: "b.example.net"}}
	}, func(w *world) {
		r := w.site("good.test", lab.Host{Exists: everybody})
		w.want("ann", w.ask(r, "ann"), "accepted")
		began := time.Now()
		w.want("fresh", w.submit(r, "bob", func(_ *pending, j *Job) { j.Fresh = true }).wait().String(), "accepted")
		w.want("fresh", w.submit(r, "cid", func(_ *pending, j *Job) { j.Fresh = true }).wait().String(), "accepted")
		if d := time.Since(began); d > time.Second {
			t.Errorf("a fresh connection waited %v for idle ones", d)
		}
		w.want("pinned", w.submit(r, "dan", func(_ *pending, j *Job) { j.Source = two }).wait().String(), "accepted")
		var clients []string
		for _, e := range w.net.Log() {
			if e.Verb == "CONNECT" {
				clients = append(clients, e.Client.String())
			}
		}
		w.want("clients", strings.Join(clients, " "), "198.51.100.1 198.51.100.1 198.51.100.1 198.51.100.2")
		w.want("unknown source", w.submit(r, "eve", func(_ *pending, j *Job) { j.Source = netip.MustParseAddr("192.0.2.1") }).wait().String(), "refused not_probed")
		// A source at rest is passed over where the job is not pinned to it.
		w.p.Blanket(r, one, w.submit(r, "fay", nil).wait().answers[0].Evidence)
		got := w.submit(r, "gus", nil).wait()
		w.want("other source", got.String(), "accepted")
		if ip := got.answers[0].Evidence.SourceIP; ip != two {
			t.Errorf("asked from %v", ip)
		}
		w.want("pinned to the resting one", w.submit(r, "hal", func(_ *pending, j *Job) { j.Source = one }).wait().String(), "refused not_probed")
	})
}

func TestFullQueue(t *testing.T) {
	inWorld(t, func(s *Settings) { s.MaxQueued = 40 }, func(w *world) {
		r := w.site("hole.test", lab.Host{Blackhole: true})
		refused := map[string]int{}
		for i := range 60 {
			q := w.submit(r, fmt.Sprintf("a%d", i), func(_ *pending, j *Job) { j.Tenant = fmt.Sprintf("t%d", i/12) })
			if q.ticket == nil {
				refused[(<-q.done).refused.Detail]++
			}
		}
		// Two of t0 are being asked and 10 wait; of t1 and t2 10 wait each; the
		// tenth of t3 fills the queue.
		if refused["queue full: a quarter of it is this tenant's"] != 4 || refused["queue full"] != 14 {
			t.Errorf("refused %v", refused)
		}
		if _, ok := w.p.Predict(r); ok {
			t.Error("Predict promises a place in a full queue")
		}
	})
}

func TestCancelAndQueueTimeout(t *testing.T) {
	inWorld(t, single(t), func(w *world) {
		r := w.site("slow.test", lab.Host{Exists: everybody, Delay: map[string]time.Duration{"RCPT": 25 * time.Second}})
		first := w.submit(r, "first", nil)
		second, third := w.submit(r, "second", nil), w.submit(r, "third", nil)
		synctest.Wait()
		if !first.ticket.Begun() || second.ticket.Begun() {
			t.Error("begun is wrong")
		}
		if first.ticket.Cancel() || !second.ticket.Cancel() || second.ticket.Cancel() {
			t.Error("cancel is wrong")
		}
		w.want("first", first.wait().String(), "accepted")
		w.want("third", third.wait().String(), "accepted")
		if third.ticket.Cancel() {
			t.Error("what is done was canceled")
		}
		select {
		case got := <-second.done:
			t.Errorf("a canceled job was called: %v", got)
		default:
		}
		var jobs []*pending
		for i := range 100 {
			jobs = append(jobs, w.submit(r, fmt.Sprintf("g%d", i), nil))
		}
		count := map[string]int{}
		for _, q := range jobs {
			got := q.wait()
			count[got.String()]++
			if got.dropped != nil && (got.after != 10*time.Minute || got.dropped.Detail != "queue timeout") {
				t.Errorf("dropped after %v: %s", got.after, got.dropped.Detail)
			}
		}
		if count["accepted"] < 20 || count["accepted"]+count["dropped not_probed"] != 100 {
			t.Errorf("results %v", count)
		}
	})
}

// An address leaves room for its control; a session is closed when only that
// is left of it.
func TestControlKeptBack(t *testing.T) {
	inWorld(t, func(s *Settings) {
		l := provider.DefaultLimits()
		l.Connections = 1
		s.Book = book(t, provider.Overrides{Pace: l})
	}, func(w *world) {
		r := w.site("mixed.test", lab.Host{Exists: func(l, _ string) bool { return l[0] == 'g' }})
		var random sync.Map
		var jobs []*pending
		for i := range 30 {
			jobs = append(jobs, w.submit(r, fmt.Sprintf("%s%d", pick(i%5 == 4, "b", "g"), i), func(q *pending, j *Job) {
				w.converse(q, j, &random)
			}))
		}
		refused := 0
		for _, q := range jobs {
			got := q.wait()
			if got.String() != "mailbox_not_found" {
				continue
			}
			refused++
			if len(got.answers) != 2 || got.answers[1].Class.Reason != "accepted" {
				t.Errorf("a refusal has no control: %+v", got.answers)
			}
		}
		if refused < 5 {
			t.Errorf("%d refusals", refused)
		}
	})
}

// At a truthful site nothing is kept back.
func TestTruthfulKeepsNothingBack(t *testing.T) {
	truthful := provider.Truthful
	inWorld(t, func(s *Settings) {
		s.Book = book(t, provider.Overrides{Domain: map[string]provider.Partial{"honest.test": {Truth: &truthful}}})
	}, func(w *world) {
		r := w.site("honest.test", lab.Host{Exists: everybody})
		for i := range 5 {
			w.want("answer", w.ask(r, fmt.Sprintf("g%d", i)), "accepted")
		}
		if n := w.net.Count("", "CONNECT", 0); n != 1 {
			t.Errorf("%d connections for 5 recipients, want 1", n)
		}
	})
}

// Many sites, all sessions taken: each site gets its turn, idle sessions make
// room, and a site with a long line does not slow down the others.
func TestSitesShareSessions(t *testing.T) {
	inWorld(t, func(s *Settings) { s.MaxSessions, s.ConnectsPerSecond = 5, 10 }, func(w *world) {
		big := w.site("big.test", lab.Host{Exists: everybody})
		var jobs []*pending
		for i := range 300 {
			jobs = append(jobs, w.submit(big, fmt.Sprintf("g%d", i), func(_ *pending, j *Job) { j.Live = false }))
		}
		began := time.Now()
		var small []*pending
		for i := range 50 {
			r := w.site(fmt.Sprintf("small%d.test", i), lab.Host{Exists: everybody})
			small = append(small, w.submit(r, "ann", func(_ *pending, j *Job) { j.Live = false }))
		}
		for _, q := range small {
			w.want("small", q.wait().String(), "accepted")
		}
		if d := time.Since(began); d > 12*time.Second {
			t.Errorf("50 other sites took %v", d)
		}
		for _, q := range jobs {
			w.want("big", q.wait().String(), "accepted")
		}
		log := w.net.Log()
		if n := lab.MaxOpen(log, func(lab.Entry) bool { return true }); n > 5 {
			t.Errorf("%d sessions at once, allowed 5", n)
		}
		if n := lab.MaxInWindow(log, time.Second, func(e lab.Entry) bool { return e.Verb == "CONNECT" }); n > 10 {
			t.Errorf("%d connects in a second, allowed 10", n)
		}
	})
}

// Many sites of one provider wait at its budget and get through one by one.
func TestProviderLineMovesOn(t *testing.T) {
	inWorld(t, func(s *Settings) { s.QueueTimeout = 24 * time.Hour }, func(w *world) {
		var jobs []*pending
		for i := range 300 {
			name := fmt.Sprintf("t%d.mail.protection.outlook.com", i)
			w.net.Host(name, lab.Host{Exists: everybody})
			jobs = append(jobs, w.submit(w.route(fmt.Sprintf("t%d.test", i), name), "ann", nil))
		}
		began := time.Now()
		for i, q := range jobs {
			w.want(fmt.Sprint(i), q.wait().String(), "accepted")
		}
		// 20 connections a minute, of which one is kept for broken TLS.
		if d := time.Since(began); d > 17*time.Minute {
			t.Errorf("300 sites of one provider took %v", d)
		}
	})
}

// An override of one domain holds back that domain, and nobody else.
func TestOverrideHoldsBackOnlyItself(t *testing.T) {
	one := 1
	inWorld(t, func(s *Settings) {
		s.Book = book(t, provider.Overrides{Domain: map[string]provider.Partial{"strict.test": {InvalidPerHour: &one}}})
	}, func(w *world) {
		w.net.Host("mx.shared.test", lab.Host{Exists: func(l, _ string) bool { return l != "bad" }})
		strict, other := w.route("strict.test", "mx.shared.test"), w.route("other.test", "mx.shared.test")
		w.want("bad", w.ask(other, "bad"), "mailbox_not_found")
		held := w.submit(strict, "ann", nil)
		for i := range 5 {
			w.want("other", w.ask(other, fmt.Sprintf("g%d", i)), "accepted")
		}
		if eta := held.ticket.ETA(); eta < 50*time.Minute {
			t.Errorf("ETA %v", eta)
		}
		w.want("strict", held.wait().String(), "dropped not_probed")
	})
}

// A rate, however small, is a number in a window, and never no limit.
func TestConnectRate(t *testing.T) {
	for _, c := range []struct {
		rate float64
		n    int
		span time.Duration
	}{
		{0, 50, time.Second},
		{2.5, 2, 800 * time.Millisecond},
		{0.01, 1, 100 * time.Second},
		{0.001, 1, 1000 * time.Second},
		{1e-10, 1, 1000 * time.Second},
		{-1, 1, 1000 * time.Second},
		{math.NaN(), 1, 1000 * time.Second},
	} {
		if n, span := (&Settings{ConnectsPerSecond: c.rate}).connectRate(); n != c.n || span != c.span {
			t.Errorf("%v a second: %d in %v, want %d in %v", c.rate, n, span, c.n, c.span)
		}
	}
}
