package reply

import (
	"errors"
	"strings"
	"testing"

	"rcptgate/verify/verdict"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("x", MaxLine)
	tests := []struct {
		name, raw string
		code      int
		enhanced  string
		text      string
		err       string // part of the error; empty: none
	}{
		{"one line", "250 ok\r\n", 250, "", "ok", ""},
		{"bare LF", "250-a\n250 b\n", 250, "", "a b", ""},
		{"code alone", "250\r\n", 250, "", "", ""},
		{"code and a space", "250 \r\n", 250, "", "", ""},
		{"empty first line", "550-\r\n550 5.1.1 gone\r\n", 550, "5.1.1", "gone", ""},
		{"enhanced on each line", "550-5.1.1 no\r\n550 5.1.1 such user\r\n", 550, "5.1.1", "no such user", ""},
		{"enhanced with colon", "550 5.1.1: no\r\n", 550, "5.1.1", "no", ""},
		{"enhanced of another class", "550 4.1.1 no\r\n", 550, "", "4.1.1 no", ""},
		{"enhanced out of range", "550 5.999.1234 no\r\n", 550, "", "5.999.1234 no", ""},
		{"enhanced with leading zero", "550 5.1.01 no\r\n", 550, "", "5.1.01 no", ""},
		{"an address is no code", "550 5.9.44.10 listed\r\n", 550, "", "5.9.44.10 listed", ""},
		{"Microsoft's details", "550 5.7.606 no\r\n", 550, "5.7.606", "no", ""},

		{"empty", "", 0, "", "", "not complete"},
		{"never ends", "250-a\r\n", 0, "", "", "not complete"},
		{"cut last line", "250 ok", 0, "", "", "cut"},
		{"contradiction", "250-a\r\n550 b\r\n", 0, "", "", "contradictory"},
		{"two replies", "250 a\r\n250 b\r\n", 0, "", "", "after the end"},
		{"NUL", "250 a\x00b\r\n", 0, "", "", "NUL"},
		{"code below", "199 a\r\n", 0, "", "", "outside"},
		{"code above", "600 a\r\n", 0, "", "", "outside"},
		{"garbage", "hello\r\n", 0, "", "", "not a reply line"},
		{"short", "25\r\n", 0, "", "", "not a reply line"},
		{"no separator", "250ok\r\n", 0, "", "", "not a reply line"},
		{"empty line", "250-a\r\n\r\n250 b\r\n", 0, "", "", "not a reply line"},
		{"long line", "250 " + long + "\r\n", 0, "", "", "2048 bytes"},
		{"many lines", strings.Repeat("250-a\r\n", MaxLines) + "250 b\r\n", 0, "", "", "128 lines"},
		{"many bytes", strings.Repeat("250-"+long[:MaxLine-4]+"\r\n", 8) + "250 b\r\n", 0, "", "", "16384 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Parse([]byte(tt.raw))
			if tt.err != "" {
				var pe *ProtocolError
				if !errors.As(err, &pe) || !strings.Contains(pe.What, tt.err) {
					t.Fatalf("error %v, want a ProtocolError with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if r.Code != tt.code || r.Enhanced.String() != tt.enhanced || r.Text() != tt.text {
				t.Errorf("got %d %q %q, want %d %q %q", r.Code, r.Enhanced, r.Text(), tt.code, tt.enhanced, tt.text)
			}
		})
	}
}

func TestParserErrorIsFinal(t *testing.T) {
	var p Parser
	if _, err := p.Line([]byte("250-a")); err != nil {
		t.Fatal(err)
	}
	_, first := p.Line([]byte("550 b"))
	done, second := p.Line([]byte("250 c"))
	if first == nil || second == nil || done {
		t.Errorf("errors %v, %v, done %v: a broken reply must stay broken", first, second, done)
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct{ name, line, rcpt, want string }{
		{"plain", "5.1.1 no such user", "", "no such user"},
		{"controls", "a\x1b[31mb\tc\x7f", "", "a [31mb c "},
		{"invalid UTF-8", "a\xffb", "", "a?b"},
		{"brackets", "<Kim@Example.NET>: unknown", "kim@example.net", "<rcpt>: unknown"},
		{"bare, at the end of a sentence", "no mailbox kim@example.net.", "kim@example.net", "no mailbox <rcpt>."},
		{"twice", "kim@example.net kim@example.net", "kim@example.net", "<rcpt> <rcpt>"},
		{"another address", "<joakim@example.net> and kim@example.net.au", "kim@example.net", "<joakim@example.net> and kim@example.net.au"},
		{"bidi override", "abc\u202edef", "", "abc?def"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Reply{Code: 550, Lines: []string{tt.line}}
			if got := r.Printable(tt.rcpt); strings.TrimSpace(got) != strings.TrimSpace(tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	long := Reply{Code: 550, Lines: []string{strings.Repeat("ß", 1000)}}.Printable("")
	if len(long) > maxPrintable+3 || !strings.HasSuffix(long, "ß...") {
		t.Errorf("cap: %d bytes, ends %q", len(long), long[len(long)-8:])
	}
}

func TestClassifyFirst(t *testing.T) {
	r, err := Parse([]byte("550 5.1.1 User unknown\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if c := Classify(verdict.Rcpt, r, ""); c.Reason != verdict.MailboxNotFound || !c.Permanent || !c.AboutMailbox() || c.AboutUs() {
		t.Errorf("got %+v", c)
	}
}
