package reply

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// maxToken bounds the look-ahead for an address; RFC 5321 allows 254 octets.
const maxToken = 320

// special recognises, at the start of a word, what is replaced as a whole: a
// bracketed name, an address, an IP address. n is 0 where there is none.
func special(text string, hasAt bool) (word string, n int) {
	switch c := text[0]; {
	case c == '<':
		return bracketed(text)
	case c == '"' && hasAt:
		return quotedAddress(text)
	case c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == ':':
		if n = ipLen(text); n > 0 {
			return wordIP, n
		}
	}
	if !hasAt {
		return "", 0
	}
	at := -1
	for n < len(text) && n < maxToken && !endsAddress(text[n]) {
		if text[n] == '@' && n > 0 {
			at = n
		}
		n++
	}
	if at < 1 {
		return "", 0
	}
	for n > at+1 && text[n-1] == '.' {
		n--
	}
	return wordAddress, n
}

// bracketed reads "<name>"; a URL in brackets is left to be read. Spaces are
// taken only before the last at sign: those of a local part that was quoted
// (RFC 5321 section 4.1.2), whether the quotes are still there or not.
func bracketed(text string) (word string, n int) {
	space, at, quoted := 0, 0, 1+quotedLen(text[1:])
	for n = 1; n < len(text) && n < maxToken; n++ {
		switch c := text[n]; {
		case c == '>' && n == 1:
			return wordNull, 2
		case c == '>' && n < quoted: // within the quotes
		case c == '>':
			if space > at || strings.Contains(text[:n], "://") {
				return "", 0
			}
			return wordAddress, n + 1
		case c == ' ':
			space = n
		case c == '@':
			at = n
		case c == '<' && n >= quoted:
			return "", 0
		}
	}
	return "", 0
}

// quotedAddress reads an address whose local part is a quoted string.
func quotedAddress(text string) (word string, n int) {
	n = quotedLen(text)
	if n == 0 || n == len(text) || text[n] != '@' {
		return "", 0
	}
	for n++; n < len(text) && n < maxToken && !endsAddress(text[n]); n++ {
	}
	return wordAddress, n
}

// quotedLen returns the length of the quoted string that a text begins with
// (RFC 5321 section 4.1.2), 0 for none.
func quotedLen(text string) int {
	if text == "" || text[0] != '"' {
		return 0
	}
	for n := 1; n < len(text) && n < maxToken; n++ {
		switch text[n] {
		case '"':
			return n + 1
		case '\\':
			n++
		}
	}
	return 0
}

func endsAddress(c byte) bool {
	return c <= ' ' || c == '<' || c == '>' || c == '(' || c == ')' || c == '[' || c == ']' || c == '"' ||
		c == ',' || c == ';' || c == ':' || c == '\'' || c == '`'
}

// ipLen returns the length of the IPv4 or IPv6 address that a text begins
// with, 0 for none. It only tells addresses from words: it does not validate.
func ipLen(text string) int {
	n, dots, colons, hex := 0, 0, 0, false
	for ; n < len(text) && n < 46; n++ {
		c := text[n]
		switch {
		case c >= '0' && c <= '9':
		case c == '.':
			dots++
		case c == ':':
			colons++
		case c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F':
			hex = true
		case c >= 'g' && c <= 'z' || c >= 'G' && c <= 'Z' || c == '@' || c == '_':
			return 0
		default:
			return ipEnd(text, n, dots, colons, hex)
		}
	}
	return ipEnd(text, n, dots, colons, hex)
}

func ipEnd(text string, n, dots, colons int, hex bool) int {
	for n > 0 && (text[n-1] == '.' || text[n-1] == ':' && colons < 3) {
		if text[n-1] == '.' {
			dots--
		} else {
			colons--
		}
		n--
	}
	if dots == 3 && colons == 0 && !hex || colons >= 2 && n > 4 {
		return n
	}
	return 0
}

// urlLen returns the length of the URL that a text begins with, 0 for none.
func urlLen(text string) int {
	if c := text[0] | 0x20; c != 'h' && c != 'w' {
		return 0
	}
	if !hasPrefixFold(text, "http://") && !hasPrefixFold(text, "https://") && !hasPrefixFold(text, "www.") {
		return 0
	}
	n := 0
	for n < len(text) && text[n] > ' ' && text[n] < utf8.RuneSelf && strings.IndexByte(`<>"()`, text[n]) < 0 {
		n++
	}
	for strings.IndexByte(".,;!?", text[n-1]) >= 0 {
		n--
	}
	return n
}

// noteNames are what a server calls a number that it gives for its own use.
var noteNames = []string{"state", "status", "code", "error", "err", "reason", "cause", "id", "ref", "line"}

// noteLen returns the length of the note that a text begins with, but for its
// closing bracket: a name and a number, as in "(state 14)" or "[code=28]". They
// say nothing, and the name must not be taken for a word of the sentence. 0 for
// none.
func noteLen(text string) int {
	n := 1
	for n < len(text) && lower[text[n]] > '9' {
		n++
	}
	name := text[1:n]
	if !slices.ContainsFunc(noteNames, func(s string) bool { return strings.EqualFold(s, name) }) {
		return 0
	}
	rest := strings.TrimLeft(text[n:], " =:#")
	number := strings.TrimLeft(rest, "0123456789")
	if len(rest) == len(text)-n || len(number) == len(rest) || number == "" || number[0] != ')' && number[0] != ']' {
		return 0
	}
	return len(text) - len(number)
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
