package pace

import (
	"net/netip"

	"rcptgate/verify/mx"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// scopeKey names a site, host, domain or provider as seen from one source.
type scopeKey struct {
	source netip.Addr
	name   string
}

// limiterKey names a limiter.
type limiterKey struct {
	scopeKey
	kind string // "site", "addr" or "provider"
}

// laneKey names a lane. Jobs of one site under different conditions (a
// [domain] override) wait in different lanes, so that all jobs of a lane need
// the same, and share the site's limiter.
type laneKey struct {
	source   netip.Addr
	site     mx.Site
	provider string // "" unless its scope is the provider
	limits   provider.Limits
	reserve  int // 1: a positive control must still fit after an address
}

// site is what is known of one source and site: its budget, how fast it is,
// which of its addresses did not connect lately.
type site struct {
	key    scopeKey
	lim    *limiter
	lanes  []*lane // one, but where a domain has conditions of its own
	setup  average // from connect to EHLO
	rcpt   average // one RCPT
	failed map[netip.Addr]tick
}

// lane returns the lane of a key, or nil.
func (s *site) lane(k laneKey) *lane {
	for _, l := range s.lanes {
		if l.key == k {
			return l
		}
	}
	return nil
}

// lane is one line of jobs that may share connections.
type lane struct {
	key      laneKey
	site     *site
	settings *Settings // under which its jobs were sorted into it
	jobs     waitlist
	idle     list[*conn]
	conns    int         // open or opening
	alarm                // when a session's min_interval is over
	waits    link[*lane] // place at a gate
	waitAt   tick        // when time alone may let it through
	pending  bool        // in Pacer.lanes
}

// ring tries the lane again.
func (l *lane) ring(p *Pacer) { p.push(l) }

// push has the lane tried before the lock is released.
func (p *Pacer) push(l *lane) {
	if !l.pending {
		l.pending = true
		p.ready = append(p.ready, l)
	}
}

// state is where an entry is in its life.
type state int

const (
	waiting state = iota
	bound         // to a connection that opens, or in conversation
	done
)

// entry is one job.
type entry struct {
	job   *Job
	terms provider.Terms
	lane  *lane
	state state
	begun bool // a connection was opened for it, or it got a session

	alarm              // queue_timeout
	place link[*entry] // in its line
	line  *domainQueue // nil while walking
	seq   int
	class class

	walk   *walk
	trials []*breaker // that wait for this job's answer
	trial  bool       // goes out although we are blind
	conn   *conn      // while bound
	since  tick       // when it was bound
}

// ring drops the job that has waited too long.
func (e *entry) ring(p *Pacer) { p.drop(e, e.walk.outcome(verdict.NotProbed, "queue timeout")) }

func (e *entry) fresh() int {
	if e.job.Fresh {
		return fresh
	}
	return either
}

func (e *entry) classOf() class {
	switch {
	case e.job.Kind != KindAddress:
		return classControl
	case e.job.Live:
		return classLive
	}
	return classBehind
}

// needs says how much of a resource must be free before a RCPT of the kind:
// an address where a refusal wants a control must leave room for it. A number
// of the table below the need cannot be reached, and binds as it is.
func (k *laneKey) needs(kind Kind, r resource) int {
	n := 0
	switch r {
	case probes, invalids:
		n = 1
		if kind == KindAddress {
			n += k.reserve
		}
		if r == probes && k.limits.RcptsPerTransaction > 1 { // it may be sent again, see probe.Step
			n++
		}
	case randoms:
		if kind == KindRandom {
			n = 1
		}
	case connects: // broken TLS costs a second connection
		n = 2
	default:
		n = 1
	}
	return min(n, limitOf(&k.limits, r))
}

// try does for a lane what can be done now: lets open sessions serve its
// jobs, opens at most one connection, and leaves the lane waiting at the gate
// that blocks it.
func (p *Pacer) try(l *lane) {
	if p.stopping {
		l.waits.leave()
		return
	}
	if l.settings != p.settings {
		p.resort(l)
	}
	spare, wake, why := p.reuse(l)
	var e *entry
	if why == nil {
		if e = l.jobs.firstToOpen(spare); e != nil {
			why = p.open(l, e)
		}
	} else {
		e = l.jobs.first(either)
	}
	switch {
	case why != nil:
		p.wait(l, e.classOf(), why)
	case e != nil: // one connection more or one job less: others first
		l.waits.leave()
		p.push(l)
	default:
		l.waits.leave()
	}
	p.alarms.set(&l.alarm, wake, l)
}

// reuse hands jobs to idle sessions. It returns how many jobs need only wait
// for min_interval, until when, and what blocks the others.
func (p *Pacer) reuse(l *lane) (spare int, wake tick, why *blocked) {
	wake = never
	for at := l.idle.head; at != nil; {
		c := at.value
		at = at.next
		e := l.jobs.first(either)
		if e == nil {
			return spare, wake, nil
		}
		if e.job.Kind == KindAddress && c.readyAt > p.now {
			spare++
			wake = min(wake, c.readyAt)
			continue
		}
		if why = p.claim(c, e, probes, invalids, randoms); why != nil {
			return spare, wake, why
		}
		l.waits.leave()
		p.bind(e, c)
		p.alarms.clear(&c.alarm)
		c.idle.leave()
		c.idleAll.leave()
		c.entry = e
		c.next <- e
	}
	return spare, wake, nil
}

// claim holds what the job needs of the named resources in all limiters of
// the connection, or says which account blocks it.
func (p *Pacer) claim(c *conn, e *entry, rs ...resource) *blocked {
	if why := p.check(&c.lane.key, c.limiters, e.job.Kind, rs...); why != nil {
		return why
	}
	for _, r := range rs {
		p.hold(c, r, c.lane.key.needs(e.job.Kind, r))
	}
	return nil
}

// check says which account, if any, has no room for a RCPT of the kind.
func (p *Pacer) check(k *laneKey, lims []*limiter, kind Kind, rs ...resource) *blocked {
	for _, lim := range lims {
		for _, r := range rs {
			need := k.needs(kind, r)
			if need == 0 {
				continue
			}
			limit := limitOf(&k.limits, r)
			if ok, at := lim.acc[r].room(p.now, limit, need); !ok {
				return &blocked{&lim.acc[r], limit - need, at}
			}
		}
	}
	return nil
}

// bind takes the job out of its line for the connection.
func (p *Pacer) bind(e *entry, c *conn) {
	p.unqueue(e, true)
	e.state, e.begun, e.conn, e.since = bound, true, c, p.now
}

// enqueue puts the entry into its lane.
func (p *Pacer) enqueue(e *entry) {
	e.state, e.conn = waiting, nil
	e.lane.jobs.push(e)
	p.queued++
	p.tenants[e.job.Tenant]++
	p.push(e.lane)
}

// unqueue takes a waiting entry out of its lane.
func (p *Pacer) unqueue(e *entry, served bool) {
	p.alarms.clear(&e.alarm)
	e.lane.jobs.remove(e, served)
	p.queued--
	if p.tenants[e.job.Tenant]--; p.tenants[e.job.Tenant] == 0 {
		delete(p.tenants, e.job.Tenant)
	}
}

// drop ends a job that had no conversation.
func (p *Pacer) drop(e *entry, o *Outcome) {
	if e.state == waiting {
		p.unqueue(e, false)
		p.push(e.lane)
	}
	p.retire(e)
	p.later(call{drop: e.job.Drop, outcome: o})
}

// retire ends the life of an entry; breakers that waited for its answer wait
// for another.
func (p *Pacer) retire(e *entry) {
	e.state, e.conn = done, nil
	p.release(e)
}

// resort sorts the jobs of a lane anew after a reload: what has other
// conditions now goes to another lane.
func (p *Pacer) resort(l *lane) {
	l.settings = p.settings
	_, known := l.settings.source(l.key.source)
	var moved []*entry
	l.jobs.each(func(e *entry) {
		e.terms = p.settings.Book.Terms(e.job.Route)
		switch {
		case p.settings.Unfit != "":
			p.drop(e, e.walk.outcome(verdict.NotProbed, p.settings.unfit()))
		case !known:
			p.drop(e, e.walk.outcome(verdict.NotProbed, detailNoSource))
		case !e.terms.Probing:
			p.drop(e, e.walk.outcome(verdict.NotProbed, detailForbidden))
		case !usable(&e.terms.Limits):
			p.drop(e, e.walk.outcome(verdict.NotProbed, detailZero))
		case p.laneKey(l.key.source, e.job.Route, e.terms) != l.key:
			moved = append(moved, e)
		}
	})
	for _, e := range moved {
		at := e.alarm.at
		p.unqueue(e, false)
		e.lane = p.lane(l.key.source, e.job.Route, e.terms)
		p.enqueue(e)
		p.alarms.set(&e.alarm, at, e)
	}
}

// laneKey names the lane for a route.
func (p *Pacer) laneKey(source netip.Addr, r mx.Route, t provider.Terms) laneKey {
	k := laneKey{source: source, site: r.Site, limits: t.Limits}
	if t.ProviderScope {
		k.provider = t.Provider
	}
	if t.Truth == provider.PerDomain || t.Truth == provider.UnknownTruth {
		k.reserve = 1
	}
	return k
}

// lane finds or makes the lane for a route.
func (p *Pacer) lane(source netip.Addr, r mx.Route, t provider.Terms) *lane {
	k := p.laneKey(source, r, t)
	sk := scopeKey{source, string(r.Site)}
	s := p.sites[sk]
	if s == nil {
		s = &site{key: sk, lim: p.limiter("site", sk)}
		p.sites[sk] = s
	}
	l := s.lane(k)
	if l == nil {
		l = &lane{key: k, site: s, settings: p.settings}
		s.lanes = append(s.lanes, l)
	}
	return l
}

// limiter finds or makes a limiter.
func (p *Pacer) limiter(kind string, k scopeKey) *limiter {
	key := limiterKey{k, kind}
	l := p.limiters[key]
	if l == nil {
		l = newLimiter(key)
		p.limiters[key] = l
	}
	return l
}

// block names the network that counts as one server.
func block(a netip.Addr) string {
	a = a.Unmap()
	bits := 64
	if a.Is4() {
		bits = 32
	}
	b, err := a.WithZone("").Prefix(bits)
	if err != nil {
		return a.String()
	}
	return b.String()
}
