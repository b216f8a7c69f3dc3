// Package milter is the front door for the milter protocol of Postfix and
// Sendmail: it asks the policy about each recipient whose {rcpt_mailer} is one
// of the configured mailers, and answers the RCPT, or the whole message at its
// end, with continue or a one-line SMTP reply.
//
// It never accepts, discards or quarantines a message, never sends progress,
// changes nothing in a message (but removes recipients where on_partial =
// "delete" asks for it), and judges nothing by itself. Without a {rcpt_mailer}
// nobody is asked: the recipient may be local. Sessions that Postfix's cleanup
// service simulates for mail from sendmail(1) lack it; sendmail(1) of Sendmail
// submits by SMTP and is judged like any client.
//
// The protocol is libmilter's version 2, with the macro list of version 6
// where it is offered. github.com/emersion/go-milter reads and writes it behind
// a guarded connection (guard.go), since the library neither reads the MTA's
// offer nor limits, orders or times what it reads. SMTP replies follow RFC 5321
// section 4.2 and RFC 3463.
package milter

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"

	gomilter "github.com/emersion/go-milter"

	"rcptgate/policy"
)

// Decider is the policy (policy.Engine). Decide always returns a decision, and
// soon after ctx ends; EndMessage says that a transaction is over. Both are
// called from many goroutines.
type Decider interface {
	Decide(ctx context.Context, q policy.Query) policy.Decision
	EndMessage(instance string)
}

// What happens, with DecideEnd, to a message of which some recipients are
// refused and some are not.
const (
	Keep        = "keep"   // it goes to all
	RejectAll   = "reject" // it is refused
	DeleteSome  = "delete" // it goes to the others, and nobody is told
	defaultPart = Keep
)

// Settings of [milter]; immutable.
type Settings struct {
	Mailers   []string // {rcpt_mailer} values that lead out of this host
	DecideEnd bool     // decide = "end"
	OnPartial string   // keep | reject | delete
}

// Options of New. Decider, Settings and Logger are required.
type Options struct {
	Decider  Decider
	Settings func() Settings // read once per connection, and once per message
	Logger   *slog.Logger
	OnPanic  func() // called for each recovered panic; may be nil
}

// Server answers milter connections. It holds no goroutine of its own; each
// connection belongs to the caller of Handle.
type Server struct {
	o Options
}

// New returns a Server.
func New(o Options) (*Server, error) {
	if o.Decider == nil || o.Settings == nil || o.Logger == nil {
		return nil, errors.New("milter: Decider, Settings and Logger are required")
	}
	switch p := o.Settings().OnPartial; p {
	case "", Keep, RejectAll, DeleteSome:
	default:
		return nil, errors.New("milter: on_partial " + p)
	}
	if o.OnPanic == nil {
		o.OnPanic = func() {}
	}
	return &Server{o: o}, nil
}

// Handle serves one connection until the MTA hangs up, breaks the protocol or
// is silent for more than two hours. When ctx ends the connection is drained:
// it ends as soon as no message is under way, and a message under way is
// answered to its end. It closes conn, and every goroutine that it started has
// ended when it returns.
func (s *Server) Handle(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	// Decisions live as long as the MTA is there, not as long as ctx: a drain
	// does not disturb the message under way.
	work, gone := context.WithCancel(context.WithoutCancel(ctx))
	defer gone()
	g := newGuard(conn, s.o.Logger, s.removes(), gone)
	stop := context.AfterFunc(ctx, g.drain)
	defer stop()

	ss := &session{server: s, guard: g, ctx: work}
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		g.pump()
	}()
	// One library server for each connection: only so is a handler sure of its
	// connection. Serve starts the session's goroutine and returns when the
	// second Accept fails; the session ends by closing the guard.
	library := &gomilter.Server{
		NewMilter: func() gomilter.Milter { return ss },
		Actions:   gomilter.OptSetSymList | gomilter.OptRemoveRcpt, // the guard sends what was agreed
		Protocol:  unwanted,
	}
	if err := library.Serve(&single{conn: g}); !errors.Is(err, net.ErrClosed) {
		s.o.Logger.Error("milter library", "err", err)
	}
	<-g.closed
	gone()
	conn.Close() //nolint:errcheck // ends pump; the deferred one is for panics
	<-pumped
	ss.end()
}

// removes reports whether the settings may remove recipients, so that the
// right to do so is asked for and not more.
func (s *Server) removes() bool {
	st := s.o.Settings()
	return st.DecideEnd && st.OnPartial == DeleteSome
}

// judges reports whether recipients of the mailer are ours to judge.
func (st Settings) judges(mailer string) bool {
	return mailer != "" && slices.Contains(st.Mailers, mailer)
}

// single is a listener of one connection.
type single struct{ conn net.Conn }

// Accept returns the connection, then net.ErrClosed.
func (l *single) Accept() (net.Conn, error) {
	if l.conn == nil {
		return nil, net.ErrClosed
	}
	conn := l.conn
	l.conn = nil
	return conn, nil
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }
