package verdict

import "strings"

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
// The asked address is "<rcpt>" there already.
func maskAddresses(text string) string {
	var b strings.Builder
	done := 0 // as far as text is in b
	for i := 0; i < len(text); i++ {
		n := atSign(text[i:])
		if n == 0 {
			continue
		}
		begin := done + LocalStart(text[done:i])
		if begin == i {
			continue
		}
		end := domainEnd(text, i+n)
		if begin > done && text[begin-1] == '<' && end < len(text) && text[end] == '>' {
			begin, end = begin-1, end+1
		}
		b.WriteString(text[done:begin])
		b.WriteString(someone)
		done, i = end, end-1
	}
	if done == 0 {
		return text
	}
	b.WriteString(text[done:])
	return b.String()
}

// atSign is the length of the @ that s begins with, 0 where it begins with none.
func atSign(s string) int {
	switch {
	case strings.HasPrefix(s, "@"):
		return len("@")
	case strings.HasPrefix(s, "%40"):
		return len("%40")
	}
	return 0
}

// LocalStart returns where the local part begins that text, all that stands
// before an @, ends with; len(text) where there is none. In a quoted one a quote
// may be escaped; where none begins unescaped, the first counts.
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
	for end < len(text) && (domainByte(text[end]) || text[end] == '@') {
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
