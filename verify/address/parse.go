package address

import (
	"strings"
)

const (
	// maxInput bounds the work on one text; an IDN or a source route may be
	// far longer than what is made of it.
	maxInput = 8192
	// maxExternal bounds what is printed, so that a command fits a line of
	// 2,048 octets. RFC 5321 section 4.5.3.1.3 has 256, MTAs accept more.
	maxExternal = 2000
)

// Parse parses text in the given form. The empty text, and "<>" where brackets
// or quotes may stand, is the zero Address. An error is always a *SyntaxError.
func Parse(text string, form Form) (Address, error) {
	a, e := parse(text, form)
	if e != nil {
		return Address{}, e
	}
	return a, nil
}

func parse(text string, form Form) (Address, *SyntaxError) {
	if len(text) > maxInput {
		return Address{}, &SyntaxError{Input: text, What: "too long"}
	}
	rest, base := text, 0 // base is the offset of rest in text
	if form != Internal {
		for strings.HasPrefix(rest, " ") {
			rest, base = rest[1:], base+1
		}
		rest = strings.TrimRight(rest, " ")
		if rest == "<>" {
			return Address{}, nil
		}
	}
	if form == Path {
		if inner, ok := strings.CutPrefix(rest, "<"); ok {
			rest, base = inner, base+1
		}
		rest = cutBracket(rest)
		route := routeLen(rest)
		rest, base = rest[route:], base+route
	}
	if rest == "" {
		if base > 0 && form == Path && strings.ContainsRune(text, '@') {
			return Address{}, &SyntaxError{Input: text, Offset: base, What: "empty local part"}
		}
		return Address{}, nil
	}
	local, at := splitRaw(rest)
	if form != Internal {
		if l, i, ok := splitQuoted(rest); ok {
			local, at = l, i
		}
	}
	a := Address{local: local}
	if at >= 0 {
		if e := a.setDomain(rest[at+1:]); e != nil {
			return Address{}, &SyntaxError{Input: text, Offset: base + at + 1 + e.Offset, What: e.What}
		}
	}
	if e := a.check(text); e != nil {
		return Address{}, e
	}
	return a, nil
}

// cutBracket cuts at the first > outside quotes: an MTA that is not strict
// takes what stands before it.
func cutBracket(s string) string {
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '>':
			// Without a quote that ends, a quote is an octet like others.
			if !quoted || !strings.Contains(s[i:], `"`) {
				return s[:i]
			}
		}
	}
	return s
}

// routeLen returns the length of a source route `@a,@b:`, which RFC 5321
// section 3.3 asks to ignore, or 0.
func routeLen(s string) int {
	if !strings.HasPrefix(s, "@") {
		return 0
	}
	literal := false // the colon of [IPv6:...] does not end the route
	for i := range len(s) {
		switch s[i] {
		case '[':
			literal = true
		case ']':
			literal = false
		case '"':
			return 0
		case ':':
			if !literal {
				return i + 1
			}
		}
	}
	return 0
}

// splitRaw splits at the last @; at is -1 without one.
func splitRaw(s string) (local string, at int) {
	at = strings.LastIndexByte(s, '@')
	if at < 0 {
		return s, at
	}
	return s[:at], at
}

// splitQuoted splits at the last @ outside quotes and takes quotes and
// quoted-pairs from the local part, wherever in it they stand, as MTAs do.
// ok is false when a quote or a quoted-pair does not end.
func splitQuoted(s string) (local string, at int, ok bool) {
	out := make([]byte, 0, len(s))
	end := 0 // of the local part, in out
	at = -1
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
			if i == len(s) {
				return "", -1, false
			}
			out = append(out, s[i])
		case c == '"':
			quoted = !quoted
		case c == '@' && !quoted:
			at, end = i, len(out)
			out = append(out, c)
		default:
			out = append(out, c)
		}
	}
	if at < 0 {
		end = len(out)
	}
	return string(out[:end]), at, !quoted
}

// setDomain reads what stands behind the @.
func (a *Address) setDomain(s string) *SyntaxError {
	if strings.HasPrefix(s, "[") {
		if !isLiteral(s) {
			return &SyntaxError{What: "impossible address literal"}
		}
		a.literal = s
		return nil
	}
	var e *SyntaxError
	a.domain, e = parseDomain(s)
	return e
}

// isLiteral reports an address literal of RFC 5321 section 4.1.3, read widely:
// it is never asked, only carried.
func isLiteral(s string) bool {
	if len(s) < 3 || len(s) > maxDomain || s[len(s)-1] != ']' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`<>[]\"`, c) >= 0 {
			return false
		}
	}
	return true
}

// check refuses what no command can carry; input is for the error only.
func (a Address) check(input string) *SyntaxError {
	if a.local == "" {
		return &SyntaxError{Input: input, What: "empty local part"}
	}
	if strings.ContainsFunc(a.local, isControl) {
		return &SyntaxError{Input: input, Offset: max(0, strings.IndexFunc(input, isControl)), What: "control byte"}
	}
	if len(a.External()) > maxExternal {
		return &SyntaxError{Input: input, What: "longer than 2000 octets"}
	}
	return nil
}

// isControl reports a control byte (RFC 5321 section 4.1.2 knows ASCII only).
func isControl(r rune) bool { return r < ' ' || r == 0x7f }
