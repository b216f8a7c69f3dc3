package mx

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"rcptgate/internal/lab"
)

// TestTTLs: the least TTL on the way, between 30 s and 1 h; a negative answer's
// is min(SOA TTL, SOA minimum).
func TestTTLs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		rrs  []string
		want time.Duration
	}{
		{"mx least", []string{"d.test. 200 IN MX 10 m.test.", "m.test. 300 IN A 127.64.0.1"}, 200 * time.Second},
		{"address least", []string{"d.test. 300 IN MX 10 m.test.", "m.test. 100 IN A 127.64.0.1"}, 100 * time.Second},
		{"cname least", []string{"d.test. 70 IN CNAME e.test.", "e.test. 300 IN MX 10 m.test.", "m.test. 100 IN A 127.64.0.1"}, 70 * time.Second},
		{"floor", []string{"d.test. 0 IN MX 10 m.test.", "m.test. 300 IN A 127.64.0.1"}, 30 * time.Second},
		{"ceiling", []string{"d.test. 86400 IN MX 10 m.test.", "m.test. 86400 IN A 127.64.0.1"}, time.Hour},
		{"highest bit", []string{"d.test. 4294967295 IN MX 10 m.test.", "m.test. 86400 IN A 127.64.0.1"}, 30 * time.Second},
		{"negative", []string{"other.test. 300 IN TXT x"}, 60 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(zone(c.rrs...))
				r := p.resolver(t, Options{})
				got := r.Lookup(t.Context(), domain(t, "d.test"))
				if ttl := time.Until(got.Expires); ttl != c.want {
					t.Errorf("%s expires in %v, want %v", got.Outcome, ttl, c.want)
				}
				asked := p.servers[0].count("d.test. MX")
				time.Sleep(c.want - time.Nanosecond)
				r.Lookup(t.Context(), domain(t, "d.test"))
				if n := p.servers[0].count("d.test. MX"); n != asked {
					t.Errorf("asked again before the answer expired: %d, %d", asked, n)
				}
				time.Sleep(time.Nanosecond)
				r.Lookup(t.Context(), domain(t, "d.test"))
				if n := p.servers[0].count("d.test. MX"); n != 2*asked {
					t.Errorf("not asked again after it expired: %d, %d", asked, n)
				}
				p.end(r)
			})
		})
	}
}

// TestFailureIsRemembered for 5 s at least, so that a dead zone is not asked by
// every recipient, and 30 s at most.
func TestFailureIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(rcode(dns.RcodeServerFailure))
		r := p.resolver(t, Options{})
		ask := func() int {
			t.Helper()
			if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Failed {
				t.Errorf("%s %s", got.Outcome, got.Detail)
			}
			return p.servers[0].count("d.test. MX")
		}
		first := ask()
		time.Sleep(5*time.Second - time.Nanosecond)
		if n := ask(); n != first {
			t.Errorf("asked %d times, and %d within 5 s", first, n)
		}
		time.Sleep(25*time.Second + time.Nanosecond)
		if n := ask(); n != 2*first {
			t.Errorf("asked %d times, and %d within 30 s", first, n)
		}
		p.end(r)
	})
}

// TestSingleFlight: many askers of one domain, and domains of one host, cost
// one question each.
func TestSingleFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(good)
		p.delay = 20 * time.Millisecond
		r := p.resolver(t, Options{})
		var wg sync.WaitGroup
		for i := range 100 {
			name := []string{"d.test", "e.test"}[i%2]
			wg.Go(func() {
				if got := r.Lookup(t.Context(), domain(t, name)); got.Outcome != Found {
					t.Errorf("%s %s", got.Outcome, got.Detail)
				}
			})
		}
		wg.Wait()
		for _, q := range []string{"d.test. MX", "e.test. MX", "m.d.test. A"} {
			if n := p.servers[0].count(q); n != 1 {
				t.Errorf("%s asked %d times", q, n)
			}
		}
		r.Close()
		p.wg.Wait()
	})
}

// TestCallersContext ends only the caller's wait.
func TestCallersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(good)
		p.delay = time.Second
		r := p.resolver(t, Options{})
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if got := r.Lookup(ctx, domain(t, "d.test")); got.Outcome != Failed || time.Since(start) != 100*time.Millisecond {
			t.Errorf("%s after %v", got.Outcome, time.Since(start))
		}
		if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found || time.Since(start) != 2*time.Second {
			t.Errorf("%s after %v", got.Outcome, time.Since(start))
		}
		if n := p.servers[0].count("d.test. MX"); n != 1 {
			t.Errorf("asked %d times", n)
		}
		r.Close()
		p.wg.Wait()
	})
}

// TestRoutesAreCopies: what a caller does to its route is its own affair.
func TestRoutesAreCopies(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, good)
	a := r.Lookup(t.Context(), domain(t, "d.test"))
	a.Hosts[0].Name, a.Targets[0].Host.Name = "changed", "changed"
	if b := r.Lookup(t.Context(), domain(t, "d.test")); b.Hosts[0].Name != "m.d.test" || b.Targets[0].Host.Name != "m.d.test" {
		t.Errorf("%+v", b)
	}
}

// TestNewOwnAddress: a cached route loses an address that became our own.
func TestNewOwnAddress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var own []net.Addr
		p := newPiped(good)
		r := p.resolver(t, Options{Guard: NewGuard(nil, labNet, func() ([]net.Addr, error) { return own, nil })})
		if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found {
			t.Errorf("%s %s", got.Outcome, got.Detail)
		}
		own = []net.Addr{&net.IPAddr{IP: net.IPv4(127, 64, 0, 1)}}
		time.Sleep(ownPeriod)
		if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Reserved || got.Targets != nil {
			t.Errorf("%s %s", got.Outcome, got.Detail)
		}
		if n := p.servers[0].count("d.test. MX"); n != 1 {
			t.Errorf("asked %d times", n)
		}
		p.end(r)
	})
}

// TestClose ends what is under way, twice without harm, and leaves a resolver
// that says no.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(func(*dns.Msg, bool, int) []*dns.Msg { return nil })
		r := p.resolver(t, Options{})
		done := make(chan Route)
		go func() { done <- r.Lookup(t.Context(), domain(t, "d.test")) }()
		synctest.Wait()
		start := time.Now()
		r.Close()
		r.Close()
		if got := <-done; got.Outcome != Failed || time.Since(start) != 0 {
			t.Errorf("%s after %v", got.Outcome, time.Since(start))
		}
		if got := r.Lookup(t.Context(), domain(t, "e.test")); got.Outcome != Failed {
			t.Errorf("after Close: %s", got.Outcome)
		}
		p.end(r)
	})
}

// TestPanicIsContained: it fails this lookup, is logged, and is not cached.
func TestPanicIsContained(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	calls := 0
	m := newMemo(time.Second, slog.New(slog.NewTextHandler(&log, nil)),
		func(context.Context, string) int {
			if calls++; calls == 1 {
				panic("boom")
			}
			return 7
		}, func(int) time.Time { return time.Now().Add(time.Hour) })
	if _, err := m.get(t.Context(), "k"); err == nil || !strings.Contains(log.String(), "boom") {
		t.Errorf("error %v, log %q", err, log.String())
	}
	if v, err := m.get(t.Context(), "k"); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	m.close()
}

// TestBlind (docs/design.md, rule 12).
func TestBlind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var cut atomic.Bool
		p := newPiped(func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			if cut.Load() {
				return nil
			}
			return []*dns.Msg{reply(q, dns.RcodeServerFailure)}
		})
		r := p.resolver(t, Options{})
		ask := func(names ...string) {
			for _, name := range names {
				go r.Lookup(t.Context(), domain(t, name))
			}
			synctest.Wait()
		}
		expect := func(when string, want bool) {
			t.Helper()
			if r.Blind() != want {
				t.Errorf("%s: Blind is %v", when, !want)
			}
		}
		expect("at first", false)
		ask("a.test", "b.test", "c.test")
		time.Sleep(time.Minute)
		expect("after SERVFAIL, which is an answer", false)
		cut.Store(true)
		ask("d.test", "e.test")
		time.Sleep(20 * time.Second)
		expect("two names", false)
		ask("f.test")
		expect("three names in 20 s, none answered", true)
		time.Sleep(time.Hour)
		expect("until an answer comes", true)
		ask("g.test")
		expect("a trial without answer", true)
		cut.Store(false)
		time.Sleep(time.Minute)
		ask("h.test")
		expect("after an answer", false)
		cut.Store(true)
		for _, name := range []string{"i.test", "j.test", "k.test"} {
			ask(name)
			time.Sleep(time.Minute)
		}
		expect("one unanswered name a minute", false)
		ask("l.test", "m.test", "n.test")
		expect("at once", false)
		time.Sleep(5 * time.Second)
		expect("5 s later", true)
		r.Close()
		p.wg.Wait()
	})
}

// TestLab: the same over the simulated internet, inside a bubble.
func TestLab(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		world := lab.New(lab.Options{RTT: 20 * time.Millisecond})
		defer world.Close()
		world.Site("d.test", lab.Host{})
		world.NullMX("null.test")
		r := newTest(t, Options{Servers: []string{lab.DNSAddr}, Dial: world.Dial})
		start := time.Now()
		if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found || time.Since(start) != 40*time.Millisecond {
			t.Errorf("%s %s after %v", got.Outcome, got.Detail, time.Since(start))
		}
		if got := r.Lookup(t.Context(), domain(t, "null.test")); got.Outcome != NullMX {
			t.Errorf("%s %s", got.Outcome, got.Detail)
		}
		if got := r.Lookup(t.Context(), domain(t, "absent.test")); got.Outcome != NXDomain {
			t.Errorf("%s %s", got.Outcome, got.Detail)
		}
		r.Close()
	})
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []Options{
		{Servers: []string{"localhost:53"}},
		{Servers: []string{"127.0.0.1"}},
		{Servers: []string{"127.0.0.1:53"}, Budget: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}

func TestResolvConf(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"nameserver 192.0.2.1\nsearch x\nnameserver 2001:db8::1\n": "192.0.2.1:53 [2001:db8::1]:53",
		"nameserver fe80::1%eth0\n":                                "[fe80::1%eth0]:53",
		"# nothing\n":                                              "127.0.0.1:53",
		"nameserver example.test\n":                                "",
	} {
		got, err := parseResolvConf(strings.NewReader(in))
		if strings.Join(got, " ") != want || (err != nil) != (want == "") {
			t.Errorf("%q: %v, %v", in, got, err)
		}
	}
	if _, err := SystemServers(t.TempDir() + "/absent"); err == nil {
		t.Error("an absent file is taken")
	}
	if _, err := New(Options{}); err != nil {
		t.Logf("this machine has no usable resolv.conf: %v", err)
	}
}

func BenchmarkCachedLookup(b *testing.B) {
	f := newFakeDNS(b, zone(
		"d.test. 300 IN MX 10 a.test.", "d.test. 300 IN MX 10 b.test.", "d.test. 300 IN MX 20 c.test.",
		"a.test. 300 IN A 127.64.0.1", "b.test. 300 IN A 127.64.0.2", "c.test. 300 IN A 127.64.0.3",
	))
	r := newTest(b, Options{Servers: []string{f.addr}, Guard: NewGuard(nil, labNet, func() ([]net.Addr, error) { return nil, nil })})
	d := domain(b, "d.test")
	b.ReportAllocs()
	for b.Loop() {
		if got := r.Lookup(b.Context(), d); got.Outcome != Found {
			b.Fatal(got.Detail)
		}
	}
}

// TestLateLeaderCutsNobodyShort: a domain whose MX comes late has little time
// left for the address of its host, and takes none from a domain that joins.
func TestLateLeaderCutsNobodyShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := zone(
			"late.test. 300 IN MX 10 m.test.", "quick.test. 300 IN MX 10 m.test.", "m.test. 300 IN A 127.64.0.1",
		)
		p := newPiped(func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			switch q.Question[0].Name {
			case "late.test.":
				time.Sleep(7 * time.Second)
			case "m.test.":
				time.Sleep(2 * time.Second)
			}
			return answers(q, tcp, n)
		})
		r := p.resolver(t, Options{Budget: 8 * time.Second, patience: time.Minute})
		var wg sync.WaitGroup
		wg.Go(func() {
			if got := r.Lookup(t.Context(), domain(t, "late.test")); got.Outcome != Failed {
				t.Errorf("late: %s", got.Outcome)
			}
		})
		time.Sleep(7500 * time.Millisecond)
		if got := r.Lookup(t.Context(), domain(t, "quick.test")); got.Outcome != Found {
			t.Errorf("quick: %s (%s)", got.Outcome, got.Detail)
		}
		wg.Wait()
		if n := p.servers[0].count("m.test. A"); n != 1 {
			t.Errorf("asked %d times for the address", n)
		}
		p.end(r)
	})
}
