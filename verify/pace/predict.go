package pace

import (
	"net/netip"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// What a dialogue takes where nothing is known of the site yet.
const (
	usualSetup = 250 * time.Millisecond
	usualRcpt  = 50 * time.Millisecond
)

// average is an exponentially weighted moving average; zero is none yet.
type average time.Duration

func (a *average) add(d time.Duration) {
	if *a == 0 {
		*a = average(max(1, d))
		return
	}
	*a += (average(d) - *a) / 4
}

func (a average) or(usual time.Duration) time.Duration {
	if a == 0 {
		return usual
	}
	return time.Duration(a)
}

// ETA predicts how long until the answer to this job's RCPT is there, from
// now; zero when it is there. It is the least that queue, budgets and the
// pace of the site so far allow.
func (t *Ticket) ETA() time.Duration {
	p := t.p
	p.lock()
	defer p.unlock()
	e := t.e
	switch e.state {
	case waiting:
		return p.predict(e.lane, e)
	case bound:
		s := e.lane.site
		total := s.rcpt.or(usualRcpt)
		if e.conn != nil && e.conn.rcpts == 0 {
			total += s.setup.or(usualSetup)
		}
		return max(0, total-(p.now-e.since))
	case done:
	}
	return 0
}

// Predict is ETA for an address with a live asker that is not yet submitted;
// ok is false when it would be refused at once.
func (p *Pacer) Predict(r mx.Route) (d time.Duration, ok bool) {
	settings := p.o.Settings()
	terms := settings.Book.Terms(r)
	p.lockWith(settings)
	defer p.unlock()
	source, _, refused := p.admit(netip.Addr{}, r, terms)
	if refused != nil || p.queued >= settings.maxQueued() {
		return 0, false
	}
	k := p.laneKey(source, r, terms)
	s := p.sites[scopeKey{source, string(r.Site)}]
	if s == nil {
		s = &site{lim: p.known("site", source, string(r.Site))}
	}
	l := s.lane(k)
	if l == nil {
		l = &lane{key: k, site: s}
	}
	return p.predictFor(l, nil, r), true
}

// known finds a limiter without keeping a new one.
func (p *Pacer) known(kind string, source netip.Addr, name string) *limiter {
	key := limiterKey{scopeKey{source, name}, kind}
	if l := p.limiters[key]; l != nil {
		return l
	}
	return newLimiter(key)
}

func (p *Pacer) predict(l *lane, e *entry) time.Duration { return p.predictFor(l, e, e.job.Route) }

// predictFor estimates the way of e, or of a new address when e is nil:
// through the budgets of all limiters, behind those that go before it, over a
// connection that may have to be opened.
func (p *Pacer) predictFor(l *lane, e *entry, r mx.Route) time.Duration {
	k, s := &l.key, l.site
	limits := &k.limits
	kind, newConn := KindAddress, false
	if e != nil {
		kind, newConn = e.job.Kind, e.job.Fresh || e.walk != nil
	}
	ahead := l.jobs.ahead(e)
	rcpt := s.rcpt.or(usualRcpt)
	setup := s.setup.or(usualSetup)
	perSession := max(1, limits.RcptsPerSession-k.reserve)
	each := max(rcpt, (setup+rcpt+tick(perSession-1)*max(rcpt, limits.MinInterval))/tick(perSession))
	wait := tick(ahead/limits.Connections) * each

	newConn = newConn || l.idle.n <= ahead
	lims := []*limiter{s.lim, p.known("addr", k.source, block(p.likely(k.source, r)))}
	if k.provider != "" {
		lims = append(lims, p.known("provider", k.source, k.provider))
	}
	for _, lim := range lims {
		wait = max(wait, lim.acc[probes].wait(p.now, limits.ProbesPerMinute, ahead+k.needs(kind, probes)))
		for _, r := range [...]resource{invalids, randoms} {
			if ok, at := lim.acc[r].room(p.now, limitOf(limits, r), k.needs(kind, r)); !ok && at != never {
				wait = max(wait, at-p.now)
			}
		}
		if newConn {
			wait = max(wait, lim.acc[connects].wait(p.now, limits.ConnectionsPerMinute, ahead/perSession+k.needs(kind, connects)))
			if lim.acc[sessions].used(p.now) >= limits.Connections {
				wait = max(wait, rcpt)
			}
		}
	}
	if newConn {
		n, _ := p.settings.connectRate()
		g := &p.global.acc[connects]
		before := 1
		if g.gate != nil {
			before += g.gate.waiting()
		}
		return max(wait, g.wait(p.now, n, before)) + setup + rcpt
	}
	if l.idle.n > 0 && kind == KindAddress {
		wait = max(wait, l.idle.head.value.readyAt-p.now)
	}
	return wait + rcpt
}

// likely is the address that will be asked: the first whose host is not at
// rest.
func (p *Pacer) likely(source netip.Addr, r mx.Route) netip.Addr {
	for _, t := range r.Targets {
		if p.breaker(reply.ScopeHost, source, t.Host.Name).passes(nil) {
			return t.Addr
		}
	}
	return netip.Addr{}
}

// BreakerState is a breaker as it stands.
type BreakerState struct {
	Scope  reply.Scope
	Name   string
	Source netip.Addr
	State  string // open | half_open
	Reason verdict.Reason
	Until  time.Time
	Times  int // consecutive openings
	Text   string
}

// Snapshot is a copy of what the pacer does, for status, metrics, explain.
type Snapshot struct {
	Queued, Sessions, IdleSessions, Lanes int
	Blind                                 bool
	Panics                                uint64 // recovered, since the start
	Breakers                              []BreakerState
}

// Snapshot returns a copy of the state.
func (p *Pacer) Snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Snapshot{
		Queued: p.queued, Sessions: p.conns, IdleSessions: p.idle.n,
		Blind: p.blind.on, Panics: p.panics.Load(),
	}
	for _, st := range p.sites {
		s.Lanes += len(st.lanes)
	}
	for k, b := range p.breakers {
		s.Breakers = append(s.Breakers, BreakerState{
			Scope: k.scope, Name: k.name, Source: k.source, State: b.state, Reason: b.reason,
			Until: p.wall(b.until), Times: b.times, Text: b.evidence.Text,
		})
	}
	sortBreakers(s.Breakers)
	return s
}
