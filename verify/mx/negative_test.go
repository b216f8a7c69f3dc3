package mx

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

func rcode(code int) script {
	return func(q *dns.Msg, _ bool, _ int) []*dns.Msg {
		m := reply(q, code)
		if code == dns.RcodeNameError || code == dns.RcodeSuccess {
			m.Ns = []dns.RR{soa(60)}
		}
		return []*dns.Msg{m}
	}
}

// only answers one name with a script and the others with good.
func only(name string, s script) script {
	return func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		if q.Question[0].Name == name {
			return s(q, tcp, n)
		}
		return good(q, tcp, n)
	}
}

// TestNegativeIsAskedTwice, of another server where there is one.
func TestNegativeIsAskedTwice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		servers []script
		outcome Outcome
		asked   []int // d.test MX at each server
		detail  string
	}{
		{"alone", []script{only("d.test.", rcode(dns.RcodeNameError))}, NXDomain, []int{2}, ""},
		{"two agree", []script{only("d.test.", rcode(dns.RcodeNameError)), only("d.test.", rcode(dns.RcodeNameError))}, NXDomain, []int{1, 1}, ""},
		{"the second knows better", []script{only("d.test.", rcode(dns.RcodeNameError)), good}, Found, []int{1, 1}, ""},
		{"nodata, and the second knows better", []script{only("d.test.", rcode(dns.RcodeSuccess)), good}, Found, []int{1, 1}, ""},
		{"the second cannot say", []script{only("d.test.", rcode(dns.RcodeNameError)), only("d.test.", rcode(dns.RcodeServerFailure))}, Failed, []int{1, 1}, "SERVFAIL"},
		{"the second is not there", []script{only("d.test.", rcode(dns.RcodeNameError)), nil}, NXDomain, []int{2, 0}, ""},
		{"once only", []script{func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			if n == 1 && q.Question[0].Name == "d.test." {
				return rcode(dns.RcodeNameError)(q, tcp, n)
			}
			return good(q, tcp, n)
		}}, Found, []int{2}, ""},
		{"they differ, so the weaker holds", []script{only("d.test.", rcode(dns.RcodeNameError)), only("d.test.", rcode(dns.RcodeSuccess))}, NoMail, []int{1, 1}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(c.servers...)
				r := p.resolver(t, Options{})
				got := r.Lookup(t.Context(), domain(t, "d.test"))
				if got.Outcome != c.outcome || !strings.Contains(got.Detail, c.detail) {
					t.Errorf("%s %q, want %s %q", got.Outcome, got.Detail, c.outcome, c.detail)
				}
				for i, n := range c.asked {
					if got := p.servers[i].count("d.test. MX"); got != n {
						t.Errorf("server %d asked %d times, want %d", i, got, n)
					}
				}
				r.Close()
				p.wg.Wait()
			})
		})
	}
}

// TestNoMailAsksAddressesTwice: without MX, the absence of an address is as
// weighty.
func TestNoMailAsksAddressesTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		empty := zone("d.test. 300 IN TXT x")
		p := newPiped(empty, empty)
		r := p.resolver(t, Options{})
		if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != NoMail || got.Site != "" {
			t.Errorf("%s %s", got.Outcome, got.Detail)
		}
		for _, s := range p.servers {
			for _, q := range []string{"d.test. MX", "d.test. A", "d.test. AAAA"} {
				if s.count(q) != 1 {
					t.Errorf("%s asked %q %d times", s.addr, q, s.count(q))
				}
			}
		}
		p.end(r)
	})
	t.Run("an address at the second server", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPiped(zone("d.test. 300 IN TXT x"), zone("d.test. 300 IN A 127.64.0.1"))
			r := p.resolver(t, Options{})
			if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Found || names(got.Targets) != "d.test=127.64.0.1" {
				t.Errorf("%s %s %s", got.Outcome, got.Detail, names(got.Targets))
			}
			p.end(r)
		})
	})
	t.Run("no answer for IPv6", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPiped(func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
				if q.Question[0].Qtype == dns.TypeAAAA {
					return rcode(dns.RcodeServerFailure)(q, tcp, n)
				}
				return zone("d.test. 300 IN TXT x")(q, tcp, n)
			})
			r := p.resolver(t, Options{})
			if got := r.Lookup(t.Context(), domain(t, "d.test")); got.Outcome != Failed {
				t.Errorf("%s %s", got.Outcome, got.Detail)
			}
			p.end(r)
		})
	})
}

// TestCanary: no negative answer is believed while the canary fails at a server
// that gave it; it is asked at most once in 30 s.
func TestCanary(t *testing.T) {
	t.Parallel()
	nx := rcode(dns.RcodeNameError)
	for _, c := range []struct {
		name    string
		canary  string
		servers []script
		outcome Outcome
	}{
		{"all is NXDOMAIN", "probe.test", []script{nx}, Failed},
		{"all is NXDOMAIN, no probe sender", "", []script{nx}, Failed},
		{"root only", "", []script{func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			if q.Question[0].Name == "." {
				return rcode(dns.RcodeSuccess)(q, tcp, n)
			}
			return nx(q, tcp, n)
		}}, NXDomain},
		{"one of two servers lies", "probe.test", []script{nx, zone("probe.test. 300 IN TXT x")}, Failed},
		{"the second of two servers lies", "probe.test", []script{zone("probe.test. 300 IN TXT x"), nx}, Failed},
		{"records", "probe.test", []script{zone("probe.test. 300 IN MX 10 m.probe.test.")}, NXDomain},
		{"an address only", "probe.test", []script{func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			if q.Question[0].Name == "probe.test." && q.Question[0].Qtype == dns.TypeMX {
				return rcode(dns.RcodeServerFailure)(q, tcp, n)
			}
			return zone("probe.test. 300 IN A 192.0.2.1")(q, tcp, n)
		}}, NXDomain},
		{"NOERROR without records", "probe.test", []script{zone("probe.test. 300 IN TXT x")}, NXDomain},
		{"itself", "d.test", []script{nx}, Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(c.servers...)
				var o Options
				if c.canary != "" {
					o.Canary = domain(t, c.canary)
				}
				r := p.resolver(t, o)
				got := r.Lookup(t.Context(), domain(t, "d.test"))
				if got.Outcome != c.outcome {
					t.Errorf("%s %q, want %s", got.Outcome, got.Detail, c.outcome)
				}
				if c.outcome == Failed && !strings.Contains(got.Detail, "canary") {
					t.Errorf("detail %q", got.Detail)
				}
				p.end(r)
			})
		})
	}
}

func TestCanaryIsAskedOnceInThirtySeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(zone("probe.test. 300 IN MX 10 m.probe.test."))
		r := p.resolver(t, Options{Canary: domain(t, "probe.test")})
		ask := func(name string) {
			if got := r.Lookup(t.Context(), domain(t, name)); got.Outcome != NXDomain {
				t.Fatalf("%s: %s %s", name, got.Outcome, got.Detail)
			}
		}
		for _, name := range []string{"a.test", "b.test", "c.test"} {
			ask(name)
			time.Sleep(9 * time.Second)
		}
		if n := p.servers[0].count("probe.test. MX"); n != 1 {
			t.Errorf("asked %d times in 27 s", n)
		}
		time.Sleep(3 * time.Second)
		ask("e.test")
		if n := p.servers[0].count("probe.test. MX"); n != 2 {
			t.Errorf("asked %d times after 30 s", n)
		}
		p.end(r)
	})
}

// TestAbsentForMXOnly: some name servers say NXDOMAIN to a type that they do not
// know. A name that has an address exists.
func TestAbsentForMXOnly(t *testing.T) {
	t.Parallel()
	absent := rcode(dns.RcodeNameError)
	forA := func(s script) script {
		return only("d.test.", func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
			if q.Question[0].Qtype == dns.TypeA {
				return s(q, tcp, n)
			}
			return absent(q, tcp, n)
		})
	}
	for _, c := range []struct {
		name     string
		server   script
		outcome  Outcome
		implicit bool
	}{
		{"an address", forA(func(q *dns.Msg, _ bool, _ int) []*dns.Msg {
			m := reply(q, dns.RcodeSuccess)
			rr, err := dns.NewRR("d.test. 60 A 8.8.4.4")
			if err != nil {
				panic(err)
			}
			m.Answer = []dns.RR{rr}
			return []*dns.Msg{m}
		}), Found, true},
		{"no address, but a name", forA(rcode(dns.RcodeSuccess)), Failed, false},
		{"cannot say", forA(rcode(dns.RcodeServerFailure)), Failed, false},
		{"absent for all", forA(absent), NXDomain, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(c.server)
				r := p.resolver(t, Options{})
				got := r.Lookup(t.Context(), domain(t, "d.test"))
				if got.Outcome != c.outcome || got.Implicit != c.implicit {
					t.Errorf("%s (%s), implicit %v; want %s, %v", got.Outcome, got.Detail, got.Implicit, c.outcome, c.implicit)
				}
				p.end(r)
			})
		})
	}
}
