package provider

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rcptgate/internal/strict"
	"rcptgate/verify/mx"
	"rcptgate/verify/verdict"
)

//go:embed book.toml
var bookTOML []byte

// Book is immutable.
type Book struct {
	pace      Limits
	entries   []entry // by name
	overrides map[string]Partial
	sites     []site // the more general first
	domains   map[string]Partial
}

// entry is one provider of the book.
type entry struct {
	name   string
	suffix []pattern
	terms  Partial
}

// site is one [site.*].
type site struct {
	pattern pattern
	terms   Partial
}

// pattern is an MX host name, or with a leading dot all names below one.
type pattern string

func (p pattern) match(host string) bool {
	if strings.HasPrefix(string(p), ".") {
		return len(host) > len(p) && strings.HasSuffix(host, string(p))
	}
	return host == string(p)
}

// hosts counts the hosts of the route that belong to the provider.
func (e entry) hosts(hosts []mx.Host) (n int) {
	for _, h := range hosts {
		if slices.ContainsFunc(e.suffix, func(p pattern) bool { return p.match(h.Name) }) {
			n++
		}
	}
	return n
}

func (s site) match(hosts []mx.Host) bool {
	return !slices.ContainsFunc(hosts, func(h mx.Host) bool { return !s.pattern.match(h.Name) })
}

// Mistake is one of the errors that New joins.
type Mistake struct {
	Key  string // dotted, as internal/strict prints it
	Text string
}

// Error prints the key and what is wrong with it.
func (m *Mistake) Error() string { return strconv.Quote(m.Key) + " " + m.Text }

// New reads the embedded book and lays the overrides over it. The error joins
// all mistakes, each a *Mistake: an unknown provider, a pattern that can never
// match, a limit below one.
func New(o Overrides) (*Book, error) {
	entries, errs := read("book.toml", bookTOML)
	errs = append(errs, o.check(entries)...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	b := &Book{pace: o.Pace, entries: entries, overrides: maps.Clone(o.Provider), domains: maps.Clone(o.Domain)}
	for name, p := range o.Site {
		b.sites = append(b.sites, site{pattern(name), p})
	}
	slices.SortFunc(b.sites, func(x, y site) int { return generality(x.pattern) - generality(y.pattern) })
	return b, nil
}

// generality orders patterns that match one host: the shorter suffix first, the
// exact name last.
func generality(p pattern) int {
	if strings.HasPrefix(string(p), ".") {
		return len(p)
	}
	return 1 << 20
}

// Names returns the names of the book, sorted. They are the closed set that
// metrics may use as a label.
func (b *Book) Names() []string {
	var names []string
	for _, e := range b.entries {
		names = append(names, e.name)
	}
	return names
}

// Forbidden reports that the book itself, before any override, forbids to probe
// the provider.
func (b *Book) Forbidden(name string) bool {
	return slices.ContainsFunc(b.entries, func(e entry) bool {
		return e.name == name && e.terms.Probing != nil && *e.terms.Probing == Forbidden
	})
}

// read decodes a book and checks it.
func read(file string, data []byte) ([]entry, []error) {
	type row struct {
		Suffix []string `toml:"suffix"`
		Partial
	}
	var book struct {
		Provider map[string]row `toml:"provider"`
	}
	var errs []error
	if _, problems := strict.Decode(file, data, &book, nil); problems != nil {
		errs = append(errs, problems)
	}
	var entries []entry
	owner := map[pattern]string{}
	for _, name := range slices.Sorted(maps.Keys(book.Provider)) {
		r := book.Provider[name]
		key := strict.Key("provider", name)
		e := entry{name: name, terms: r.Partial}
		if len(r.Suffix) == 0 {
			errs = append(errs, &Mistake{key, "has no suffix and can never match"})
		}
		for i, s := range r.Suffix {
			if why := never(s); why != "" {
				errs = append(errs, &Mistake{strict.Elem(key+".suffix", i), why})
			}
			for other, o := range owner {
				if other == pattern(s) || other.match(s) || pattern(s).match(string(other)) {
					errs = append(errs, &Mistake{strict.Elem(key+".suffix", i), fmt.Sprintf("overlaps %q of %s", other, o)})
				}
			}
			e.suffix = append(e.suffix, pattern(s))
		}
		for _, s := range e.suffix {
			owner[s] = name
		}
		errs = append(errs, r.check(key)...)
		entries = append(entries, e)
	}
	return entries, errs
}

// check returns all mistakes of the operator's overrides.
func (o Overrides) check(entries []entry) []error {
	errs := o.Pace.check("pace")
	for _, name := range slices.Sorted(maps.Keys(o.Provider)) {
		key := strict.Key("provider", name)
		if !slices.ContainsFunc(entries, func(e entry) bool { return e.name == name }) {
			var known []string
			for _, e := range entries {
				known = append(known, e.name)
			}
			errs = append(errs, &Mistake{key, "is no provider of the book: " + strings.Join(known, ", ")})
		}
		errs = append(errs, o.Provider[name].check(key)...)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Site)) {
		key := strict.Key("site", name)
		if why := never(name); why != "" {
			errs = append(errs, &Mistake{key, why})
		}
		errs = append(errs, o.Site[name].check(key)...)
	}
	for _, name := range slices.Sorted(maps.Keys(o.Domain)) {
		key := strict.Key("domain", name)
		why := never(name)
		switch {
		case strings.HasPrefix(name, "."):
			why = "can never match: a domain is exact, without a leading dot"
		case why == "" && !strings.Contains(name, "."):
			why = "can never match: a name without a dot is never asked about"
		}
		if why != "" {
			errs = append(errs, &Mistake{key, why})
		}
		errs = append(errs, o.Domain[name].check(key)...)
	}
	return errs
}

// never says why a pattern can never match a name of a route, which is of
// lower-case A-labels without trailing dot; "" if it can.
func never(s string) string {
	name := strings.TrimPrefix(s, ".")
	switch {
	case name == "":
		return "can never match: it names nothing"
	case strings.HasSuffix(name, "."):
		return "can never match: leave out the dot at the end"
	case strings.ToLower(name) != name:
		return "can never match: names are compared in lower case"
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return fmt.Sprintf("can never match: %q is no label of a host name (write a-labels: xn--...)", label)
		}
	}
	return ""
}

// check returns all mistakes of complete limits.
func (l Limits) check(key string) []error {
	return Partial{
		Connections: &l.Connections, ConnectionsPerMinute: &l.ConnectionsPerMinute,
		RcptsPerSession: &l.RcptsPerSession, RcptsPerTransaction: &l.RcptsPerTransaction,
		InvalidPerSession: &l.InvalidPerSession, InvalidPerHour: &l.InvalidPerHour,
		ProbesPerMinute: &l.ProbesPerMinute, MinInterval: &l.MinInterval,
	}.check(key)
}

// check returns all mistakes below a key.
func (p Partial) check(key string) []error {
	var errs []error
	for _, n := range []struct {
		name  string
		value *int
	}{
		{"connections", p.Connections},
		{"connections_per_minute", p.ConnectionsPerMinute},
		{"rcpts_per_session", p.RcptsPerSession},
		{"rcpts_per_transaction", p.RcptsPerTransaction},
		{"invalid_per_session", p.InvalidPerSession},
		{"invalid_per_hour", p.InvalidPerHour},
		{"probes_per_minute", p.ProbesPerMinute},
	} {
		if n.value != nil && *n.value < 1 {
			errs = append(errs, &Mistake{key + "." + n.name, fmt.Sprintf("must be at least 1, not %d", *n.value)})
		}
	}
	if p.MinInterval != nil && (*p.MinInterval < 0 || *p.MinInterval > time.Minute) {
		errs = append(errs, &Mistake{key + ".min_interval", "must be between 0s and 1m, not " + strict.FormatDuration(*p.MinInterval)})
	}
	for _, r := range slices.Sorted(maps.Keys(p.StayAway)) {
		k := strict.Key(string(r))
		if !slices.Contains(aboutUs, r) {
			errs = append(errs, &Mistake{key + ".stay_away." + k, "is no refusal to keep away for: " + joinReasons(aboutUs)})
		} else if p.StayAway[r] <= 0 {
			errs = append(errs, &Mistake{key + ".stay_away." + k, "must be longer than 0s"})
		}
	}
	return errs
}

// aboutUs are the reasons that may open a breaker (docs/design.md, rule 3).
var aboutUs = []verdict.Reason{
	verdict.RateLimited, verdict.ProbeBlocked, verdict.SenderRefused, verdict.TLSRequired,
	verdict.AuthRequired, verdict.BlanketRefusal, verdict.TemporaryFailure, verdict.Unreachable,
}

func joinReasons(rs []verdict.Reason) string {
	words := make([]string, len(rs))
	for i, r := range rs {
		words[i] = string(r)
	}
	return strings.Join(words, ", ")
}
