package address

import (
	"strings"

	"golang.org/x/net/idna"
)

// Domain is a mail domain: lower-case A-labels, no trailing dot. It is
// comparable; the zero value is no domain. Only ParseDomain makes one.
type Domain struct{ ascii string }

const (
	maxLabel  = 63  // RFC 1035 section 2.3.4
	maxDomain = 253 // the same, without the root label and its dot
)

// profile maps like a resolver (UTS #46) and checks the Bidi rule. The ASCII
// part of a name is checked by checkLabels, because STD3 would refuse the
// underscores that real mail domains have.
var profile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(false),
	idna.BidiRule(),
	idna.CheckHyphens(false),
	idna.VerifyDNSLength(true),
)

// ParseDomain parses a domain of A-labels, U-labels or both; one trailing dot
// is dropped, case is folded, `_` is allowed. Names of one label and names with
// a numeric last label are domains here; Address.Kind tells them apart. An
// error is always a *SyntaxError.
func ParseDomain(s string) (Domain, error) {
	d, e := parseDomain(s)
	if e != nil {
		return Domain{}, e
	}
	return d, nil
}

func parseDomain(s string) (Domain, *SyntaxError) {
	if len(s) > maxInput {
		return Domain{}, &SyntaxError{Input: s, What: "domain too long"}
	}
	name := trimRoot(s)
	if isASCII(name) {
		// An ASCII label is a label, whatever its xn-- decodes to: DNS can hold
		// it, so DNS may say that it is not there.
		name = strings.ToLower(name)
	} else {
		ascii, err := profile.ToASCII(name)
		if err != nil {
			return Domain{}, &SyntaxError{Input: s, What: "impossible label"}
		}
		name = ascii
	}
	if what, at := checkLabels(name); what != "" {
		if !isASCII(s) {
			at = 0 // an offset into the mapped name says nothing
		}
		return Domain{}, &SyntaxError{Input: s, Offset: at, What: what}
	}
	return Domain{ascii: name}, nil
}

// String returns the A-label form, empty for no domain.
func (d Domain) String() string { return d.ascii }

// IsZero reports that there is no domain.
func (d Domain) IsZero() bool { return d.ascii == "" }

// Unicode returns the U-label form for people; names that are no valid IDN stay
// as they are.
func (d Domain) Unicode() string {
	if !strings.Contains(d.ascii, "xn--") {
		return d.ascii
	}
	u, err := profile.ToUnicode(d.ascii)
	if err != nil {
		return d.ascii
	}
	return u
}

// dotless reports a name of one label or one that ends in a number, as an
// address without its brackets does.
func (d Domain) dotless() bool {
	i := strings.LastIndexByte(d.ascii, '.')
	if i < 0 {
		return true
	}
	last := d.ascii[i+1:]
	if hex, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(last, "0123456789") == ""
}

// trimRoot drops one trailing dot, also one of the dots that UTS #46 maps.
func trimRoot(s string) string {
	for _, dot := range []string{".", "\u3002", "\uff0e", "\uff61"} {
		if t, ok := strings.CutSuffix(s, dot); ok {
			return t
		}
	}
	return s
}

// checkLabels says what is wrong with a lower-case ASCII name and at which
// offset, or "".
func checkLabels(name string) (what string, at int) {
	if name == "" {
		return "empty domain", 0
	}
	if len(name) > maxDomain {
		return "domain longer than 253 octets", maxDomain
	}
	for label := range strings.SplitSeq(name, ".") {
		switch {
		case label == "":
			return "empty label", at
		case len(label) > maxLabel:
			return "label longer than 63 octets", at
		case label[0] == '-', label[len(label)-1] == '-':
			return "impossible label (hyphen at its edge)", at
		}
		for i := range len(label) {
			if c := label[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return "impossible label", at + i
			}
		}
		at += len(label) + 1
	}
	return "", 0
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
