package verify

import (
	"context"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/pace"
	"rcptgate/verify/verdict"
)

// Rule 4 of docs/design.md: a refusal is believed only with a control, an
// acceptance only of a domain that refuses something.

// Numbers of rule 4.
const (
	plainPerHour   = 4               // refusals that may count beside an unknown postmaster@, a domain
	freeNegatives  = 2               // negatives in an hour at a truthful site that need no sample
	sampleIsRecent = 5 * time.Minute // how long an accepted address vouches for its site
)

// randomPatience is how long a 250 waits for its catch-all control: past it,
// as when random controls have used up their share of the budget, the 250
// stays unproven.
const randomPatience = 30 * time.Second

// control is the catch-all control of a domain under way. Flights whose
// address got a 250 meanwhile wait for it, without a goroutine.
type control struct {
	then []func(c CatchAll)
}

// catchAll decides a 250 at a site that is not known to tell the truth: by the
// domain's fact, else by a random address, asked once for the domain.
func (e *Engine) catchAll(ctx context.Context, f *flight, s session, v *verdict.Verdict) {
	fact, ok := e.facts.domain(f.domain(), f.route.Site, v.CheckedAt)
	stale := ok && !fact.RefreshAt.IsZero() && !v.CheckedAt.Before(fact.RefreshAt)
	if ok && (!stale || !(f.refact || e.facts.mayRefresh(f.domain(), v.CheckedAt))) {
		e.finish(f, e.byCatchAll(f, v, fact.CatchAll))
		return
	}
	if stale {
		e.answer(f, e.byCatchAll(f, v, fact.CatchAll))
	}
	c, known := e.joinControl(f, stale, func(c CatchAll) {
		defer e.rescue(f, "catch-all")
		e.finish(f, e.byCatchAll(f, v, c))
	})
	if known != "" {
		e.finish(f, e.byCatchAll(f, v, known))
		return
	}
	e.advance(f, possibleGood, v)
	if c != nil {
		e.askRandom(ctx, f, s, c)
	}
}

func (e *Engine) byCatchAll(f *flight, v *verdict.Verdict, c CatchAll) *verdict.Verdict {
	switch c {
	case CatchAllYes:
		return e.as(f, v, verdict.AcceptAll, verdict.FromControl)
	case CatchAllNo:
		return e.as(f, v, verdict.Accepted, verdict.FromProbe)
	case CatchAllUnknown:
	}
	return e.as(f, v, verdict.AcceptUnproven, verdict.FromProbe)
}

// joinControl waits for the control of the flight's domain. lead is the
// control that the caller has to ask, nil where another flight asks it. known:
// it has ended just now.
func (e *Engine) joinControl(f *flight, stale bool, then func(CatchAll)) (lead *control, known CatchAll) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c := e.controls[f.domain()]; c != nil {
		c.then = append(c.then, then)
		return nil, ""
	}
	if !stale {
		if fact, ok := e.facts.domain(f.domain(), f.route.Site, time.Now()); ok {
			return nil, fact.CatchAll
		}
	}
	c := &control{then: []func(CatchAll){then}}
	e.controls[f.domain()] = c
	return c, ""
}

// resolve ends a control and all flights that wait for it, once. learned: the
// answer is kept as a fact.
func (e *Engine) resolve(f *flight, ctl *control, c CatchAll, learned bool) {
	if learned {
		e.facts.putDomain(f.domain(), newFact(c, f.route.Site, time.Now()))
	}
	e.mu.Lock()
	if e.controls[f.domain()] == ctl {
		delete(e.controls, f.domain())
	}
	waiting := ctl.then
	ctl.then = nil
	e.mu.Unlock()
	for _, then := range waiting {
		then(c)
	}
}

// askRandom asks the random address on the session at hand, else on one of
// its own. Where no budget is left for it, nothing is learned.
func (e *Engine) askRandom(ctx context.Context, f *flight, s session, ctl *control) {
	c, learned, handed := CatchAllUnknown, false, false
	defer func() { // also after a panic: other flights wait
		if !handed {
			e.resolve(f, ctl, c, learned)
		}
	}()
	random, err := address.Make(e.keyer.RandomLocal(f.addr.Domain(), time.Now()), f.addr.Domain())
	if err != nil {
		return
	}
	if s.CanAsk(pace.KindRandom) {
		if a := s.Ask(ctx, random, pace.KindRandom); a.Asked {
			c, learned = judgeRandom(a, s.Target().Preferred)
			return
		}
	}
	j := e.controlJob(f, random, pace.KindRandom)
	j.converse = func(ctx context.Context, s session) {
		defer e.rescue(f, "catch-all")
		c, learned := CatchAllUnknown, false
		defer func() { e.resolve(f, ctl, c, learned) }()
		c, learned = judgeRandom(s.Ask(ctx, random, pace.KindRandom), s.Target().Preferred)
	}
	j.drop = func(pace.Outcome) {
		defer e.rescue(f, "catch-all")
		e.resolve(f, ctl, CatchAllUnknown, false)
	}
	t, refused := e.queue(f, j)
	if refused != nil {
		return
	}
	if t.ETA() > randomPatience && t.Cancel() {
		return
	}
	handed = true
	// A prediction is only the least that it takes. The timer needs no
	// goroutine, and what it does after Stop finds its flights ended.
	time.AfterFunc(randomPatience, func() {
		defer e.rescue(f, "catch-all")
		if t.Cancel() {
			e.resolve(f, ctl, CatchAllUnknown, false)
		}
	})
}

// controlJob is a job that asks a control on a session of its own.
func (e *Engine) controlJob(f *flight, rcpt address.Address, k pace.Kind) job {
	e.mu.Lock()
	defer e.mu.Unlock()
	return job{
		rcpt: rcpt, route: f.route, tenant: f.tenant, why: pace.WhyControl, kind: k,
		live: len(f.waiters) > 0, source: f.source,
	}
}

// positive decides a 5xx about the mailbox at a site that is not known to tell
// the truth, by its own control (rule 4b).
func (e *Engine) positive(ctx context.Context, f *flight, s session, v *verdict.Verdict) {
	ctl, known := e.positiveFor(f)
	if ctl.IsNull() {
		// The address is itself the control, and there is no other: a refusal
		// that nothing confirms is no verdict.
		e.finish(f, e.as(f, v, verdict.Unclassified, verdict.FromProbe))
		return
	}
	e.advance(f, possibleRefused(v.Reason), e.as(f, v, verdict.Unclassified, verdict.FromProbe))
	if s.CanAsk(pace.KindPositive) {
		a := s.Ask(ctx, ctl, pace.KindPositive)
		if found := judgePositive(a, known); found != foundNothing {
			e.weigh(f, v, found, confirmation{ctl, known, a, s})
			return
		}
	}
	j := e.controlJob(f, ctl, pace.KindPositive)
	j.fresh = true
	j.converse = func(ctx context.Context, s session) {
		defer e.rescue(f, "control")
		a := s.Ask(ctx, ctl, pace.KindPositive)
		e.weigh(f, v, judgePositive(a, known), confirmation{ctl, known, a, s})
	}
	j.drop = func(o pace.Outcome) {
		defer e.rescue(f, "control")
		if o.Ours {
			e.finish(f, e.unasked(f, o))
			return
		}
		e.finish(f, e.as(f, v, verdict.TemporaryFailure, verdict.FromProbe))
	}
	if _, refused := e.queue(f, j); refused != nil {
		e.finish(f, e.as(f, v, verdict.TemporaryFailure, verdict.FromProbe))
	}
}

// positiveFor chooses the positive control of a refusal: an address known to
// exist in the domain, else postmaster@ (RFC 5321 section 4.5.1), which is
// known to exist once it was accepted; never the address that was refused. The
// zero address: there is none.
func (e *Engine) positiveFor(f *flight) (ctl address.Address, known bool) {
	d := f.addr.Domain()
	if a, ok := f.st.KnownGood[d]; ok && a.Key() != f.addr.Key() {
		return a, true
	}
	if a, ok := e.facts.goodAt(f.domain(), time.Now()); ok && a.Key() != f.addr.Key() {
		return a, true
	}
	a, err := address.Make("postmaster", d)
	if err != nil || a.Key() == f.addr.Key() {
		return address.Address{}, false
	}
	// One that was accepted in the last day and is unknown now is no mailbox
	// that was never made: the site has begun to refuse everybody.
	return a, e.facts.postmasterAt(f.domain(), time.Now())
}

// confirmation is a control that was asked: whom, whether that address is
// known to exist, its answer, and where.
type confirmation struct {
	ctl   address.Address
	known bool
	pace.Answer
	session
}

// weigh makes the verdict of a refusal and what its control found.
func (e *Engine) weigh(f *flight, v *verdict.Verdict, found finding, c confirmation) {
	switch found {
	case foundNothing:
		r := verdict.TemporaryFailure
		if c.Class.Reason == verdict.Greylisted {
			r = verdict.Greylisted
		}
		e.finish(f, e.as(f, v, r, verdict.FromProbe))
	case foundAboutUs:
		e.finish(f, e.byControl(f, c, c.Class.Reason))
	case foundGood:
		v = e.as(f, v, v.Reason, verdict.FromProbe)
		e.facts.good(f.route.Site, v.CheckedAt)
		e.facts.exists(f.domain(), f.route.Site, c.ctl, v.CheckedAt)
		e.finish(f, v)
	case foundPlain:
		v = e.as(f, v, v.Reason, verdict.FromProbe)
		if !e.facts.plainCounts(f.domain(), f.route.Site, v.CheckedAt) {
			// Too many refusals at a domain where not even postmaster@ exists, or
			// the site refused somebody who does.
			v = e.byControl(f, c, verdict.BlanketRefusal)
		}
		e.finish(f, v)
	case foundBlanket:
		e.blanket(f, c)
	}
}

// byControl is a verdict that rests on the answer to the control.
func (e *Engine) byControl(f *flight, c confirmation, r verdict.Reason) *verdict.Verdict {
	v := e.newVerdict(f, r, verdict.FromControl)
	v.Evidence, v.ProbeID = c.Evidence, c.ProbeID()
	return v
}

// blanket ends a flight whose control was refused though it must exist. If the
// control was an address known to exist, the site rests, and its negatives
// since the last good control are suspect; a refused postmaster@ speaks for
// its own domain only.
func (e *Engine) blanket(f *flight, c confirmation) {
	v := e.byControl(f, c, verdict.BlanketRefusal)
	if c.known {
		e.log.Warn("a site refuses an address that is known to exist: it rests, its negatives are suspect",
			"site", v.Site, "domain", f.addr.Domain(), "probe_id", v.ProbeID)
		e.pacer.Blanket(f.route, c.Source(), c.Evidence)
		e.facts.suspect(f.route.Site, f.domain(), c.ctl, v.CheckedAt)
	}
	e.finish(f, v)
}

// sample decides a 5xx about the mailbox at a truthful site (rule 4c): the
// third and each later one in an hour is enforced only while the site is seen
// to accept an address that is known to exist.
func (e *Engine) sample(ctx context.Context, f *flight, s session, v *verdict.Verdict) {
	if e.facts.negative(f.route.Site, v.CheckedAt) {
		e.finish(f, v)
		return
	}
	ctl, ok := e.facts.goodAtSite(f.route.Site, v.CheckedAt)
	if a, set := f.st.KnownGood[f.addr.Domain()]; set {
		ctl, ok = a, true
	}
	if ok && ctl.Key() != f.addr.Key() && s.CanAsk(pace.KindPositive) {
		e.advance(f, possibleRefused(v.Reason), e.as(f, v, verdict.Unclassified, verdict.FromProbe))
		a := s.Ask(ctx, ctl, pace.KindPositive)
		if found := judgePositive(a, true); found != foundNothing {
			e.weigh(f, v, found, confirmation{ctl, true, a, s})
			return
		}
	}
	v.Tags = append(v.Tags, verdict.Suspect)
	e.finish(f, v)
}
