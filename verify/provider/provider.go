// Package provider holds the provider book: what is known of large mail sites
// as data. It answers, for one route, whether the site tells the truth at RCPT,
// whether it may be probed at all, which limits hold, and how long to keep away
// after it refused us. The book is book.toml; the operator's [pace],
// [provider.*], [site.*] and [domain.*] are laid over it.
//
// A provider's truth, limits and scope hold where every MX host of the route is
// the provider's: a domain that also has a host elsewhere is nobody's customer.
// That probing is forbidden holds where any host is: a walk would come to it,
// whatever stands beside it (docs/design.md, rule 7).
//
// The package counts nothing, opens no breaker and looks nothing up.
package provider

import (
	"fmt"
	"maps"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/verdict"
)

// Truth says what a 250 and a 550 at RCPT are worth at a site.
type Truth string

// The truths.
const (
	Truthful     Truth = "truthful"   // unknown mailboxes are refused at RCPT
	AcceptAll    Truth = "accept_all" // unknown mailboxes are accepted at RCPT
	PerDomain    Truth = "per_domain" // each customer of the site chooses
	UnknownTruth Truth = "unknown"
)

// UnmarshalText refuses other words.
func (t *Truth) UnmarshalText(b []byte) error {
	return word(t, b, Truthful, AcceptAll, PerDomain, UnknownTruth)
}

// Probing says whether a site may be asked at all (docs/design.md, rule 7).
type Probing string

// The two words.
const (
	Allowed   Probing = "allowed"
	Forbidden Probing = "forbidden"
)

// UnmarshalText refuses other words.
func (p *Probing) UnmarshalText(b []byte) error { return word(p, b, Allowed, Forbidden) }

// Scope says what breakers and budgets count across.
type Scope string

// The two scopes.
const (
	SiteScope     Scope = "site"
	ProviderScope Scope = "provider" // also across all sites of the provider
)

// UnmarshalText refuses other words.
func (s *Scope) UnmarshalText(b []byte) error { return word(s, b, SiteScope, ProviderScope) }

// Limits are the keys of [pace], per source and site, and per source and MX
// address, in any sliding window.
type Limits struct {
	Connections          int `toml:"connections"`
	ConnectionsPerMinute int `toml:"connections_per_minute"`
	RcptsPerSession      int `toml:"rcpts_per_session"`
	// RcptsPerTransaction is how many RCPTs may follow one MAIL.
	RcptsPerTransaction int           `toml:"rcpts_per_transaction"`
	InvalidPerSession   int           `toml:"invalid_per_session"`
	InvalidPerHour      int           `toml:"invalid_per_hour"`
	ProbesPerMinute     int           `toml:"probes_per_minute"`
	MinInterval         time.Duration `toml:"min_interval"`
}

// DefaultLimits is the one literal of the [pace] defaults. They stay below the
// lowest published triggers: 25 invalid recipients an hour (Cisco's directory
// harvest prevention), 5 messages a connection (Apple), 10 errors before
// Postfix slows down.
func DefaultLimits() Limits {
	return Limits{
		Connections:          2,
		ConnectionsPerMinute: 20,
		RcptsPerSession:      5,
		RcptsPerTransaction:  1,
		InvalidPerSession:    3,
		InvalidPerHour:       10,
		ProbesPerMinute:      60,
		MinInterval:          time.Second,
	}
}

// Partial overrides some of the terms; nil fields are unset.
type Partial struct {
	Connections          *int                             `toml:"connections"`
	ConnectionsPerMinute *int                             `toml:"connections_per_minute"`
	RcptsPerSession      *int                             `toml:"rcpts_per_session"`
	RcptsPerTransaction  *int                             `toml:"rcpts_per_transaction"`
	InvalidPerSession    *int                             `toml:"invalid_per_session"`
	InvalidPerHour       *int                             `toml:"invalid_per_hour"`
	ProbesPerMinute      *int                             `toml:"probes_per_minute"`
	MinInterval          *time.Duration                   `toml:"min_interval"`
	Truth                *Truth                           `toml:"truth"`
	Probing              *Probing                         `toml:"probing"`
	Scope                *Scope                           `toml:"scope"`
	StayAway             map[verdict.Reason]time.Duration `toml:"stay_away"`
}

// Overrides are the operator's: [pace], [provider.NAME], [site."HOST or
// .SUFFIX"], [domain."NAME"].
type Overrides struct {
	Pace     Limits // complete: defaults filled in
	Provider map[string]Partial
	Site     map[string]Partial
	Domain   map[string]Partial
}

// Terms are the merged conditions for one route: pace → provider → site →
// domain. They are a value; the book keeps none of it.
type Terms struct {
	Provider      string // name in the book, "" when none matches
	Truth         Truth
	Probing       bool // false: never probed
	ProviderScope bool // breakers and budgets also count across all sites of the provider
	Limits        Limits
	stayAway      map[verdict.Reason]time.Duration // shared, never written
}

// StayAway says how long to keep away after a refusal about us; ok is false
// where the book says nothing.
func (t Terms) StayAway(r verdict.Reason) (d time.Duration, ok bool) {
	d, ok = t.stayAway[r]
	return d, ok
}

// Terms merges what holds for a route. Of several [site.*] that match, the more
// special one is laid over the more general. One host of a provider that may
// not be probed forbids the whole route, unless a [site.*] or the [domain.*]
// that holds for it allows it.
func (b *Book) Terms(r mx.Route) Terms {
	t := Terms{Truth: UnknownTruth, Probing: true, Limits: b.pace}
	if r.Outcome != mx.NullMX && len(r.Hosts) > 0 {
		for _, e := range b.entries {
			switch own := e.hosts(r.Hosts); {
			case own == len(r.Hosts): // New lets no second entry match one host
				t.Provider = e.name
				t = t.with(e.terms).with(b.overrides[e.name])
			case own > 0:
				t.Probing = t.Probing && (Terms{Probing: true}).with(e.terms).with(b.overrides[e.name]).Probing
			}
		}
		for _, s := range b.sites {
			if s.match(r.Hosts) {
				t = t.with(s.terms)
			}
		}
	}
	if p, ok := b.domains[r.Domain.String()]; ok {
		t = t.with(p)
	}
	return t
}

// with lays p over t.
func (t Terms) with(p Partial) Terms {
	l := &t.Limits
	set(&l.Connections, p.Connections)
	set(&l.ConnectionsPerMinute, p.ConnectionsPerMinute)
	set(&l.RcptsPerSession, p.RcptsPerSession)
	set(&l.RcptsPerTransaction, p.RcptsPerTransaction)
	set(&l.InvalidPerSession, p.InvalidPerSession)
	set(&l.InvalidPerHour, p.InvalidPerHour)
	set(&l.ProbesPerMinute, p.ProbesPerMinute)
	set(&l.MinInterval, p.MinInterval)
	set(&t.Truth, p.Truth)
	if p.Probing != nil {
		t.Probing = *p.Probing == Allowed
	}
	if p.Scope != nil {
		t.ProviderScope = *p.Scope == ProviderScope
	}
	t.stayAway = join(t.stayAway, p.StayAway)
	return t
}

func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

// join returns a map of both, b's values first; neither is written.
func join(a, b map[verdict.Reason]time.Duration) map[verdict.Reason]time.Duration {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return b
	}
	m := maps.Clone(a)
	maps.Copy(m, b)
	return m
}

// word accepts one of a closed set; the error follows the name of a key.
func word[T ~string](dst *T, b []byte, words ...T) error {
	list := ""
	for i, w := range words {
		if string(w) == string(b) {
			*dst = w
			return nil
		}
		switch {
		case i == 0:
		case i == len(words)-1:
			list += " or "
		default:
			list += ", "
		}
		list += fmt.Sprintf("%q", w)
	}
	return fmt.Errorf("must be %s, not %q", list, b)
}
