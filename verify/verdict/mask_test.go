package verdict

import (
	"regexp"
	"testing"
	"unicode/utf8"
)

func TestMaskAddresses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"550 5.1.1 <rcpt>: User unknown":    "550 5.1.1 <rcpt>: User unknown",
		"551 try <bob@other.example>":       "551 try <address>",
		"551 try bob@other.example.":        "551 try <address>.",
		"try a@x.example, b+c@y.example":    "try <address>, <address>",
		`try "bob smith"@x.example now`:     "try <address> now",
		`try "b\"s"@x.example now`:          "try <address> now",
		`try \"b s\"@x.example now`:         `try \<address> now`,
		`try "a b@c"@x.example now`:         "try <address> now",
		`try <"a b@c d"@x.example> now`:     "try <address> now",
		`try "a b@c"%40x.example now`:       "try <address> now",
		`try "a \"b@c\" d@e"@x.example now`: "try <address> now",
		`try "a b"%40x.example@y.example.`:  "try <address>.",
		`try "a b"%40x%40y@z now`:           "try <address> now",
		`say "a@b" to "c d"@x.example`:      `say "<address>" to <address>`,
		"user bob@[192.0.2.1] moved":        "user <address> moved",
		"user bob@[broken moved":            "user <address>[broken moved",
		"jürgen@bücher.example is away":     "<address> is away",
		"see http://x.example/?a=bob%40y.z": "see http:<address>",
		"route <@a.example:bob@b.example>":  "route <@a.example:<address>>",
		"bob@a@b.example":                   "<address>",
		"<bob@a%40b@c.example>, @@a@b.":     "<address>, <address>.",
		"<a@x.example><b@y.example>":        "<address><address>",
		"bob@... too long":                  "<address>... too long",
		"@ home, @x.example":                "@ home, @x.example",
		"mailto:SRS0=ab=cd=x.y=u@z.example": "mailto:<address>",
	} {
		if got := maskAddresses(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzMaskAddresses(f *testing.F) {
	f.Add(`551 <a@b> "c d"@e f%40g h@[i] @j`)
	f.Add(`551 "a b@c"@d <"e f%40g"%40h> i@j%40k@l "m\"n@o"@p`)
	f.Add(`551 "a b"%40c@d <"e f"%40g%40h> "%40i@j`)
	clear := regexp.MustCompile(`[0-9A-Za-z](@|%40)[0-9A-Za-z]`)
	f.Fuzz(func(t *testing.T, s string) {
		got := maskAddresses(s)
		if clear.MatchString(got) {
			t.Errorf("%q leaves %q", s, got)
		}
		for at, n := LastAt(got); n > 0; at, n = LastAt(got[:at]) {
			if LocalStart(got[:at]) < at {
				t.Errorf("%q leaves %q at %d", s, got, at)
			}
		}
		if utf8.ValidString(s) && !utf8.ValidString(got) {
			t.Errorf("%q breaks into %q", s, got)
		}
		if len(got) > len(s)*len(someone) {
			t.Errorf("%d bytes of %d", len(got), len(s))
		}
	})
}
