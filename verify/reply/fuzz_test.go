package reply

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"rcptgate/verify/verdict"
)

var allStages = []verdict.Stage{
	verdict.Connect, verdict.EHLO, verdict.HELO, verdict.StartTLS, verdict.Mail, verdict.Rcpt, verdict.Data, verdict.DNS, "",
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"250 ok\r\n", "550-5.1.1 a\n550 5.1.1 b\n", "421\r\n", "550 \x00\r\n", "550-a\r\n551 b\r\n", "999 x\r\n", "450 4.2.0 <a@b>: Greylisted\r\n",
		"550 5.4.1 Recipient address rejected: Access denied. AS(201806281)\r\n", "550 \xff\xfe\r\n", "550 Пользователь не найден\r\n",
		"550 <\"a \\\" b>\"@c>: x\r\n", "550 \"a b\"@c <\"\r\n", "550 <a b@c> <d@e f>\r\n",
	} {
		f.Add([]byte(s), "a@b")
	}
	f.Fuzz(func(t *testing.T, raw []byte, rcpt string) {
		r, err := Parse(raw)
		if err != nil {
			if _, ok := err.(*ProtocolError); !ok {
				t.Fatalf("error of type %T", err)
			}
			return
		}
		if r.Code < 200 || r.Code > 599 || len(r.Lines) == 0 || len(r.Lines) > MaxLines {
			t.Fatalf("accepted %+v", r)
		}
		if !r.Enhanced.IsZero() && r.Enhanced.Class != r.Code/100 {
			t.Fatalf("enhanced %v under code %d", r.Enhanced, r.Code)
		}
		checkPrintable(t, r.Printable(rcpt))
		for _, stage := range allStages {
			for _, host := range []string{"", "x.mail.protection.outlook.com", "mx.gmx.net"} {
				checkClass(t, stage, r, Classify(stage, r, host))
			}
		}
	})
}

func checkPrintable(t *testing.T, s string) {
	t.Helper()
	if len(s) > maxPrintable+len("...") || !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool { return !unicode.IsPrint(c) }) {
		t.Fatalf("not printable: %q", s)
	}
}

// checkClass holds the rules of safety against one judgement.
func checkClass(t *testing.T, stage verdict.Stage, r Reply, c Class) {
	t.Helper()
	if _, ok := verdict.Lookup(c.Reason); !ok || c.Scope == "" || c.Rule == "" {
		t.Fatalf("%s: incomplete class %+v", stage, c)
	}
	atRcpt := stage == verdict.Rcpt || stage == verdict.Data
	if s := c.Reason.Status(); s == verdict.Undeliverable && (r.Code < 500 || !atRcpt) ||
		s == verdict.Deliverable && (r.Code >= 300 || !atRcpt) {
		t.Fatalf("%s %d: %+v", stage, r.Code, c)
	}
	if c.Permanent != (r.Code >= 500) || c.PlainUnknown && c.Reason != verdict.MailboxNotFound {
		t.Fatalf("%d: %+v", r.Code, c)
	}
}
