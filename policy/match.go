package policy

import (
	"net/netip"
	"strings"
	"unicode/utf8"

	"rcptgate/verify/address"
)

// subject is a query as the keys of the rules see it.
type subject struct {
	sasl, context     string
	sender, recipient parts
	client            netip.Addr
}

// parts is an address folded for matching: local part unquoted and in lower case,
// domain as A-labels.
type parts struct{ local, domain string }

// partsOf folds an address; of text that is none it makes the best.
func partsOf(a address.Address, text string, err error) parts {
	if err != nil {
		local, domain := splitLast(text)
		return parts{strings.ToLower(local), strings.ToLower(domain)}
	}
	domain := a.Domain().String()
	if a.Kind() == address.Literal {
		_, domain = splitLast(a.External())
	}
	return parts{strings.ToLower(a.Local()), domain}
}

func (p parts) String() string {
	if p.domain == "" {
		return p.local
	}
	return p.local + "@" + p.domain
}

func splitLast(s string) (local, domain string) {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}

// keys are the compiled keys of a rule; an empty key is not set.
type keys struct {
	sasl, context     []string // globs
	sender, recipient []addressGlob
	client            []netip.Prefix
}

func (k *keys) matches(s *subject) bool {
	return anyGlob(k.sasl, s.sasl) && anyGlob(k.context, s.context) &&
		anyAddress(k.sender, s.sender) && anyAddress(k.recipient, s.recipient) &&
		(len(k.client) == 0 || contains(k.client, s.client))
}

func anyGlob(globs []string, s string) bool {
	for _, g := range globs {
		if glob(g, s, false) {
			return true
		}
	}
	return len(globs) == 0
}

func anyAddress(globs []addressGlob, p parts) bool {
	for _, g := range globs {
		if g.matches(p) {
			return true
		}
	}
	return len(globs) == 0
}

// contains reports whether a lies in one of the networks. IPv4-mapped addresses
// count as IPv4, zones do not count.
func contains(nets []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, n := range nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// plainPrefix turns an IPv4-mapped network into the IPv4 one.
func plainPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// covers reports that whatever matches later matches k first. It may miss
// coverage by several globs together, and never claims too much.
func (k *keys) covers(later *keys) bool {
	globCovers := func(a, b string) bool { return glob(a, b, true) }
	return keyCovers(k.sasl, later.sasl, globCovers) && keyCovers(k.context, later.context, globCovers) &&
		keyCovers(k.sender, later.sender, addressGlob.covers) && keyCovers(k.recipient, later.recipient, addressGlob.covers) &&
		netsCover(k.client, later.client)
}

// netsCover is keyCovers for networks, several of which may cover one together.
func netsCover(earlier, later []netip.Prefix) bool {
	if len(earlier) == 0 {
		return true
	}
	for _, p := range later {
		if !netCovered(earlier, p) {
			return false
		}
	}
	return len(later) > 0
}

// netCovered reports whether each address of p lies in one of the networks.
func netCovered(nets []netip.Prefix, p netip.Prefix) bool {
	parts := false // of p are in a network
	for _, n := range nets {
		if n.Bits() <= p.Bits() && n.Contains(p.Addr()) {
			return true
		}
		parts = parts || p.Contains(n.Addr())
	}
	if !parts {
		return false
	}
	upper := p.Addr().AsSlice()
	upper[p.Bits()/8] |= 0x80 >> (p.Bits() % 8)
	addr, _ := netip.AddrFromSlice(upper)
	return netCovered(nets, netip.PrefixFrom(p.Addr(), p.Bits()+1)) && netCovered(nets, netip.PrefixFrom(addr, p.Bits()+1))
}

func keyCovers[T any](earlier, later []T, covers func(a, b T) bool) bool {
	if len(earlier) == 0 {
		return true
	}
	for _, b := range later {
		covered := false
		for _, a := range earlier {
			covered = covered || covers(a, b)
		}
		if !covered {
			return false
		}
	}
	return len(later) > 0
}

// addressGlob matches the two sides of an address apart, so that `*` does not
// reach over the @. Without an @ it matches the whole.
type addressGlob struct {
	local, domain string
	split         bool
}

// newAddressGlob compiles a pattern; mistake says what is wrong with it, or "".
func newAddressGlob(pattern string) (g addressGlob, mistake string) {
	if pattern == "<>" {
		return addressGlob{}, "" // the null sender
	}
	local, domain := splitLast(strings.TrimSuffix(strings.TrimPrefix(pattern, "<"), ">"))
	g = addressGlob{local: strings.ToLower(local), split: strings.Contains(pattern, "@")}
	if !g.split {
		if !isASCII(pattern) {
			return g, "write the @, so that it can be told whether a domain is meant"
		}
		return g, ""
	}
	if strings.HasPrefix(domain, "[") {
		g.domain = strings.ToLower(domain)
		return g, ""
	}
	labels := strings.Split(strings.TrimSuffix(domain, "."), ".")
	for i, l := range labels {
		if strings.ContainsAny(l, "*?") {
			if !isASCII(l) {
				return g, "a label cannot have both a wildcard and other letters than a-z"
			}
			labels[i] = strings.ToLower(l)
			continue
		}
		d, err := address.ParseDomain(l)
		if err != nil {
			return g, "impossible domain"
		}
		labels[i] = d.String()
	}
	g.domain = strings.Join(labels, ".")
	return g, ""
}

func (g addressGlob) matches(p parts) bool {
	if g.split {
		return glob(g.local, p.local, false) && glob(g.domain, p.domain, false)
	}
	return glob(g.local, p.String(), false)
}

func (g addressGlob) covers(later addressGlob) bool {
	switch {
	case g.split != later.split:
		return !g.split && g.local == "*"
	case g.split:
		return glob(g.local, later.local, true) && glob(g.domain, later.domain, true)
	}
	return glob(g.local, later.local, true)
}

// glob matches `*` (any run) and `?` (one character). With pattern set, s is a
// pattern itself, and the result says whether everything that s matches is
// matched: then only `*` may stand for a `*` in s.
func glob(pat, s string, pattern bool) bool {
	star, from := -1, 0 // where to go back to: behind the last *, and how far s was eaten
	i, j := 0, 0
	for j < len(s) {
		r, n := utf8.DecodeRuneInString(s[j:])
		switch {
		case i < len(pat) && pat[i] == '*':
			star, from = i+1, j
			i++
			continue
		case i < len(pat) && pat[i] == '?' && !(pattern && r == '*'):
			i, j = i+1, j+n
			continue
		case i < len(pat) && strings.HasPrefix(pat[i:], s[j:j+n]) && !(pattern && r == '*'):
			i, j = i+n, j+n
			continue
		case star < 0:
			return false
		}
		_, n = utf8.DecodeRuneInString(s[from:])
		from += n
		i, j = star, from
	}
	return strings.Trim(pat[i:], "*") == ""
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
