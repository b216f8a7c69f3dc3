package pace

import (
	"net/netip"
	"slices"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

const (
	maxTargets = 5 // of one walk (docs/design.md, rule 10)
	// maxRefusals is how many hosts may refuse to greet us in one walk.
	maxRefusals = 2
	// failedFor is how long an address that did not connect comes last.
	failedFor = time.Minute
)

// walk is what became of a job's attempts to open a dialogue. A nil walk has
// made none.
type walk struct {
	tried    []netip.Addr
	probeID  string
	evidence verdict.Evidence // of the last attempt
	reason   verdict.Reason   // timeout, until something else happened
	refusals int              // greetings refused, dropped or never said
	ours     bool             // a target could not be tried: trouble of this host
}

// outcome ends the job with the reason and what the walk has seen.
func (w *walk) outcome(r verdict.Reason, detail string) *Outcome {
	o := &Outcome{Reason: r, Detail: detail}
	if w != nil {
		o.Evidence, o.ProbeID = w.evidence, w.probeID
	}
	return o
}

// target chooses where to connect for the job: the first address of the route
// that has not been tried and whose host is not at rest, those that did not
// connect lately last.
func (p *Pacer) target(e *entry) (t mx.Target, ok bool) {
	targets := e.job.Route.Targets
	for _, c := range targets[:min(len(targets), maxTargets)] {
		if e.walk != nil && slices.Contains(e.walk.tried, c.Addr) {
			continue
		}
		if b := p.breaker(reply.ScopeHost, e.lane.key.source, c.Host.Name); !b.passes(e) {
			continue
		}
		failed, lately := e.lane.site.failed[c.Addr]
		if !lately || p.now-failed > failedFor {
			return c, true
		}
		if !ok {
			t, ok = c, true
		}
	}
	return t, ok
}

// open opens a connection for the job, or says what blocks it. Where no
// target is left it ends the job.
func (p *Pacer) open(l *lane, e *entry) *blocked {
	t, ok := p.target(e)
	if !ok {
		p.walked(e)
		return nil
	}
	src := l.key.source
	lims := make([]*limiter, 0, 3)
	lims = append(lims, l.site.lim, p.limiter("addr", scopeKey{src, block(t.Addr)}))
	if l.key.provider != "" {
		lims = append(lims, p.limiter("provider", scopeKey{src, l.key.provider}))
	}
	if why := p.check(&l.key, lims, e.job.Kind, sessions, connects, probes, invalids, randoms); why != nil {
		for _, lim := range lims {
			if why.acc == &lim.acc[sessions] {
				p.makeRoom(lim)
			}
		}
		return why
	}
	if why := p.checkGlobal(); why != nil {
		return why
	}
	c := newConn(p, l, e, t, lims)
	for _, r := range []resource{sessions, connects, probes, invalids, randoms} {
		p.hold(c, r, l.key.needs(e.job.Kind, r))
	}
	p.global.acc[sessions].held++
	p.global.acc[connects].stamps = append(p.global.acc[connects].stamps, p.now)
	if b := p.breaker(reply.ScopeHost, src, t.Host.Name); b != nil {
		b.take(e)
	}
	if len(e.trials) > 0 || e.trial {
		c.why = WhyTrial
	}
	p.bind(e, c)
	c.entry = e
	l.conns++
	p.conns++
	p.work.Add(1)
	go p.run(c, e)
	return nil
}

// checkGlobal says whether all sites together leave room for one connection
// more. Where all sessions are taken, idle ones are closed for those who wait.
func (p *Pacer) checkGlobal() *blocked {
	n, _ := p.settings.connectRate()
	for _, d := range [...]struct {
		r     resource
		limit int
	}{{sessions, p.settings.maxSessions()}, {connects, n}} {
		acc := &p.global.acc[d.r]
		ok, at := acc.room(p.now, d.limit, 1)
		if ok {
			continue
		}
		if d.r == sessions && (acc.gate == nil || p.leaving <= acc.gate.waiting()) {
			p.makeRoom(nil)
		}
		return &blocked{acc, d.limit - 1, at}
	}
	return nil
}

// makeRoom closes an idle session for somebody who waits for one: of the
// limiter, or any when that is nil. One that is about to serve its own lane
// stays.
func (p *Pacer) makeRoom(of *limiter) {
	for at := p.idle.head; at != nil; at = at.next {
		c := at.value
		if c.lane.jobs.n[either] == 0 && (of == nil || slices.Contains(c.limiters, of)) {
			p.dismiss(c)
			return
		}
	}
}

// walked ends a job for which no target is left.
func (p *Pacer) walked(e *entry) {
	w := e.walk
	switch {
	case w == nil || len(w.tried) == 0:
		p.drop(e, p.resting(e))
	case w.ours && w.refusals < maxRefusals:
		o := w.outcome(verdict.NotProbed, detailOurs)
		o.Ours = true
		p.drop(e, o)
	case w.refusals > 0:
		// The one further host that might have greeted us could not be had.
		p.trip(e, tripped{
			scope: reply.ScopeSite, name: string(e.job.Route.Site), reason: w.reason, brief: true, evidence: w.evidence,
		})
		p.drop(e, w.outcome(w.reason, ""))
	case p.blind.on:
		p.drop(e, w.outcome(verdict.NotProbed, detailBlind))
	default:
		// One job has learned it for all that wait for the same site.
		o := w.outcome(w.reason, "no MX could be connected to")
		l := e.lane
		p.drop(e, o)
		l.jobs.each(func(e *entry) { p.drop(e, o) })
	}
}

// openFailed decides after an attempt that did not come to a session: walk
// on, rest the host, close the site.
func (p *Pacer) openFailed(c *conn, e *entry, t *probe.Transcript, last probe.Step) {
	class := c.classify(last, e.job.Rcpt)
	p.lock()
	defer p.unlock()
	c.tls, c.local = t.TLS, t.LocalIP
	ev := c.evidence(last, class, e.job.Rcpt)
	if e.walk == nil {
		e.walk = &walk{reason: verdict.Timeout}
	}
	w := e.walk
	w.tried = append(w.tried, c.target.Addr)
	w.probeID, w.evidence = c.id, ev
	p.closed(c, t)
	switch last.Failure {
	case probe.ConnectRefused, probe.ConnectTimeout, probe.ConnectFailed:
		p.releaseHost(e, c.target.Host.Name)
		c.lane.site.fail(c.target.Addr, p.now)
		p.unseen(c.lane.site.key)
		if w.refusals == 0 && last.Failure != probe.ConnectTimeout {
			w.reason = verdict.Unreachable
		}
		p.walkOn(e)
		return
	case probe.LocalTrouble:
		// Neither the address nor the site nor the network has to do with it.
		p.releaseHost(e, c.target.Host.Name)
		p.hampered(last.Detail)
		w.ours = true
		p.walkOn(e)
		return
	case probe.Canceled:
		p.drop(e, w.outcome(verdict.NotProbed, detailStopping))
		return
	default:
		p.seen()
	}
	if last.Failure == probe.NoFailure && last.Stage == verdict.Connect && class.Reason == verdict.Unreachable {
		p.releaseHost(e, c.target.Host.Name)
		w.reason = pick(w.refusals == 0, verdict.Unreachable, w.reason) // 521: no mail here (RFC 7504)
		p.walkOn(e)
		return
	}
	p.refused(c, e, last, class)
}

// refused deals with a host that we did reach and that holds no dialogue with
// us.
func (p *Pacer) refused(c *conn, e *entry, last probe.Step, class reply.Class) {
	w := e.walk
	w.reason = class.Reason
	host := tripped{scope: reply.ScopeHost, name: c.target.Host.Name, reason: class.Reason, brief: true, evidence: w.evidence}
	named := class.AboutUs() && (class.Scope == reply.ScopeSite || class.Scope == reply.ScopeProvider)
	// A greeting that breaks the protocol, or anything after the greeting,
	// would be the same on the next host.
	greeting := last.Stage == verdict.Connect && last.Failure != probe.Protocol
	switch {
	case named || !greeting && class.AboutUs():
		p.failTrials(e, class.Reason, w.evidence)
		p.tripClass(c, e, class, w.evidence)
		p.drop(e, w.outcome(class.Reason, ""))
	case !greeting:
		p.trip(e, host)
		p.drop(e, w.outcome(class.Reason, ""))
	default:
		p.trip(e, host)
		if w.refusals++; w.refusals >= maxRefusals {
			p.walked(e)
			return
		}
		p.walkOn(e)
	}
}

// walkOn puts the job first in its lane for its next target, or ends it when
// there is none.
func (p *Pacer) walkOn(e *entry) {
	if _, ok := p.target(e); !ok {
		p.walked(e)
		return
	}
	p.requeue(e)
}

// requeue puts a job that has begun first in its lane.
func (p *Pacer) requeue(e *entry) {
	p.enqueue(e)
	if p.stopping {
		p.drop(e, e.walk.outcome(verdict.NotProbed, detailStopping))
		return
	}
	p.alarms.set(&e.alarm, p.now+walkPatience, e)
}

// fail remembers an address that did not connect.
func (s *site) fail(a netip.Addr, now tick) {
	if s.failed == nil {
		s.failed = make(map[netip.Addr]tick, 1)
	}
	s.failed[a] = now
}

func pick[T any](cond bool, yes, no T) T {
	if cond {
		return yes
	}
	return no
}
