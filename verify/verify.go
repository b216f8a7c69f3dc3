// Package verify is the verdict engine: it answers what is known of one
// address, and has the rest found out. Its stages, cheapest and most certain
// first, are the guard, the store, the MX lookup, the provider book, the facts
// of domain and site, and a paced dialogue with its controls.
//
// It owns the single flight of an address, the askers that wait for it, the
// facts of domains and sites, both controls, and the greylist schedule; it
// alone turns the class of a reply into a verdict (rules 2, 4 and 5 of
// docs/design.md). It holds no connection (package pace does), knows no rule
// and no door (package policy does), and never fails: trouble of our own is
// internal_error or not_probed.
//
// RFC 5321 sections 3.5 and 4.5.1 (postmaster), RFC 7505 (null MX), RFC 6647
// (greylisting) bear on what the verdicts mean.
package verify

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// Resolver finds the MXs of a domain; *mx.Resolver is one.
type Resolver interface {
	// Lookup never fails: what could not be found out is mx.Failed, or
	// mx.Unasked where the fault is our own.
	Lookup(ctx context.Context, d address.Domain) mx.Route
	// Blind reports that the DNS answers nothing at all (rule 12).
	Blind() bool
}

// Settings is immutable; a query ends under the settings it began with.
type Settings struct {
	// Unfit says why no dialogue may be held (rule 13); empty: fit. Without a
	// fit identity the store and our own DNS still answer.
	Unfit string
	// Senders are the probe senders: nothing is asked for a query from or to
	// one of them (rule 8, loops).
	Senders  []address.Address
	Hostname string // our own name, never asked about
	Book     *provider.Book
	Resolver Resolver
	// SkipDomains are never asked: exact, or ".suffix".
	SkipDomains []string
	// AfterAcceptAll is after_accept = "queue": a queued probe is asked even
	// when nobody needs it any more.
	AfterAcceptAll bool
	// MaxWaiting and MaxWaitingPerSite cap the askers that wait at once, but
	// for Uncapped ones; zero means 80 and 8.
	MaxWaiting        int
	MaxWaitingPerSite int
	// KnownGood are configured positive controls; may be empty.
	KnownGood map[address.Domain]address.Address
}

// Verdicts stores verdicts. GetVerdict returns a copy, never of an expired one,
// and sees what was put before. PutVerdict and DropVerdict never block; PutVerdict
// keeps nothing of what it is given, and overwrites: rule 5 is kept by the engine.
type Verdicts interface {
	GetVerdict(k Key) (*verdict.Verdict, bool)
	PutVerdict(k Key, v *verdict.Verdict)
	DropVerdict(k Key)
}

// CatchAll says whether a domain accepts every recipient, as far as known.
type CatchAll string

// The values of CatchAll.
const (
	CatchAllUnknown CatchAll = "unknown"
	CatchAllYes     CatchAll = "yes"
	CatchAllNo      CatchAll = "no"
)

// DomainFact is kept per domain.
type DomainFact struct {
	CatchAll  CatchAll // empty: nothing is known
	Site      string   // the fact falls when the MX set changes
	CheckedAt time.Time
	RefreshAt time.Time // zero: not refreshed before it expires
	ExpiresAt time.Time // of what is known of catch-all
	// Plain are the last 4 refusals that counted beside an unknown postmaster@
	// (rule 4b), oldest first. They count for an hour, across a restart.
	Plain []time.Time
}

// Until is when nothing of the fact counts any more.
func (f DomainFact) Until() time.Time {
	if n := len(f.Plain); n > 0 {
		if t := f.Plain[n-1].Add(time.Hour); t.After(f.ExpiresAt) {
			return t
		}
	}
	return f.ExpiresAt
}

// SiteFact is kept per site.
type SiteFact struct {
	// Reason is unreachable or timeout when no host of the site could be
	// talked to, until ExpiresAt; empty otherwise.
	Reason    verdict.Reason
	ExpiresAt time.Time
	// Negatives of the site that were checked inside an interval are suspect.
	Suspect  []Interval
	LastGood time.Time // the last positive control that passed
	// Negatives are the last 2 at a truthful site (rule 4c), oldest first. They
	// count for an hour, across a restart.
	Negatives []time.Time
}

// Interval is open at From and closed at To.
type Interval struct{ From, To time.Time }

// Facts stores domain and site facts. Get returns a domain fact as long as its
// Until lies ahead, and sees what was put before. Put never blocks.
type Facts interface {
	GetDomain(k [8]byte) (DomainFact, bool)
	PutDomain(k [8]byte, f DomainFact)
	GetSite(site string) (SiteFact, bool)
	PutSite(site string, f SiteFact)
}

// Options of an Engine; all fields but Logger are required.
type Options struct {
	Settings func() *Settings // current; read once a query
	Pacer    *pace.Pacer
	Verdicts Verdicts
	Facts    Facts
	Keyer    *Keyer
	Logger   *slog.Logger // nil: discards
}

func (o Options) check() error {
	var errs []error
	if o.Settings == nil {
		errs = append(errs, errors.New("no Settings"))
	}
	if o.Verdicts == nil || o.Facts == nil {
		errs = append(errs, errors.New("no Verdicts or Facts"))
	}
	if o.Keyer == nil {
		errs = append(errs, errors.New("no Keyer"))
	}
	return errors.Join(errs...)
}

// Query asks for one verdict.
type Query struct {
	ID      string
	Address address.Address
	Sender  address.Address // for the guard against loops
	Tenant  string
	// Probe permits DNS and a dialogue; without it only what is known.
	Probe bool
	// Budget is what the asker waits at most. Zero: it does not wait, but
	// what is not known is begun behind if it is to come back for the answer
	// (AcceptedWhenLeft).
	Budget time.Duration
	// Settled reports whether the asker's decision is the same for each of
	// the possible reasons (with these tags). It must be pure and quick. nil:
	// not settled before the verdict is final.
	Settled func(possible []verdict.Reason, tags []verdict.Tag) bool
	// Uncapped askers (command line, API) are outside the waiting caps, and
	// wait until the verdict is final or Budget ends, whatever is predicted.
	Uncapped bool
	Why      pace.Why // zero: ask
	// AcceptedWhenLeft says that an asker who leaves without a final verdict
	// (pending, settled, ctx) tells the MTA accept, so that a probe which is
	// still queued then is dropped, and none is begun for an asker without
	// Budget, unless AfterAcceptAll. Without it the probe goes on behind.
	AcceptedWhenLeft bool
	// RetryGreylisted puts an address that turns out greylisted on the
	// schedule of retries: set it where the asker will come back for the
	// answer (its outcome for greylisted is defer; list, API, command line).
	RetryGreylisted bool
}

// Snapshot is a copy of the engine's numbers.
type Snapshot struct {
	Flights, Waiting int
	Greylist         int  // addresses on the greylist schedule
	Panics           int  // recovered so far
	DNSBlind         bool // rule 12, the DNS half
}
