// Package mx answers where mail for a domain goes: its hosts, their addresses
// in the order to try them, and the site they form; or that there are none, and
// how surely that is known.
//
// It asks the configured name servers itself, over miekg/dns but with its own
// exchange, because a wrong "does not exist" refuses mail: every answer is
// matched to its question, negative answers are asked twice and not believed
// while a canary name fails (docs/design.md, rule 2), and NXDOMAIN, no data, a
// null MX and a failure are never mixed up.
//
// It connects to no mail host, and it hands out no address that the guard
// refuses (rule 8). It trusts no AD bit and validates no DNSSEC: that is the
// name server's work.
//
// RFC 1035, 2181 and 2308 (records, TTLs, negative answers), 5321 section 5
// (MX lookup), 6891 (EDNS0), 7505 (null MX), 7766 (TCP), 8020 (NXDOMAIN), 8914
// (extended errors), 9520 (failures are cached).
package mx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"rcptgate/verify/address"
)

// Outcome says what a lookup found.
type Outcome string

// The outcomes. NXDomain, NoMail and NullMX are definitive; the others say
// nothing about the addresses of the domain.
const (
	Found    Outcome = "found"
	NXDomain Outcome = "nxdomain"  // the domain does not exist; asked twice, canary fine
	NoMail   Outcome = "no_mail"   // neither MX nor address; asked twice, canary fine
	NullMX   Outcome = "null_mx"   // RFC 7505
	NoTarget Outcome = "no_target" // MX records, but no target that has an address
	Reserved Outcome = "reserved"  // all addresses, or all hosts, are ones that are never dialled
	Failed   Outcome = "failed"    // SERVFAIL, time-out, a negative answer that could not be proven
	Unasked  Outcome = "unasked"   // this host could not ask, and no server failed by itself: not a word about the domain
)

// Site is the ordered set of MX names: lower case, no trailing dot, by
// preference, sorted inside one preference: "mx1.a,mx2.a;backup.b" (comma
// inside one preference, semicolon between).
type Site string

// Host is one MX host.
type Host struct {
	Name       string // lower-case A-labels, no trailing dot
	Preference uint16
}

// Target is one address to connect to.
type Target struct {
	Host Host
	Addr netip.Addr
	// Preferred: the host has the lowest preference value of the route.
	Preferred bool
}

// Route is what is known of a domain's MXs. It is the caller's own copy.
type Route struct {
	Domain  address.Domain
	Outcome Outcome
	Site    Site
	// Hosts are at most 20, by preference and then by name.
	Hosts []Host
	// Targets are at most 5, the addresses of one walk in the order to try
	// them: by preference, hosts of one preference in a random order that is
	// drawn anew for each Lookup. Only with Outcome Found.
	Targets []Target
	// Implicit: there is no MX record, and the domain (or what its CNAME
	// leads to) is itself the host, RFC 5321 section 5.1.
	Implicit bool
	// Detail is for evidence and logs: rcode, server, extended error; printable.
	Detail string
	// Expires is when the answer is asked anew.
	Expires time.Time
}

// The limits of docs/design.md, rule 10, and the clocks of a lookup.
const (
	maxHosts     = 20
	maxHostAddrs = 8
	maxWalk      = 5
	maxCNAME     = 8
	maxDetail    = 200

	tryTimeout    = 2 * time.Second
	defaultBudget = 8 * time.Second
	canaryPeriod  = 30 * time.Second
	// graceTime is how long a walk waits for the addresses of its lesser
	// hosts once the preferred ones are known.
	graceTime = time.Second

	// lateV4 is when the answer about IPv4 addresses is late.
	lateV4 = 300 * time.Millisecond

	minTTL = 30 * time.Second
	maxTTL = time.Hour
	// failureTTL: RFC 9520 section 3.2 wants 1 s to 5 min.
	failureTTL = 5 * time.Second

	// maxQueries bounds the queries that are under way at once; no more sockets
	// than that wait for further ones, beside those in use.
	maxQueries = 1000
	// maxCached bounds each of the caches.
	maxCached = 50_000
)

// Options of a Resolver.
type Options struct {
	// Servers are IP:port, asked in this order; empty: /etc/resolv.conf.
	Servers []string
	// Canary is the domain of the probe sender; the zero value: ". NS".
	Canary address.Domain
	// Guard refuses hosts and addresses; nil: a guard without own names that
	// lets no reserved network in.
	Guard *Guard
	// Dial opens a connection to a server; network is "udp" or "tcp". A
	// connection that is no net.PacketConn is framed as over TCP. It should take
	// no longer than a try. nil: net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Budget bounds the work of one lookup; zero: 8 s. One exchange with one
	// server takes at most 2 s; a try may need three (without EDNS0, over TCP).
	Budget time.Duration
	// Logger hears of panics only; nil: nobody does.
	Logger *slog.Logger

	// patience bounds one exchange with one server; zero: tryTimeout. Tests over real
	// sockets have more of it, whatever the machine does beside them.
	patience time.Duration
}

// Resolver looks up routes. Its methods are safe for concurrent use. It owns
// the goroutines of lookups that go on after their asker went away; they end
// within the budget, or with Close.
type Resolver struct {
	servers []*server
	canary  address.Domain
	guard   *Guard
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
	slots   chan struct{} // one for each query under way
	wait    time.Duration // for one server, in one exchange
	packets sync.Pool     // of *[packetSize]byte, to read into
	sight   sight

	routes   *memo[address.Domain, *plan]
	addrs    *memo[question, *answer]
	canaries *memo[int, error] // by index in servers; nil: it sings
}

// New returns a resolver. An error says which server or which file cannot be
// used.
func New(o Options) (*Resolver, error) {
	addrs := o.Servers
	if len(addrs) == 0 {
		var err error
		if addrs, err = SystemServers(""); err != nil {
			return nil, err
		}
	}
	r := &Resolver{
		canary: o.Canary,
		guard:  o.Guard,
		dial:   o.Dial,
		slots:  make(chan struct{}, maxQueries),
		wait:   cmp.Or(o.patience, tryTimeout),
	}
	idle := idleLimit(openFiles()) / len(addrs)
	for _, a := range addrs {
		if _, err := netip.ParseAddrPort(a); err != nil {
			return nil, fmt.Errorf("name server %q: not an IP address and port", a)
		}
		r.servers = append(r.servers, &server{addr: a, sockets: sockets{max: idle}})
	}
	if r.guard == nil {
		r.guard = NewGuard(nil, nil, nil)
	}
	if r.dial == nil {
		r.dial = dial
	}
	budget := o.Budget
	if budget == 0 {
		budget = defaultBudget
	}
	if budget < 0 {
		return nil, errors.New("dns budget is negative")
	}
	log := o.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r.packets.New = func() any { return new([packetSize]byte) }
	r.routes = newMemo(budget, log, r.build, func(p *plan) time.Time { return p.route.Expires })
	r.addrs = newMemo(budget, log, r.askAddrs, func(a *answer) time.Time { return a.expires })
	r.canaries = newMemo(2*r.wait, log, r.askCanary, func(error) time.Time { return time.Now().Add(canaryPeriod) })
	return r, nil
}

// dial opens a socket to a server.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if network == "udp" { // nothing to wait for, and no name to look up
		server, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, err
		}
		return net.DialUDP(network, nil, net.UDPAddrFromAddrPort(server))
	}
	d := net.Dialer{Timeout: tryTimeout}
	return d.DialContext(ctx, network, addr)
}

// Close ends the lookups under way, whose askers get Outcome Failed, and waits
// for their goroutines. Idempotent. A resolver that is not closed leaks
// nothing half a minute after its last lookup has ended.
func (r *Resolver) Close() {
	r.routes.close()
	r.addrs.close()
	r.canaries.close()
	for _, s := range r.servers {
		s.sockets.close()
	}
}

// Lookup never fails: what could not be found out is Outcome Failed, or Unasked
// where only this host was to blame. Answers are cached by their TTL
// (30 s to 1 h), askers of one domain share one lookup, and ctx ends only the
// wait of this asker.
func (r *Resolver) Lookup(ctx context.Context, d address.Domain) Route {
	if d.IsZero() {
		return failedRoute(d, "no domain")
	}
	p, err := r.routes.get(ctx, d)
	if err != nil {
		return failedRoute(d, "no answer yet: "+err.Error())
	}
	return p.draw(r.guard)
}

// Blind reports that no query of any name got an answer (any rcode is one) for
// 5 s while at least 3 names were asked (docs/design.md, rule 12). It stays true
// until an answer comes, so somebody has to go on trying.
func (r *Resolver) Blind() bool { return r.sight.blind() }

// Trouble says why this host could not ask one of its name servers of late,
// although nobody else had a part in it (no socket, no permission, no address).
// Others may have answered all the same. Empty where it always could.
func (r *Resolver) Trouble() string { return r.sight.lately() }

func failedRoute(d address.Domain, detail string) Route {
	return Route{Domain: d, Outcome: Failed, Detail: detail, Expires: time.Now().Add(failureTTL)}
}
