package provider

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/verdict"
)

func ptr[T any](v T) *T { return &v }

func newBook(t *testing.T, o Overrides) *Book {
	t.Helper()
	if o.Pace == (Limits{}) {
		o.Pace = DefaultLimits()
	}
	b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// route is that of a domain with these MX hosts.
func route(t *testing.T, domain string, hosts ...string) mx.Route {
	t.Helper()
	d, err := address.ParseDomain(domain)
	if err != nil {
		t.Fatal(err)
	}
	r := mx.Route{Domain: d, Outcome: mx.Found}
	for i, h := range hosts {
		r.Hosts = append(r.Hosts, mx.Host{Name: h, Preference: uint16(10 * i)})
	}
	return r
}

// TestBook holds what the shipped book must say.
func TestBook(t *testing.T) {
	t.Parallel()
	b := newBook(t, Overrides{})
	tests := []struct {
		hosts    string
		provider string
		truth    Truth
		probing  bool
		scope    bool
	}{
		{"hotmail-com.olc.protection.outlook.com", "outlook", Truthful, false, true},
		{"example-org.mail.protection.outlook.com", "microsoft365", PerDomain, true, true},
		{"example-org.a-v1.mx.microsoft", "microsoft365", PerDomain, true, true},
		{"aspmx.l.google.com alt1.aspmx.l.google.com aspmx2.googlemail.com", "google", Truthful, true, true},
		{"gmail-smtp-in.l.google.com", "google", Truthful, true, true},
		{"mta5.am0.yahoodns.net mta6.am0.yahoodns.net", "yahoo", AcceptAll, true, true},
		{"mxs.mail.ru", "mailru", AcceptAll, true, false},
		{"emx.mail.ru", "mailru", AcceptAll, true, false},
		{"rx.t-online.de", "tonline", Truthful, false, false},
		{"mx00.t-online.de mx01.t-online.de", "tonline", Truthful, false, false},
		// Others, among them every way to look like a customer without being one.
		{"mx.example.net", "", UnknownTruth, true, false},
		{"aspmx.l.google.com backup.example.net", "", UnknownTruth, true, false},
		{"aspmx.l.google.com example-org.mail.protection.outlook.com", "", UnknownTruth, true, false},
		{"google.com", "", UnknownTruth, true, false},
		{"mx.notgoogle.com", "", UnknownTruth, true, false},
		{"aspmx.l.google.com.example.net", "", UnknownTruth, true, false},
		{"sub.mxs.mail.ru", "", UnknownTruth, true, false},
		{"", "", UnknownTruth, true, false},
	}
	for _, tt := range tests {
		got := b.Terms(route(t, "example.org", strings.Fields(tt.hosts)...))
		if got.Provider != tt.provider || got.Truth != tt.truth || got.Probing != tt.probing || got.ProviderScope != tt.scope {
			t.Errorf("%q: %+v", tt.hosts, got)
		}
	}
	null := route(t, "example.org", "aspmx.l.google.com")
	null.Outcome = mx.NullMX
	if got := b.Terms(null); got.Provider != "" {
		t.Errorf("a null MX belongs to %q", got.Provider)
	}
	if diff := cmp.Diff([]string{"google", "mailru", "microsoft365", "outlook", "tonline", "yahoo"}, b.Names()); diff != "" {
		t.Error(diff)
	}
	for _, name := range b.Names() {
		if want := name == "outlook" || name == "tonline"; b.Forbidden(name) != want {
			t.Errorf("Forbidden(%s) = %v", name, !want)
		}
	}
}

// TestBookIsModest: whatever the book says stays within what was measured as
// harmless (25 invalid recipients an hour, 5 connections).
func TestBookIsModest(t *testing.T) {
	t.Parallel()
	for _, e := range newBook(t, Overrides{}).entries {
		l := (Terms{Limits: DefaultLimits()}).with(e.terms).Limits
		if l.InvalidPerHour >= 25 || l.Connections >= 5 || l.RcptsPerSession > 5 || l.MinInterval < time.Second {
			t.Errorf("%s: %+v", e.name, l)
		}
	}
}

// TestForbiddenByOneHost: a foreign MX beside a forbidden one, of whatever
// preference, does not open the way to it; all other terms need every host.
func TestForbiddenByOneHost(t *testing.T) {
	t.Parallel()
	const outlook, yahoo, other = "hotmail-com.olc.protection.outlook.com", "mta5.am0.yahoodns.net", "mx.elsewhere.net"
	allowed, forbidden := Partial{Probing: ptr(Allowed)}, Partial{Probing: ptr(Forbidden)}
	both := map[string]Partial{"outlook": allowed, "tonline": allowed}
	tests := []struct {
		name    string
		o       Overrides
		hosts   []string
		probing bool
	}{
		{"first", Overrides{}, []string{outlook, other}, false},
		{"last", Overrides{}, []string{other, "mx2.elsewhere.net", outlook}, false},
		{"beside another provider", Overrides{}, []string{yahoo, outlook}, false},
		{"two forbidden", Overrides{}, []string{outlook, "mx00.t-online.de"}, false},
		{"none forbidden", Overrides{}, []string{yahoo, other}, true},
		{"provider allowed", Overrides{Provider: map[string]Partial{"outlook": allowed}}, []string{outlook, other}, true},
		{"one of two allowed", Overrides{Provider: map[string]Partial{"outlook": allowed}}, []string{outlook, "mx00.t-online.de"}, false},
		{"both allowed", Overrides{Provider: both}, []string{outlook, "mx00.t-online.de"}, true},
		{"provider forbidden", Overrides{Provider: map[string]Partial{"yahoo": forbidden}}, []string{other, yahoo}, false},
		{"domain allowed", Overrides{Domain: map[string]Partial{"example.org": allowed}}, []string{outlook, other}, true},
		{"other domain allowed", Overrides{Domain: map[string]Partial{"example.net": allowed}}, []string{outlook, other}, false},
		{"site of one host allowed", Overrides{Site: map[string]Partial{other: allowed}}, []string{outlook, other}, false},
		{"site of all hosts allowed", Overrides{Site: map[string]Partial{".outlook.com": allowed}}, []string{outlook, "mx.outlook.com"}, true},
	}
	for _, tt := range tests {
		got := newBook(t, tt.o).Terms(route(t, "example.org", tt.hosts...))
		if got.Probing != tt.probing || got.Provider != "" || got.Truth != UnknownTruth || got.Limits != DefaultLimits() || got.ProviderScope {
			t.Errorf("%s: %+v, want probing %v", tt.name, got, tt.probing)
		}
	}
}

func TestStayAway(t *testing.T) {
	t.Parallel()
	b := newBook(t, Overrides{
		Provider: map[string]Partial{"google": {StayAway: map[verdict.Reason]time.Duration{verdict.ProbeBlocked: 3 * time.Hour}}},
	})
	terms := b.Terms(route(t, "example.org", "aspmx.l.google.com"))
	for r, want := range map[verdict.Reason]time.Duration{
		verdict.RateLimited: 30 * time.Minute, verdict.ProbeBlocked: 3 * time.Hour, verdict.SenderRefused: 0,
	} {
		if d, ok := terms.StayAway(r); d != want || ok != (want > 0) {
			t.Errorf("StayAway(%s) = %s, %v; want %s", r, d, ok, want)
		}
	}
	if _, ok := b.Terms(route(t, "example.org", "mx.example.net")).StayAway(verdict.RateLimited); ok {
		t.Error("the book speaks of a site that it does not know")
	}
}

func TestMergeOrder(t *testing.T) {
	t.Parallel()
	pace := DefaultLimits()
	pace.Connections, pace.ProbesPerMinute = 3, 30
	b := newBook(t, Overrides{
		Pace:     pace,
		Provider: map[string]Partial{"google": {Connections: ptr(4), InvalidPerHour: ptr(11), Truth: ptr(PerDomain), Scope: ptr(SiteScope)}},
		Site: map[string]Partial{
			".google.com":        {Connections: ptr(5), RcptsPerSession: ptr(2)},
			".l.google.com":      {Connections: ptr(6), MinInterval: ptr(2 * time.Second)},
			"aspmx.l.google.com": {Connections: ptr(7), Probing: ptr(Forbidden)},
		},
		Domain: map[string]Partial{"example.org": {Connections: ptr(8), Probing: ptr(Allowed)}},
	})
	limits := func(connections, invalid, rcpts int, interval time.Duration) Limits {
		l := pace
		l.Connections, l.InvalidPerHour, l.RcptsPerSession, l.MinInterval = connections, invalid, rcpts, interval
		return l
	}
	tests := []struct {
		name, domain, hosts string
		want                Terms
	}{
		{"pace", "example.net", "mx.example.net", Terms{Truth: UnknownTruth, Probing: true, Limits: limits(3, 10, 5, time.Second)}},
		{"provider", "example.net", "aspmx2.googlemail.com", Terms{Provider: "google", Truth: PerDomain, Probing: true, Limits: limits(4, 11, 5, time.Second)}},
		{"site", "example.net", "smtp.google.com", Terms{Provider: "google", Truth: PerDomain, Probing: true, Limits: limits(5, 11, 2, time.Second)}},
		{"more special site", "example.net", "smtp.google.com alt1.aspmx.l.google.com", Terms{Provider: "google", Truth: PerDomain, Probing: true, Limits: limits(5, 11, 2, time.Second)}},
		{"nested sites", "example.net", "alt1.aspmx.l.google.com", Terms{Provider: "google", Truth: PerDomain, Probing: true, Limits: limits(6, 11, 2, 2*time.Second)}},
		{"exact site", "example.net", "aspmx.l.google.com", Terms{Provider: "google", Truth: PerDomain, Limits: limits(7, 11, 2, 2*time.Second)}},
		{"domain", "example.org", "aspmx.l.google.com", Terms{Provider: "google", Truth: PerDomain, Probing: true, Limits: limits(8, 11, 2, 2*time.Second)}},
		{"domain without hosts", "example.org", "", Terms{Truth: UnknownTruth, Probing: true, Limits: limits(8, 10, 5, time.Second)}},
	}
	for _, tt := range tests {
		got := b.Terms(route(t, tt.domain, strings.Fields(tt.hosts)...))
		got.stayAway = nil
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(Terms{})); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestNewRefuses holds all mistakes at once, with the exact text.
func TestNewRefuses(t *testing.T) {
	t.Parallel()
	pace := DefaultLimits()
	pace.Connections = 0
	_, err := New(Overrides{
		Pace: pace,
		Provider: map[string]Partial{
			"gogle":  {},
			"google": {InvalidPerHour: ptr(-1), MinInterval: ptr(time.Hour), StayAway: map[verdict.Reason]time.Duration{"accepted": 1, verdict.RateLimited: 0}},
		},
		Site: map[string]Partial{
			".barracudanetworks.com.": {},
			".Example.net":            {},
			"bücher.example":          {},
			"a..b":                    {},
			".":                       {},
			"mx.example.net":          {RcptsPerSession: ptr(0)},
		},
		Domain: map[string]Partial{".example.org": {}, "example.org.": {}},
	})
	const want = `"pace.connections" must be at least 1, not 0
"provider.gogle" is no provider of the book: google, mailru, microsoft365, outlook, tonline, yahoo
"provider.google.invalid_per_hour" must be at least 1, not -1
"provider.google.min_interval" must be between 0s and 1m, not 1h
"provider.google.stay_away.accepted" is no refusal to keep away for: rate_limited, probe_blocked, sender_refused, tls_required, auth_required, blanket_refusal, temporary_failure, unreachable
"provider.google.stay_away.rate_limited" must be longer than 0s
"site.\".\"" can never match: it names nothing
"site.\".Example.net\"" can never match: names are compared in lower case
"site.\".barracudanetworks.com.\"" can never match: leave out the dot at the end
"site.\"a..b\"" can never match: "" is no label of a host name (write a-labels: xn--...)
"site.\"bücher.example\"" can never match: "bücher" is no label of a host name (write a-labels: xn--...)
"site.\"mx.example.net\".rcpts_per_session" must be at least 1, not 0
"domain.\".example.org\"" can never match: a domain is exact, without a leading dot
"domain.\"example.org.\"" can never match: leave out the dot at the end`
	if err == nil {
		t.Fatal("no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	if m, ok := errors.AsType[*Mistake](err); !ok || m.Key != "pace.connections" {
		t.Errorf("the first mistake is %v", m)
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	_, errs := read("b", []byte(`
[provider.a]
suffix = [".example.net", "mx.Example.org"]
truth = "true"
scope = "farm"
probing = "no"
[provider.b]
suffix = [".mx.example.net"]
[provider.c]
`))
	const want = `b:4: "provider.a.truth" must be "truthful", "accept_all", "per_domain" or "unknown", not "true"
b:5: "provider.a.scope" must be "site" or "provider", not "farm"
b:6: "provider.a.probing" must be "allowed" or "forbidden", not "no"
"provider.a.suffix[1]" can never match: names are compared in lower case
"provider.b.suffix[0]" overlaps ".example.net" of a
"provider.c" has no suffix and can never match`
	if diff := cmp.Diff(want, errors.Join(errs...).Error()); diff != "" {
		t.Error(diff)
	}
}

// TestBookIsImmutable: neither the caller's maps nor a caller's Terms reach into it.
func TestBookIsImmutable(t *testing.T) {
	t.Parallel()
	o := Overrides{Domain: map[string]Partial{"example.org": {Connections: ptr(1)}}}
	b := newBook(t, o)
	o.Domain["example.org"] = Partial{Connections: ptr(9)}
	r := route(t, "example.org", "mx.example.net")
	if got := b.Terms(r).Limits.Connections; got != 1 {
		t.Errorf("connections = %d", got)
	}
}

func BenchmarkTerms(b *testing.B) {
	book, err := New(Overrides{Pace: DefaultLimits()})
	if err != nil {
		b.Fatal(err)
	}
	r := mx.Route{Outcome: mx.Found, Hosts: []mx.Host{{Name: "mx1.example.net"}, {Name: "mx2.example.net"}}}
	b.ReportAllocs()
	for b.Loop() {
		book.Terms(r)
	}
}
