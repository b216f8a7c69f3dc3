// Package delegation is the front door for Postfix's policy delegation protocol:
// requests of name=value lines, one outstanding at a time on a lasting
// connection, each answered with one action (SMTPD_POLICY_README).
//
// It decides nothing and asks nobody: policy does. Only the RCPT state is handed
// on, because VRFY would let a client have addresses asked about without a
// transaction, and at DATA a single recipient can no longer be refused. What
// cannot be parsed is logged and disconnected without a reply.
package delegation

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"rcptgate/policy"
)

// Decider makes the decision; policy.Engine is one. It always returns, and never
// panics.
type Decider interface {
	Decide(ctx context.Context, q policy.Query) policy.Decision
}

// Options configure a Handler. Decider is required.
type Options struct {
	Decider Decider
	Logger  *slog.Logger // nil: no logs
}

const (
	// idleTimeout exceeds Postfix's smtpd_policy_service_max_ttl of 1,000 s: a
	// connection that we close costs its next request a second.
	idleTimeout = 1100 * time.Second
	// requestTimeout is what a request may take from its first byte to its end;
	// Postfix writes it at once.
	requestTimeout = 30 * time.Second
	writeTimeout   = 30 * time.Second
	// drainGrace lets a request that is on its way arrive when a drain begins.
	drainGrace = 100 * time.Millisecond
	// slack is by how much a deadline may be too late, so that it need not be set
	// for every request.
	slack = 30 * time.Second
	// firstBuffer holds a usual request; thousands of connections may be idle.
	firstBuffer = 2 << 10
)

// Handler serves connections; plug Handle into netserve.
type Handler struct {
	decider Decider
	log     *slog.Logger
}

// New returns a handler.
func New(o Options) (*Handler, error) {
	if o.Decider == nil {
		return nil, errors.New("delegation: no Decider")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Handler{decider: o.Decider, log: o.Logger}, nil
}

// Handle serves one connection until the peer hangs up, breaks the protocol, or
// ctx ends (drain: between requests). It closes conn.
func (h *Handler) Handle(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	c := &connection{conn: conn, ctx: ctx, buf: make([]byte, firstBuffer)}
	stop := context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Now().Add(drainGrace))
	})
	defer stop()
	// A decision under way is made to its end: the drain waits for it.
	decideCtx := context.WithoutCancel(ctx)
	for {
		if err := c.readRequest(); err != nil {
			h.ended(c, err)
			return
		}
		q, ok, err := c.msg.query()
		if err != nil {
			h.ended(c, err)
			return
		}
		if ok {
			c.out = appendReply(c.out[:0], h.decider.Decide(decideCtx, q))
		} else {
			c.out = append(c.out[:0], dunno...)
			if c.msg.state() == "RCPT" {
				h.log.Warn("policy request without a recipient", "door", "policy", "instance", q.Instance)
			}
		}
		if err := c.write(); err != nil {
			h.ended(c, err)
			return
		}
	}
}

// ended logs why a connection ends. Between requests that is everyday life.
func (h *Handler) ended(c *connection, err error) {
	between := !c.msg.begun() && c.from == c.to
	if between && (errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded)) {
		return
	}
	if c.ctx.Err() != nil {
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errors.New("request not complete in time")
	}
	// Not what was sent: it may hold addresses, which [audit] may want hidden.
	h.log.Warn("policy connection closed without a reply", "door", "policy", "peer", fmt.Sprint(c.conn.RemoteAddr()),
		"err", err, "unread", c.to-c.from)
}

// connection is one connection being served, by one goroutine.
type connection struct {
	conn     net.Conn
	ctx      context.Context // of the drain
	buf      []byte          // buf[from:to] is read and not used
	from, to int
	msg      message
	out      []byte

	readBy, writeBy time.Time // the deadlines that are set
	begunAt         time.Time // of a request that is not complete; zero: none
}

// readRequest reads lines up to the empty one that ends a request.
func (c *connection) readRequest() error {
	c.msg.reset()
	c.begunAt = time.Time{}
	for {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if err := c.msg.add(line); err != nil {
			return err
		}
	}
}

// readLine returns the next line without its newline, valid until the next call.
func (c *connection) readLine() ([]byte, error) {
	searched := 0
	for {
		if i := bytes.IndexByte(c.buf[c.from+searched:c.to], '\n'); i >= 0 {
			line := c.buf[c.from : c.from+searched+i]
			c.from += len(line) + 1
			return line, nil
		}
		searched = c.to - c.from
		if searched > maxLine {
			return nil, errLongLine
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// fill reads more, after making room for it.
func (c *connection) fill() error {
	if c.from == c.to {
		c.from, c.to = 0, 0
	}
	if c.to == len(c.buf) {
		next := c.buf
		if c.from == 0 {
			next = make([]byte, 2*len(c.buf))
		}
		c.to = copy(next, c.buf[c.from:c.to])
		c.from, c.buf = 0, next
	}
	if err := c.readDeadline(); err != nil {
		return err
	}
	n, err := c.conn.Read(c.buf[c.to:])
	c.to += n
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) && (c.msg.begun() || c.from < c.to) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// readDeadline sees to it that the next read ends in time. It must not undo the
// deadline of a drain, so it looks for one after setting its own.
func (c *connection) readDeadline() error {
	now := time.Now()
	if c.msg.begun() || c.from < c.to {
		if c.begunAt.IsZero() {
			c.begunAt = now
		}
		c.readBy = c.begunAt.Add(requestTimeout)
	} else {
		if left := c.readBy.Sub(now); left >= idleTimeout && left <= idleTimeout+slack {
			return nil
		}
		c.readBy = now.Add(idleTimeout + slack)
	}
	if err := c.conn.SetReadDeadline(c.readBy); err != nil {
		return err
	}
	if c.ctx.Err() == nil {
		return nil
	}
	return c.conn.SetReadDeadline(now.Add(drainGrace))
}

func (c *connection) write() error {
	if now := time.Now(); c.writeBy.Sub(now) < writeTimeout {
		c.writeBy = now.Add(writeTimeout + slack)
		if err := c.conn.SetWriteDeadline(c.writeBy); err != nil {
			return err
		}
	}
	_, err := c.conn.Write(c.out)
	return err
}
