package reply

import (
	"strconv"
	"strings"
)

// Limits of one reply (docs/design.md, rule 10). RFC 5321 section 4.5.3.1.5
// asks for 512 octets a line; real servers send more.
const (
	MaxLine  = 2048     // bytes of a line without its end
	MaxLines = 128      // lines of a reply
	MaxBytes = 16 << 10 // bytes of all lines together
)

// Reply is one complete SMTP reply. Lines hold the raw text of each line after
// "250-" or "250 " (enhanced code included), without line end.
type Reply struct {
	Code     int
	Enhanced Enhanced
	Lines    []string
}

// Text returns the text of all lines, enhanced codes stripped, joined by one
// space. It is as the peer sent it: see Printable for what may be shown.
func (r Reply) Text() string {
	if len(r.Lines) == 1 {
		_, text := cutEnhanced(r.Lines[0], r.Code)
		return strings.TrimSpace(text)
	}
	var b strings.Builder
	for _, line := range r.Lines {
		_, text := cutEnhanced(line, r.Code)
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(text)
	}
	return b.String()
}

// Enhanced is an enhanced status code (RFC 3463); the zero value is none.
type Enhanced struct{ Class, Subject, Detail int }

// String prints the code as "5.1.1", and none as an empty string.
func (e Enhanced) String() string {
	if e.IsZero() {
		return ""
	}
	return strconv.Itoa(e.Class) + "." + strconv.Itoa(e.Subject) + "." + strconv.Itoa(e.Detail)
}

// IsZero reports whether there is no code.
func (e Enhanced) IsZero() bool { return e == Enhanced{} }

// maxSubject and maxDetail bound what is believed to be an enhanced code. RFC
// 3463 allows 999 each; subjects above 7 are not assigned, and an IP address
// at the start of a text must not be taken for a code.
const (
	maxSubject = 9
	maxDetail  = 999
)

// ParseEnhanced reads a text that is an enhanced code and nothing else; ok is
// false for anything that RFC 3463 section 2 does not allow.
func ParseEnhanced(s string) (e Enhanced, ok bool) {
	e, rest := cutEnhanced(s, 0)
	return e, rest == "" && !e.IsZero()
}

// cutEnhanced splits an enhanced code off the front of a line. A code whose
// class is not the class of the reply code is no code (RFC 2034 section 4);
// code 0 takes any class.
func cutEnhanced(line string, code int) (Enhanced, string) {
	rest := strings.TrimLeft(line, " \t")
	if len(rest) < len("5.1.1") || rest[1] != '.' {
		return Enhanced{}, line
	}
	class := int(rest[0]) - '0'
	if class != 2 && class != 4 && class != 5 || code != 0 && class != code/100 {
		return Enhanced{}, line
	}
	subject, rest, ok := cutNumber(rest[2:], maxSubject)
	if !ok || rest == "" || rest[0] != '.' {
		return Enhanced{}, line
	}
	detail, rest, ok := cutNumber(rest[1:], maxDetail)
	if !ok || rest != "" && !strings.ContainsRune(" \t:,;", rune(rest[0])) {
		return Enhanced{}, line
	}
	return Enhanced{class, subject, detail}, strings.TrimLeft(rest, " \t:,;")
}

// cutNumber reads one to three digits without a leading zero.
func cutNumber(s string, limit int) (n int, rest string, ok bool) {
	i := 0
	for i < len(s) && i < 4 && s[i] >= '0' && s[i] <= '9' {
		n = n*10 + int(s[i]-'0')
		i++
	}
	if i == 0 || i > 3 || n > limit || i > 1 && s[0] == '0' {
		return 0, s, false
	}
	return n, s[i:], true
}
