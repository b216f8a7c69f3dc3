package daemon

import (
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"

	"rcptgate/verify/address"
)

// CIDR is a network, written with its mask or as a single address.
type CIDR struct{ netip.Prefix }

// UnmarshalText reads "192.0.2.0/24", "192.0.2.1", "2001:db8::/32" or "::1".
func (c *CIDR) UnmarshalText(b []byte) error {
	text := string(b)
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		c.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return fmt.Errorf(`must be an address or a network such as "192.0.2.0/24", not %q`, text)
	}
	if p != p.Masked() {
		return fmt.Errorf("has bits set behind its mask: %q; did you mean %q?", text, p.Masked())
	}
	c.Prefix = p
	return nil
}

// MarshalText prints a single address without its mask.
func (c CIDR) MarshalText() ([]byte, error) {
	if c.IsSingleIP() {
		return []byte(c.Addr().String()), nil
	}
	return []byte(c.Prefix.String()), nil
}

func prefixes(list []CIDR) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, c := range list {
		out[i] = c.Prefix
	}
	return out
}

// canonical brings a domain or a .suffix into lower-case A-labels; what is
// neither stays, for the check to find.
func canonical(s string) string {
	name, suffix := strings.CutPrefix(s, ".")
	d, err := address.ParseDomain(name)
	switch {
	case err != nil:
		return s
	case suffix:
		return "." + d.String()
	}
	return d.String()
}

// Mode are the permissions of a unix socket, written in octal.
type Mode fs.FileMode

// UnmarshalText reads "0660".
func (m *Mode) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 8, 32)
	if err != nil || n > 0o777 || !strings.HasPrefix(string(b), "0") {
		return fmt.Errorf(`must be permissions in octal such as "0660", not %q`, b)
	}
	*m = Mode(n)
	return nil
}

// MarshalText prints four octal digits.
func (m Mode) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%04o", uint32(m)), nil }
