// Package pace decides who may ask whom, and when. It answers: may this
// address be asked now, later, or not at all; on which connection; and how
// long will it take. It owns the queues, the budgets, the breakers and the
// open sessions of package probe.
//
// It refuses to judge a mailbox: it reads of a reply only whether it is about
// us (reply.Class.AboutUs), and then keeps away; what an answer means for the
// address is for its caller. It never asks an address twice.
//
// Budgets are exact sliding windows, counted for each source and site, for
// each source and MX address (/32 or /64, as a thousand MX names may be one
// server), and for each source and provider where the book says so. An event
// counts from the moment before it is sent until the window has passed since
// its answer: wherever in between the far end counts it, the far end never
// sees more than the number in any window. Counters and breakers outlive the
// process, so that a crash loop cannot refill them: what a killed process takes
// along is what was not yet written (200 ms), and the connections that
// the far end has not yet seen closed.
//
// How a connection is chosen: the targets of the route in their order, past
// hosts at rest; the next one only after a failed connect, a 521 (RFC 7504),
// or a refused, dropped or silent greeting, and after such a greeting one
// further host only. Away for how long, unless the book says: 5 minutes for a
// host after a refused greeting or a dropped connection, 15 minutes after
// rate_limited, one hour otherwise, doubling to 24 hours, then exactly one
// trial. A single drop rests the host, except where the session had had an
// answer and no invalid one: some sites publish that they hang up after so
// many recipients and may be called again at once.
//
// RFC 5321 sections 3.8, 4.5.3.2 and 5.1; docs/design.md, rules 3, 4, 6, 7
// and 12 of safety.
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

// MinConnectRate is the least ConnectsPerSecond: a connection in 1,000 s. What
// is less counts as that.
const MinConnectRate = 0.001

// Settings is immutable; a dialogue ends under the settings it began with.
// Zero fields mean the documented defaults; Sources and Book are required.
type Settings struct {
	Port              int            // 25
	DialogueTimeout   time.Duration  // 60 s, from connect to QUIT
	MaxSessions       int            // 500, all sites
	ConnectsPerSecond float64        // 50, all sites
	MaxQueued         int            // 100,000; one tenant at most a quarter
	QueueTimeout      time.Duration  // 10 min
	Sources           []probe.Source // at least one; one without a HELO name asks nobody
	Sender            address.Address
	Book              *provider.Book
	// Unfit says why nothing may be asked (docs/design.md, rule 13); empty: fit.
	// What waits already is then dropped.
	Unfit string
}

// Why a dialogue is held (audit word).
type Why string

// The whys. A dialogue that tries a breaker or looks whether we are still
// blind is a trial, whatever its job says.
const (
	WhyAsk      Why = "ask"
	WhyControl  Why = "control"
	WhyRefresh  Why = "refresh"
	WhyGreylist Why = "greylist"
	WhyBulk     Why = "bulk"
	WhyTrial    Why = "trial"
)

// Kind of a RCPT, for the accounts.
type Kind int

// The kinds. Controls of both kinds are exempt from min_interval.
const (
	KindAddress  Kind = iota // an address somebody asked about
	KindRandom               // catch-all control: at most 30 % of invalid_per_hour
	KindPositive             // positive control: has the session's reserved RCPT
)

// Memory persists counters and breakers (verify/cache implements it). Values
// are opaque, and may be forgotten once their life is over.
type Memory interface {
	LoadPace() (map[string][]byte, error)
	// SavePace never blocks and keeps nothing of value; nil deletes.
	SavePace(key string, value []byte, life time.Duration)
}

// Dialogue is one finished dialogue, or one failed attempt at one.
type Dialogue struct {
	ProbeID string
	Why     Why // of the first job
	// Addresses are those asked, controls among them; where none could be,
	// the one that the dialogue was for.
	Addresses  []address.Address
	Transcript *probe.Transcript
}

// Job is one address (or control) that wants a dialogue. Exactly one of
// Converse and Drop is called, once, on a goroutine of the pacer, once Submit
// has accepted the job: that may be before the caller has looked at the
// ticket.
type Job struct {
	Rcpt   address.Address
	Route  mx.Route // Outcome Found, with Targets
	Tenant string
	Why    Why
	Kind   Kind       // what the first RCPT will be
	Live   bool       // an asker waits: goes before others
	Fresh  bool       // must be the first RCPT of a new connection
	Source netip.Addr // pinned source (greylist), zero: any
	// Converse holds the conversation with s.Ask and returns; s is not used
	// afterwards. ctx ends with the session's budget or Stop.
	Converse func(ctx context.Context, s *Session)
	// Drop tells that the job will not be asked. It may Submit again.
	Drop func(Outcome)
}

// Outcome says why a job got no conversation.
type Outcome struct {
	Reason   verdict.Reason // not_probed, unreachable, timeout, probe_blocked, rate_limited, protocol_error, tls_required …
	Evidence verdict.Evidence
	ProbeID  string
	Detail   string // "queue full", "breaker open until …", "blind", "queue timeout" …
	// Ours: this host could not open a connection, which is not a word about
	// anybody. Reason is not_probed.
	Ours bool
}

// Answer is one asked RCPT with its judgement.
type Answer struct {
	Asked bool // false: budgets or session did not allow it (Reason not_probed)
	Step  probe.Step
	// Class is the judgement of the reply. For a Failure only its Reason is
	// set: timeout, temporary_failure (lost), protocol_error,
	// smtputf8_unsupported, not_probed (canceled).
	Class    reply.Class
	Evidence verdict.Evidence
}
