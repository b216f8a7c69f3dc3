package probe

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

const (
	// maxSession bounds what a peer may send on one connection, TLS records
	// included (docs/design.md, safety rule 10).
	maxSession = 64 << 10
	// firstBuffer is the size with which the read buffer begins: it holds
	// almost every reply, and ten thousand sessions may be open at tarpits.
	firstBuffer = 512
	// settleAfter is how long a connection must have been idle before it is
	// looked at for words nobody asked for, settleFor how long that look
	// takes.
	settleAfter = 100 * time.Millisecond
	settleFor   = time.Millisecond
	// maxEmptyReads is how often a connection may return nothing at all.
	maxEmptyReads = 100
)

// errEnded is what the library gets once the dialogue is over; the step that
// ended it is in the record.
var errEnded = errors.New("dialogue ended")

// errSessionCap ends a connection whose peer talks without end.
var errSessionCap = &reply.ProtocolError{What: "more than 64 KiB in one session"}

// sent is a command whose reply has not come.
type sent struct {
	stage   verdict.Stage
	command string
	at      time.Time
}

// guard is the connection of one dialogue. Its Write passes whole command
// lines of permitted verbs only; its Read hands out one strictly parsed reply
// for each command, in order, and nothing else. It records every step.
//
// It belongs to one goroutine, but for the poke of watch.
type guard struct {
	rec    *record
	raw    *meter   // what is closed and gets the deadlines, even below TLS
	conn   net.Conn // what carries the commands: raw, or TLS over it
	budget time.Time

	buf     []byte // read and not consumed
	waiting []sent // commands without reply; the greeting is one
	text    []byte // of the reply at hand, what the library has yet to read
	reached verdict.Stage
	active  time.Time // of the last exchange
	ended   bool

	mu       sync.Mutex // guards the deadline of raw against watch
	deadline time.Time
	poked    error // why watch broke off
}

func newGuard(rec *record, conn net.Conn, budget time.Time) *guard {
	raw := &meter{Conn: conn, left: maxSession}
	now := time.Now()
	return &guard{
		rec: rec, raw: raw, conn: raw, budget: budget, reached: verdict.Connect, active: now,
		waiting: []sent{{stage: verdict.Connect, at: now}},
	}
}

// watch breaks off any wait on the connection when ctx ends. The returned
// function ends the watch and waits for it.
func (g *guard) watch(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(done)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.poked = ctx.Err()
		g.raw.SetDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection waits for nothing
	})
	return func() {
		if cancel() {
			return
		}
		<-done
		g.mu.Lock()
		defer g.mu.Unlock()
		g.poked = nil
	}
}

// SetDeadline arms the connection; the session's budget and a poke go before
// what is asked, and no deadline means the budget.
func (g *guard) SetDeadline(t time.Time) error {
	if t.IsZero() || t.After(g.budget) {
		t = g.budget
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deadline = t
	if g.poked != nil {
		return nil
	}
	return g.raw.SetDeadline(t)
}

// glance runs f under a short deadline of its own.
func (g *guard) glance(d time.Duration, f func() error) error {
	g.mu.Lock()
	before := g.deadline
	g.mu.Unlock()
	g.within(d)
	defer g.SetDeadline(before) //nolint:errcheck // as in within
	return f()
}

// SetReadDeadline and SetWriteDeadline do not tell the directions apart.
func (g *guard) SetReadDeadline(t time.Time) error { return g.SetDeadline(t) }

// SetWriteDeadline is SetDeadline.
func (g *guard) SetWriteDeadline(t time.Time) error { return g.SetDeadline(t) }

// within arms the connection for a wait of at most d.
func (g *guard) within(d time.Duration) {
	g.SetDeadline(time.Now().Add(d)) //nolint:errcheck // the read or write that follows says it
}

// LocalAddr returns our end of the connection.
func (g *guard) LocalAddr() net.Addr { return g.raw.LocalAddr() }

// RemoteAddr returns the peer's end.
func (g *guard) RemoteAddr() net.Addr { return g.raw.RemoteAddr() }

// Close does nothing: the library closes a connection whose greeting it does
// not like, and we still want to say QUIT. shut closes.
func (g *guard) Close() error { return nil }

// shut closes the raw connection, not the TLS layer over it, which would
// wait for a stalled peer to take its last alert.
func (g *guard) shut() {
	g.ended = true
	g.raw.Close() //nolint:errcheck // nothing was promised to the peer
}

// Write sends command lines in one segment: each whole, each of a permitted
// verb, none while the peer has said something unasked. Anything else closes
// the connection.
func (g *guard) Write(p []byte) (int, error) {
	if g.ended {
		return 0, errEnded
	}
	lines, err := commands(p)
	if err != nil {
		g.rec.add(Step{Stage: g.reached, Failure: Protocol, Detail: err.Error(), At: time.Now()})
		g.shut()
		return 0, err
	}
	if len(g.waiting) > 0 {
		g.fail(g.waiting[0], &reply.ProtocolError{What: "command before the reply to the last one"})
		return 0, errEnded
	}
	now := time.Now()
	for i := range lines {
		lines[i].stage = cmp.Or(lines[i].stage, g.reached)
	}
	if !g.settled(sent{lines[0].stage, lines[0].text, now}) {
		return 0, errEnded
	}
	g.text = nil
	for _, l := range lines {
		g.waiting = append(g.waiting, sent{l.stage, l.text, now})
	}
	if n, err := g.conn.Write(p); err != nil {
		g.fail(g.waiting[0], err)
		return n, errEnded
	}
	return len(p), nil
}

// settled reports that the peer has said nothing unasked. If it has, the
// command that was to be sent has failed; a 421, which a server may say at any
// time, becomes its reply (RFC 5321 section 3.8).
func (g *guard) settled(next sent) bool {
	if len(g.buf) == 0 && next.at.Sub(g.active) < settleAfter {
		return true
	}
	if len(g.buf) == 0 {
		err := g.glance(settleFor, g.fill)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && g.pokedBy() == nil:
			return true
		case err != nil:
			g.fail(next, err)
			return false
		}
	}
	if r, ok := g.farewell(); ok {
		g.end(Step{Stage: next.stage, Command: next.command, Reply: r, At: next.at})
		return false
	}
	g.fail(next, &reply.ProtocolError{What: "unsolicited reply"})
	return false
}

// surplus looks at what came behind the last reply that was due. Anything but
// a farewell makes it doubtful which reply belongs to which command, so that
// the step is a failure instead.
func (g *guard) surplus(last Step) Step {
	if len(g.buf) == 0 || g.ended {
		return last
	}
	if r, ok := g.farewell(); ok {
		g.end(Step{Stage: last.Stage, Reply: r, At: time.Now()})
		return last
	}
	return g.fail(sent{last.Stage, last.Command, last.At}, &reply.ProtocolError{What: "more replies than commands"})
}

// farewell reads what has come unasked and reports whether it is a 421.
func (g *guard) farewell() (r reply.Reply, ok bool) {
	if !bytes.HasPrefix(g.buf, []byte("421")) {
		return r, false
	}
	err := g.glance(settleAfter, func() (err error) {
		r, err = g.parse()
		return err
	})
	return r, err == nil
}

// Read hands out the reply to the oldest command, in a form that the library
// cannot misread; without one it fails.
func (g *guard) Read(p []byte) (int, error) {
	if len(g.text) == 0 {
		if len(g.waiting) == 0 || g.ended {
			return 0, errEnded
		}
		s := g.next()
		if s.Failure != NoFailure {
			return 0, errEnded
		}
		g.text = forLibrary(s)
	}
	n := copy(p, g.text)
	g.text = g.text[n:]
	return n, nil
}

// next waits for the reply to the oldest command and records it. The caller
// has armed the deadline.
func (g *guard) next() Step {
	w := g.waiting[0]
	r, err := g.parse()
	if err != nil {
		return g.fail(w, err)
	}
	g.waiting = g.waiting[1:]
	g.active = time.Now()
	s := Step{Stage: w.stage, Command: w.command, Reply: r, At: w.at, Took: g.active.Sub(w.at)}
	g.reached = s.Stage
	if s.Ends() {
		return g.end(s)
	}
	return g.rec.add(s)
}

// fail ends the dialogue with a failure of the command.
func (g *guard) fail(w sent, err error) Step {
	f, detail := g.failure(err)
	return g.end(Step{Stage: w.stage, Command: w.command, Failure: f, Detail: detail, At: w.at, Took: time.Since(w.at)})
}

func (g *guard) end(s Step) Step {
	g.shut()
	return g.rec.add(s)
}

// failure gives an I/O error its name.
func (g *guard) failure(err error) (Failure, string) {
	var pe *reply.ProtocolError
	var ne net.Error
	switch poke := g.pokedBy(); {
	case errors.Is(poke, context.Canceled):
		return Canceled, ""
	case poke != nil:
		return TimedOut, "budget of the session"
	case errors.As(err, &pe):
		return Protocol, printable(pe.What)
	case errors.As(err, &ne) && ne.Timeout():
		if !time.Now().Before(g.budget) {
			return TimedOut, "budget of the session"
		}
		return TimedOut, ""
	case errors.Is(err, io.EOF):
		return Lost, "closed by the peer"
	}
	return Lost, printable(err.Error())
}

func (g *guard) pokedBy() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.poked
}

// parse reads one whole reply.
func (g *guard) parse() (reply.Reply, error) {
	var p reply.Parser
	for {
		line, err := g.line()
		if err != nil {
			return reply.Reply{}, err
		}
		done, err := p.Line(line)
		if err != nil {
			return reply.Reply{}, err
		}
		if done {
			return p.Reply(), nil
		}
	}
}

// line returns the next line without its end, CRLF or a bare LF. It is valid
// until the next call. A line cut short by the end of the connection is none:
// half a reply must not become a verdict.
func (g *guard) line() ([]byte, error) {
	for seen := 0; ; {
		for i, c := range g.buf[seen:] {
			if c != '\n' {
				continue
			}
			line := g.buf[:seen+i]
			g.buf = g.buf[seen+i+1:]
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			return line, nil
		}
		seen = len(g.buf)
		if seen >= reply.MaxLine {
			return nil, &reply.ProtocolError{What: fmt.Sprintf("line longer than %d octets", reply.MaxLine)}
		}
		if err := g.fill(); err != nil {
			if errors.Is(err, io.EOF) && seen > 0 {
				return nil, &reply.ProtocolError{What: "reply cut in mid-line"}
			}
			return nil, err
		}
	}
}

// fill reads more, growing the buffer up to one longest line.
func (g *guard) fill() error {
	if len(g.buf) == cap(g.buf) {
		size := max(firstBuffer, min(2*len(g.buf), reply.MaxLine))
		g.buf = append(make([]byte, 0, size), g.buf...)
	}
	for range maxEmptyReads {
		n, err := g.conn.Read(g.buf[len(g.buf):cap(g.buf)])
		g.buf = g.buf[:len(g.buf)+n]
		if n > 0 {
			return nil // an error comes again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// meter bounds what is read from a connection.
type meter struct {
	net.Conn
	left int
}

// Read fails once the bound is reached.
func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errSessionCap
	}
	n, err := m.Conn.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}
