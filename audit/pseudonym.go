package audit

import (
	"slices"
	"strings"
	"unicode/utf8"

	"rcptgate/verify/verdict"
)

// masker replaces local parts, in addresses and inside texts; domains stay.
type masker func(local string) string

// mask returns a copy of the event without clear local parts. The probe sender
// stays: it is our own name, and the answer to a complaint.
func (m masker) mask(e Event) Event {
	switch e := e.(type) {
	case *Decision:
		d := *e
		d.Sender, d.Recipient = m.address(e.Sender), m.address(e.Recipient)
		d.SASLUsername = e.SASLUsername
		if strings.Contains(d.SASLUsername, "@") {
			d.SASLUsername = m.address(d.SASLUsername)
		}
		d.SMTPReply = m.reply(e.SMTPReply, []string{localOf(e.Recipient), localOf(e.Sender)})
		return &d
	case *Probe:
		p := *e
		p.Addresses, p.Replies = slices.Clone(e.Addresses), slices.Clone(e.Replies)
		locals := make([]string, len(e.Addresses))
		for i, a := range e.Addresses {
			locals[i] = localOf(a)
			p.Addresses[i] = m.address(a)
		}
		for i, r := range e.Replies {
			p.Replies[i] = m.reply(r, locals)
		}
		return &p
	case *Breaker:
		b := *e
		b.Text = m.reply(e.Text, nil)
		return &b
	case *Config:
		c := *e
		c.Detail = m.text(e.Detail, nil)
		return &c
	case *Admin:
		a := *e
		a.Detail = m.text(e.Detail, nil)
		return &a
	}
	return e
}

func (m masker) address(a string) string {
	if a == "" {
		return ""
	}
	local := localOf(a)
	return m(local) + a[len(local):]
}

// localOf returns what stands before the last @, or all of it.
func localOf(a string) string {
	if i := strings.LastIndexByte(a, '@'); i >= 0 {
		return a[:i]
	}
	return a
}

// reply masks a reply behind its stage, code and enhanced code: somebody may be
// called 550.
func (m masker) reply(s string, locals []string) string {
	n := replyHead(s)
	return s[:n] + m.text(s[n:], locals)
}

// replyHead returns the length of "rcpt 550 5.1.1 ", each part of which may be
// missing.
func replyHead(s string) int {
	n := 0
	isStage := func(w string) bool { return w != "" && strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") == "" }
	isCode := func(w string) bool { return len(w) == 3 && strings.Trim(w, "0123456789") == "" }
	isEnhanced := func(w string) bool { return strings.Count(w, ".") == 2 && strings.Trim(w, "0123456789.") == "" }
	for i, is := range []func(string) bool{isStage, isCode, isEnhanced} {
		word, rest, _ := strings.Cut(s[n:], " ")
		if !is(word) || i == 0 && !isCode(rest[:min(3, len(rest))]) {
			continue
		}
		n = len(s) - len(rest)
	}
	return n
}

// text masks what stands before each @, also as a URL writes it, and the given
// local parts wherever they stand as words of their own.
func (m masker) text(s string, locals []string) string {
	s = m.beforeAt(s)
	for _, l := range locals {
		s = word(s, l, m(l))
		if bare := unquoted(l); bare != l {
			s = word(s, bare, m(l))
		}
	}
	return s
}

// beforeAt works from the end, since a quoted local part may hold an @.
func (m masker) beforeAt(s string) string {
	var parts []string // the last one first
	rest := len(s)     // s[rest:] is in parts
	for at, n := verdict.LastAt(s); n > 0; at, n = verdict.LastAt(s[:at]) {
		if from := verdict.LocalStart(s[:at]); from < at {
			parts = append(parts, s[at:rest], m(s[from:at]))
			at, rest = from, from
		}
	}
	parts = append(parts, s[:rest])
	slices.Reverse(parts)
	return strings.Join(parts, "")
}

// unquoted is what a quoted local part says (RFC 5321 section 4.1.2).
func unquoted(local string) string {
	if len(local) < 2 || local[0] != '"' {
		return local
	}
	var b strings.Builder
	for i := 1; i < len(local)-1; i++ {
		if local[i] == '\\' && i+1 < len(local)-1 {
			i++
		}
		b.WriteByte(local[i])
	}
	return b.String()
}

func isAlnum(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= utf8.RuneSelf
}

// word puts mask in the place of each occurrence of a local part, whatever its
// case, that is not part of a longer word.
func word(s, local, mask string) string {
	if strings.TrimSpace(local) == "" {
		return s
	}
	var b strings.Builder
	done := 0
	for i := 0; i+len(local) <= len(s); {
		end := i + len(local)
		if strings.EqualFold(s[i:end], local) && (i == 0 || !isAlnum(s[i-1])) && (end == len(s) || !isAlnum(s[end])) {
			b.WriteString(s[done:i])
			b.WriteString(mask)
			done, i = end, end
			continue
		}
		i++
	}
	b.WriteString(s[done:])
	return b.String()
}
