package daemon

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rcptgate/internal/netserve"
	"rcptgate/internal/strict"
	"rcptgate/policy"
	"rcptgate/verify/address"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
)

// neverMatches is how policy.NewSettings warns of an unreachable rule.
const neverMatches = " can never match"

// checker collects what is wrong with the values of a decoded file.
type checker struct {
	c        *Config
	doc      *strict.Doc
	problems strict.Problems
}

// bad notes a mistake; the text follows the name of the key.
func (k *checker) bad(key, format string, args ...any) {
	k.problems = append(k.problems, k.doc.Problem(key, "%q %s", key, fmt.Sprintf(format, args...)))
}

func (k *checker) all() {
	k.identity()
	k.listen()
	k.dns()
	k.probe()
	k.terms()
	k.milter()
	k.files()
	k.policy()
}

// identity checks names; whether they are fit to probe with is Unfit's matter.
func (k *checker) identity() {
	k.hostName("hostname", k.c.Hostname)
	for i, s := range k.c.Probe.Source {
		key := strict.Elem("probe.source", i)
		if i > 0 {
			k.bad(key, "a second [[probe.source]] is not in this version")
			continue
		}
		if s.IP != "" {
			if a, err := netip.ParseAddr(s.IP); err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
				k.bad(key+".ip", "must be an address of this host, not %q", s.IP)
			}
		}
		k.hostName(key+".helo", s.HELO)
	}
	if s := k.c.Probe.Sender; s != "" {
		switch a, err := address.Parse(s, address.External); {
		case err != nil:
			k.bad("probe.sender", "is no address: %v", err)
		case a.Kind() == address.NoDomain || a.Kind() == address.Null:
			k.bad("probe.sender", "has no domain: %q", s)
		case a.Kind() != address.Mailbox:
			k.bad("probe.sender", "must be of a domain that DNS can hold: %q", s)
		case a.NeedsSMTPUTF8():
			k.bad("probe.sender", "must be in ASCII: %q", s)
		}
	}
}

// hostName checks a name that goes into EHLO; empty is none.
func (k *checker) hostName(key, name string) {
	if name == "" {
		return
	}
	if d, err := address.ParseDomain(name); err != nil {
		k.bad(key, "is no host name: %v", err)
	} else if net.ParseIP(d.String()) != nil {
		k.bad(key, "must be a host name, not the address %q", name)
	}
}

func (k *checker) listen() {
	l := k.c.Listen
	seen := map[string]string{}
	spec := func(key, text string) {
		if _, err := netserve.ParseSpec(text); err != nil {
			k.bad(key, "%v", err)
		}
		if other, ok := seen[text]; ok && !strings.HasSuffix(text, ":0") {
			k.bad(key, "listens where %q does: %q", other, text)
		}
		seen[text] = key
	}
	for i, s := range l.Policy {
		spec(strict.Elem("listen.policy", i), s)
	}
	for i, s := range l.Milter {
		spec(strict.Elem("listen.milter", i), s)
	}
	if l.HTTP != "" {
		spec("listen.http", l.HTTP)
	}
	if l.Admin != "" {
		spec("listen.admin", l.Admin)
		// It needs no token: who may connect may do anything.
		if strings.HasPrefix(l.Admin, "inet:") {
			k.bad("listen.admin", "must be a unix socket, because it asks for no password")
		}
	}
}

func (k *checker) dns() {
	for i, s := range k.c.DNS.Servers {
		if _, err := dnsServer(s); err != nil {
			k.bad(strict.Elem("dns.servers", i), "%v", err)
		}
	}
}

// dnsServer reads IP or IP:PORT.
func dnsServer(s string) (string, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53).String(), nil
	}
	if p, err := netip.ParseAddrPort(s); err == nil && p.Port() != 0 {
		return p.String(), nil
	}
	return "", fmt.Errorf(`must be an address and a port such as "127.0.0.1:53", not %q`, s)
}

func (k *checker) probe() {
	p := k.c.Probe
	k.between("probe.port", p.Port, 1, math.MaxUint16)
	k.between("probe.max_sessions", p.MaxSessions, 1, 1_000_000)
	k.between("probe.max_queued", p.MaxQueued, 1, 100_000_000)
	if !(p.ConnectsPerSecond >= pace.MinConnectRate) || math.IsInf(p.ConnectsPerSecond, 0) {
		k.bad("probe.connects_per_second", "must be at least %v, not %v", pace.MinConnectRate, p.ConnectsPerSecond)
	}
	k.lasts("probe.dialogue_timeout", p.DialogueTimeout, time.Second, time.Hour)
	k.lasts("probe.queue_timeout", p.QueueTimeout, time.Second, math.MaxInt64)
	k.word("probe.after_accept", p.AfterAccept, "finish", "queue")
}

// terms checks [pace] and the overrides of the provider book.
func (k *checker) terms() {
	_, err := provider.New(k.c.overrides())
	for _, e := range unjoin(err) {
		if m, ok := errors.AsType[*provider.Mistake](e); ok {
			k.bad(m.Key, "%s", m.Text)
			continue
		}
		k.problems = append(k.problems, k.doc.Problem("", "%v", e))
	}
	for _, name := range slices.Sorted(maps.Keys(k.c.Domain)) {
		if good := k.c.Domain[name].KnownGood; good != nil {
			k.knownGood(strict.Key("domain", name)+".known_good", name, *good)
		}
	}
}

// knownGood checks an address that is to exist at the domain.
func (k *checker) knownGood(key, domain, good string) {
	switch a, err := address.Parse(good, address.External); {
	case err != nil:
		k.bad(key, "is no address: %v", err)
	case a.Kind() != address.Mailbox || a.Domain().String() != domain:
		k.bad(key, "must be an address of %s, not %q", domain, good)
	}
}

// unjoin takes an error of errors.Join apart.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

func (k *checker) milter() {
	m := k.c.Milter
	k.filled("milter.mailers", m.Mailers)
	k.word("milter.decide", m.Decide, "rcpt", "end")
	k.word("milter.on_partial", m.OnPartial, "keep", "reject", "delete")
}

func (k *checker) files() {
	s := k.c.Store
	k.absolute("store.path", s.Path)
	k.absolute("store.key_file", s.KeyFile)
	if s.Path != "" && s.KeyFile == "" {
		k.bad("store.key_file", "must be set where verdicts are stored")
	}
	k.absolute("audit.path", k.c.Audit.Path)
	k.word("audit.addresses", k.c.Audit.Addresses, "clear", "hmac")
}

func (k *checker) policy() {
	p := k.c.Policy
	k.between("policy.max_waiting", p.MaxWaiting, 1, 1_000_000)
	k.between("policy.max_waiting_per_site", p.MaxWaitingPerSite, 1, 1_000_000)
	for i, r := range p.Rule {
		key := strict.Elem("policy.rule", i)
		k.filled(key+".sasl_username", r.SASLUsername)
		k.filled(key+".sender", r.Sender)
		k.filled(key+".recipient", r.Recipient)
		k.filled(key+".policy_context", r.PolicyContext)
		if r.Client != nil && len(r.Client) == 0 {
			k.bad(key+".client", "is empty and can never match")
		}
		if r.Action != nil {
			k.word(key+".action", *r.Action, "verify", "exempt")
		}
	}
	_, warnings, err := policy.NewSettings(k.c.policySource())
	for _, e := range unjoin(err) {
		if m, ok := errors.AsType[*policy.Mistake](e); ok {
			if k.inherited(m.Key) {
				continue // told of [policy]
			}
			k.problems = append(k.problems, k.doc.Problem(m.Key, "%q: %s", m.Key, m.Text))
			continue
		}
		k.problems = append(k.problems, k.doc.Problem("policy", "%v", e))
	}
	k.unreachable(warnings)
}

// inherited reports a key of a rule that the rule does not have itself.
func (k *checker) inherited(key string) bool {
	rest, ok := strings.CutPrefix(key, "policy.rule[")
	if !ok {
		return false
	}
	_, own, _ := strings.Cut(rest, "].")
	switch own {
	case "mode", "percent", "max_refusals", "answer_budget", "message_budget", "defer_for":
		return !k.doc.IsDefined(key)
	}
	return false
}

// unreachable makes a mistake of each rule that can never match: its author
// believes that it holds.
func (k *checker) unreachable(warnings []string) {
	for i, r := range k.c.Policy.Rule {
		for _, w := range warnings {
			if strings.HasPrefix(w, "rule "+r.Name+neverMatches) {
				k.problems = append(k.problems, k.doc.Problem(strict.Elem("policy.rule", i), "%s", w))
			}
		}
	}
}

func (k *checker) filled(key string, words []string) {
	if words != nil && len(words) == 0 {
		k.bad(key, "is empty and can never match")
	}
	for i, w := range words {
		if w == "" {
			k.bad(strict.Elem(key, i), "is empty and can never match")
		}
	}
}

func (k *checker) word(key, got string, words ...string) {
	if !slices.Contains(words, got) {
		last := len(words) - 1
		k.bad(key, `must be "%s" or "%s", not %q`, strings.Join(words[:last], `", "`), words[last], got)
	}
}

func (k *checker) between(key string, got, low, high int) {
	if got < low || got > high {
		k.bad(key, "must be from %d to %d, not %d", low, high, got)
	}
}

func (k *checker) lasts(key string, got, low, high time.Duration) {
	switch {
	case got < low:
		k.bad(key, "must be at least %s, not %s", strict.FormatDuration(low), strict.FormatDuration(got))
	case got > high:
		k.bad(key, "must be at most %s, not %s", strict.FormatDuration(high), strict.FormatDuration(got))
	}
}

func (k *checker) absolute(key, path string) {
	if path != "" && !filepath.IsAbs(path) {
		k.bad(key, "must be a path from the root, not %q", path)
	}
}
