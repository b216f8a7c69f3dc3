// Package lab is a simulated mail internet: DNS zones and MX hosts with a knob
// for every misbehaviour that real ones show, and clients that play the MTA's
// side of the policy and milter protocols.
//
// One Internet serves its world in memory (Dial, over net.Pipe, so that it
// runs inside a testing/synctest bubble where hours pass in milliseconds) or
// on loopback and unprivileged ports (Listen). Everything that reaches the
// far end is counted there (Log), so that a test need not believe the prober.
//
// It knows nothing of the packages it tests.
package lab

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Options of a world.
type Options struct {
	// RTT is the simulated round trip: DNS and MX hold each answer back so
	// long, and a new connection costs one more.
	RTT time.Duration
	// NoLog keeps counters only (Count), no entries: for worlds with
	// hundreds of thousands of dialogues.
	NoLog bool
}

// Internet is one simulated world. Its methods are safe for concurrent use;
// domains and hosts may be registered at any time. Close ends what Listen
// began; connections of Dial end with their client.
type Internet struct {
	opts Options
	cert tls.Certificate

	mu       sync.Mutex
	records  map[string][]dns.RR // by lower-case name with trailing dot
	parents  map[string]bool     // names that exist because something lies below
	faults   map[string]string
	asked    map[string]int // queries by name, for nxdomain_once
	queries  int
	hosts    map[netip.Addr]*server
	nextAddr netip.Addr
	entries  []Entry
	counts   map[countKey]int
	sessions int

	open   map[net.Conn]bool
	loop   *loopback // nil until Listen
	wg     sync.WaitGroup
	closed bool
	done   chan struct{}
}

// New returns an empty world.
func New(o Options) *Internet {
	return &Internet{
		opts:     o,
		cert:     selfSigned(),
		records:  map[string][]dns.RR{},
		parents:  map[string]bool{},
		faults:   map[string]string{},
		asked:    map[string]int{},
		hosts:    map[netip.Addr]*server{},
		counts:   map[countKey]int{},
		open:     map[net.Conn]bool{},
		nextAddr: netip.MustParseAddr("127.64.0.1"),
		done:     make(chan struct{}),
	}
}

// MX is one MX record.
type MX struct {
	Pref uint16
	Host string
}

// Domain gives a domain its MX records (none: the name exists, without MX).
// Names that are not registered are NXDOMAIN.
func (n *Internet) Domain(name string, mx ...MX) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name = fqdn(name)
	n.register(name)
	kept := n.records[name][:0:0]
	for _, rr := range n.records[name] {
		if rr.Header().Rrtype != dns.TypeMX {
			kept = append(kept, rr)
		}
	}
	for _, m := range mx {
		kept = append(kept, &dns.MX{
			Hdr:        dns.RR_Header{Name: name, Rrtype: dns.TypeMX, Class: dns.ClassINET, Ttl: 300},
			Preference: m.Pref, Mx: fqdn(m.Host),
		})
	}
	n.records[name] = kept
}

// NullMX says that the domain takes no mail (RFC 7505).
func (n *Internet) NullMX(name string) { n.Domain(name, MX{0, "."}) }

// Records adds records in zone-file syntax ("example.test. 300 IN A
// 127.64.0.9"). It panics on a syntax error, which is one of the test.
func (n *Internet) Records(rrs ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range rrs {
		rr, err := dns.NewRR(s)
		if err != nil || rr == nil {
			panic(fmt.Sprintf("lab: record %q: %v", s, err))
		}
		name := fqdn(rr.Header().Name)
		n.register(name)
		n.records[name] = append(n.records[name], rr)
	}
}

// register makes the name and its parents exist. n.mu is held.
func (n *Internet) register(name string) {
	if _, ok := n.records[name]; !ok {
		n.records[name] = nil
	}
	for i, end := dns.NextLabel(name, 0); !end; i, end = dns.NextLabel(name, i) {
		n.parents[name[i:]] = true
	}
}

// Forget takes a name out of the DNS: NXDOMAIN from now on.
func (n *Internet) Forget(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.records, fqdn(name))
}

// DNSFault makes queries for a name, of any type, misbehave: "servfail",
// "refused", "silent", "wrong_id", "wrong_question", "not_response",
// "truncated" (over UDP; TCP answers), "nxdomain_once" (the first answer
// lies). An empty fault heals it; the name "*" stands for all names.
func (n *Internet) DNSFault(name, fault string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if name != "*" {
		name = fqdn(name)
	}
	if fault == "" {
		delete(n.faults, name)
		return
	}
	n.faults[name] = fault
}

// Host registers (or replaces) an MX host with its address records and
// returns its addresses. Without addresses it gets the next one of
// 127.64.0.0/10. Further names for the same host are Records of their own.
func (n *Internet) Host(name string, h Host) []netip.Addr {
	n.mu.Lock()
	if len(h.Addrs) == 0 {
		h.Addrs = []netip.Addr{n.nextAddr}
		n.nextAddr = n.nextAddr.Next()
	}
	fq := fqdn(name)
	n.register(fq)
	kept := n.records[fq][:0:0]
	for _, rr := range n.records[fq] {
		if t := rr.Header().Rrtype; t != dns.TypeA && t != dns.TypeAAAA {
			kept = append(kept, rr)
		}
	}
	s := &server{net: n, name: strings.TrimSuffix(fq, "."), host: h, grey: map[string]time.Time{}}
	for _, a := range h.Addrs {
		hdr := dns.RR_Header{Name: fq, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 300}
		if a.Is4() {
			kept = append(kept, &dns.A{Hdr: hdr, A: a.AsSlice()})
		} else {
			hdr.Rrtype = dns.TypeAAAA
			kept = append(kept, &dns.AAAA{Hdr: hdr, AAAA: a.AsSlice()})
		}
		n.hosts[a] = s
	}
	n.records[fq] = kept
	loop := n.loop
	n.mu.Unlock()
	if loop != nil {
		for _, a := range h.Addrs {
			loop.serve(a, h.Dead)
		}
	}
	return h.Addrs
}

// Site registers a host "mx.DOMAIN" and makes it the only MX of the domain:
// the usual case in one call.
func (n *Internet) Site(domain string, h Host) []netip.Addr {
	a := n.Host("mx."+domain, h)
	n.Domain(domain, MX{10, "mx." + domain})
	return a
}

// Alias gives a host one more name, with the same addresses: to a prober that
// goes by names, a server it has not met.
func (n *Internet) Alias(name, host string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name = fqdn(name)
	n.register(name)
	for _, rr := range n.records[fqdn(host)] {
		rr = dns.Copy(rr)
		rr.Header().Name = name
		n.records[name] = append(n.records[name], rr)
	}
}

func fqdn(name string) string { return strings.ToLower(dns.Fqdn(name)) }
