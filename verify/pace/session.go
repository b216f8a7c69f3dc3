package pace

import (
	"context"
	"net/netip"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// Session is an open dialogue lent to one job. It is used by one goroutine at
// a time, and not after Converse has returned.
type Session struct {
	p      *Pacer
	c      *conn
	e      *entry
	over   bool // Converse has returned
	broken bool // by a panic
}

// Target returns the host and address that the dialogue is held with.
func (s *Session) Target() mx.Target { return s.c.target }

// ProbeID names the dialogue, as in Dialogue and in the audit log.
func (s *Session) ProbeID() string { return s.c.id }

// Source returns the configured address of our side; zero: the kernel's choice.
func (s *Session) Source() netip.Addr { return s.c.source.IP }

// Terms returns the conditions under which the job is asked.
func (s *Session) Terms() provider.Terms { return s.e.terms }

// CanAsk reports whether this session and the budgets have room for one more
// RCPT of the kind now.
func (s *Session) CanAsk(k Kind) bool {
	if s.over || !s.c.dialogue.Usable() {
		return false
	}
	s.p.lock()
	defer s.p.unlock()
	return s.p.mayAsk(s, k)
}

// Ask waits for min_interval (not for controls), holds the RCPT's invalid in
// reserve, asks, counts, and opens breakers by the class. Where it may not be
// asked (CanAsk), or ctx ends while it waits, Answer.Asked is false.
func (s *Session) Ask(ctx context.Context, rcpt address.Address, k Kind) Answer {
	if k == KindAddress && !s.pause(ctx) || ctx.Err() != nil || !s.begin(k) {
		return Answer{Class: reply.Class{Reason: verdict.NotProbed}}
	}
	step := s.c.dialogue.Ask(ctx, rcpt)
	class := s.c.classify(step, rcpt)
	ev := s.c.evidence(step, class, rcpt)
	s.p.lock()
	defer s.p.unlock()
	harmless := s.c.answered > 0 && s.c.invalid == 0
	s.p.count(s, rcpt, k, step, class)
	if s.unsettled(k, step) {
		s.c.rcpts = s.c.lane.key.limits.RcptsPerSession // serves no other
	} else {
		s.p.react(s, step, class, ev, harmless)
	}
	return Answer{Asked: true, Step: step, Class: class, Evidence: ev}
}

// unsettled reports an answer that says no more than that this session is
// over for us, so that nobody is kept away from: a limit of recipients a
// session (452 4.5.3 after the first one, RFC 3463 section 3.6), and a drop or
// a 421 at a positive control, which is asked once more on a connection of its
// own (docs/design.md, rule 4b).
func (s *Session) unsettled(k Kind, step probe.Step) bool {
	if s.c.rcpts < 2 {
		return false
	}
	if step.Failure != probe.NoFailure {
		return k == KindPositive && (step.Failure == probe.Lost || step.Failure == probe.TimedOut)
	}
	full := step.Reply.Code == 452 && step.Reply.Enhanced == (reply.Enhanced{Class: 4, Subject: 5, Detail: 3})
	return full || k == KindPositive && step.Reply.Code == 421
}

// pause waits until min_interval is over.
func (s *Session) pause(ctx context.Context) bool {
	s.p.lock()
	wait := s.c.readyAt - s.p.now
	s.p.unlock()
	if wait <= 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// begin takes from the budgets what the job does not hold yet.
func (s *Session) begin(k Kind) bool {
	if s.over || !s.c.dialogue.Usable() {
		return false
	}
	s.p.lock()
	defer s.p.unlock()
	if !s.p.mayAsk(s, k) {
		return false
	}
	for _, r := range [...]resource{probes, invalids, randoms} {
		if more := s.c.lane.key.needs(k, r) - s.c.held[r]; more > 0 {
			s.p.hold(s.c, r, more)
		}
	}
	return true
}

// mayAsk reports whether the session, the breakers and the budgets allow a
// RCPT. The caller holds the lock.
func (p *Pacer) mayAsk(s *Session, k Kind) bool {
	c := s.c
	if !c.fits(k) || p.shutFor(c, s.e) != nil {
		return false
	}
	for _, lim := range c.limiters {
		for _, r := range [...]resource{probes, invalids, randoms} {
			more := c.lane.key.needs(k, r) - c.held[r]
			if more <= 0 {
				continue
			}
			if ok, _ := lim.acc[r].room(p.now, limitOf(&c.lane.key.limits, r), more); !ok {
				return false
			}
		}
	}
	return k != KindRandom || limitOf(&c.lane.key.limits, randoms) > 0
}

// count enters one asked RCPT into the accounts.
func (p *Pacer) count(s *Session, rcpt address.Address, k Kind, step probe.Step, class reply.Class) {
	c := s.c
	if step.Failure == probe.NoSMTPUTF8 {
		return // nothing was sent
	}
	sent := 1
	if step.Again {
		sent = 2
	}
	bad := invalid(step, class)
	c.addresses = append(c.addresses, rcpt)
	c.rcpts += sent
	if bad {
		c.invalid++
	}
	if k == KindAddress {
		c.readyAt = p.now + c.lane.key.limits.MinInterval
	}
	p.hold(c, probes, max(0, sent-c.held[probes])) // where the limit allows no second one
	p.settle(c, probes, sent, true)
	p.settle(c, invalids, 1, bad)
	if k == KindRandom {
		p.settle(c, randoms, 1, bad)
	}
	if step.Failure == probe.NoFailure {
		c.answered++
		c.lane.site.rcpt.add(step.Took)
	}
}

// invalid reports whether the far end counts the RCPT as one to an invalid
// address: any 5xx at RCPT that is not about us, and for safety any RCPT whose
// answer did not come.
func invalid(step probe.Step, class reply.Class) bool {
	if step.Failure != probe.NoFailure {
		return true
	}
	return step.Stage == verdict.Rcpt && step.Reply.Code >= 500 && !class.AboutUs()
}

// react does what an answer means for our further asking: it closes or opens
// breakers (docs/design.md, rule 3). harmless says that the session had been
// answered before, and nothing invalid asked: who hangs up then has so many
// recipients a connection, and no more, and does not speak of us.
func (p *Pacer) react(s *Session, step probe.Step, class reply.Class, ev verdict.Evidence, harmless bool) {
	c, e := s.c, s.e
	dropped := step.Failure == probe.Lost || step.Failure == probe.NoFailure && (step.Reply.Code == 421 || step.Reply.Code == 521)
	switch {
	case class.AboutUs():
		p.failTrials(e, class.Reason, ev)
		p.tripClass(c, e, class, ev)
	case dropped && harmless:
	case dropped:
		p.failTrials(e, class.Reason, ev)
		p.trip(e, tripped{scope: reply.ScopeHost, name: c.target.Host.Name, reason: class.Reason, brief: true, evidence: ev})
	case step.Failure == probe.NoFailure:
		p.passTrials(e)
	}
}
