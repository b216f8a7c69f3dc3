package mx

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"rcptgate/internal/lab"
	"rcptgate/verify/address"
)

// script answers one query of a scripted server; nil means silence. tcp tells
// how it came, n how many came for this name and type, from 1.
type script func(q *dns.Msg, tcp bool, n int) []*dns.Msg

// fakeDNS is one scripted name server on loopback, UDP and TCP on one port.
type fakeDNS struct {
	addr string

	mu    sync.Mutex
	asked map[string]int // "name TYPE"
}

func (f *fakeDNS) count(question string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.asked[question]
}

func newFakeDNS(t testing.TB, s script) *fakeDNS {
	t.Helper()
	f := &fakeDNS{asked: map[string]int{}}
	ln, pc, err := lab.ListenDNS()
	if err != nil {
		t.Fatal(err)
	}
	f.addr = ln.Addr().String()
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = ln.Close()
		_ = pc.Close()
		wg.Wait()
	})
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, peer, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			for _, p := range f.answer(s, buf[:n], false) {
				_, _ = pc.WriteTo(p, peer)
			}
		}
	})
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.serveStream(s, c, true) })
		}
	})
	return f
}

// serveStream answers the framed queries of one connection.
func (f *fakeDNS) serveStream(s script, c net.Conn, tcp bool) {
	defer c.Close()
	co := &dns.Conn{Conn: c}
	for {
		q, err := co.ReadMsgHeader(nil)
		if err != nil {
			return
		}
		for _, p := range f.answer(s, q, tcp) {
			if _, err := co.Write(p); err != nil {
				return
			}
		}
	}
}

func (f *fakeDNS) answer(s script, packet []byte, tcp bool) [][]byte {
	q := new(dns.Msg)
	if q.Unpack(packet) != nil || len(q.Question) != 1 {
		return nil
	}
	key := q.Question[0].Name + " " + dns.TypeToString[q.Question[0].Qtype]
	f.mu.Lock()
	f.asked[key]++
	n := f.asked[key]
	f.mu.Unlock()
	var out [][]byte
	for _, m := range s(q, tcp, n) {
		m.Compress = true
		if p, err := m.Pack(); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// zone answers from records in zone-file syntax; names that have none do not
// exist, but those above others have no data.
func zone(rrs ...string) script {
	records := map[string][]dns.RR{".": nil}
	for _, s := range rrs {
		rr, err := dns.NewRR(s)
		if err != nil {
			panic(err)
		}
		records[rr.Header().Name] = append(records[rr.Header().Name], rr)
	}
	return func(q *dns.Msg, _ bool, _ int) []*dns.Msg {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		name := q.Question[0].Name
		for range 20 {
			rrs, ok := records[name]
			if !ok {
				m.Rcode = dns.RcodeNameError
				m.Ns = []dns.RR{soa(60)}
				return []*dns.Msg{m}
			}
			next := ""
			for _, rr := range rrs {
				if c, ok := rr.(*dns.CNAME); ok {
					m.Answer = append(m.Answer, rr)
					next = c.Target
				} else if rr.Header().Rrtype == q.Question[0].Qtype {
					m.Answer = append(m.Answer, rr)
				}
			}
			if next == "" {
				if len(m.Answer) == 0 || m.Answer[len(m.Answer)-1].Header().Rrtype == dns.TypeCNAME {
					m.Ns = []dns.RR{soa(60)}
				}
				return []*dns.Msg{m}
			}
			name = next
		}
		return []*dns.Msg{m}
	}
}

func soa(ttl uint32) dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl},
		Ns:  "ns.test.", Mbox: "nobody.test.", Minttl: ttl,
	}
}

func reply(q *dns.Msg, rcode int) *dns.Msg {
	m := new(dns.Msg).SetRcode(q, rcode)
	m.RecursionAvailable = true
	return m
}

func domain(t testing.TB, s string) address.Domain {
	t.Helper()
	d, err := address.ParseDomain(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var labNet = []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10"), netip.MustParsePrefix("2001:db8::/32")}

// testGuard lets the lab's networks in and knows no address of this host.
func testGuard(names ...string) *Guard {
	return NewGuard(names, labNet, func() ([]net.Addr, error) { return nil, nil })
}

func newTest(t testing.TB, o Options) *Resolver {
	t.Helper()
	if o.Guard == nil {
		o.Guard = testGuard("out1.example.test")
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// overUDP asks scripted servers on loopback.
func overUDP(t testing.TB, scripts ...script) (*Resolver, []*fakeDNS) {
	t.Helper()
	o := Options{Budget: time.Minute, patience: time.Minute}
	var servers []*fakeDNS
	for _, s := range scripts {
		f := newFakeDNS(t, s)
		servers = append(servers, f)
		o.Servers = append(o.Servers, f.addr)
	}
	return newTest(t, o), servers
}

// piped is a world of scripted servers behind net.Pipe, for synctest bubbles:
// server i has the address 192.0.2.i:53 (from 1). A delay holds answers back;
// a nil script refuses connections.
type piped struct {
	servers []*fakeDNS
	scripts []script
	delay   time.Duration
	wg      sync.WaitGroup
}

func newPiped(scripts ...script) *piped {
	p := &piped{scripts: scripts}
	for i := range scripts {
		p.servers = append(p.servers, &fakeDNS{addr: "192.0.2." + strconv.Itoa(i+1) + ":53", asked: map[string]int{}})
	}
	return p
}

func (p *piped) addrs() []string {
	var a []string
	for _, s := range p.servers {
		a = append(a, s.addr)
	}
	return a
}

func (p *piped) dial(_ context.Context, _, addr string) (net.Conn, error) {
	for i, s := range p.servers {
		if s.addr != addr {
			continue
		}
		if p.scripts[i] == nil {
			return nil, errors.New("connection refused")
		}
		a, b := net.Pipe()
		p.wg.Go(func() {
			s.serveStream(func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
				time.Sleep(p.delay)
				return p.scripts[i](q, tcp, n)
			}, b, false)
		})
		return a, nil
	}
	return nil, errors.New("no such server " + addr)
}

func (p *piped) resolver(t testing.TB, o Options) *Resolver {
	t.Helper()
	o.Servers, o.Dial = p.addrs(), p.dial
	return newTest(t, o)
}

func names(targets []Target) string {
	var s []string
	for _, t := range targets {
		s = append(s, t.Host.Name+"="+t.Addr.String())
	}
	return strings.Join(s, " ")
}

// end closes the resolver and waits for the servers' side.
func (p *piped) end(r *Resolver) {
	r.Close()
	p.wg.Wait()
}
