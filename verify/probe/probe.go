// Package probe asks one MX host about recipients and reports what was said:
// greeting, EHLO, STARTTLS, and then MAIL and RCPT for each address, in
// transactions that end before DATA.
//
// It refuses to judge: a Step holds the reply as it came, or a Failure where
// none came; what either means is for others. It refuses to deliver: all
// commands leave through a guard that passes only EHLO, HELO, STARTTLS, MAIL,
// RCPT, RSET, NOOP and QUIT (docs/design.md, safety rule 1), and that bounds
// what a peer may send (rule 10).
//
// Greeting, EHLO and the parsing of extensions are those of the go-smtp
// client, which the guard hands one strictly parsed reply at a time, so that
// it can neither be flooded nor get out of step. The flight of MAIL and RCPT
// and QUIT (which that client will not say after a refused greeting) go over
// the same guard, and the client with its buffers is dropped once it has
// greeted.
//
// RFC 5321 (SMTP), RFC 2920 (PIPELINING), RFC 3207 (STARTTLS), RFC 6531
// (SMTPUTF8), RFC 7504 (521).
package probe

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// Source is one egress identity.
type Source struct {
	IP   netip.Addr // zero: the kernel chooses
	HELO string     // our name in EHLO and HELO; required
}

// Failure says what happened where no (usable) reply came.
type Failure string

// The failures. NoFailure means that there is a Reply.
const (
	NoFailure      Failure = ""
	ConnectRefused Failure = "connect_refused"
	ConnectTimeout Failure = "connect_timeout"
	ConnectFailed  Failure = "connect_failed" // no route, network down
	LocalTrouble   Failure = "local_trouble"  // no socket of ours: nobody else has to do with it
	Lost           Failure = "lost"           // end of file or reset
	TimedOut       Failure = "timeout"
	Protocol       Failure = "protocol_error" // what no SMTP server may say
	TLSFailed      Failure = "tls_failed"     // and no time was left for plain text
	NoSMTPUTF8     Failure = "smtputf8_unsupported"
	Canceled       Failure = "canceled"
)

// Step is one thing we did and what came back. Exactly one of Reply and
// Failure is meaningful.
type Step struct {
	// Stage is where in the dialogue it happened. RSET counts as Mail; QUIT
	// bears the stage that had been reached.
	Stage   verdict.Stage
	Command string // printable, as sent, without line end; empty for the greeting and unsolicited replies
	Reply   reply.Reply
	Failure Failure
	Detail  string    // printable, says more about a Failure
	At      time.Time // when the command was sent
	Took    time.Duration
	// Again: the RCPT was sent twice, because the transaction that it joined
	// took no more.
	Again bool
}

// Ends reports a step after which nothing more can be asked on the
// connection: a failure of the dialogue, or a 421 (RFC 5321 section 3.8) or
// 521 (RFC 7504) at any stage.
func (s Step) Ends() bool {
	switch s.Failure {
	case NoFailure:
		return s.Reply.Code == 421 || s.Reply.Code == 521
	case NoSMTPUTF8:
		return false
	case ConnectRefused, ConnectTimeout, ConnectFailed, LocalTrouble, Lost, TimedOut, Protocol, TLSFailed, Canceled:
		return true
	}
	return true
}

// Transcript is the whole dialogue so far; a copy.
type Transcript struct {
	Target   Target
	Source   Source
	LocalIP  netip.Addr // the address the connection really came from
	Sender   address.Address
	TLS      string // such as "TLSv1.3"; empty in plain text
	TLSError string // why TLS was given up, if it was; printable
	// Connects counts the connections made: 2 after broken TLS.
	Connects int
	Started  time.Time
	Took     time.Duration
	Steps    []Step
}

// Target is the host and address to ask.
type Target = mx.Target

// Request names a host and the identity to use.
type Request struct {
	Target Target
	Port   int // zero: 25
	Source Source
	Sender address.Address // zero: null reverse-path
	// Timeout ends the whole session, from connect to QUIT. Zero: 60 s.
	Timeout time.Duration
	// RcptsPerTransaction is how many RCPTs may follow one MAIL. Zero: 1.
	RcptsPerTransaction int
}

// Options of a Prober. Zero fields mean the documented defaults.
type Options struct {
	// Dial connects from src, when that is valid, to dst; nil: a net.Dialer.
	Dial func(ctx context.Context, src netip.Addr, dst netip.AddrPort) (net.Conn, error)
	// Connect bounds the TCP connection (10 s), Command the greeting, EHLO,
	// STARTTLS with its handshake, RSET and MAIL each (15 s), Rcpt a RCPT or
	// a whole flight that ends in one (45 s), Quit the wait for the last
	// reply (2 s). The session's Timeout bounds them all.
	Connect, Command, Rcpt, Quit time.Duration
}

const (
	defaultPort     = 25
	defaultDialogue = 60 * time.Second
	defaultConnect  = 10 * time.Second
	defaultCommand  = 15 * time.Second
	defaultRcpt     = 45 * time.Second
	defaultQuit     = 2 * time.Second
)

// Prober opens dialogues. It holds no state and is safe for concurrent use.
type Prober struct{ o Options }

// New returns a Prober.
func New(o Options) *Prober {
	if o.Dial == nil {
		o.Dial = dial
	}
	o.Connect = cmp.Or(o.Connect, defaultConnect)
	o.Command = cmp.Or(o.Command, defaultCommand)
	o.Rcpt = cmp.Or(o.Rcpt, defaultRcpt)
	o.Quit = cmp.Or(o.Quit, defaultQuit)
	return &Prober{o: o}
}

// dial connects, bound to src where that is valid; the port is the kernel's
// choice. Keep-alives are off: no dialogue lives long enough to need one.
func dial(ctx context.Context, src netip.Addr, dst netip.AddrPort) (net.Conn, error) {
	d := net.Dialer{KeepAlive: -1}
	if !src.IsValid() { // DialTCP would bind all the same, and look for a port that is free for all peers
		return d.DialContext(ctx, "tcp", dst.String())
	}
	c, err := d.DialTCP(ctx, "tcp", netip.AddrPortFrom(src, 0), dst)
	if err != nil {
		return nil, err // not a nil *net.TCPConn inside the interface
	}
	return c, nil
}
