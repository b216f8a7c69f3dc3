package pace

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/provider"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

const (
	maxAway     = 24 * time.Hour
	forgetAfter = 24 * time.Hour // half open and never tried
)

// The states of a breaker.
const (
	stateClosed   = "closed"
	stateOpen     = "open"
	stateHalfOpen = "half_open"
)

// BreakerChange says what changed, from what, why.
type BreakerChange struct {
	At       time.Time
	Scope    reply.Scope
	Name     string // host, domain, site or provider
	Source   netip.Addr
	From, To string // closed | open | half_open
	Reason   verdict.Reason
	Until    time.Time
	Text     string // evidence, printable
}

// breakerKey names a breaker.
type breakerKey struct {
	scopeKey
	scope reply.Scope
}

// breaker keeps us away from a host, domain, site or provider that spoke of
// us. A closed one does not exist.
type breaker struct {
	alarm
	key      breakerKey
	site     string // where it was opened; for the rule of two domains
	state    string // open or half_open
	reason   verdict.Reason
	since    tick
	until    tick
	base     tick // length of the first opening
	times    int  // consecutive openings
	evidence verdict.Evidence
	trial    *entry // the one job that may try, while half open
}

// tripped is what opens a breaker.
type tripped struct {
	scope    reply.Scope
	name     string
	reason   verdict.Reason
	brief    bool // a refused greeting or a dropped connection
	evidence verdict.Evidence
}

// away is how long to keep away the first time.
func away(t provider.Terms, r verdict.Reason, brief bool) time.Duration {
	if d, ok := t.StayAway(r); ok {
		return d
	}
	if brief {
		return 5 * time.Minute
	}
	switch r {
	case verdict.RateLimited:
		return 15 * time.Minute
	case verdict.SenderRefused, verdict.TLSRequired, verdict.AuthRequired, verdict.ProbeBlocked, verdict.BlanketRefusal:
		return time.Hour
	default:
		return 5 * time.Minute
	}
}

// breaker finds a breaker; nil means closed.
func (p *Pacer) breaker(scope reply.Scope, source netip.Addr, name string) *breaker {
	if len(p.breakers) == 0 || name == "" {
		return nil
	}
	return p.breakers[breakerKey{scopeKey{source, name}, scope}]
}

// passes reports whether the job may go past the breaker; a nil entry is any
// job that is not its trial.
func (b *breaker) passes(e *entry) bool {
	if b == nil {
		return true
	}
	return b.state == stateHalfOpen && (b.trial == nil || b.trial == e && e != nil)
}

// take makes the job the one that tries the breaker.
func (b *breaker) take(e *entry) {
	if b.state == stateHalfOpen && b.trial == nil {
		b.trial = e
		e.trials = append(e.trials, b)
	}
}

// around returns the breakers, open or half open, that stand between the
// source and the route, hosts aside.
func (p *Pacer) around(source netip.Addr, r mx.Route, t provider.Terms) []*breaker {
	if len(p.breakers) == 0 {
		return nil
	}
	found := make([]*breaker, 0, 3)
	for _, b := range [...]*breaker{
		p.breaker(reply.ScopeProvider, source, pick(t.ProviderScope, t.Provider, "")),
		p.breaker(reply.ScopeSite, source, string(r.Site)),
		p.breaker(reply.ScopeDomain, source, r.Domain.String()),
	} {
		if b != nil {
			found = append(found, b)
		}
	}
	return found
}

// barred returns the breaker that a new job for the route would meet, hosts
// included; nil when it may go.
func (p *Pacer) barred(source netip.Addr, r mx.Route, t provider.Terms) *breaker {
	for _, b := range p.around(source, r, t) {
		if !b.passes(nil) {
			return b
		}
	}
	var host *breaker
	for _, c := range r.Targets {
		b := p.breaker(reply.ScopeHost, source, c.Host.Name)
		if b.passes(nil) {
			return nil
		}
		host = b
	}
	return host
}

// shutFor returns the breaker, if any, that forbids the session to ask for e;
// with a nil e, to serve another job.
func (p *Pacer) shutFor(c *conn, e *entry) *breaker {
	if len(p.breakers) == 0 {
		return nil
	}
	src, k := c.lane.key.source, &c.lane.key
	bs := []*breaker{
		p.breaker(reply.ScopeHost, src, c.target.Host.Name),
		p.breaker(reply.ScopeSite, src, string(k.site)),
		p.breaker(reply.ScopeProvider, src, k.provider),
	}
	if e != nil {
		bs = append(bs, p.breaker(reply.ScopeDomain, src, e.job.Route.Domain.String()))
	}
	for _, b := range bs {
		if b != nil && (b.state == stateOpen || e == nil || b.trial != nil && b.trial != e) {
			return b
		}
	}
	return nil
}

// outcome refuses a job because of the breaker.
func (b *breaker) outcome(p *Pacer) *Outcome {
	o := &Outcome{Reason: verdict.NotProbed, Evidence: b.evidence}
	switch b.state {
	case stateOpen:
		o.Detail = fmt.Sprintf("breaker open until %s: %s %s, %s", p.wall(b.until).UTC().Format(time.RFC3339), b.key.scope, b.key.name, b.reason)
	default:
		o.Detail = fmt.Sprintf("breaker half open, a trial is under way: %s %s, %s", b.key.scope, b.key.name, b.reason)
	}
	return o
}

// resting is the outcome of a job all of whose hosts are at rest.
func (p *Pacer) resting(e *entry) *Outcome {
	if b := p.barred(e.lane.key.source, e.job.Route, e.terms); b != nil {
		return b.outcome(p)
	}
	return e.walk.outcome(verdict.NotProbed, "no host left to ask")
}

// tripClass opens what a reply about us closes. At RCPT that is the domain,
// and the site on a pattern of the provider book or at two of its domains;
// before RCPT it is what the class says.
func (p *Pacer) tripClass(c *conn, e *entry, class reply.Class, ev verdict.Evidence) {
	t := tripped{reason: class.Reason, evidence: ev}
	site, domain := string(e.job.Route.Site), e.job.Route.Domain.String()
	scope := class.Scope
	if ev.Stage == verdict.Rcpt {
		t.scope, t.name = reply.ScopeDomain, domain
		p.trip(e, t)
		if class.FromHost || p.domainsRefused(c.lane.key.source, site) > 1 {
			scope = pick(scope == reply.ScopeProvider, scope, reply.ScopeSite)
		}
	}
	switch {
	case scope == reply.ScopeProvider && e.terms.ProviderScope:
		t.scope, t.name = reply.ScopeProvider, e.terms.Provider
	case scope == reply.ScopeProvider, scope == reply.ScopeSite:
		t.scope, t.name = reply.ScopeSite, site
	case ev.Stage == verdict.Rcpt:
		return
	case scope == reply.ScopeHost:
		t.scope, t.name = reply.ScopeHost, c.target.Host.Name
	case scope == reply.ScopeDomain:
		t.scope, t.name = reply.ScopeDomain, domain
	default:
		t.scope, t.name = reply.ScopeSite, site
	}
	p.trip(e, t)
}

// domainsRefused counts the domains of a site that refuse us.
func (p *Pacer) domainsRefused(source netip.Addr, site string) (n int) {
	for k, b := range p.breakers {
		if k.scope == reply.ScopeDomain && k.source == source && b.site == site {
			n++
		}
	}
	return n
}

// trip opens a breaker on the job's way.
func (p *Pacer) trip(e *entry, t tripped) {
	k := breakerKey{scopeKey{e.lane.key.source, t.name}, t.scope}
	p.openBreaker(k, string(e.job.Route.Site), away(e.terms, t.reason, t.brief), t)
}

// openBreaker opens a breaker for base, doubled for each opening since it was
// last closed, at most 24 hours (or base). One that is open already stays so,
// longer if base says so.
func (p *Pacer) openBreaker(k breakerKey, site string, base time.Duration, t tripped) {
	base = min(base, maxLength) // or the sum with now may be too large for a tick
	b := p.breakers[k]
	from := stateClosed
	if b == nil {
		b = &breaker{key: k, site: site}
		p.breakers[k] = b
	} else {
		from = b.state
	}
	if from == stateOpen {
		if p.now+base <= b.until {
			return
		}
	} else {
		b.times++
		b.base = max(b.base, base)
		base = b.base
	}
	length := base
	for i := 1; i < b.times && length < maxAway; i++ {
		length = min(2*length, max(maxAway, base))
	}
	b.state, b.reason, b.evidence, b.trial = stateOpen, t.reason, t.evidence, nil
	b.since, b.until = p.now, p.now+length
	p.alarms.set(&b.alarm, b.until, b)
	p.changed(b, from)
	p.evacuate(b)
}

// ring lets a breaker be tried, and forgets one that nobody has tried.
func (b *breaker) ring(p *Pacer) {
	switch {
	case b.state == stateOpen:
		b.state = stateHalfOpen
		p.alarms.set(&b.alarm, b.until+forgetAfter, b) // not from now: restarts would keep it
		p.changed(b, stateOpen)
	case b.trial != nil:
		p.alarms.set(&b.alarm, p.now+forgetAfter, b)
	default:
		p.closeBreaker(b)
	}
}

// closeBreaker forgets the breaker.
func (p *Pacer) closeBreaker(b *breaker) {
	from := b.state
	p.alarms.clear(&b.alarm)
	delete(p.breakers, b.key)
	b.state, b.trial = stateClosed, nil
	p.changed(b, from)
}

// changed records a change.
func (p *Pacer) changed(b *breaker, from string) {
	until := p.wall(b.until)
	p.note(slog.LevelInfo, "breaker", "scope", string(b.key.scope), "name", b.key.name, "source", b.key.source,
		"from", from, "to", b.state, "reason", string(b.reason), "until", until, "text", b.evidence.Text)
	p.keepBreaker(b)
	p.later(call{breaker: &BreakerChange{
		At: p.wall(p.now), Scope: b.key.scope, Name: b.key.name, Source: b.key.source,
		From: from, To: b.state, Reason: b.reason, Until: until, Text: b.evidence.Text,
	}})
}

// evacuate drops the jobs that wait behind the breaker and closes the idle
// sessions it forbids. Jobs that have another host left stay.
func (p *Pacer) evacuate(b *breaker) {
	for _, s := range p.sites {
		if s.key.source != b.key.source {
			continue
		}
		for _, l := range s.lanes {
			if l.jobs.len() > 0 {
				p.evacuateLane(b, l)
			}
		}
	}
	for at := p.idle.head; at != nil; {
		c := at.value
		at = at.next
		if p.shutFor(c, nil) != nil {
			p.dismiss(c)
		}
	}
}

func (p *Pacer) evacuateLane(b *breaker, l *lane) {
	o := b.outcome(p)
	switch b.key.scope {
	case reply.ScopeSite, reply.ScopeProvider:
		if b.key.name == pick(b.key.scope == reply.ScopeSite, string(l.key.site), l.key.provider) {
			l.jobs.each(func(e *entry) { p.drop(e, o) })
		}
	case reply.ScopeDomain:
		if b.site == string(l.key.site) {
			l.jobs.each(func(e *entry) {
				if e.job.Route.Domain.String() == b.key.name {
					p.drop(e, o)
				}
			})
		}
	case reply.ScopeHost:
		p.push(l) // a job whose hosts all rest is dropped when its turn comes
	case reply.ScopeRecipient:
	}
}

// failTrials opens anew what the job was to try.
func (p *Pacer) failTrials(e *entry, r verdict.Reason, ev verdict.Evidence) {
	for _, b := range slices.Clone(e.trials) {
		if b.trial == e {
			p.openBreaker(b.key, b.site, away(e.terms, r, b.key.scope == reply.ScopeHost), tripped{reason: r, evidence: ev})
		}
	}
	e.trials = nil
}

// passTrials closes what the job has tried with success.
func (p *Pacer) passTrials(e *entry) {
	for _, b := range e.trials {
		if b.trial == e {
			p.closeBreaker(b)
		}
	}
	e.trials = nil
}

// release lets another job try what this one did not.
func (p *Pacer) release(e *entry) {
	for _, b := range e.trials {
		if b.trial == e {
			b.trial = nil
		}
	}
	e.trials = nil
}

// releaseHost is release for the host that could not be connected to.
func (p *Pacer) releaseHost(e *entry, host string) {
	e.trials = slices.DeleteFunc(e.trials, func(b *breaker) bool {
		gone := b.key.scope == reply.ScopeHost && b.key.name == host
		if gone && b.trial == e {
			b.trial = nil
		}
		return gone
	})
}

// Blanket tells the pacer that the site refused a known-good address: the site
// rests for blanket_refusal. source is that of the session that heard it.
func (p *Pacer) Blanket(r mx.Route, source netip.Addr, e verdict.Evidence) {
	settings := p.o.Settings()
	terms := settings.Book.Terms(r)
	p.lockWith(settings)
	defer p.unlock()
	k := breakerKey{scopeKey{source, string(r.Site)}, reply.ScopeSite}
	p.openBreaker(k, string(r.Site), away(terms, verdict.BlanketRefusal, false), tripped{reason: verdict.BlanketRefusal, evidence: e})
}

// sortBreakers orders them for people.
func sortBreakers(bs []BreakerState) {
	slices.SortFunc(bs, func(a, b BreakerState) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name), a.Source.Compare(b.Source))
	})
}
