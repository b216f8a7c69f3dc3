package mx

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

// Guard refuses MX names and addresses that are never dialled (docs/design.md,
// rule 8), so that no stranger's DNS can turn the prober against this machine
// or the networks behind it. It is safe for concurrent use.
type Guard struct {
	names map[string]bool
	allow []netip.Prefix
	list  func() ([]net.Addr, error)
	own   atomic.Pointer[ownAddrs]
}

// ownAddrs are the addresses of the interfaces, as read at a time.
type ownAddrs struct {
	at  time.Time
	set map[netip.Addr]bool
}

// ownPeriod is how long a list of the interfaces' addresses is used.
const ownPeriod = time.Minute

// NewGuard returns a guard. hostnames are our own names (hostname and HELO
// names), allow the networks that may be dialled although they are reserved.
// own lists the host's own addresses (nil: net.InterfaceAddrs); it is read anew
// at most once a minute, and its last good answer is used when it fails.
func NewGuard(hostnames []string, allow []netip.Prefix, own func() ([]net.Addr, error)) *Guard {
	g := &Guard{names: make(map[string]bool, len(hostnames)), list: own}
	if own == nil {
		g.list = net.InterfaceAddrs
	}
	for _, h := range hostnames {
		if h = canonical(h); h != "" {
			g.names[h] = true
		}
	}
	for _, p := range allow {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		g.allow = append(g.allow, p.Masked())
	}
	return g
}

// Host returns why a host of this name is never dialled, or nil.
func (g *Guard) Host(name string) error {
	if g.names[canonical(name)] {
		return errors.New("the MX has the name of this host")
	}
	return nil
}

// Addr returns why an address is never dialled, or nil.
func (g *Guard) Addr(ip netip.Addr) error {
	if !ip.IsValid() {
		return errors.New("no address")
	}
	ip = ip.Unmap().WithZone("")
	own, err := g.ownSet()
	if err != nil {
		return fmt.Errorf("the addresses of this host are not known: %w", err)
	}
	inner := embedded(ip)
	for _, a := range append(inner, ip) {
		if own[a] {
			return fmt.Errorf("%v is an address of this host", ip)
		}
	}
	for _, p := range g.allow {
		if p.Contains(ip) {
			return nil
		}
	}
	for _, a := range append(inner, ip) {
		if what := reserved(a); what != "" {
			return fmt.Errorf("%v is in a network that is never asked (%s)", ip, what)
		}
	}
	return nil
}

// ownSet returns the addresses of the interfaces.
func (g *Guard) ownSet() (map[netip.Addr]bool, error) {
	old := g.own.Load()
	if old != nil && time.Since(old.at) < ownPeriod {
		return old.set, nil
	}
	addrs, err := g.list()
	if err != nil {
		if old != nil {
			return old.set, nil
		}
		return nil, err
	}
	set := make(map[netip.Addr]bool, len(addrs))
	for _, a := range addrs {
		var ip net.IP
		switch a := a.(type) {
		case *net.IPNet:
			ip = a.IP
		case *net.IPAddr:
			ip = a.IP
		}
		if addr, ok := netip.AddrFromSlice(ip); ok {
			set[addr.Unmap()] = true
		}
	}
	g.own.Store(&ownAddrs{at: time.Now(), set: set})
	return set, nil
}

// block is one network of the special-purpose registries.
type block struct {
	prefix netip.Prefix
	what   string
}

// blocks are the special-purpose networks of IANA (RFC 6890 and later) that are
// no place for a mail host, apart from those that embedded looks into.
var blocks = []block{
	{netip.MustParsePrefix("0.0.0.0/8"), "this network, RFC 791"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private, RFC 1918"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT, RFC 6598"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback, RFC 1122"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local, RFC 3927"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private, RFC 1918"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments, RFC 6890"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation, RFC 5737"},
	{netip.MustParsePrefix("192.31.196.0/24"), "AS112, RFC 7535"},
	{netip.MustParsePrefix("192.52.193.0/24"), "multicast tunnels, RFC 7450"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relays, RFC 7526"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private, RFC 1918"},
	{netip.MustParsePrefix("192.175.48.0/24"), "AS112, RFC 7534"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarks, RFC 2544"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation, RFC 5737"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation, RFC 5737"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast, RFC 5771"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved, RFC 1112"},
	{netip.MustParsePrefix("2001:2::/48"), "benchmarks, RFC 5180"},
	{netip.MustParsePrefix("2001:10::/28"), "ORCHID, RFC 4843"},
	{netip.MustParsePrefix("2001:20::/28"), "ORCHIDv2, RFC 7343"},
	{netip.MustParsePrefix("2001:db8::/32"), "documentation, RFC 3849"},
	{netip.MustParsePrefix("3fff::/20"), "documentation, RFC 9637"},
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")
	nat64         = netip.MustParsePrefix("64:ff9b::/96")
	teredo        = netip.MustParsePrefix("2001::/32")
	sixToFour     = netip.MustParsePrefix("2002::/16")
)

// reserved says what an unmapped address is reserved for, or "".
func reserved(ip netip.Addr) string {
	// Only 2000::/3 is global unicast (RFC 4291 section 2.4): this refuses ::,
	// ::1, unique local, link-local, site-local, multicast and what is not yet
	// given out.
	if ip.Is6() && !globalUnicast.Contains(ip) && !nat64.Contains(ip) {
		return "not global unicast, RFC 4291"
	}
	for _, b := range blocks {
		if b.prefix.Contains(ip) {
			return b.what
		}
	}
	return ""
}

// embedded returns the IPv4 addresses to which a translator or tunnel takes an
// IPv6 address: NAT64 (RFC 6052), 6to4 (RFC 3056), Teredo (RFC 4380 section 4).
func embedded(ip netip.Addr) []netip.Addr {
	if !ip.Is6() {
		return nil
	}
	b := ip.As16()
	switch {
	case nat64.Contains(ip):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[12:16]))}
	case sixToFour.Contains(ip):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	case teredo.Contains(ip):
		client := [4]byte{^b[12], ^b[13], ^b[14], ^b[15]}
		return []netip.Addr{netip.AddrFrom4([4]byte(b[4:8])), netip.AddrFrom4(client)}
	}
	return nil
}

// canonical folds a DNS name for comparison.
func canonical(name string) string {
	return strings.ToLower(strings.TrimSuffix(name, "."))
}
