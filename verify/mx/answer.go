package mx

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"

	"rcptgate/verify/address"
)

// kind says what one answer means for its question.
type kind int

const (
	broken   kind = iota // nothing is known: SERVFAIL, time-out, nonsense
	records              // there are such records
	nodata               // the name exists without such records, RFC 2308 section 2.2
	nxdomain             // the name does not exist, RFC 2308 section 2.1
	cut                  // a CNAME leads on, and the server did not follow it
)

// answer is what one question brought. It is not changed once it is cached.
type answer struct {
	kind   kind
	name   string // the name that the CNAMEs lead to, with its dot
	links  int    // CNAMEs on the way
	mx     []Host // sorted, at most maxHosts, names in presentation form; "." is kept
	addrs  []netip.Addr
	ttl    time.Duration // not yet clamped
	detail string        // printable

	// Set by the resolver.
	expires time.Time
	heard   bool // a server answered something
	ours    bool // broken, as this host could not ask; no server failed by itself
	server  int  // which one
}

// negative is false of no answer, too.
func (a *answer) negative() bool { return a != nil && (a.kind == nodata || a.kind == nxdomain) }

func brokenAnswer(detail string) *answer { return &answer{kind: broken, detail: detail} }

// dated sets when the answer expires, and returns it.
func (a *answer) dated() *answer {
	ttl := min(max(a.ttl, minTTL), maxTTL)
	if a.kind == broken {
		ttl = failureTTL
	}
	a.expires = time.Now().Add(ttl)
	return a
}

// interpret reads the reply to the question (name with its dot, lower case).
// The message has been matched to the question, but its content is as hostile
// as its sender likes.
func interpret(m *dns.Msg, name string, qtype uint16) *answer {
	a := &answer{name: name, ttl: maxTTL, detail: describe(m)}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return a
	}
	found := false
	for {
		if found = a.collect(m.Answer, qtype); found {
			break
		}
		next := findCNAME(m.Answer, a.name)
		if next == nil {
			break
		}
		if a.links++; a.links > maxCNAME {
			return brokenAnswer("more than " + strconv.Itoa(maxCNAME) + " CNAMEs, or a loop")
		}
		a.ttl = min(a.ttl, ttlOf(next.Hdr.Ttl))
		a.name = strings.ToLower(next.Target)
	}
	soa, referral := authority(m)
	switch {
	case found && m.Rcode == dns.RcodeSuccess:
		a.kind = records
		return a
	case found:
		return brokenAnswer("NXDOMAIN with records")
	case m.Rcode == dns.RcodeNameError:
		a.kind = nxdomain
	case referral:
		return brokenAnswer("a referral: the server does not recurse")
	case a.links > 0 && soa == nil:
		a.kind = cut
		return a
	default:
		a.kind = nodata
	}
	// RFC 2308 section 5; without SOA the shortest time.
	neg := minTTL
	if soa != nil {
		neg = min(ttlOf(soa.Hdr.Ttl), ttlOf(soa.Minttl))
	}
	a.ttl = min(a.ttl, neg)
	return a
}

// collect takes the records of the asked type at a.name and reports whether
// there are any.
func (a *answer) collect(rrs []dns.RR, qtype uint16) bool {
	found := false
	for _, rr := range rrs {
		h := rr.Header()
		if h.Rrtype != qtype || h.Class != dns.ClassINET || !strings.EqualFold(h.Name, a.name) {
			continue
		}
		switch rr := rr.(type) {
		case *dns.MX:
			a.mx = append(a.mx, Host{Name: strings.ToLower(rr.Mx), Preference: rr.Preference})
		case *dns.A:
			a.addAddr(rr.A)
		case *dns.AAAA:
			a.addAddr(rr.AAAA)
		}
		found = true
		a.ttl = min(a.ttl, ttlOf(h.Ttl))
	}
	a.mx = sortHosts(a.mx)
	return found
}

func (a *answer) addAddr(raw []byte) {
	ip, ok := netip.AddrFromSlice(raw)
	if ip = ip.Unmap(); ok && len(a.addrs) < maxHostAddrs && !slices.Contains(a.addrs, ip) {
		a.addrs = append(a.addrs, ip)
	}
}

// sortHosts orders by preference and name, keeps each name once, at its best
// preference, and at most maxHosts.
func sortHosts(hosts []Host) []Host {
	slices.SortFunc(hosts, func(x, y Host) int {
		return cmp.Or(cmp.Compare(x.Preference, y.Preference), strings.Compare(x.Name, y.Name))
	})
	var kept []Host
	for _, h := range hosts {
		if len(kept) == maxHosts {
			break
		}
		if !slices.ContainsFunc(kept, func(k Host) bool { return k.Name == h.Name }) {
			kept = append(kept, h)
		}
	}
	return kept
}

func findCNAME(rrs []dns.RR, name string) *dns.CNAME {
	for _, rr := range rrs {
		if c, ok := rr.(*dns.CNAME); ok && c.Hdr.Class == dns.ClassINET && strings.EqualFold(c.Hdr.Name, name) {
			return c
		}
	}
	return nil
}

// authority returns the SOA of a negative answer, and whether the message is a
// referral to other servers (RFC 2308 section 2.2: NS without SOA).
func authority(m *dns.Msg) (soa *dns.SOA, referral bool) {
	ns := false
	for _, rr := range m.Ns {
		switch rr := rr.(type) {
		case *dns.SOA:
			return rr, false
		case *dns.NS:
			ns = true
		}
	}
	return nil, ns && !m.Authoritative
}

// isNullMX reports the one record "0 ." (RFC 7505 section 3).
func isNullMX(mxs []Host) bool {
	return len(mxs) == 1 && mxs[0] == Host{Name: ".", Preference: 0}
}

// usable drops the records whose target is no host name: ".", an IP address
// written as a name, and what no host name may hold (a comma would forge a
// Site). The names lose their dot.
func usable(mxs []Host) []Host {
	var hosts []Host
	for _, h := range mxs {
		name := canonical(h.Name)
		if _, err := netip.ParseAddr(name); err == nil {
			continue
		}
		if d, err := address.ParseDomain(name); err == nil {
			hosts = append(hosts, Host{Name: d.String(), Preference: h.Preference})
		}
	}
	return hosts
}

// siteOf names the site of hosts that sortHosts ordered.
func siteOf(hosts []Host) Site {
	var b strings.Builder
	for i, h := range hosts {
		switch {
		case i == 0:
		case h.Preference == hosts[i-1].Preference:
			b.WriteByte(',')
		default:
			b.WriteByte(';')
		}
		b.WriteString(h.Name)
	}
	return Site(b.String())
}

// ttlOf reads a TTL; one with the highest bit set is none (RFC 2181 section 8).
func ttlOf(seconds uint32) time.Duration {
	if seconds >= 1<<31 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// describe says rcode and extended error (RFC 8914) of a reply, printable.
func describe(m *dns.Msg) string {
	s := dns.RcodeToString[m.Rcode]
	if s == "" {
		s = "RCODE" + strconv.Itoa(m.Rcode)
	}
	opt := m.IsEdns0()
	if opt == nil {
		return s
	}
	for _, o := range opt.Option {
		if e, ok := o.(*dns.EDNS0_EDE); ok {
			s += " (EDE " + strconv.Itoa(int(e.InfoCode))
			if text := printable(e.ExtraText); text != "" {
				s += ": " + text
			}
			s += ")"
			break
		}
	}
	return s
}

// printable makes remote text fit for a log line: capped, ASCII, no controls.
func printable(s string) string {
	if len(s) > maxDetail {
		s = s[:maxDetail]
	}
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, s)
}
