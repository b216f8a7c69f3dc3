package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"

	"rcptgate/verify/mx"
	"rcptgate/verify/verdict"
)

// Open connects and greets up to and including EHLO, or HELO where EHLO is
// not known. Where STARTTLS is offered it is used, unverified, as all mail
// between MXs is; TLS that breaks costs one new connection in plain text, and
// Transcript.TLSError says why.
//
// On success s is not nil and must be closed. On failure s is nil,
// everything is closed, and last is the step that failed: a refusing reply or
// a failure. ctx bounds Open only; r.Timeout the session.
func (p *Prober) Open(ctx context.Context, r *Request) (s *Session, t *Transcript, last Step) {
	now := time.Now()
	rec := newRecord(r, now)
	a := attempt{p: p, r: r, rec: rec, budget: now.Add(cmp.Or(r.Timeout, defaultDialogue))}
	s, last = a.run(ctx, true)
	if s == nil && a.tlsBroken && ctx.Err() == nil && time.Now().Before(a.budget) {
		s, last = a.run(ctx, false)
	}
	if s == nil {
		rec.end()
	}
	return s, rec.snapshot(), last
}

// attempt is one try to open a session, twice at most.
type attempt struct {
	p         *Prober
	r         *Request
	rec       *record
	budget    time.Time
	tlsBroken bool
}

// run connects and greets.
func (a *attempt) run(ctx context.Context, useTLS bool) (*Session, Step) {
	g, last := a.connect(ctx)
	if g == nil {
		return nil, last
	}
	stop := g.watch(ctx)
	defer stop()
	s := &Session{g: g, p: a.p, sender: a.r.Sender, most: max(1, a.r.RcptsPerTransaction)}
	ok, offered := s.greet(a.r.Source.HELO)
	if ok && offered && useTLS {
		ok = a.startTLS(s)
	}
	if ok {
		return s, Step{}
	}
	last = a.rec.last()
	s.quit()
	g.shut()
	return nil, last
}

// connect dials and returns the guarded connection.
func (a *attempt) connect(ctx context.Context) (*guard, Step) {
	at := time.Now()
	refuse := func(f Failure, detail string) (*guard, Step) {
		return nil, a.rec.add(Step{Stage: verdict.Connect, Failure: f, Detail: printable(detail), At: at, Took: time.Since(at)})
	}
	if h := a.r.Source.HELO; h == "" || strings.ContainsAny(h, " \t\r\n") {
		return refuse(LocalTrouble, fmt.Sprintf("%q is no name to greet with", h))
	}
	deadline := at.Add(a.p.o.Connect)
	if deadline.After(a.budget) {
		deadline = a.budget
	}
	dctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	a.rec.update(func(t *Transcript) { t.Connects++ })
	dst := netip.AddrPortFrom(a.r.Target.Addr, uint16(cmp.Or(a.r.Port, defaultPort)))
	conn, err := a.p.o.Dial(dctx, a.r.Source.IP, dst)
	if err != nil {
		var ne net.Error
		switch {
		case errors.Is(ctx.Err(), context.Canceled):
			return refuse(Canceled, "")
		case mx.OurTrouble(err):
			return refuse(LocalTrouble, err.Error())
		case errors.Is(err, syscall.ECONNREFUSED):
			return refuse(ConnectRefused, err.Error())
		case dctx.Err() != nil, errors.As(err, &ne) && ne.Timeout():
			return refuse(ConnectTimeout, err.Error())
		}
		return refuse(ConnectFailed, err.Error())
	}
	if l, ok := conn.LocalAddr().(*net.TCPAddr); ok {
		a.rec.update(func(t *Transcript) { t.LocalIP = l.AddrPort().Addr().Unmap() })
	}
	return newGuard(a.rec, conn, a.budget), Step{}
}

// greet lets the library read the greeting and say EHLO or HELO. Where that
// fails the last step of the record says why. tlsOffered is for plain text.
func (s *Session) greet(helo string) (ok, tlsOffered bool) {
	c := smtp.NewClient(s.g)
	c.CommandTimeout = s.p.o.Command
	if err := c.Hello(helo); err != nil {
		s.g.misfit()
		return false, false
	}
	s.pipelining, _ = c.Extension("PIPELINING")
	s.utf8, _ = c.Extension("SMTPUTF8")
	tlsOffered, _ = c.Extension("STARTTLS")
	return true, tlsOffered
}

// misfit turns a reply that refuses nothing, but is not the one that had to
// come (220 to the connection, 250 to EHLO), into a failure.
func (g *guard) misfit() {
	last := g.rec.last()
	if last.Failure == NoFailure && last.Reply.Code < 400 {
		g.end(Step{
			Stage: last.Stage, Command: last.Command, Failure: Protocol, At: last.At, Took: last.Took,
			Detail: fmt.Sprintf("unexpected code %d", last.Reply.Code),
		})
	}
}

// startTLS negotiates TLS and greets again under it (RFC 3207). A server that
// offers STARTTLS and then refuses it politely is asked in plain text on the
// same connection; false means that this connection is of no more use.
func (a *attempt) startTLS(s *Session) bool {
	g := s.g
	give := func(why string) {
		a.rec.update(func(t *Transcript) { t.TLS, t.TLSError = "", printable(why) })
	}
	g.within(a.p.o.Command)
	step := g.say("STARTTLS")
	switch {
	case step.Failure == Canceled:
		return false
	case step.Failure != NoFailure:
		give(fmt.Sprintf("STARTTLS: %s %s", step.Failure, step.Detail))
		a.tlsBroken = true
		return false
	case step.Reply.Code != 220:
		give(fmt.Sprintf("STARTTLS: %d %s", step.Reply.Code, step.Reply.Text()))
		a.tlsBroken = step.Ends()
		return !step.Ends()
	}
	at := time.Now()
	err := a.handshake(g)
	if err == nil {
		if ok, _ := s.greet(a.r.Source.HELO); ok {
			return true
		}
		last := a.rec.last()
		if last.Failure == NoFailure || last.Failure == Canceled {
			return false // EHLO refused in TLS is a refusal
		}
		err = fmt.Errorf("%s %s", last.Failure, last.Detail)
	} else {
		f := TLSFailed
		if errors.Is(g.pokedBy(), context.Canceled) {
			f = Canceled
		}
		g.end(Step{Stage: verdict.StartTLS, Failure: f, Detail: printable(err.Error()), At: at, Took: time.Since(at)})
	}
	give(err.Error())
	a.tlsBroken = true
	return false
}

// handshake puts TLS between the guard and the connection. The certificate is
// not verified: plain text would be the alternative, not another host.
func (a *attempt) handshake(g *guard) error {
	if len(g.buf) > 0 {
		// What comes in plain text behind the 220 may be injected
		// (RFC 3207 section 4.2 has both sides discard what they knew).
		return errors.New("plain text after the reply to STARTTLS")
	}
	conf := &tls.Config{
		InsecureSkipVerify: true, MinVersion: tls.VersionTLS10,
		ServerName: a.r.Target.Host.Name,
	}
	g.within(a.p.o.Command)
	conn := tls.Client(g.raw, conf)
	if err := conn.Handshake(); err != nil {
		return err
	}
	name := strings.Replace(tls.VersionName(conn.ConnectionState().Version), "TLS ", "TLSv", 1)
	a.rec.update(func(t *Transcript) { t.TLS = name })
	g.conn, g.active = conn, time.Now()
	// No greeting comes in TLS, but the library begins with one.
	g.text = []byte("220 TLS\r\n")
	return nil
}
