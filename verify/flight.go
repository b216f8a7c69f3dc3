package verify

import (
	"context"
	"net/netip"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// flight is the one piece of work on an address, however many ask. It is
// carried first by a goroutine of the engine (stages up to the pacer), then
// by goroutines of the pacer (conversations), never by two at once.
type flight struct {
	// Set at birth, or by who carries the flight.
	key    Key
	addr   address.Address
	st     *Settings
	tenant string
	why    pace.Why
	born   time.Time
	source netip.Addr // pinned on a greylist retry; then, of the dialogue
	route  mx.Route
	terms  provider.Terms
	refact bool // it is to refresh the domain's stale catch-all fact
	again  bool // its dialogue was cut off once

	// Guarded by Engine.mu.
	changed  chan struct{} // closed and replaced at each change
	possible []verdict.Reason
	sofar    *verdict.Verdict // one of possible; what is true so far
	answered bool             // sofar is final
	ended    bool
	begun    bool // a conversation has begun
	kept     bool // somebody who has left comes back for the answer
	retry    bool // an asker wants greylisting retried
	found    bool // the DNS has MXs of the domain
	site     mx.Site
	ticket   ticket // nil until queued
	waiters  map[*waiter]struct{}
}

func (f *flight) domain() (k [8]byte) {
	copy(k[:], f.key[:8])
	return k
}

// waiter is one asker that waits for a flight.
type waiter struct {
	a      *ask
	capped bool      // counts against the waiting caps
	site   mx.Site   // counted there, "" where not yet
	end    time.Time // of its budget
	over   bool      // above the cap of its site: leaves
	back   bool      // comes back for the answer after it left
}

// late reports that the asker's time ends before the answer is predicted to be
// there.
func (w *waiter) late(eta time.Duration) bool { return w.capped && eta > time.Until(w.end) }

// settledLocked reports that the decision of the waiter can no longer change.
// Engine.mu is held.
func (w *waiter) settledLocked(f *flight) bool {
	a := *w.a // the asker may be reading its own
	if f.refutes(&a) {
		a.old = nil
	}
	return a.settled(f.possible, f.sofar)
}

// retryAfter is what an asker is told while nothing can be predicted yet.
const retryAfter = 5 * time.Second

func orDefault(n, d int) int {
	if n == 0 {
		return d
	}
	return n
}

// returns reports that the asker, if it has to leave without a final verdict,
// comes back for it, or that the answer is wanted all the same (after_accept).
func (a *ask) returns() bool { return !a.q.AcceptedWhenLeft || a.st.AfterAcceptAll }

// follow joins the flight of the asker's address, or begins it, and waits as
// long as it makes sense.
func (e *Engine) follow(ctx context.Context, a *ask) *verdict.Verdict {
	var w *waiter
	if a.q.Budget > 0 {
		w = &waiter{a: a, capped: !a.q.Uncapped, end: time.Now().Add(a.q.Budget)}
	}
	f, ok := e.join(a, w)
	if !ok {
		return a.known(notProbed("too many askers wait"))
	}
	if w == nil {
		if f != nil {
			e.look(a, f, nil)
		}
		return a.known(e.pending(f, retryAfter))
	}
	defer e.leave(f, w)
	returns := a.returns()
	timer := time.NewTimer(time.Until(w.end))
	defer timer.Stop()
	for {
		s := e.look(a, f, w)
		switch {
		case s.answered:
			return a.known(s.sofar)
		case a.settled(s.possible, s.sofar):
			w.back = returns
			return a.known(s.sofar)
		case s.over:
			return a.known(notProbed("too many askers wait for this site"))
		case s.queued && w.late(s.eta):
			w.back = returns
			return a.known(e.pending(f, s.eta))
		}
		select {
		case <-s.changed:
		case <-timer.C:
			v := e.outOfTime(a, f, w)
			w.back = a.st.AfterAcceptAll || (returns && v.Reason == verdict.Pending)
			return a.known(v)
		case <-ctx.Done():
			w.back = a.st.AfterAcceptAll
			return a.known(e.pending(f, e.look(a, f, w).wait()))
		}
	}
}

// sight is what a waiter sees of a flight at one moment.
type sight struct {
	changed         <-chan struct{}
	possible        []verdict.Reason
	sofar           *verdict.Verdict
	answered, begun bool
	over            bool
	queued          bool
	eta             time.Duration
}

func (s sight) wait() time.Duration {
	if s.queued && s.eta > 0 {
		return s.eta
	}
	return retryAfter
}

// look is what an asker sees of its flight, w being nil where it does not wait.
// Once the DNS has found MXs of the domain, a negative of the DNS that the
// asker had at hand is not served any more.
func (e *Engine) look(a *ask, f *flight, w *waiter) sight {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.refutes(a) {
		a.old = nil
	}
	s := sight{
		changed: f.changed, possible: f.possible, sofar: f.sofar,
		answered: f.answered, begun: f.begun, over: w != nil && w.over,
	}
	if f.ticket != nil && !f.answered {
		s.queued, s.eta = true, f.ticket.ETA()
	}
	return s
}

// refutes reports that the DNS has found MXs since it denied what the asker has
// at hand. Engine.mu is held.
func (f *flight) refutes(a *ask) bool { return f.found && a.old != nil && deniedByDNS(a.old) }

// settled reports that the asker's decision can no longer change: over all that
// it may get, what is already known included.
func (a *ask) settled(possible []verdict.Reason, sofar *verdict.Verdict) bool {
	if a.q.Settled == nil {
		return false
	}
	if a.old == nil {
		return a.q.Settled(possible, sofar.Tags)
	}
	may := make([]verdict.Reason, 0, len(possible)+1)
	for _, r := range possible {
		if r = a.known(&verdict.Verdict{Reason: r, Site: sofar.Site}).Reason; r != "" {
			may = append(may, r)
		}
	}
	return a.q.Settled(may, a.known(sofar).Tags)
}

// pending is the answer to an asker whose time is over; f is nil where nothing
// is under way.
func (e *Engine) pending(f *flight, after time.Duration) *verdict.Verdict {
	v := verdict.New(verdict.Pending, "", time.Now())
	v.RetryAfter = after
	if f == nil {
		return v
	}
	e.mu.Lock()
	v.Site = string(f.site)
	e.mu.Unlock()
	return v
}

// outOfTime is the answer at the end of the budget: pending, or, for an asker
// that waits regardless of what is predicted, not_probed where no dialogue
// could begin.
func (e *Engine) outOfTime(a *ask, f *flight, w *waiter) *verdict.Verdict {
	s := e.look(a, f, w)
	switch {
	case s.answered:
		return s.sofar
	case !w.capped && !s.begun:
		return notProbed("no dialogue could begin in time")
	}
	return e.pending(f, s.wait())
}

// join finds or begins the flight of the asker's address and counts the
// waiter, which is nil where the asker does not wait. f is nil where it would be
// begun for an asker that neither waits nor returns. ok is false where nothing
// new may be begun and waited for.
func (e *Engine) join(a *ask, w *waiter) (f *flight, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f = e.flights[a.key]
	if e.closed || (f == nil && len(e.flights) >= maxFlights) {
		return nil, false
	}
	if f == nil && w == nil && !a.returns() {
		return nil, true
	}
	if w != nil && w.capped {
		if e.waiting >= orDefault(a.st.MaxWaiting, 80) {
			return nil, false
		}
		if f != nil && f.site != "" && !e.countLocked(w, f.site, a.st) {
			return nil, false
		}
		e.waiting++
	}
	if f == nil {
		f = e.beginLocked(a)
	}
	f.retry = f.retry || a.q.RetryGreylisted
	if w == nil {
		f.kept = f.kept || a.returns()
		return f, true
	}
	f.waiters[w] = struct{}{}
	if len(f.waiters) == 1 && f.ticket != nil {
		f.ticket.SetLive(true)
	}
	return f, true
}

// beginLocked begins the flight of an address. e.mu is held.
func (e *Engine) beginLocked(a *ask) *flight {
	f := &flight{
		key: a.key, addr: a.q.Address, st: a.st, tenant: a.q.Tenant, why: a.why, born: time.Now(),
		changed: make(chan struct{}), possible: possibleAtStart, sofar: notProbed("not asked yet"),
		waiters: map[*waiter]struct{}{},
	}
	e.flights[a.key] = f
	e.wg.Go(func() { e.work(f) })
	return f
}

// refresh asks again behind, for nobody who waits.
func (e *Engine) refresh(a *ask) {
	a.why = pace.WhyRefresh
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.flights[a.key] != nil || len(e.flights) >= maxFlights {
		return
	}
	e.beginLocked(a).kept = true
}

// countLocked counts a capped waiter at its site and reports whether there was
// room. e.mu is held.
func (e *Engine) countLocked(w *waiter, site mx.Site, st *Settings) bool {
	if e.atSite[site] >= orDefault(st.MaxWaitingPerSite, 8) {
		return false
	}
	e.atSite[site]++
	w.site = site
	return true
}

// leave uncounts a waiter. What nobody needs any more is not asked: when the
// last one has left and none of them comes back, a queued probe is dropped, a
// begun one finished (after_accept).
func (e *Engine) leave(f *flight, w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w.capped {
		e.waiting--
	}
	if w.site != "" {
		if e.atSite[w.site]--; e.atSite[w.site] == 0 {
			delete(e.atSite, w.site)
		}
	}
	delete(f.waiters, w)
	if f.ended {
		return
	}
	f.kept = f.kept || w.back
	if len(f.waiters) > 0 || f.ticket == nil {
		return
	}
	if !f.kept && !f.begun && f.ticket.Cancel() {
		e.endLocked(f, notProbed("nobody needs it any more"))
		return
	}
	f.ticket.SetLive(false)
}

// work carries a flight through the stages.
func (e *Engine) work(f *flight) {
	where := "flight"
	defer func() { e.rescued(f, where, recover()) }()
	for _, s := range workStages {
		where = s.name
		if v := s.run(e, f); v != nil {
			e.finish(f, v)
			return
		}
	}
}

// rescue ends a flight whose carrier panicked; deferred by every carrier.
func (e *Engine) rescue(f *flight, where string) { e.rescued(f, where, recover()) }

func (e *Engine) rescued(f *flight, where string, r any) {
	if r != nil {
		v := e.panicked(where, r)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.endLocked(f, v)
	}
}

// advance says what is possible from now on, and what is true so far.
func (e *Engine) advance(f *flight, possible []verdict.Reason, sofar *verdict.Verdict) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.answered {
		return
	}
	f.possible, f.sofar = possible, sofar
	f.wakeLocked()
}

// narrow says what is possible from now on. It wakes nobody: the stages that
// follow wait for nothing, and the last one counts whom that leaves.
func (e *Engine) narrow(f *flight, possible []verdict.Reason) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.possible = possible
}

// wakeLeaversLocked wakes the waiters if one of them has no reason to wait any
// longer, with a ticket of that prediction.
func (f *flight) wakeLeaversLocked(eta time.Duration) {
	for w := range f.waiters {
		if w.late(eta) || w.settledLocked(f) {
			f.wakeLocked()
			return
		}
	}
}

func (f *flight) wakeLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// answer gives the waiters their final verdict while the work goes on behind.
func (e *Engine) answer(f *flight, v *verdict.Verdict) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.kept = true
	f.answerLocked(v)
}

func (f *flight) answerLocked(v *verdict.Verdict) {
	if !f.answered {
		f.answered, f.sofar = true, v
		f.wakeLocked()
	}
}

// finish learns from the verdict, stores it, wakes the waiters and ends the
// flight, in this order, so that who comes later finds one or the other.
func (e *Engine) finish(f *flight, v *verdict.Verdict) {
	e.mu.Lock()
	late := f.ended // by Stop, or a panic
	e.mu.Unlock()
	if late {
		return
	}
	e.facts.learn(f, v)
	e.store.put(f.key, v, time.Now())
	e.retried(f, v)
	e.log.Debug("verdict", "domain", f.addr.Domain(), "why", f.why, "reason", v.Reason,
		"site", v.Site, "probe_id", v.ProbeID, "dur", time.Since(f.born))
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endLocked(f, v)
}

// endLocked ends a flight once; e.mu is held.
func (e *Engine) endLocked(f *flight, v *verdict.Verdict) {
	if f.ended {
		return
	}
	f.ended = true
	f.answerLocked(v)
	delete(e.flights, f.key)
	if e.closed && len(e.flights) == 0 {
		close(e.idle)
	}
}
