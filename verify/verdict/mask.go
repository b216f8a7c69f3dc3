package verdict

import (
	"slices"
	"strings"
)

// someone stands for an address in a text that is stored.
const someone = "<address>"

// Masked returns the evidence as it is stored: its text names nobody.
func (e Evidence) Masked() Evidence {
	e.Text = maskAddresses(e.Text)
	return e
}

// maskAddresses replaces whatever looks like an address in a text of a mail
// server: local@domain, with or without angle brackets, quoted or with an
// address literal (RFC 5321 section 4.1.2), and with the @ as a URL writes it.
// The asked address is "<rcpt>" there already. It works from the end, since a
// quoted local part may hold an @.
func maskAddresses(text string) string {
	var parts []string // the last one first
	rest := len(text)  // text[rest:] is in parts
	for at, n := LastAt(text); n > 0; at, n = LastAt(text[:at]) {
		begin := addressStart(text[:at])
		if begin == at {
			continue
		}
		end := domainEnd(text[:rest], at+n)
		if begin > 0 && text[begin-1] == '<' && end < rest && text[end] == '>' {
			begin, end = begin-1, end+1
		}
		parts = append(parts, text[end:rest], someone)
		at, rest = begin, begin
	}
	parts = append(parts, text[:rest])
	slices.Reverse(parts)
	return strings.Join(parts, "")
}

// LastAt finds the last @ of a text, also as a URL writes it, and its length: 0
// where there is none.
func LastAt(text string) (at, n int) {
	for at = len(text) - 1; at >= 0; at-- {
		switch {
		case text[at] == '@':
			return at, len("@")
		case strings.HasPrefix(text[at:], "%40"):
			return at, len("%40")
		}
	}
	return 0, 0
}

// addressStart returns where the address begins that text, all that stands
// before its last @, ends with; len(text) where there is none. Of a@b@c it is a.
func addressStart(text string) int {
	begin := LocalStart(text)
	for begin > 0 && begin < len(text) && text[begin-1] == '@' {
		begin = LocalStart(text[:begin-1])
	}
	return begin
}

// LocalStart returns where the local part begins that text, all that stands
// before an @, ends with; len(text) where there is none. In a quoted one a quote
// may be escaped; where none begins unescaped, the first counts. Of "a b"%40c,
// as in "a b"%40c@d, it is the quoted one.
func LocalStart(text string) int {
	i := len(text)
	if strings.HasSuffix(text, `"`) {
		for j := i - 2; j >= 0; j-- {
			if text[j] == '"' {
				if i = j; j == 0 || text[j-1] != '\\' {
					return j
				}
			}
		}
		return i
	}
	for i > 0 && (domainByte(text[i-1]) || strings.IndexByte("!#$%&'*+/=?^`{|}~", text[i-1]) >= 0) {
		i--
	}
	if i > 0 && text[i-1] == '"' && strings.HasPrefix(text[i:], "%40") {
		return LocalStart(text[:i])
	}
	return i
}

// domainEnd is where the domain ends that begins at i; the dots of the sentence
// are not its own.
func domainEnd(text string, i int) int {
	if i < len(text) && text[i] == '[' {
		if n := strings.IndexByte(text[i:], ']'); n >= 0 {
			return i + n + 1
		}
	}
	end := i
	for end < len(text) && domainByte(text[end]) {
		end++
	}
	for end > i && text[end-1] == '.' {
		end--
	}
	return end
}

func domainByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 || c == '.' || c == '-' || c == '_'
}
