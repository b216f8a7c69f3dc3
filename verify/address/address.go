// Package address parses one mailbox once and prints it in the forms that the
// protocols need: RFC 5321 section 4.1.2 with RFC 6531 section 3.3, domains as
// A-labels (RFC 5890, mapped as UTS #46 asks).
//
// It is lenient on purpose: what an MTA accepted is parsed, and what is no
// dot-string is printed quoted. It refuses only what no SMTP command can carry,
// and what it prints is safe inside a command: no control byte, and no space or
// angle bracket outside a quoted string. It does not ask whether an address
// exists, and it judges no domain beyond its labels.
package address

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Form is the notation in which an address arrives.
type Form int

const (
	// Internal is Postfix's unquoted form: `a b@example.org`, may be empty (null sender).
	Internal Form = iota
	// Path is what a client typed after MAIL FROM: or RCPT TO:, as a milter
	// gets it: angle brackets, quotes and a source route are possible.
	Path
	// External is the quoted form without brackets ({rcpt_addr}, command line, API).
	External
)

// Kind says what an address can be used for.
type Kind int

const (
	Null     Kind = iota // the null reverse-path, the zero Address
	Mailbox              // local part and a domain that DNS can hold
	NoDomain             // a bare local part (postmaster)
	Literal              // user@[192.0.2.1]
	Dotless              // a domain of one label, or with a numeric last label
	Foreign              // a local part that is not UTF-8, or not printable: parsed, never sent
)

// Address is one parsed mailbox. It is comparable; only Parse and Make make
// one, and the zero value is the null reverse-path.
type Address struct {
	local   string // unquoted
	domain  Domain
	literal string // with brackets
}

// SyntaxError says what no SMTP command can carry, and where.
type SyntaxError struct {
	Input  string // as given; not safe to print raw
	Offset int    // in octets, into Input
	What   string // our words only
}

// Error prints the mistake on one line of printable ASCII. It shows at most 80
// octets of the input.
func (e *SyntaxError) Error() string {
	const most = 80
	in, more := e.Input, ""
	if len(in) > most {
		in, more = in[:most], "..."
	}
	return fmt.Sprintf("%s at offset %d of %s%s", e.What, e.Offset, strconv.QuoteToASCII(in), more)
}

// Make builds an address from an unquoted local part and a domain (controls).
// An error is always a *SyntaxError.
func Make(local string, d Domain) (Address, error) {
	if d.IsZero() {
		return Address{}, &SyntaxError{Input: local, Offset: len(local), What: "no domain"}
	}
	a := Address{local: local, domain: d}
	if e := a.check(local); e != nil {
		return Address{}, e
	}
	return a, nil
}

// Kind says what the address can be used for.
func (a Address) Kind() Kind {
	switch {
	case a.IsNull():
		return Null
	case !utf8.ValidString(a.local) || strings.ContainsFunc(a.local, unicode.IsControl):
		return Foreign
	case a.literal != "":
		return Literal
	case a.domain.IsZero():
		return NoDomain
	case a.domain.dotless():
		return Dotless
	}
	return Mailbox
}

// IsNull reports the null reverse-path.
func (a Address) IsNull() bool { return a == Address{} }

// Local returns the unquoted local part.
func (a Address) Local() string { return a.local }

// Domain returns the domain, zero for Null, NoDomain and Literal.
func (a Address) Domain() Domain { return a.domain }

// External prints the form for SMTP commands and people, without brackets:
// quoted where needed, domain as A-labels (U-labels never).
func (a Address) External() string {
	if a.IsNull() {
		return ""
	}
	local := a.local
	if !isDotString(local) {
		local = quote(local)
	}
	return a.of(local)
}

// Internal prints the unquoted form. Of a bare local part that contains an @
// Internal is ambiguous, as it is in Postfix.
func (a Address) Internal() string { return a.of(a.local) }

// Key prints the canonical form under which verdicts are kept: local part as
// it is (case kept, RFC 5321 section 2.4; only postmaster is folded, section
// 4.5.1), domain as lower-case A-labels.
func (a Address) Key() string {
	if strings.EqualFold(a.local, "postmaster") {
		a.local = "postmaster"
	}
	return a.External()
}

// NeedsSMTPUTF8 reports a local part with non-ASCII octets (RFC 6531 section 3.4).
func (a Address) NeedsSMTPUTF8() bool { return !isASCII(a.local) }

// String is External.
func (a Address) String() string { return a.External() }

// of prints a local part with the @ and what follows it, if anything does.
func (a Address) of(local string) string {
	switch {
	case a.literal != "":
		return local + "@" + a.literal
	case !a.domain.IsZero():
		return local + "@" + a.domain.ascii
	}
	return local
}

// isDotString reports a Dot-string of RFC 5321 section 4.1.2, with the
// non-ASCII characters of RFC 6531 section 3.3.
func isDotString(s string) bool {
	prev := byte('.')
	for i := range len(s) {
		c := s[i]
		if c == '.' && prev == '.' || c != '.' && !isAtext(c) {
			return false
		}
		prev = c
	}
	return prev != '.'
}

func isAtext(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80 ||
		strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}

// quote prints a Quoted-string; only `"` and `\` need a quoted-pair.
func quote(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('"')
	return b.String()
}
