package mx

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

var good = zone(
	"d.test. 300 IN MX 10 m.d.test.", "m.d.test. 300 IN A 127.64.0.1",
	"e.test. 300 IN MX 10 m.d.test.",
)

// TestMismatchedRepliesAreReadPast: what does not match the question decides
// nothing, and the right reply behind it counts, on the same socket.
func TestMismatchedRepliesAreReadPast(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*dns.Msg){
		"id":       func(m *dns.Msg) { m.Id++ },
		"question": func(m *dns.Msg) { m.Question[0].Name = "elsewhere.test." },
		"type":     func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeTXT },
		"class":    func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS },
		"QR":       func(m *dns.Msg) { m.Response = false },
		"opcode":   func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
		"empty":    func(m *dns.Msg) { m.Question = nil },
		"two":      func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, servers := overUDP(t, func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
				lie := reply(q, dns.RcodeNameError)
				lie.Ns = []dns.RR{soa(60)}
				spoil(lie)
				return append([]*dns.Msg{lie}, good(q, tcp, n)...)
			})
			if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found {
				t.Errorf("%s %s", got.Outcome, got.Detail)
			}
			if n := servers[0].count("d.test. MX"); n != 1 {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestQuestionCaseIsFolded(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		ms := good(q, tcp, n)
		ms[0].Question[0].Name = strings.ToUpper(ms[0].Question[0].Name)
		for i, rr := range ms[0].Answer {
			rr = dns.Copy(rr)
			rr.Header().Name = strings.ToUpper(rr.Header().Name)
			ms[0].Answer[i] = rr
		}
		return ms
	})
	if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found {
		t.Errorf("%s %s", got.Outcome, got.Detail)
	}
}

func TestTruncatedGoesToTCPOfTheSameServer(t *testing.T) {
	t.Parallel()
	r, servers := overUDP(t, func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		if !tcp {
			m := reply(q, dns.RcodeSuccess)
			m.Truncated = true
			return []*dns.Msg{m}
		}
		return good(q, tcp, n)
	}, good)
	if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found {
		t.Errorf("%s %s", got.Outcome, got.Detail)
	}
	if servers[0].count("d.test. MX") != 2 || servers[1].count("d.test. MX") != 0 {
		t.Errorf("asked %d and %d times", servers[0].count("d.test. MX"), servers[1].count("d.test. MX"))
	}
}

func TestWithoutEDNSAfterFormErr(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		opt := q.IsEdns0()
		if opt != nil {
			if opt.UDPSize() != 1232 || opt.Do() {
				t.Errorf("EDNS0 %d, DO %v", opt.UDPSize(), opt.Do())
			}
			m := reply(q, dns.RcodeFormatError)
			m.Question = nil
			return []*dns.Msg{m}
		}
		return good(q, tcp, n)
	})
	if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found {
		t.Errorf("%s %s", got.Outcome, got.Detail)
	}
}

// TestNextServer: SERVFAIL, REFUSED, a refused connection and nonsense send the
// question to the next server at once, silence after 2 s.
func TestNextServer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		first script
		wait  time.Duration
	}{
		{"servfail", func(q *dns.Msg, _ bool, _ int) []*dns.Msg { return []*dns.Msg{reply(q, dns.RcodeServerFailure)} }, 0},
		{"refused", func(q *dns.Msg, _ bool, _ int) []*dns.Msg { return []*dns.Msg{reply(q, dns.RcodeRefused)} }, 0},
		{"referral", func(q *dns.Msg, _ bool, _ int) []*dns.Msg {
			m := new(dns.Msg).SetReply(q)
			rr, _ := dns.NewRR("test. 300 IN NS ns.test.")
			m.Ns = []dns.RR{rr}
			return []*dns.Msg{m}
		}, 0},
		{"no connection", nil, 0},
		{"silent", func(*dns.Msg, bool, int) []*dns.Msg { return nil }, 2 * time.Second},
		{"wrong id", func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			ms := good(q, tcp, n)
			ms[0].Id++
			return ms
		}, 2 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(c.first, good)
				r := p.resolver(t, Options{})
				start := time.Now()
				if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found {
					t.Fatalf("%s %s", got.Outcome, got.Detail)
				}
				// A silent server is asked last for the addresses.
				if took := time.Since(start); took != c.wait {
					t.Errorf("took %v", took)
				}
				p.end(r)
			})
		})
	}
}

// TestAloneIsAskedAgain: a server without a second gets a second question.
func TestAloneIsAskedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			if n == 1 {
				return []*dns.Msg{reply(q, dns.RcodeServerFailure)}
			}
			return good(q, tcp, n)
		})
		r := p.resolver(t, Options{})
		if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found {
			t.Errorf("%s %s", got.Outcome, got.Detail)
		}
		p.end(r)
	})
}

// TestFailures: what cannot be found out is Failed with the rcode, the server
// and the extended error in words, for 5 s.
func TestFailures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(func(q *dns.Msg, _ bool, _ int) []*dns.Msg {
			m := reply(q, dns.RcodeServerFailure)
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 6, ExtraText: "bogus\r\n\x1b[31m"}}
			return []*dns.Msg{m}
		})
		r := p.resolver(t, Options{})
		got := r.Lookup(t.Context(), domain(t, "d.test"))
		if want := "SERVFAIL (EDE 6: bogus???[31m) from 192.0.2.1:53"; got.Outcome != Failed || got.Detail != want {
			t.Errorf("%s %q, want %q", got.Outcome, got.Detail, want)
		}
		r.Lookup(t.Context(), domain(t, "d.test"))
		if n := p.servers[0].count("d.test. MX"); n != 2 {
			t.Errorf("asked %d times, want a try and its repetition", n)
		}
		time.Sleep(failureTTL)
		r.Lookup(t.Context(), domain(t, "d.test"))
		if n := p.servers[0].count("d.test. MX"); n != 4 {
			t.Errorf("asked %d times after 5 s", n)
		}
		p.end(r)
	})
}

// TestBudget bounds the whole, however many servers are silent.
func TestBudget(t *testing.T) {
	t.Parallel()
	silent := func(*dns.Msg, bool, int) []*dns.Msg { return nil }
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(silent, silent, silent, silent, silent)
		r := p.resolver(t, Options{})
		start := time.Now()
		got := r.Lookup(t.Context(), domain(t, "d.test"))
		if took := time.Since(start); got.Outcome != Failed || took != 8*time.Second {
			t.Errorf("%s after %v", got.Outcome, took)
		}
		p.end(r)
	})
}

// TestColdPathIsTwoRoundTrips: MX, then the addresses of all first hosts at
// once. IPv6 is asked for where there is no IPv4, one round trip more, and of
// several such hosts at once too.
func TestColdPathIsTwoRoundTrips(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, b, c string // records of two of the three hosts
		trips      time.Duration
		want       string
	}{
		{"IPv4", "A 127.64.0.2", "A 127.64.0.3", 2, "a.test=127.64.0.1 b.test=127.64.0.2 c.test=127.64.0.3"},
		{"IPv6 too", "AAAA 2001:db8::1", "AAAA 2001:db8::2", 3, "a.test=127.64.0.1 b.test=2001:db8::1 c.test=2001:db8::2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(zone(
					"d.test. 300 IN MX 10 a.test.", "d.test. 300 IN MX 20 b.test.", "d.test. 300 IN MX 30 c.test.",
					"a.test. 300 IN A 127.64.0.1", "b.test. 300 IN "+c.b, "c.test. 300 IN "+c.c,
				))
				p.delay = 20 * time.Millisecond
				r := p.resolver(t, Options{})
				start := time.Now()
				got := r.Lookup(t.Context(), domain(t, "d.test"))
				if took := time.Since(start); took != c.trips*p.delay {
					t.Errorf("took %v", took)
				}
				if names(got.Targets) != c.want {
					t.Errorf("targets %s", names(got.Targets))
				}
				if n := p.servers[0].count("a.test. AAAA"); n != 0 {
					t.Errorf("IPv6 asked %d times beside IPv4", n)
				}
				r.Close()
				p.wg.Wait()
			})
		})
	}
}

// TestSilentZone: servers that say nothing about the first host leave time for
// the second.
func TestSilentZone(t *testing.T) {
	t.Parallel()
	for name, mxs := range map[string][]string{
		"first":     {"d.test. 300 IN MX 10 a.test.", "d.test. 300 IN MX 20 b.test."},
		"beside":    {"d.test. 300 IN MX 10 a.test.", "d.test. 300 IN MX 10 b.test."},
		"all but b": {"d.test. 300 IN MX 10 a.test.", "d.test. 300 IN MX 10 a.a.test.", "d.test. 300 IN MX 20 b.test."},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				answers := zone(append(mxs, "b.test. 300 IN A 127.64.0.2")...)
				p := newPiped(func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
					if strings.HasSuffix(q.Question[0].Name, "a.test.") {
						return nil
					}
					return answers(q, tcp, n)
				})
				r := p.resolver(t, Options{})
				start := time.Now()
				got := r.Lookup(t.Context(), domain(t, "d.test"))
				// Two tries of two seconds, and what IPv6 began later.
				if took := time.Since(start); took > 4*time.Second+lateV4 || names(got.Targets) != "b.test=127.64.0.2" {
					t.Errorf("%s after %v", names(got.Targets), took)
				}
				p.end(r)
			})
		})
	}
}

// TestSlowBackupIsLeftOut: a preferred host is waited for, a lesser one a
// second longer; the route is then short-lived.
func TestSlowBackupIsLeftOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		answers := zone(
			"d.test. 300 IN MX 10 a.test.", "d.test. 300 IN MX 20 b.test.", "a.test. 300 IN A 127.64.0.1",
		)
		p := newPiped(func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			if q.Question[0].Name == "b.test." {
				return nil
			}
			return answers(q, tcp, n)
		})
		r := p.resolver(t, Options{})
		start := time.Now()
		got := r.Lookup(t.Context(), domain(t, "d.test"))
		if took := time.Since(start); took != time.Second || names(got.Targets) != "a.test=127.64.0.1" {
			t.Errorf("%s after %v", names(got.Targets), took)
		}
		if got.Site != "a.test;b.test" || time.Until(got.Expires) != 30*time.Second {
			t.Errorf("%s expires in %v", got.Site, time.Until(got.Expires))
		}
		r.Close()
		p.wg.Wait()
	})
}

// TestDanglingCNAME: a server that does not follow a CNAME is asked for what it
// leads to, eight at most.
func TestDanglingCNAME(t *testing.T) {
	t.Parallel()
	r, servers := overUDP(t, func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		m := reply(q, dns.RcodeSuccess)
		name := q.Question[0].Name
		switch {
		case name == "d.test.":
			rr, _ := dns.NewRR("d.test. 300 IN CNAME real.test.")
			m.Answer = []dns.RR{rr}
		case strings.HasSuffix(name, "endless.test."):
			rr, _ := dns.NewRR(name + " 300 IN CNAME x." + name)
			m.Answer = []dns.RR{rr}
		default:
			return zone("real.test. 300 IN MX 10 m.test.", "m.test. 300 IN A 127.64.0.1")(q, tcp, n)
		}
		return []*dns.Msg{m}
	})
	if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found || got.Site != "m.test" {
		t.Errorf("%s %s", got.Outcome, got.Detail)
	}
	got := r.Lookup(t.Context(), domain(t, "endless.test"))
	if got.Outcome != Failed || !strings.Contains(got.Detail, "CNAME") {
		t.Errorf("%s %s", got.Outcome, got.Detail)
	}
	r.Close()
	total := 0
	servers[0].mu.Lock()
	defer servers[0].mu.Unlock()
	for _, n := range servers[0].asked {
		total += n
	}
	if total > 20 {
		t.Errorf("%d questions", total)
	}
}
