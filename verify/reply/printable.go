package reply

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPrintable is the cap of Printable in bytes: a sentence and a URL.
const maxPrintable = 300

// mask stands for the asked address in whatever is shown or stored.
const mask = "<rcpt>"

// Printable returns Text as it may go into evidence and logs: each occurrence
// of the asked address (with or without angle brackets, in any case) replaced
// by "<rcpt>", control bytes, invalid UTF-8 and runes that do not print
// replaced, and the whole capped at about 300 bytes. rcpt is the external form
// of the address and may be empty.
func (r Reply) Printable(rcpt string) string {
	text := maskAddress(r.Text(), rcpt)
	var b strings.Builder
	b.Grow(min(len(text), maxPrintable) + len("..."))
	for _, c := range text {
		switch {
		case c == utf8.RuneError:
			c = '?'
		case unicode.IsSpace(c) || unicode.IsControl(c):
			c = ' '
		case !unicode.IsPrint(c):
			c = '?'
		}
		if b.Len()+utf8.RuneLen(c) > maxPrintable {
			b.WriteString("...")
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

// maskAddress replaces the address, ASCII case ignored; where it stands in
// angle brackets these go with it.
func maskAddress(text, rcpt string) string {
	if rcpt = strings.Trim(rcpt, "<>"); rcpt == "" || len(text) < len(rcpt) {
		return text
	}
	var b strings.Builder
	begin := 0
	for i := 0; i+len(rcpt) <= len(text); {
		end := i + len(rcpt)
		if !strings.EqualFold(text[i:end], rcpt) || !bounded(text, i, end) {
			i++
			continue
		}
		cut := i
		if i > begin && text[i-1] == '<' && end < len(text) && text[end] == '>' {
			cut, end = i-1, end+1
		}
		b.WriteString(text[begin:cut])
		b.WriteString(mask)
		begin, i = end, end
	}
	b.WriteString(text[begin:])
	return b.String()
}

// bounded reports whether text[i:end] is a whole address and not the tail or
// head of another one.
func bounded(text string, i, end int) bool {
	return (i == 0 || !addressByte(text[i-1])) &&
		(end == len(text) || !addressByte(text[end]) || text[end] == '.' && (end+1 == len(text) || !addressByte(text[end+1])))
}

func addressByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80 || c == '.' || c == '-' || c == '_' || c == '+'
}
