package probe

import (
	"strings"
	"testing"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/verdict"
)

const flightA = "MAIL FROM:<v@out.test>|RCPT TO:<a@x.test>"

func TestPipelinedTransactions(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		s := open(t, p)
		got := s.Ask(t.Context(), addr(t, "a@x.test"))
		if got.Stage != verdict.Rcpt || got.Reply.Code != 250 || got.Command != "RCPT TO:<a@x.test>" {
			t.Errorf("first: %+v", got)
		}
		time.Sleep(time.Second) // min_interval; the bubble's clock
		got = s.Ask(t.Context(), addr(t, "b@x.test"))
		if got.Stage != verdict.Rcpt || got.Reply.Code != 550 || got.Reply.Enhanced.String() != "5.1.1" {
			t.Errorf("second: %+v", got)
		}
		if !s.Usable() {
			t.Error("not usable after a refusal")
		}
		tr := s.Close(t.Context())
		var words []string
		for _, st := range tr.Steps {
			words = append(words, string(st.Stage)+" "+st.Command)
		}
		want := "connect |ehlo EHLO out.test|mail MAIL FROM:<v@out.test>|rcpt RCPT TO:<a@x.test>|mail RSET|" +
			"mail MAIL FROM:<v@out.test>|rcpt RCPT TO:<b@x.test>|rcpt QUIT"
		if g := strings.Join(words, "|"); g != want {
			t.Errorf("steps\n%s\nwant\n%s", g, want)
		}
		if tr.Took < time.Second || tr.Connects != 1 || s.Usable() {
			t.Errorf("took %v, connects %d, usable %v", tr.Took, tr.Connects, s.Usable())
		}
		if again := s.Close(t.Context()); len(again.Steps) != len(tr.Steps) || again.Took != tr.Took {
			t.Error("the second Close differs")
		}
		if got := s.Ask(t.Context(), addr(t, "c@x.test")); got.Failure != Lost {
			t.Errorf("after Close: %+v", got)
		}
	}, func(p *peer) {
		p.hello()
		p.expect(flightA)
		p.say("250 ok|250 ok")
		p.expect("RSET|MAIL FROM:<v@out.test>|RCPT TO:<b@x.test>")
		p.say("250 ok|250 ok")
		p.raw("550-5.1.1 no\n550 5.1.1 such user\n") // bare LF
		p.bye()
	})
}

// TestTransactions has two RCPTs after one MAIL, and no more, refused or not; an
// address that needs SMTPUTF8 does not join a MAIL without it, and after a
// refused MAIL nothing does.
func TestTransactions(t *testing.T) {
	const mail = "MAIL FROM:<v@out.test>"
	for _, pipelining := range []bool{true, false} {
		probing(t, func(t *testing.T, p *Prober) {
			r := request(t)
			r.RcptsPerTransaction = 2
			s, _, last := p.Open(t.Context(), r)
			if s == nil {
				t.Fatalf("open: %+v", last)
			}
			for _, c := range []struct {
				rcpt  string
				stage verdict.Stage
				code  int
			}{
				{"a@x.test", verdict.Rcpt, 550},
				{"b@x.test", verdict.Rcpt, 250},
				{"c@x.test", verdict.Rcpt, 250},
				{"jürgen@x.test", verdict.Rcpt, 250},
				{"d@x.test", verdict.Rcpt, 250},
				{"e@x.test", verdict.Mail, 451},
				{"f@x.test", verdict.Rcpt, 250},
			} {
				if got := s.Ask(t.Context(), addr(t, c.rcpt)); got.Stage != c.stage || got.Reply.Code != c.code {
					t.Errorf("pipelining %v, %s: %+v", pipelining, c.rcpt, got)
				}
			}
			s.Close(t.Context())
		}, func(p *peer) {
			if pipelining {
				p.hello("SMTPUTF8")
			} else {
				p.say("220 mx.test ESMTP")
				p.expect("EHLO out.test")
				p.say("250-mx.test|250 SMTPUTF8")
			}
			for _, flight := range []struct{ commands, replies string }{
				{mail + "|RCPT TO:<a@x.test>", "250 ok|550 5.1.1 no such user"},
				{"RCPT TO:<b@x.test>", "250 ok"},
				{"RSET|" + mail + "|RCPT TO:<c@x.test>", "250 ok|250 ok|250 ok"},
				{"RSET|" + mail + " SMTPUTF8|RCPT TO:<jürgen@x.test>", "250 ok|250 ok|250 ok"},
				{"RCPT TO:<d@x.test>", "250 ok"},
				{"RSET|" + mail + "|RCPT TO:<e@x.test>", "250 ok|451 later|503 no MAIL"},
				{mail + "|RCPT TO:<f@x.test>", "250 ok|250 ok"},
			} {
				if pipelining {
					p.expect(flight.commands)
					p.say(flight.replies)
					continue
				}
				replies := strings.Split(flight.replies, "|")
				for i, c := range strings.Split(flight.commands, "|") {
					p.expect(c)
					p.say(replies[i])
					if replies[i] == "451 later" {
						break
					}
				}
			}
			p.bye()
		})
	}
}

// TestOneRcptAMail has a server that takes no second RCPT after a MAIL: it is
// asked again about that one, and each recipient has a MAIL from there on.
func TestOneRcptAMail(t *testing.T) {
	for _, full := range []string{"452 4.5.3 too many recipients", "503 5.5.1 need MAIL", "552 5.5.3 too many", "503 bad sequence"} {
		probing(t, func(t *testing.T, p *Prober) {
			r := request(t)
			r.RcptsPerTransaction = 5
			s, _, last := p.Open(t.Context(), r)
			if s == nil {
				t.Fatalf("open: %+v", last)
			}
			for _, rcpt := range []string{"a@x.test", "b@x.test", "c@x.test"} {
				if got := s.Ask(t.Context(), addr(t, rcpt)); got.Reply.Code != 250 {
					t.Errorf("%s, %s: %+v", full, rcpt, got)
				}
			}
			s.Close(t.Context())
		}, func(p *peer) {
			p.hello()
			p.expect(flightA)
			p.say("250 ok|250 ok")
			p.expect("RCPT TO:<b@x.test>")
			p.say(full)
			for _, rcpt := range []string{"b", "c"} {
				p.expect("RSET|MAIL FROM:<v@out.test>|RCPT TO:<" + rcpt + "@x.test>")
				p.say("250 ok|250 ok|250 ok")
			}
			p.bye()
		})
	}
}

// TestOneWrite sees the whole flight in one segment.
func TestOneWrite(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		s := open(t, p)
		s.Ask(t.Context(), addr(t, "a@x.test"))
		s.Close(t.Context())
	}, func(p *peer) {
		p.hello()
		b := make([]byte, 4096)
		n, _ := p.c.Read(b)
		if got, want := string(b[:n]), "MAIL FROM:<v@out.test>\r\nRCPT TO:<a@x.test>\r\n"; got != want {
			p.t.Errorf("one read gave %q, want %q", got, want)
		}
		p.say("250 ok|250 ok")
		p.bye()
	})
}

func TestOneByOne(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		s := open(t, p)
		if got := s.Ask(t.Context(), addr(t, "a@x.test")); got.Stage != verdict.Rcpt || got.Reply.Code != 252 {
			t.Errorf("first: %+v", got)
		}
		if got := s.Ask(t.Context(), addr(t, "b@x.test")); got.Stage != verdict.Mail || got.Reply.Code != 451 {
			t.Errorf("second: %+v", got)
		}
		s.Ask(t.Context(), addr(t, "c@x.test"))
		s.Close(t.Context())
	}, func(p *peer) {
		p.say("220 old")
		p.expect("EHLO out.test")
		p.say("500 what")
		p.expect("HELO out.test")
		p.say("250 hello")
		p.expect("MAIL FROM:<v@out.test>")
		p.say("250 ok")
		p.expect("RCPT TO:<a@x.test>")
		p.say("252 perhaps")
		p.expect("RSET")
		p.say("250 ok")
		p.expect("MAIL FROM:<v@out.test>")
		p.say("451 not now")
		p.expect("MAIL FROM:<v@out.test>") // no transaction open, no RSET
		p.say("250 ok")
		p.expect("RCPT TO:<c@x.test>")
		p.say("250 ok")
		p.bye()
	})
}

// ask is a session with one transaction, to see which step counts.
func TestWhatCounts(t *testing.T) {
	for name, c := range map[string]struct {
		replies string
		hangUp  bool
		stage   verdict.Stage
		code    int
		failure Failure
		usable  bool
	}{
		"accepted":                 {"250 ok|250 ok", false, verdict.Rcpt, 250, "", true},
		"mail refused":             {"550 5.7.1 you|503 no", false, verdict.Mail, 550, "", true},
		"mail refused, rcpt taken": {"550 5.7.1 you|250 ok", false, verdict.Mail, 550, "", true},
		"mail refused, then gone":  {"550 5.7.1 you", true, verdict.Mail, 550, "", false},
		"mail 3xx":                 {"354 go|250 ok", false, verdict.Mail, 354, "", true},
		"421 at mail":              {"421 4.3.2 busy", false, verdict.Mail, 421, "", false},
		"521 at mail":              {"521 no mail here", false, verdict.Mail, 521, "", false},
		"421 at rcpt":              {"250 ok|421 enough", false, verdict.Rcpt, 421, "", false},
		"550, then 421":            {"250 ok|550 5.1.1 no|421 too many errors", false, verdict.Rcpt, 550, "", false},
		"gone at mail":             {"", true, verdict.Mail, 0, Lost, false},
		"gone at rcpt":             {"250 ok", true, verdict.Rcpt, 0, Lost, false},
		"silent":                   {"", false, verdict.Mail, 0, TimedOut, false},
		"silent at rcpt":           {"250 ok", false, verdict.Rcpt, 0, TimedOut, false},
		"one reply too many":       {"250 ok|250 ok|250 ok", false, verdict.Rcpt, 0, Protocol, false},
		"contradictory":            {"250 ok|550-no|250 yes", false, verdict.Rcpt, 0, Protocol, false},
		"NUL":                      {"250 ok|550 n\x00", false, verdict.Rcpt, 0, Protocol, false},
		"code 199":                 {"250 ok|199 x", false, verdict.Rcpt, 0, Protocol, false},
		"code 600":                 {"250 ok|600 x", false, verdict.Rcpt, 0, Protocol, false},
		"no code":                  {"250 ok|ok", false, verdict.Rcpt, 0, Protocol, false},
		"long line":                {"250 ok|550 " + strings.Repeat("x", 2048), false, verdict.Rcpt, 0, Protocol, false},
		"many lines":               {"250 ok" + strings.Repeat("|550-x", 129) + "|550 x", false, verdict.Rcpt, 0, Protocol, false},
		"long reply":               {"250 ok" + strings.Repeat("|550-"+strings.Repeat("x", 1000), 17) + "|550 x", false, verdict.Rcpt, 0, Protocol, false},
	} {
		t.Run(name, func(t *testing.T) {
			probing(t, func(t *testing.T, p *Prober) {
				s := open(t, p)
				got := s.Ask(t.Context(), addr(t, "a@x.test"))
				if got.Stage != c.stage || got.Reply.Code != c.code && c.failure == "" || got.Failure != c.failure {
					t.Errorf("got %+v", got)
				}
				if s.Usable() != c.usable {
					t.Errorf("usable %v", s.Usable())
				}
				s.Close(t.Context())
			}, func(p *peer) {
				p.hello()
				p.expect(flightA)
				if c.replies != "" {
					p.say(c.replies)
				}
				if c.hangUp {
					return
				}
				if c.usable {
					p.bye()
					return
				}
				p.expectNone()
			})
		})
	}
}

func TestCutLine(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		s := open(t, p)
		if got := s.Ask(t.Context(), addr(t, "a@x.test")); got.Stage != verdict.Rcpt || got.Failure != Protocol {
			t.Errorf("got %+v", got)
		}
		s.Close(t.Context())
	}, func(p *peer) {
		p.hello()
		p.expect(flightA)
		p.raw("250 ok\r\n550 5.1.1 no such")
	})
}

// TestUnsolicited has the peer speak between transactions.
func TestUnsolicited(t *testing.T) {
	for words, want := range map[string]struct {
		failure Failure
		code    int
	}{
		"250 ok":                  {Protocol, 0},
		"421 4.4.2 idle too long": {NoFailure, 421},
		"421":                     {NoFailure, 421},
		"":                        {Lost, 0},
	} {
		t.Run(words, func(t *testing.T) {
			script := func(p *peer) {
				p.hello()
				p.expect(flightA)
				p.say("250 ok|250 ok")
				time.Sleep(time.Second)
				if words != "" {
					p.say(words)
					p.expectNone()
				}
			}
			probing(t, func(t *testing.T, p *Prober) {
				s := open(t, p)
				s.Ask(t.Context(), addr(t, "a@x.test"))
				if !s.Quiet() {
					t.Error("not quiet at first")
				}
				time.Sleep(2 * time.Second)
				got := s.Ask(t.Context(), addr(t, "b@x.test"))
				if got.Stage != verdict.Mail || got.Failure != want.failure || want.failure == "" && got.Reply.Code != want.code {
					t.Errorf("got %+v", got)
				}
				s.Close(t.Context())
				s = open(t, p)
				s.Ask(t.Context(), addr(t, "a@x.test"))
				time.Sleep(2 * time.Second)
				if s.Quiet() || s.Usable() {
					t.Error("Quiet heard nothing")
				}
				s.Close(t.Context())
			}, script, script)
		})
	}
}

func TestRefusedReset(t *testing.T) {
	for _, ext := range []string{"PIPELINING", "NOPIPE"} {
		probing(t, func(t *testing.T, p *Prober) {
			s := open(t, p)
			s.Ask(t.Context(), addr(t, "a@x.test"))
			if got := s.Ask(t.Context(), addr(t, "b@x.test")); got.Failure != Protocol || s.Usable() {
				t.Errorf("got %+v", got)
			}
			s.Close(t.Context())
		}, func(p *peer) {
			p.say("220 x")
			p.expect("EHLO out.test")
			p.say("250-x|250 " + ext)
			if ext == "PIPELINING" {
				p.expect(flightA)
				p.say("250 ok|250 ok")
				p.expect("RSET|" + "MAIL FROM:<v@out.test>|RCPT TO:<b@x.test>")
				p.say("502 what|250 ok|550 5.1.1 no")
			} else {
				p.expect("MAIL FROM:<v@out.test>")
				p.say("250 ok")
				p.expect("RCPT TO:<a@x.test>")
				p.say("250 ok")
				p.expect("RSET")
				p.say("502 what")
			}
			p.expectNone()
		})
	}
}

func TestSMTPUTF8(t *testing.T) {
	for _, offered := range []bool{true, false} {
		probing(t, func(t *testing.T, p *Prober) {
			s := open(t, p)
			got := s.Ask(t.Context(), addr(t, "jürgen@x.test"))
			if offered && got.Reply.Code != 250 || !offered && got.Failure != NoSMTPUTF8 || !s.Usable() {
				t.Errorf("offered %v: %+v", offered, got)
			}
			s.Ask(t.Context(), addr(t, "a@x.test"))
			s.Close(t.Context())
		}, func(p *peer) {
			if offered {
				p.hello("8BITMIME", "smtputf8", "SIZE 1000", "DSN")
				p.expect("MAIL FROM:<v@out.test> SMTPUTF8|RCPT TO:<jürgen@x.test>")
				p.say("250 ok|250 ok")
				p.expect("RSET|" + flightA)
				p.say("250 ok")
			} else {
				p.hello("8BITMIME", "SIZE 1000", "DSN")
				p.expect(flightA)
			}
			p.say("250 ok|250 ok")
			p.bye()
		})
	}
}

func TestNullSenderAndQuotedRecipient(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		r := request(t)
		r.Sender = address.Address{}
		s, _, _ := p.Open(t.Context(), r)
		s.Ask(t.Context(), addr(t, `"a..b> NOTIFY=NEVER"@x.test`))
		s.Close(t.Context())
	}, func(p *peer) {
		p.hello()
		p.expect(`MAIL FROM:<>|RCPT TO:<"a..b> NOTIFY=NEVER"@x.test>`)
		p.say("250 ok|250 ok")
		p.bye()
	})
}

// TestManyAsks runs into the bound on a session: the session says in time
// that it is not usable, so that no answer is lost to the bound.
func TestManyAsks(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		s := open(t, p)
		n := 0
		for s.Usable() && n < 100 {
			if got := s.Ask(t.Context(), addr(t, "a@x.test")); got.Failure != "" {
				t.Fatalf("ask %d: %+v", n, got)
			}
			n++
		}
		if n < 5 || n == 100 {
			t.Errorf("%d asks", n)
		}
		s.Close(t.Context())
	}, func(p *peer) {
		p.hello()
		long := "|550 " + strings.Repeat("x", 2000)
		p.expect(flightA)
		p.say("250 ok" + long)
		for {
			line, err := p.br.ReadString('\n')
			switch {
			case err != nil:
				return
			case line == "QUIT\r\n":
				p.say("221 bye")
				return
			case strings.HasPrefix(line, "RCPT"):
				p.say("250 ok|250 ok" + long)
			}
		}
	})
}
