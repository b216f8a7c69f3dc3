package verify

import (
	"context"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/verdict"
)

// submit is the last stage: it hands the flight to the pacer, if somebody
// still wants it.
func (e *Engine) submit(f *flight) *verdict.Verdict {
	live, wanted := e.arrive(f)
	if !wanted {
		return nil
	}
	j := job{
		rcpt: f.addr, route: f.route, tenant: f.tenant, why: f.why, kind: pace.KindAddress,
		live: live, source: f.source,
		converse: func(ctx context.Context, s session) {
			defer e.rescue(f, "conversation")
			e.converse(ctx, f, s)
		},
		drop: func(o pace.Outcome) {
			defer e.rescue(f, "drop")
			e.finish(f, e.unasked(f, o))
		},
	}
	if _, refused := e.queue(f, j); refused != nil {
		return e.unasked(f, *refused)
	}
	return nil
}

// arrive makes the site of a flight known: its waiters are counted there, and
// those above the cap leave, as do those whose decision cannot change any more.
// Where nobody is left to need the answer, wanted is false and the flight has
// ended: who comes later begins another.
func (e *Engine) arrive(f *flight) (live, wanted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.site = f.route.Site
	over := false
	for w := range f.waiters {
		if !w.a.returns() && w.settledLocked(f) {
			continue
		}
		if w.capped && w.site == "" && !e.countLocked(w, f.site, f.st) {
			w.over, over = true, true
			continue
		}
		live = true
	}
	if over {
		f.wakeLocked()
	}
	switch {
	case e.closed:
		e.endLocked(f, e.placed(f, notProbed("stopping")))
	case !live && !f.kept:
		e.endLocked(f, e.placed(f, notProbed("nobody needs it any more")))
	}
	return live, !f.ended
}

// queue submits a job of the flight and makes its ticket the flight's. It wakes
// those whom its prediction lets leave, or what is possible by now.
func (e *Engine) queue(f *flight, j job) (ticket, *pace.Outcome) {
	t, refused := e.pacer.Submit(j)
	if refused != nil {
		return nil, refused
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.ended {
		return t, nil
	}
	f.ticket = t
	// Askers may have come, or all have left, while it was being submitted.
	live := len(f.waiters) > 0
	if !live && !f.kept && !f.begun && t.Cancel() {
		e.endLocked(f, notProbed("nobody needs it any more"))
		return t, nil
	}
	if live != j.live {
		t.SetLive(live)
	}
	f.wakeLeaversLocked(t.ETA())
	return t, nil
}

// unasked is the verdict of an address that got no conversation.
func (e *Engine) unasked(f *flight, o pace.Outcome) *verdict.Verdict {
	r := o.Reason
	if r == "" || r.Status() != verdict.Unknown {
		r = verdict.NotProbed
	}
	origin := verdict.FromProbe
	if r == verdict.NotProbed {
		origin = ""
	}
	v := e.newVerdict(f, r, origin)
	v.Evidence, v.ProbeID = o.Evidence, o.ProbeID
	if v.Evidence.Text == "" {
		v.Evidence.Text = o.Detail
	}
	if r == verdict.Unreachable || r == verdict.Timeout {
		// No host of the walk could be talked to: so it is for every address.
		e.facts.unreachable(f.route.Site, v)
	}
	return v
}

// converse asks the real address, and what its answer needs.
func (e *Engine) converse(ctx context.Context, f *flight, s session) {
	e.mu.Lock()
	f.begun = true
	e.mu.Unlock()
	f.source = s.Source()
	e.facts.reachable(f.route.Site)
	a := s.Ask(ctx, f.addr, pace.KindAddress)
	reason, need := judge(a, s.Target().Preferred, f.terms.Truth)
	v := e.newVerdict(f, reason, verdict.FromProbe)
	v.Evidence, v.ProbeID = a.Evidence, s.ProbeID()
	if !a.Asked {
		v.Origin = ""
	}
	if cutOff(a) && !f.again {
		e.askAgain(f, v)
		return
	}
	switch need {
	case needNothing:
		e.finish(f, v)
	case needCatchAll:
		e.catchAll(ctx, f, s, v)
	case needPositive:
		e.positive(ctx, f, s, v)
	case needSample:
		e.sample(ctx, f, s, v)
	}
}

// cutOff reports that the peer hung up instead of answering.
func cutOff(a pace.Answer) bool {
	return a.Step.Failure == probe.Lost || (a.Step.Reply.Code == 421 && !a.Class.AboutUs())
}

// askAgain asks an address whose dialogue was cut off once more, on a new
// connection: an open session may have been idle, or used, for longer than
// the peer likes. Where the pacer keeps away from the host, v stands.
func (e *Engine) askAgain(f *flight, v *verdict.Verdict) {
	f.again = true
	j := e.controlJob(f, f.addr, pace.KindAddress)
	j.why, j.fresh = f.why, true
	j.converse = func(ctx context.Context, s session) {
		defer e.rescue(f, "conversation")
		e.converse(ctx, f, s)
	}
	j.drop = func(pace.Outcome) {
		defer e.rescue(f, "drop")
		e.finish(f, v)
	}
	if _, refused := e.queue(f, j); refused != nil {
		e.finish(f, v)
	}
}

// as gives a judged verdict another reason, with the clocks of that one.
func (e *Engine) as(f *flight, v *verdict.Verdict, r verdict.Reason, o verdict.Origin) *verdict.Verdict {
	n := e.newVerdict(f, r, o)
	n.Evidence, n.ProbeID = v.Evidence, v.ProbeID
	return n
}

// factVerdict is what a catch-all fact says of an address that nobody asked.
func factVerdict(f DomainFact) *verdict.Verdict {
	v := verdict.New(verdict.AcceptAll, verdict.FromControl, f.CheckedAt)
	v.Served, v.Site = verdict.FromCache, f.Site
	v.RefreshAt, v.ExpiresAt = f.RefreshAt, f.ExpiresAt
	return v
}

// newFact is a catch-all fact with the clocks of docs/design.md: yes 1 d and
// 7 d, no 1 d and 3 d, unknown 1 h.
func newFact(c CatchAll, site mx.Site, now time.Time) DomainFact {
	const day = 24 * time.Hour
	f := DomainFact{CatchAll: c, Site: string(site), CheckedAt: now}
	switch c {
	case CatchAllYes:
		f.RefreshAt, f.ExpiresAt = now.Add(day), now.Add(7*day)
	case CatchAllNo:
		f.RefreshAt, f.ExpiresAt = now.Add(day), now.Add(3*day)
	case CatchAllUnknown:
		f.ExpiresAt = now.Add(time.Hour)
	}
	return f
}
