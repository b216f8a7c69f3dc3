package mx

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"rcptgate/verify/address"
)

// TestOutcomes: what each kind of zone means, asked over real sockets.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, zone(
		"found.test. 300 IN MX 20 b.found.test.",
		"found.test. 300 IN MX 10 A2.found.test.",
		"found.test. 300 IN MX 10 a1.found.test.",
		"a1.found.test. 300 IN A 127.64.0.1",
		"a2.found.test. 300 IN A 127.64.0.2",
		"b.found.test. 300 IN A 127.64.0.3",
		"null.test. 300 IN MX 0 .",
		"nullish.test. 300 IN MX 0 .",
		"nullish.test. 300 IN MX 10 a1.found.test.",
		"nullten.test. 300 IN MX 10 .",
		"implicit.test. 300 IN A 127.64.0.4",
		"empty.test. 300 IN TXT nothing",
		"dangling.test. 300 IN MX 10 gone.test.",
		"literal.test. 300 IN MX 10 192.0.2.1.",
		"forged.test. 300 IN MX 10 mx1.big.test\\,mx2.big.test.",
		"self.test. 300 IN MX 10 OUT1.example.test.",
		"selfandother.test. 300 IN MX 5 out1.example.test.",
		"selfandother.test. 300 IN MX 10 a1.found.test.",
		"selfbyalias.test. 300 IN MX 10 alias.out1.example.test.",
		"alias.out1.example.test. 300 IN CNAME out1.example.test.",
		"out1.example.test. 300 IN A 127.64.0.9",
		"private.test. 300 IN MX 10 p.private.test.",
		"p.private.test. 300 IN A 10.1.2.3",
		"p.private.test. 300 IN A 169.254.169.254",
		"partly.test. 300 IN MX 10 m.partly.test.",
		"m.partly.test. 300 IN A 10.1.2.3",
		"m.partly.test. 300 IN A 127.64.0.5",
		"six.test. 300 IN MX 10 m.six.test.",
		"m.six.test. 300 IN AAAA 2001:db8::25",
		"both.test. 300 IN MX 10 m.both.test.",
		"m.both.test. 300 IN AAAA 2001:db8::26",
		"m.both.test. 300 IN A 127.64.0.6",
		"alias.test. 300 IN CNAME found.test.",
		"aliastohost.test. 300 IN CNAME implicit.test.",
		"cnamed.test. 300 IN MX 10 c.cnamed.test.",
		"c.cnamed.test. 300 IN CNAME a1.found.test.",
		"loop.test. 300 IN CNAME loop2.test.",
		"loop2.test. 300 IN CNAME loop.test.",
		"toward.test. 300 IN CNAME nowhere.test.",
	))
	for _, c := range []struct {
		domain  string
		outcome Outcome
		site    Site
		targets string // sorted where random
	}{
		{"found.test", Found, "a1.found.test,a2.found.test;b.found.test", ""},
		{"null.test", NullMX, "", ""},
		{"nullish.test", Found, "a1.found.test", "a1.found.test=127.64.0.1"},
		{"nullten.test", NoTarget, "", ""},
		{"implicit.test", Found, "implicit.test", "implicit.test=127.64.0.4"},
		{"empty.test", NoMail, "", ""},
		{"absent.test", NXDomain, "", ""},
		{"dangling.test", NoTarget, "gone.test", ""},
		{"literal.test", NoTarget, "", ""},
		{"forged.test", NoTarget, "", ""},
		{"self.test", Reserved, "out1.example.test", ""},
		{"selfandother.test", Found, "out1.example.test;a1.found.test", "a1.found.test=127.64.0.1"},
		{"selfbyalias.test", Reserved, "alias.out1.example.test", ""},
		{"private.test", Reserved, "p.private.test", ""},
		{"partly.test", Found, "m.partly.test", "m.partly.test=127.64.0.5"},
		{"six.test", Found, "m.six.test", "m.six.test=2001:db8::25"},
		{"both.test", Found, "m.both.test", "m.both.test=127.64.0.6"},
		{"alias.test", Found, "a1.found.test,a2.found.test;b.found.test", ""},
		{"aliastohost.test", Found, "implicit.test", "implicit.test=127.64.0.4"},
		{"cnamed.test", Found, "c.cnamed.test", "c.cnamed.test=127.64.0.1"},
		{"loop.test", Failed, "", ""},
		{"toward.test", NXDomain, "", ""},
	} {
		got := r.Lookup(t.Context(), domain(t, c.domain))
		if got.Outcome != c.outcome || got.Site != c.site {
			t.Errorf("%s: %s %q (%s), want %s %q", c.domain, got.Outcome, got.Site, got.Detail, c.outcome, c.site)
		}
		if c.targets != "" && names(got.Targets) != c.targets {
			t.Errorf("%s: targets %s, want %s", c.domain, names(got.Targets), c.targets)
		}
		if got.Outcome != Found && len(got.Targets) > 0 {
			t.Errorf("%s: %s with targets %s", c.domain, got.Outcome, names(got.Targets))
		}
		if got.Domain != domain(t, c.domain) {
			t.Errorf("%s: Domain is %s", c.domain, got.Domain)
		}
		if (got.Outcome == Reserved || got.Outcome == Failed) && got.Detail == "" {
			t.Errorf("%s: %s without a word", c.domain, got.Outcome)
		}
	}
}

func TestImplicitAndPreferred(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, zone(
		"implicit.test. 300 IN A 127.64.0.4",
		"two.test. 300 IN MX 10 a.two.test.",
		"two.test. 300 IN MX 20 b.two.test.",
		"b.two.test. 300 IN A 127.64.0.5",
	))
	if got := r.Lookup(t.Context(), domain(t, "implicit.test")); !got.Implicit || !got.Targets[0].Preferred {
		t.Errorf("implicit: %+v", got)
	}
	got := r.Lookup(t.Context(), domain(t, "two.test"))
	if got.Implicit || len(got.Targets) != 1 || got.Targets[0].Preferred {
		t.Errorf("a backup whose better host has no address is no preferred host: %+v", got)
	}
}

// TestCaps: hosts, addresses of a host and of a walk are bounded, and a walk is
// spread over hosts.
func TestCaps(t *testing.T) {
	t.Parallel()
	var rrs []string
	for i := range 30 {
		rrs = append(rrs, fmt.Sprintf("many.test. 300 IN MX %d m%d.many.test.", 10+i, i))
		for j := range 12 {
			rrs = append(rrs, fmt.Sprintf("m%d.many.test. 300 IN A 127.65.%d.%d", i, i, j))
		}
	}
	rrs = append(rrs, "pair.test. 300 IN MX 10 m0.many.test.", "pair.test. 300 IN MX 20 m1.many.test.")
	rrs = append(rrs, "equal.test. 300 IN MX 10 m0.many.test.", "equal.test. 300 IN MX 10 m1.many.test.")
	rrs = append(rrs, "one.test. 300 IN MX 10 m2.many.test.")
	r, _ := overUDP(t, zone(rrs...))

	many := r.Lookup(t.Context(), domain(t, "many.test"))
	if len(many.Hosts) != 20 || len(many.Targets) != 5 {
		t.Fatalf("%d hosts, %d targets", len(many.Hosts), len(many.Targets))
	}
	for i, target := range many.Targets {
		if target.Host.Name != fmt.Sprintf("m%d.many.test", i) || target.Preferred != (i == 0) {
			t.Errorf("target %d is %+v", i, target)
		}
	}
	for _, c := range []struct{ domain, order string }{
		{"pair.test", "m0 m0 m0 m1 m1"}, // each host has a place, the better one more
		{"one.test", "m2 m2 m2 m2 m2"},
	} {
		var order []string
		for _, target := range r.Lookup(t.Context(), domain(t, c.domain)).Targets {
			order = append(order, strings.TrimSuffix(target.Host.Name, ".many.test"))
		}
		if got := strings.Join(order, " "); got != c.order {
			t.Errorf("%s: %s, want %s", c.domain, got, c.order)
		}
	}
	// Hosts of one preference take turns, and each of them begins at times.
	first := map[string]int{}
	for range 100 {
		got := r.Lookup(t.Context(), domain(t, "equal.test")).Targets
		if got[0].Host == got[1].Host {
			t.Fatalf("no turns: %s", names(got))
		}
		first[got[0].Host.Name]++
	}
	if len(first) != 2 {
		t.Errorf("always the same host first: %v", first)
	}
	a, _ := r.addrs.get(t.Context(), question{"m0.many.test.", dns.TypeA})
	if len(a.addrs) != 8 {
		t.Errorf("%d addresses of one host", len(a.addrs))
	}
}

// TestChains: 8 CNAMEs are followed, and not one more, whether the server follows
// them itself or leaves each to us.
func TestChains(t *testing.T) {
	t.Parallel()
	rrs := []string{"x0.test. 300 IN MX 10 m.test.", "m.test. 300 IN A 127.64.0.1"}
	for i := 1; i <= 9; i++ {
		rrs = append(rrs, fmt.Sprintf("x%d.test. 300 IN CNAME x%d.test.", i, i-1))
	}
	whole := zone(rrs...)
	links := func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		m := whole(q, tcp, n)
		if a := m[0].Answer; len(a) > 1 {
			m[0].Answer = a[:1]
		}
		return m
	}
	for name, server := range map[string]script{"whole": whole, "a link at a time": links} {
		synctest.Test(t, func(t *testing.T) {
			p := newPiped(server)
			r := p.resolver(t, Options{})
			for domainName, want := range map[string]Outcome{"x8.test": Found, "x9.test": Failed} {
				if got := r.Lookup(t.Context(), domain(t, domainName)); got.Outcome != want {
					t.Errorf("%s, %s: %s %s", name, domainName, got.Outcome, got.Detail)
				}
			}
			p.end(r)
		})
	}
}

// TestTenThousandMX: as many as fit in a message, and a message cut even over
// TCP because they do not.
func TestTenThousandMX(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, func(q *dns.Msg, tcp bool, _ int) []*dns.Msg {
		m := reply(q, dns.RcodeSuccess)
		if q.Question[0].Qtype != dns.TypeMX {
			return zone("mx.flood.test. 300 IN A 127.64.0.1", "m0000.flood.test. 300 IN A 127.64.0.1")(q, tcp, 1)
		}
		if !tcp {
			m.Truncated = true
			return []*dns.Msg{m}
		}
		count, cut := 2500, false
		if q.Question[0].Name == "flood.test." {
			count, cut = 10_000, true
		}
		for i := range count {
			m.Answer = append(m.Answer, &dns.MX{
				Hdr:        dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeMX, Class: dns.ClassINET, Ttl: 300},
				Preference: uint16(count - i), Mx: fmt.Sprintf("m%04d.flood.test.", count-1-i),
			})
		}
		if cut {
			m.Compress = true
			m.Truncate(dns.MaxMsgSize)
		}
		return []*dns.Msg{m}
	})
	if got := r.Lookup(t.Context(), domain(t, "large.test")); got.Outcome != Found || len(got.Hosts) != 20 || got.Hosts[0].Name != "m0000.flood.test" {
		t.Errorf("large: %s %s %v", got.Outcome, got.Detail, got.Hosts)
	}
	if got := r.Lookup(t.Context(), domain(t, "flood.test")); got.Outcome != Failed || !strings.Contains(got.Detail, "cut over TCP") {
		t.Errorf("flood: %s %s", got.Outcome, got.Detail)
	}
}

// TestLies: the guard holds whatever the DNS says.
func TestLies(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, zone(
		"a.test. 300 IN MX 10 h.a.test.", "h.a.test. 300 IN A 127.0.0.1",
		"b.test. 300 IN MX 10 h.b.test.", "h.b.test. 300 IN AAAA ::1", "h.b.test. 300 IN AAAA ::ffff:10.0.0.1",
		"h.b.test. 300 IN AAAA 64:ff9b::a00:1", "h.b.test. 300 IN AAAA fe80::1",
		"c.test. 300 IN A 192.168.0.1",
		"d.test. 300 IN MX 10 gone.d.test.", "d.test. 300 IN MX 20 h.a.test.",
	))
	for _, name := range []string{"a.test", "b.test", "c.test", "d.test"} {
		got := r.Lookup(t.Context(), domain(t, name))
		if got.Outcome != Reserved || len(got.Targets) > 0 || !strings.Contains(got.Detail, "never asked") {
			t.Errorf("%s: %s %q %s", name, got.Outcome, got.Detail, names(got.Targets))
		}
	}
}

func TestZeroDomainAndCallersContext(t *testing.T) {
	t.Parallel()
	r, _ := overUDP(t, zone())
	if got := r.Lookup(t.Context(), domain(t, "x.test")); got.Outcome != NXDomain {
		t.Errorf("%s", got.Outcome)
	}
	if got := r.Lookup(t.Context(), address.Domain{}); got.Outcome != Failed {
		t.Errorf("no domain: %s", got.Outcome)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := r.Lookup(ctx, domain(t, "y.test")); got.Outcome != Failed || got.Expires.After(time.Now().Add(failureTTL)) {
		t.Errorf("%+v", got)
	}
}
