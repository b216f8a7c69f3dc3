package verify

import (
	"context"
	"net/netip"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/verdict"
)

// pacer is what the engine needs of package pace. Submit either refuses at
// once, or later calls exactly one of converse and drop on a goroutine of its
// own; none of its methods blocks or calls back under a lock.
type pacer interface {
	Submit(j job) (ticket, *pace.Outcome)
	Blanket(r mx.Route, source netip.Addr, e verdict.Evidence)
}

// ticket is a queued job; see pace.Ticket.
type ticket interface {
	ETA() time.Duration
	Cancel() bool
	SetLive(live bool)
}

// session is an open dialogue lent to one job; see pace.Session.
type session interface {
	Target() mx.Target
	ProbeID() string
	Source() netip.Addr
	CanAsk(k pace.Kind) bool
	Ask(ctx context.Context, rcpt address.Address, k pace.Kind) pace.Answer
}

// job is pace.Job over the interfaces above.
type job struct {
	rcpt     address.Address
	route    mx.Route
	tenant   string
	why      pace.Why
	kind     pace.Kind
	live     bool
	fresh    bool
	source   netip.Addr
	converse func(ctx context.Context, s session)
	drop     func(o pace.Outcome)
}

// paced makes a *pace.Pacer a pacer.
type paced struct{ *pace.Pacer }

func (p paced) Submit(j job) (ticket, *pace.Outcome) {
	t, refused := p.Pacer.Submit(&pace.Job{
		Rcpt: j.rcpt, Route: j.route, Tenant: j.tenant, Why: j.why, Kind: j.kind,
		Live: j.live, Fresh: j.fresh, Source: j.source, Drop: j.drop,
		Converse: func(ctx context.Context, s *pace.Session) { j.converse(ctx, s) },
	})
	if refused != nil {
		return nil, refused // not a nil *pace.Ticket inside the interface
	}
	return t, nil
}
