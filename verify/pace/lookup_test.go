package pace

import (
	"net"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// resolve asks the lab for the address of a host.
func resolve(t testing.TB, c net.Conn, host string) netip.Addr {
	t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(host), dns.TypeA)
	co := &dns.Conn{Conn: c}
	if err := co.WriteMsg(q); err != nil {
		t.Fatal(err)
	}
	m, err := co.ReadMsg()
	if err != nil {
		t.Fatal(err)
	}
	for _, rr := range m.Answer {
		if a, ok := rr.(*dns.A); ok {
			ip, _ := netip.AddrFromSlice(a.A.To4())
			return ip
		}
	}
	t.Fatalf("no address for %s", host)
	return netip.Addr{}
}
