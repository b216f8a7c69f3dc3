package milter

import (
	"context"
	"slices"
	"sync"

	"rcptgate/policy"
)

// maxAside is how many recipients of one message are decided side by side;
// each further one is waited for at its RCPT.
const maxAside = 1000

// message is one transaction: MAIL to the end of message, or its abort.
type message struct {
	server   *Server
	ctx      context.Context
	cancel   context.CancelFunc
	settings Settings
	query    policy.Query // without recipient

	// With DecideEnd.
	passed int // recipients that are not ours to judge
	asked  []*asked
	wg     sync.WaitGroup
}

// asked is one recipient and, when the message's wg is done, its decision.
type asked struct {
	to       string // as the MTA gave it, without brackets
	decision policy.Decision
}

// pass counts a recipient that goes through whatever the others do.
func (m *message) pass() { m.passed++ }

// ask begins to decide about a recipient.
func (m *message) ask(to string, q policy.Query) {
	q.AtEnd = true
	a := &asked{to: to, decision: policy.Decision{Action: policy.Accept}}
	m.asked = append(m.asked, a)
	decide := func() {
		defer func() {
			if v := recover(); v != nil {
				m.server.panicked("decide", v)
			}
		}()
		a.decision = m.server.o.Decider.Decide(m.ctx, q)
	}
	if len(m.asked) > maxAside {
		decide()
		return
	}
	m.wg.Go(decide)
}

// conclude makes the answer of the message and tells each decision what became
// of its recipient. The recipients that are returned are to be removed.
func (m *message) conclude(canRemove bool) (d policy.Decision, remove []string) {
	d, remove = m.outcome(canRemove)
	for _, a := range m.asked {
		switch {
		case d.Action == policy.Reject || d.Action == policy.Defer:
			a.decision.Told(d.Action, d.ReplyText())
		case slices.Contains(remove, a.to):
			a.decision.Told(policy.Delete, "")
		}
	}
	return d, remove
}

// abandon drops the message: what has not been told by now passed, or never
// came to its end.
func (m *message) abandon() {
	m.cancel()
	m.wg.Wait()
	for _, a := range m.asked {
		a.decision.Told(policy.Accept, "")
	}
}

// outcome waits for all decisions and makes one of them: refused when all
// recipients are, deferred when none may pass now, else what on_partial says.
// canRemove says whether the MTA lets recipients be removed; those to remove
// are returned.
func (m *message) outcome(canRemove bool) (d policy.Decision, remove []string) {
	m.wg.Wait()
	var refused, deferred []*asked
	for _, a := range m.asked {
		// A decision that makes no reply counts as accept.
		if _, err := encode(a.decision); err != nil {
			m.server.o.Logger.Error("milter reply", "id", a.decision.ID, "err", err)
			continue
		}
		if a.decision.Warning {
			m.server.o.Logger.Warn("would have refused", "id", a.decision.ID, "rule", a.decision.Rule, "would", string(a.decision.Would))
		}
		switch a.decision.Action {
		case policy.Reject:
			refused = append(refused, a)
		case policy.Defer:
			deferred = append(deferred, a)
		case policy.Accept, policy.Delete:
		}
	}
	all := m.passed + len(m.asked)
	switch {
	case len(refused) > 0 && len(refused) == all:
		return refused[0].decision, nil
	case len(deferred) > 0 && len(refused)+len(deferred) == all:
		return deferred[0].decision, nil
	case len(refused) == 0:
		return policy.Decision{Action: policy.Accept}, nil
	}
	pass := policy.Decision{Action: policy.Accept}
	switch m.settings.OnPartial {
	case RejectAll:
		return refused[0].decision, nil
	case DeleteSome:
		if canRemove {
			for _, a := range refused {
				remove = append(remove, a.to)
			}
		} else {
			m.server.o.Logger.Warn("the mail server does not let recipients be removed: all are kept", "queue_id", m.query.QueueID)
		}
	}
	return pass, remove
}
