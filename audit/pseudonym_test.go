package audit

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rcptgate/verify/verdict"
)

func stars(local string) string { return "<" + strings.ToUpper(local) + ">" }

func TestMaskedText(t *testing.T) {
	t.Parallel()
	locals := []string{"joe", "550", `"a b"`, `"se\"cret"`, `""`}
	for in, want := range map[string]string{
		"":                            "",
		"rcpt 250 2.1.5 ok":           "rcpt 250 2.1.5 ok",
		"rcpt 550 5.1.1 joe unknown":  "rcpt 550 5.1.1 <JOE> unknown",
		"550 5.1.1 no 550 here":       "550 5.1.1 no <550> here",
		"550 no such user Joe... bye": "550 no such user <JOE>... bye",
		"550 5.1.1 <x.y+z@example.org>: joe@example.org, joey": "550 5.1.1 <<X.Y+Z>@example.org>: <<JOE>>@example.org, joey",
		`550 "a b"@example.org`:                                `550 <<"<"A B">">>@example.org`, // masked thrice, as stars shows what it hides
		`550 no "se\"cret"@example.org`:                        `550 no <<"SE\"CRET">>@example.org`,
		`550 no \"se\"cret\"@example.org`:                      `550 no \<"SE\"CRET\">@example.org`,
		`550 no "an@x y"@example.org, ann@example.org`:         `550 no <"AN@X Y">@example.org, <ANN>@example.org`,
		`550 A B and se"cret are unknown, but not "x" nor ""`:  `550 <"A B"> and <"SE\"CRET"> are unknown, but not "x" nor <"">`,
		`550 not bob%40example.org nor "c d"%40example.org`:    `550 not <BOB>%40example.org nor <"C D">%40example.org`,
		`550 not "c d"%40x.example@y.example`:                  `550 not <"C D"%40X.EXAMPLE>@y.example`,
		"550 see https://x.example/?r=bob%40example.org":       "550 see https:<//X.EXAMPLE/?R=BOB>%40example.org",
		"rcpt a@b@c @d":       "rcpt <A>@<B>@c @d",
		"mail 250 joe":        "mail 250 <JOE>",
		"joe 250":             "joe 250", // indistinguishable from a stage
		"greeting joe":        "greeting <JOE>",
		"550 юля@example.org": "550 <ЮЛЯ>@example.org",
	} {
		if got := masker(stars).reply(in, locals); got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
	}
}

func TestMaskedEvents(t *testing.T) {
	t.Parallel()
	l := open(t, Options{Pseudonym: func(string) string { return "h" }})
	in := []Event{
		&Decision{Sender: "", Recipient: "joe@example.org", SASLUsername: "news@example.com", SMTPReply: "550 5.1.1 joe@example.org does not exist"},
		&Decision{Sender: "a@example.com", Recipient: "postmaster", SASLUsername: "account7"},
		&Probe{Sender: "verify@probe.example.com", Addresses: []string{"joe@example.org"}, Replies: []string{"rcpt 550 5.1.1 <joe@example.org>: joe?"}},
		&Breaker{Name: "mx.example.org", Text: "550 <x@y.example>"},
		&Config{Detail: "sender = x@y.example"},
		&Admin{What: "forget", Detail: "joe@example.org"},
	}
	for _, e := range in {
		l.Record(e)
	}
	var got []string
	for _, e := range l.Recent(0) {
		line := string(AppendJSON(nil, e))
		_, rest, _ := strings.Cut(line, `Z",`)
		got = append(got, rest)
	}
	want := []string{
		`"what":"forget","detail":"h@example.org"}`,
		`"detail":"sender = h@y.example"}`,
		`"name":"mx.example.org","text":"550 <h@y.example>"}`,
		`"addresses":["h@example.org"],"sender":"verify@probe.example.com","replies":["rcpt 550 5.1.1 <h@example.org>: h?"],"took_ms":0}`,
		`"sasl_username":"account7","sender":"h@example.com","recipient":"h","tags":[],"wait_ms":0}`,
		`"sasl_username":"h@example.com","recipient":"h@example.org","tags":[],"wait_ms":0,"smtp_reply":"550 5.1.1 h@example.org does not exist"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if in[0].(*Decision).Recipient != "joe@example.org" || in[2].(*Probe).Replies[0] != "rcpt 550 5.1.1 <joe@example.org>: joe?" {
		t.Error("the caller's event was changed")
	}
}

// FuzzMask checks that no clear local part is left before an @, and that masking
// ends.
func FuzzMask(f *testing.F) {
	f.Add("550 5.1.1 <joe@example.org> unknown", "joe")
	f.Add(`"a b"@x "@y`, `a b`)
	f.Add(`550 joe%40x "a b%40c"%40y d@e%40f`, "joe")
	f.Fuzz(func(t *testing.T, text, local string) {
		got := masker(func(string) string { return "#" }).reply(text, []string{local})
		head := replyHead(text)
		for i, n := verdict.LastAt(got); n > 0; i, n = verdict.LastAt(got[:i]) {
			if i > head && verdict.LocalStart(got[head:i]) < i-head && got[i-1] != '#' {
				t.Errorf("%q → %q", text, got)
			}
		}
	})
}
