package mx

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzInterpret: whatever a packet holds, what comes out of it is bounded and
// fit to be printed.
func FuzzInterpret(f *testing.F) {
	for _, question := range []string{"d.test. MX", "m.test. A", "m.test. AAAA", "c.test. MX", "gone.test. MX"} {
		name, qtype, _ := strings.Cut(question, " ")
		q := new(dns.Msg).SetQuestion(name, dns.StringToType[qtype])
		for _, m := range zone(
			"d.test. 300 IN MX 10 m.test.", "d.test. 300 IN MX 0 .", "m.test. 300 IN A 127.64.0.1",
			"m.test. 300 IN AAAA 2001:db8::1", "c.test. 300 IN CNAME d.test.",
		)(q, false, 1) {
			m.SetEdns0(1232, false)
			m.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_EDE{InfoCode: 3, ExtraText: "stale"}}
			p, err := m.Pack()
			if err != nil {
				f.Fatal(err)
			}
			f.Add(p, name, q.Question[0].Qtype)
		}
	}
	f.Fuzz(func(t *testing.T, packet []byte, name string, qtype uint16) {
		m := new(dns.Msg)
		_ = m.Unpack(packet)
		q := new(dns.Msg).SetQuestion(name, qtype)
		q.Id = m.Id
		if matches(m, q) && !m.Response {
			t.Error("a query matches")
		}
		a := interpret(m, strings.ToLower(name), qtype)
		if len(a.mx) > maxHosts || len(a.addrs) > maxHostAddrs || a.links > maxCNAME {
			t.Errorf("%d hosts, %d addresses, %d CNAMEs", len(a.mx), len(a.addrs), a.links)
		}
		if a.ttl < 0 || a.ttl > maxTTL {
			t.Errorf("TTL %v", a.ttl)
		}
		if a.negative() && (len(a.mx) > 0 || len(a.addrs) > 0) {
			t.Error("negative, with records")
		}
		for _, ip := range a.addrs {
			if !ip.IsValid() || ip.Is4In6() {
				t.Errorf("address %v", ip)
			}
		}
		for i := range len(a.detail) {
			if c := a.detail[i]; c < ' ' || c > '~' {
				t.Errorf("detail %q", a.detail)
			}
		}
		hosts := usable(a.mx)
		for _, h := range hosts {
			if strings.Trim(h.Name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || h.Name == "" {
				t.Errorf("host %q", h.Name)
			}
			if _, err := netip.ParseAddr(h.Name); err == nil {
				t.Errorf("host %q is an address", h.Name)
			}
		}
		if site := siteOf(hosts); len(hosts) > 0 && strings.Count(string(site), ",")+strings.Count(string(site), ";") != len(hosts)-1 {
			t.Errorf("site %q of %v", site, hosts)
		}
	})
}
