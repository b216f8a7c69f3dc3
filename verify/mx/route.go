package mx

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/miekg/dns"

	"rcptgate/verify/address"
)

// plan is a route before its walk is drawn. It is shared and never changed.
type plan struct {
	route Route
	hosts []planned // those that have addresses, in the order of preference
}

type planned struct {
	Host
	addrs []netip.Addr
}

// hostAddrs are the addresses of one host: IPv4, or IPv6 where that is all
// there is.
type hostAddrs struct {
	addrs   []netip.Addr
	name    string  // whose they are: the host, or what its CNAMEs lead to
	v4, v6  *answer // v6 is nil where there is IPv4
	failed  bool    // no address, and it is not sure that there is none
	ours    bool    // failed, as this host could not ask
	detail  string
	expires time.Time
}

// build looks a domain up.
func (r *Resolver) build(ctx context.Context, d address.Domain) *plan {
	p := &plan{route: Route{Domain: d}}
	name := dns.Fqdn(d.String())
	a := r.query(ctx, name, dns.TypeMX, noServer)
	if a.negative() {
		r.prefetch(implicitHost(d, a))
	}
	a = r.confirm(ctx, name, dns.TypeMX, a)
	p.route.Expires = a.expires
	switch a.kind {
	case broken, cut:
		return p.fail(a.detail, a.ours)
	case nxdomain:
		r.absent(ctx, p, implicitHost(d, a), a.detail)
	case nodata:
		r.implicit(ctx, p, implicitHost(d, a))
	case records:
		r.explicit(ctx, p, a.mx)
	}
	return p
}

// absent fills in the route of a domain that does not exist, as the question for
// its MX was answered. Some servers say so of a type that they do not know; the
// domain with an address is then an MX of its own, as to mail servers, and one
// whose address question is answered otherwise is not proven absent.
func (r *Resolver) absent(ctx context.Context, p *plan, host, detail string) {
	h := r.hostAddrs(ctx, host)
	switch {
	case len(h.addrs) > 0:
		r.implicit(ctx, p, host)
	case h.v4.kind == nxdomain && h.v6.kind == nxdomain:
		p.route.Outcome, p.route.Detail = NXDomain, detail
	case h.failed:
		p.fail(h.detail, h.ours)
	default:
		p.fail("does not exist for one type of record, and does for another", false)
	}
}

// fail makes the plan say that nothing is known.
func (p *plan) fail(detail string, ours bool) *plan {
	p.route.Outcome, p.route.Detail = failure(ours), detail
	p.route.Expires = time.Now().Add(failureTTL)
	return p
}

func failure(ours bool) Outcome {
	if ours {
		return Unasked
	}
	return Failed
}

// implicitHost is what a domain without MX delivers to: itself, or where its
// CNAME leads (RFC 5321 section 5.1).
func implicitHost(d address.Domain, a *answer) string {
	if h := usable([]Host{{Name: a.name}}); len(h) == 1 {
		return h[0].Name
	}
	return d.String()
}

// explicit fills in a route of MX records.
func (r *Resolver) explicit(ctx context.Context, p *plan, mxs []Host) {
	if isNullMX(mxs) {
		p.route.Outcome = NullMX
		return
	}
	p.route.Hosts = usable(mxs)
	p.route.Site = siteOf(p.route.Hosts)
	if len(p.route.Hosts) == 0 {
		p.route.Outcome, p.route.Detail = NoTarget, "no MX record names a host"
		return
	}
	r.fill(ctx, p)
}

// implicit fills in a route without MX records; that there are none is proven.
func (r *Resolver) implicit(ctx context.Context, p *plan, host string) {
	p.route.Implicit = true
	p.route.Hosts = []Host{{Name: host}}
	p.route.Site = Site(host)
	r.fill(ctx, p)
	if p.route.Outcome != NoTarget {
		return
	}
	// The address is as weighty as the MX here: no address, no mail.
	h := r.hostAddrs(ctx, host)
	h = joinAddrs(
		r.confirm(ctx, host+".", dns.TypeA, h.v4),
		r.confirm(ctx, host+".", dns.TypeAAAA, h.v6))
	switch {
	case h.failed:
		p.fail(h.detail, h.ours)
	case len(h.addrs) > 0:
		r.place(p, []Host{p.route.Hosts[0]}, []hostAddrs{h})
	default:
		p.route.Outcome, p.route.Detail = NoMail, h.detail
		p.route.Site, p.route.Hosts, p.route.Implicit = "", nil, false
		p.route.Expires = earlier(p.route.Expires, h.expires)
	}
}

// fill looks up the addresses of the route's hosts, five at a time in a random
// order inside each preference, until there is one to dial.
func (r *Resolver) fill(ctx context.Context, p *plan) {
	var hosts []Host
	for _, h := range p.route.Hosts {
		if r.guard.Host(h.Name) == nil {
			hosts = append(hosts, h)
		}
	}
	if len(hosts) == 0 {
		p.route.Outcome, p.route.Detail = Reserved, "the MX has the name of this host"
		return
	}
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	slices.SortStableFunc(hosts, func(a, b Host) int { return int(a.Preference) - int(b.Preference) })
	for chunk := range slices.Chunk(hosts, maxWalk) {
		r.place(p, chunk, r.resolveAll(ctx, chunk))
		if p.route.Outcome == Found {
			return
		}
	}
}

// place puts hosts and their addresses into the plan and sets the outcome.
// Failed outweighs Unasked outweighs Reserved outweighs NoTarget, over all calls:
// as long as one host may have an address, nothing is sure.
func (r *Resolver) place(p *plan, hosts []Host, all []hostAddrs) {
	o, detail := NoTarget, "no MX target has an address"
	switch p.route.Outcome {
	case Failed, Unasked, Reserved:
		o, detail = p.route.Outcome, p.route.Detail
	case Found, NXDomain, NoMail, NullMX, NoTarget:
	}
	for i, h := range all {
		if h.failed {
			if o != Failed || !h.ours {
				o, detail = failure(h.ours), hosts[i].Name+": "+h.detail
			}
			p.route.Expires = earlier(p.route.Expires, time.Now().Add(minTTL))
			continue
		}
		p.route.Expires = earlier(p.route.Expires, h.expires)
		var dialable []netip.Addr
		for _, ip := range h.addrs {
			if err := cmp.Or(r.guard.Host(h.name), r.guard.Addr(ip)); err == nil {
				dialable = append(dialable, ip)
			} else if o != Failed && o != Unasked {
				o, detail = Reserved, hosts[i].Name+": "+err.Error()
			}
		}
		if len(dialable) > 0 {
			p.hosts = append(p.hosts, planned{hosts[i], dialable})
		}
	}
	p.route.Outcome, p.route.Detail = o, detail
	switch {
	case len(p.hosts) > 0:
		p.route.Outcome = Found
		if o == NoTarget {
			p.route.Detail = ""
		}
	case o == Failed || o == Unasked:
		p.fail(detail, o == Unasked)
	}
}

// resolveAll looks up the addresses of hosts, which are in the order of
// preference, side by side. Once those of the best preference are done and there
// is an address, the others have one more second.
func (r *Resolver) resolveAll(ctx context.Context, hosts []Host) []hostAddrs {
	for _, h := range hosts[1:] {
		r.prefetch(h.Name)
	}
	r.addrs.lead(ctx, question{hosts[0].Name + ".", dns.TypeA})
	all := make([]hostAddrs, len(hosts))
	have, graced := false, false
	for i, h := range hosts {
		if have && !graced && h.Preference != hosts[0].Preference {
			graced = true
			short, cancel := context.WithTimeout(ctx, graceTime)
			defer cancel()
			ctx = short
		}
		all[i] = r.hostAddrs(ctx, h.Name)
		have = have || len(all[i].addrs) > 0
	}
	return all
}

// question is what the addresses are cached by.
type question struct {
	name  string // with its dot, lower case
	qtype uint16
}

// prefetch begins to ask for the IPv4 addresses of a host; askAddrs goes on
// where there are none.
func (r *Resolver) prefetch(host string) {
	r.addrs.prefetch(question{host + ".", dns.TypeA})
}

// hostAddrs waits for the addresses of a host. IPv6 ones are only asked for
// where there is no IPv4 address: nearly every MX has one, and a third of all
// queries would be for nothing.
func (r *Resolver) hostAddrs(ctx context.Context, host string) hostAddrs {
	v4, err := r.addrs.get(ctx, question{host + ".", dns.TypeA})
	if err != nil {
		v4 = brokenAnswer("no answer in time").dated()
	}
	if len(v4.addrs) > 0 {
		return joinAddrs(v4, nil)
	}
	v6, err := r.addrs.get(ctx, question{host + ".", dns.TypeAAAA})
	if err != nil {
		v6 = brokenAnswer("no answer in time").dated()
	}
	return joinAddrs(v4, v6)
}

// askAddrs asks for one sort of address. Without IPv4, or where the answer to
// that is late, it begins to ask for IPv6, so that the waits for servers that
// say nothing do not add up.
func (r *Resolver) askAddrs(ctx context.Context, q question) *answer {
	if q.qtype != dns.TypeA {
		return r.query(ctx, q.name, q.qtype, noServer)
	}
	v6 := func() { r.addrs.prefetch(question{q.name, dns.TypeAAAA}) }
	late := time.AfterFunc(lateV4, v6)
	defer late.Stop()
	a := r.query(ctx, q.name, q.qtype, noServer)
	if len(a.addrs) == 0 {
		v6()
	}
	return a
}

// joinAddrs makes one of the two answers; without IPv4 addresses both are there.
func joinAddrs(v4, v6 *answer) hostAddrs {
	h := hostAddrs{v4: v4, v6: v6, expires: v4.expires}
	if len(v4.addrs) > 0 {
		h.name, h.addrs = v4.name, v4.addrs
		return h
	}
	h.expires = earlier(v4.expires, v6.expires)
	if len(v6.addrs) > 0 {
		h.name, h.addrs = v6.name, v6.addrs
		return h
	}
	h.detail = v4.detail
	for _, a := range []*answer{v6, v4} { // a server's failure outweighs our own, IPv4 outweighs IPv6
		if !a.negative() && (!h.failed || !a.ours) {
			h.failed, h.ours, h.detail = true, a.ours, a.detail
		}
	}
	return h
}

// draw returns the route with a walk of its own. The guard is asked once more,
// because this host may have got an address since the plan was made.
func (p *plan) draw(g *Guard) Route {
	r := p.route
	r.Hosts = slices.Clone(r.Hosts)
	if r.Outcome != Found {
		return r
	}
	hosts := slices.Clone(p.hosts)
	rand.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
	slices.SortStableFunc(hosts, func(a, b planned) int { return int(a.Preference) - int(b.Preference) })
	r.Targets = slices.DeleteFunc(walk(hosts, r.Hosts[0].Preference), func(t Target) bool {
		return g.Addr(t.Addr) != nil
	})
	if len(r.Targets) == 0 {
		r.Outcome, r.Targets, r.Detail = Reserved, nil, "the MX has the address of this host"
	}
	return r
}

// walk shares the five places out among the hosts, which are in order: each
// gets one before any gets its second. Inside one preference the first
// addresses of all hosts come before the second ones; a lesser preference comes
// after all of the better.
func walk(hosts []planned, best uint16) []Target {
	var targets []Target
	for round := 0; len(targets) < maxWalk; round++ {
		before := len(targets)
		for _, h := range hosts {
			if round < len(h.addrs) && len(targets) < maxWalk {
				targets = append(targets, Target{Host: h.Host, Addr: h.addrs[round], Preferred: h.Preference == best})
			}
		}
		if len(targets) == before {
			break
		}
	}
	slices.SortStableFunc(targets, func(a, b Target) int {
		return int(a.Host.Preference) - int(b.Host.Preference)
	})
	return targets
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
