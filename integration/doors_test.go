//go:build integration

package integration

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// outcome is what the near end must say to a recipient, and why.
type outcome struct {
	rcpt   string
	reply  string // prefix of the reply to RCPT
	reason string // in the audit line; alternatives divided by |
}

// askAll sends each recipient through a door, one session, one message, and
// compares replies and reasons.
func askAll(t *testing.T, d *daemon, addr string, cases []outcome) {
	t.Helper()
	c := dialSMTP(t, addr)
	c.want("250", c.cmd("MAIL FROM:<news@%s>", senderDomain))
	for _, o := range cases {
		before := d.lines(t)
		reply := c.cmd("RCPT TO:<%s>", o.rcpt)
		if !strings.HasPrefix(reply, o.reply) {
			t.Errorf("%s: reply %q, want %s", o.rcpt, reply, o.reply)
		}
		if o.reason != "" {
			if got := d.reasonAfter(t, before, o.rcpt); !slices.Contains(strings.Split(o.reason, "|"), got) {
				t.Errorf("%s: reason %s, want %s", o.rcpt, got, o.reason)
			}
		}
	}
	c.want("2", c.cmd("RSET"))
	c.want("221", c.cmd("QUIT"))
}

// TestCoreDoors sends recipients of every kind through each real near end.
func TestCoreDoors(t *testing.T) {
	w := begin(t)
	w.theFar(t)
	w.theExim(t)
	d := w.theGate(t)
	w.host("friendly.lab", lab.Host{Exists: users("alice"), SMTPUTF8: true})
	w.host("catchall.lab", lab.Host{CatchAll: true})
	w.host("greylisting.lab", lab.Host{Exists: users("alice"), Greylist: 5 * time.Minute})
	w.host("blocking.lab", lab.Host{Greeting: "554 5.7.1 127.0.0.1 is listed at bl.example.net"})
	w.lab.NullMX("nomail.lab")
	for _, door := range w.doors(t) {
		t.Run(door.name, func(t *testing.T) {
			askAll(t, d, door.addr, []outcome{
				{"unknown@users.far", "550 5.1.1", "mailbox_not_found"},
				{"alice@users.far", "250", "accepted|accept_unproven"},
				{"anybody@catchall.far", "250", "accept_all|accept_unproven"},
				{"alice@screened.far", "250", "probe_blocked|not_probed"},
				{"alice@grey.far", "250", "greylisted"},
				{"unknown@users.exim", "550 5.1.1", "mailbox_not_found"},
				{"alice@users.exim", "250", "accepted|accept_unproven"},
				{"anybody@catchall.exim", "250", "accept_all|accept_unproven"},
				{"unknown@friendly.lab", "550 5.1.1", "mailbox_not_found"},
				{"alice@friendly.lab", "250", "accepted|accept_unproven"},
				{"anybody@catchall.lab", "250", "accept_all|accept_unproven"},
				{"alice@greylisting.lab", "250", "greylisted"},
				{"alice@blocking.lab", "250", "probe_blocked|not_probed"},
				{"alice@nomail.lab", "55", "domain_no_mail"},
				{"alice@no-such-domain.lab", "55", "domain_not_found"},
			})
		})
	}
	// What is not ours to judge is passed.
	for _, door := range w.doors(t) {
		askAll(t, d, door.addr, []outcome{{"nobody@" + hostname, "250", ""}})
	}
}

// TestCoreFifty sends messages of 50 recipients, one by one and pipelined.
func TestCoreFifty(t *testing.T) {
	w := begin(t)
	d := w.theGate(t)
	for i, door := range w.doors(t) {
		t.Run(door.name, func(t *testing.T) {
			domain := fmt.Sprintf("fifty%d.lab", i)
			w.host(domain, lab.Host{Exists: func(local, _ string) bool { return strings.HasPrefix(local, "user") }})
			var rcpts, wants []string
			for n := range 50 {
				if n%5 == 0 {
					rcpts, wants = append(rcpts, fmt.Sprintf("gone%d@%s", n, domain)), append(wants, "550 5.1.1")
				} else {
					rcpts, wants = append(rcpts, fmt.Sprintf("user%d@%s", n, domain)), append(wants, "250")
				}
			}
			for _, pipelined := range []bool{false, true} {
				c := dialSMTP(t, door.addr)
				commands := []string{"MAIL FROM:<news@" + senderDomain + ">"}
				for _, r := range rcpts {
					commands = append(commands, "RCPT TO:<"+r+">")
				}
				var replies []string
				if pipelined {
					replies = c.flight(commands...)
				} else {
					for _, cmd := range commands {
						replies = append(replies, c.cmd("%s", cmd))
					}
				}
				for n, reply := range replies[1:] {
					if !strings.HasPrefix(reply, wants[n]) {
						t.Errorf("pipelined %t: %s: %q, want %s", pipelined, rcpts[n], reply, wants[n])
					}
				}
				c.want("250", c.message("fifty"))
				c.want("221", c.cmd("QUIT"))
			}
		})
	}
	if t.Failed() {
		t.Log(tail(d.log(), 20))
	}
}

// TestCoreSMTPUTF8 sends an address that needs SMTPUTF8 (RFC 6531), and one
// whose domain is internationalized.
func TestCoreSMTPUTF8(t *testing.T) {
	w := begin(t)
	near := w.theNear(t)
	d := w.theGate(t)
	w.host("utf8.lab", lab.Host{SMTPUTF8: true, Exists: users("jürgen")})
	w.host("ascii.lab", lab.Host{Exists: users("alice")})
	w.host("xn--mller-kva.lab", lab.Host{Exists: users("alice")})
	for _, addr := range []string{near.addr, near.viaMilter} {
		c := dialSMTP(t, addr)
		c.want("250", c.cmd("MAIL FROM:<news@%s> SMTPUTF8", senderDomain))
		c.want("250", c.cmd("RCPT TO:<jürgen@utf8.lab>"))
		c.want("550 5.1.1", c.cmd("RCPT TO:<hans-jürgen@utf8.lab>"))
		c.want("250", c.cmd("RCPT TO:<jürgen@ascii.lab>")) // smtputf8_unsupported says nothing about the mailbox
		c.want("250", c.cmd("RCPT TO:<alice@müller.lab>"))
		c.want("550 5.1.1", c.cmd("RCPT TO:<bob@müller.lab>"))
		c.want("221", c.cmd("QUIT"))
	}
	if got := d.reason(t, "jürgen@ascii.lab"); got != "smtputf8_unsupported" {
		t.Errorf("reason %s, want smtputf8_unsupported", got)
	}
}

// exNoUser is EX_NOUSER of sysexits.h: the submitter is told at once.
const exNoUser = 67

// TestCoreSendmailCommand submits with sendmail(1): under Postfix the mail does
// not come by SMTP and cannot be refused; under Sendmail it does and can.
func TestCoreSendmailCommand(t *testing.T) {
	w := begin(t)
	d := w.theGate(t)
	w.host("command.lab", lab.Host{Exists: users("alice")})
	// A Postfix whose owner ignored the advice and lists us for all mail.
	p := startPostfix(t, "nonsmtp", postfixOptions{addr: "127.0.0.1:2529", main: map[string]string{
		"non_smtpd_milters": "{ inet:" + d.milter + ", default_action=accept }",
		"defer_transports":  "smtp",
	}})
	for _, rcpt := range []string{"alice@command.lab", "unknown@command.lab"} {
		submit(t, "/usr/sbin/sendmail", "-C", p.path("etc"), "-f", "news@"+senderDomain, rcpt)
	}
	waitFor(t, "two messages in the queue\n"+tail(p.log(), 10), func() bool { return p.queued(t) == 2 })

	// Sendmail's mail submission program hands the mail to the daemon by SMTP:
	// one recipient is queued there, the refused one comes back as a bounce.
	s := w.theSendmail(t)
	before := s.queued(t)
	msp := writeMSP(t, s)
	submit(t, sendmailBinary, "-C", msp, "-f", "news@"+senderDomain, "alice@command.lab")
	cmd := exec.Command(sendmailBinary, "-C", msp, "-f", "news@"+senderDomain, "unknown@command.lab")
	cmd.Stdin = strings.NewReader("Subject: by command\n\nhello\n")
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != exNoUser {
		t.Errorf("sendmail(1): %v: %s", err, out)
	}
	waitFor(t, "a message and a bounce in the queue", func() bool { return s.queued(t) == before+2 })
	if bounces := s.grep(t, "550 5.1.1"); bounces != 1 {
		t.Errorf("%d bounces with the reply, want 1", bounces)
	}
}
