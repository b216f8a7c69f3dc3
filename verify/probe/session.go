package probe

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// Session is one open dialogue. It belongs to one goroutine at a time;
// Transcript may be called from any.
type Session struct {
	g          *guard
	p          *Prober
	sender     address.Address
	pipelining bool
	utf8       bool
	closed     bool

	most     int  // RCPTs of one transaction
	begun    bool // a transaction is open: RSET goes before the next
	rcpts    int  // of the open transaction
	declared bool // its MAIL has SMTPUTF8
}

// Ask asks about one recipient and returns the step that counts: the RCPT step
// after a 2xx to its MAIL, else the MAIL step, or what went wrong before. Where
// the open transaction has room the RCPT joins it, else RSET ends that one and
// a MAIL goes first. With PIPELINING all leaves in one segment (RFC 2920). An
// address that needs SMTPUTF8 where it is not offered is not asked: NoSMTPUTF8.
//
// After a Failure other than NoSMTPUTF8, a 421 or a 521 the session is no
// longer Usable. When ctx is canceled the step is Canceled.
func (s *Session) Ask(ctx context.Context, rcpt address.Address) Step {
	utf8 := rcpt.NeedsSMTPUTF8() || s.sender.NeedsSMTPUTF8()
	switch {
	case !s.alive():
		return Step{Stage: verdict.Mail, Failure: Lost, Detail: "the session has ended", At: time.Now()}
	case utf8 && !s.utf8:
		return s.g.rec.add(Step{Stage: verdict.Mail, Failure: NoSMTPUTF8, Detail: "SMTPUTF8 is not offered", At: time.Now()})
	}
	stop := s.g.watch(ctx)
	defer stop()
	lines := s.lines(rcpt, utf8)
	step := s.send(lines)
	if len(lines) == 1 && overfull(step) {
		// It speaks of the transaction, not of the recipient, who is asked again
		// in one of its own, as are all others from here on.
		s.most = 1
		step = s.send(s.lines(rcpt, utf8))
		step.Again = true
	}
	return step
}

func (s *Session) send(lines []string) Step {
	if s.pipelining {
		return s.flight(lines)
	}
	return s.oneByOne(lines)
}

// overfull reports a reply that may mean that the transaction takes no further
// RCPT: 452 (RFC 5321 section 4.5.3.1.10), 503 for one that the server has
// ended, or a fault of the protocol, X.5.3 among them (RFC 3463 section 3.6).
func overfull(step Step) bool {
	r := step.Reply
	return step.Failure == NoFailure && r.Code >= 400 && !step.Ends() &&
		(r.Code == 452 || r.Code == 503 || r.Enhanced.Subject == 5)
}

// lines are the commands that ask about a recipient now, the last being its
// RCPT, which they count.
func (s *Session) lines(rcpt address.Address, utf8 bool) []string {
	mail, to := mailCommand(s.sender, utf8), rcptCommand(rcpt)
	joins := s.begun && s.rcpts < s.most && (s.declared || !utf8)
	if joins {
		s.rcpts++
		return []string{to}
	}
	s.rcpts, s.declared = 1, utf8
	if s.begun {
		return []string{"RSET", mail, to}
	}
	return []string{mail, to}
}

// flight sends all lines in one segment and reads all replies. A server may
// hold the early ones back until it has worked through the group (RFC 2920
// section 3.2), so one wait covers them all.
func (s *Session) flight(lines []string) Step {
	s.g.within(s.p.o.Rcpt)
	if _, err := s.g.Write([]byte(strings.Join(lines, "\r\n") + "\r\n")); err != nil {
		return s.g.rec.last()
	}
	var counts Step
	refused := false
	for range lines {
		step := s.g.next()
		if !refused {
			counts = step
		}
		if step.Ends() {
			return s.reset(counts)
		}
		refused = refused || s.refuses(step)
	}
	return s.reset(s.g.surplus(counts))
}

// oneByOne sends each line after the reply to the one before.
func (s *Session) oneByOne(lines []string) (step Step) {
	for i, line := range lines {
		d := s.p.o.Command
		if i == len(lines)-1 {
			d = s.p.o.Rcpt
		}
		s.g.within(d)
		step = s.g.say(line)
		if step.Ends() || s.refuses(step) {
			break
		}
	}
	return s.reset(s.g.surplus(step))
}

// refuses notes what a reply before RCPT means for the transaction and
// reports whether it ends it.
func (s *Session) refuses(step Step) bool {
	if step.Stage != verdict.Mail {
		return false
	}
	positive := step.Reply.Code/100 == 2
	s.begun = positive && step.Command != "RSET"
	return !positive
}

// reset makes a refused RSET a failure: it has no other reply than 250
// (RFC 5321 section 4.3.2), and the code is not about the next address.
func (s *Session) reset(step Step) Step {
	if step.Command != "RSET" || step.Ends() {
		return step
	}
	w := sent{step.Stage, step.Command, step.At}
	return s.g.fail(w, &reply.ProtocolError{What: fmt.Sprintf("RSET answered %d", step.Reply.Code)})
}

// say sends one command and waits for its reply as long as the guard is armed.
func (g *guard) say(line string) Step {
	if _, err := g.Write([]byte(line + "\r\n")); err != nil {
		return g.rec.last()
	}
	return g.next()
}

// alive reports whether the connection can carry another command.
func (s *Session) alive() bool { return !s.closed && !s.g.ended }

// Usable reports whether another address can be asked: the dialogue has not
// ended and there is room for a longest reply within the bound on a session.
func (s *Session) Usable() bool {
	return s.alive() && s.g.raw.left >= 2*reply.MaxBytes
}

// Quiet looks whether the peer has kept quiet and not hung up since the last
// reply, in a millisecond; false means that the session is not Usable any
// more. It is for sessions that have been idle; Ask looks by itself.
func (s *Session) Quiet() bool {
	return s.Usable() && s.g.settled(sent{stage: s.g.reached, at: time.Now()})
}

// Transcript returns a copy of the dialogue so far.
func (s *Session) Transcript() *Transcript { return s.g.rec.snapshot() }

// Close says QUIT where the dialogue has not ended, waits briefly for its
// reply, and closes the connection. It may be called twice and after a
// failure. It returns the final transcript. When ctx ends it waits no longer.
func (s *Session) Close(ctx context.Context) *Transcript {
	if !s.closed {
		if ctx.Err() == nil {
			stop := s.g.watch(ctx)
			s.quit()
			stop()
		}
		s.closed = true
		s.g.shut()
		s.g.rec.end()
	}
	return s.g.rec.snapshot()
}

// quit says QUIT and waits for its reply. What comes, or does not, is recorded
// and means nothing.
func (s *Session) quit() {
	if s.g.ended {
		return
	}
	s.g.within(s.p.o.Quit)
	s.g.say("QUIT")
}
