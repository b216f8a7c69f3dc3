package pace

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

const (
	// idleTime is how long an open session waits for the next job.
	idleTime = 5 * time.Second
	// quietAfter is how long a session may lie idle before it is looked at.
	quietAfter = 50 * time.Millisecond
	// closeTime bounds QUIT when everything else has ended.
	closeTime = 5 * time.Second
	// walkPatience is how long a job between two targets may wait.
	walkPatience = time.Minute
)

// opener and dialogue are what the pacer needs of package probe.
type opener interface {
	// open returns a nil dialogue and the step that failed, or a dialogue to
	// be closed.
	open(ctx context.Context, r *probe.Request) (dialogue, *probe.Transcript, probe.Step)
}

// dialogue is an open session of package probe; it belongs to one goroutine.
type dialogue interface {
	Ask(ctx context.Context, rcpt address.Address) probe.Step
	Usable() bool
	Quiet() bool
	Transcript() *probe.Transcript
	Close(ctx context.Context) *probe.Transcript
}

// prober makes a *probe.Prober an opener.
type prober struct{ p *probe.Prober }

func (o prober) open(ctx context.Context, r *probe.Request) (dialogue, *probe.Transcript, probe.Step) {
	s, t, last := o.p.Open(ctx, r)
	if s == nil {
		return nil, t, last // not a nil *probe.Session inside the interface
	}
	return s, t, last
}

// conn is one connection, from before it is opened until after it is closed.
// Its goroutine owns dialogue; all else is under the pacer's lock.
type conn struct {
	lane     *lane
	limiters []*limiter // site, address, provider
	target   mx.Target
	source   probe.Source
	settings *Settings
	terms    provider.Terms // of the job in conversation
	id       string
	why      Why
	dialogue dialogue
	local    netip.Addr
	tls      string

	held      [resources]int // in each of limiters
	entry     *entry         // in conversation
	addresses []address.Address
	rcpts     int
	invalid   int
	answered  int
	opened    tick // when it began to open
	readyAt   tick // min_interval is over
	idleSince tick

	next    chan *entry // the next job; nil: close
	idle    link[*conn] // in lane.idle
	idleAll link[*conn] // in Pacer.idle
	alarm               // end of idleness
}

// newConn prepares a connection.
func newConn(p *Pacer, l *lane, e *entry, t mx.Target, lims []*limiter) *conn {
	src, _ := p.settings.source(l.key.source) // resort has dropped jobs of lost sources
	return &conn{
		lane: l, limiters: lims, target: t, settings: p.settings, terms: e.terms,
		source: src, id: newID(), why: e.job.Why,
		opened: p.now, next: make(chan *entry, 1),
	}
}

// newID names a dialogue.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x", b)
}

// hold takes n of the resource in all limiters.
func (p *Pacer) hold(c *conn, r resource, n int) {
	if n == 0 {
		return
	}
	for _, l := range c.limiters {
		l.acc[r].held += n
		p.touch(l, false)
	}
	c.held[r] += n
}

// settle gives n of what is held back: stamped, where it happened.
func (p *Pacer) settle(c *conn, r resource, n int, happened bool) {
	if n == 0 {
		return
	}
	c.held[r] -= n
	for _, l := range c.limiters {
		a := &l.acc[r]
		a.held -= n
		for range n {
			if happened {
				a.stamps = append(a.stamps, p.now)
			}
		}
		p.touch(l, happened && (r == invalids || r == randoms))
		p.nudge(a.gate)
	}
}

// ring closes a session that has been idle for long enough.
func (c *conn) ring(p *Pacer) { p.dismiss(c) }

// dismiss has an idle session closed.
func (p *Pacer) dismiss(c *conn) {
	p.alarms.clear(&c.alarm)
	c.idle.leave()
	c.idleAll.leave()
	p.leaving++
	c.next <- nil
}

// run holds one dialogue. It is the conn's goroutine.
func (p *Pacer) run(c *conn, e *entry) {
	defer p.work.Done()
	ctx, cancel := context.WithTimeout(p.ctx, c.settings.dialogueTimeout())
	defer cancel()
	if !p.begin(ctx, c, e) {
		return
	}
	for e != nil {
		p.converse(ctx, c, e)
		e = p.turn(c, e)
	}
	p.end(context.WithoutCancel(ctx), c)
}

// begin opens the dialogue. Where that fails the connection is closed, and it is
// decided what becomes of e.
func (p *Pacer) begin(ctx context.Context, c *conn, e *entry) bool {
	d, t, last := p.openGuarded(ctx, c)
	if d == nil {
		p.openFailed(c, e, t, last)
		return false
	}
	c.dialogue = d
	p.opened(c, t)
	return true
}

// end closes the dialogue.
func (p *Pacer) end(ctx context.Context, c *conn) {
	ctx, stop := context.WithTimeout(ctx, closeTime)
	defer stop()
	t := new(probe.Transcript)
	p.guarded("close", func() { t = c.dialogue.Close(ctx) })
	p.lock()
	defer p.unlock()
	p.closed(c, t)
}

// openGuarded opens the dialogue; a panic there is a broken host to us.
func (p *Pacer) openGuarded(ctx context.Context, c *conn) (d dialogue, t *probe.Transcript, last probe.Step) {
	ok := p.guarded("open", func() {
		d, t, last = p.opener.open(ctx, &probe.Request{
			Target: c.target, Port: c.settings.Port, Source: c.source,
			Sender: c.settings.Sender, Timeout: c.settings.dialogueTimeout(),
			RcptsPerTransaction: c.lane.key.limits.RcptsPerTransaction,
		})
	})
	if !ok {
		return nil, new(probe.Transcript), probe.Step{Stage: verdict.Connect, Failure: probe.Protocol, Detail: "internal error", At: time.Now()}
	}
	return d, t, last
}

// guarded calls f, without the lock, and reports whether it returned. A panic
// is counted and logged with its stack.
func (p *Pacer) guarded(what string, f func()) (ok bool) {
	defer func() {
		if r := recover(); r != nil {
			p.panics.Add(1)
			p.mu.Lock()
			defer p.mu.Unlock()
			p.note(slog.LevelError, "panic in a dialogue", "what", what, "panic", r, "stack", string(debug.Stack()))
		}
	}()
	f()
	return true
}

// opened notes that the dialogue stands.
func (p *Pacer) opened(c *conn, t *probe.Transcript) {
	p.lock()
	defer p.unlock()
	c.tls, c.local = t.TLS, t.LocalIP
	p.settleConnects(c, t)
	delete(c.lane.site.failed, c.target.Addr)
	c.lane.site.setup.add(p.now - c.opened)
	p.seen()
}

// settleConnects counts the connections made; broken TLS costs two.
func (p *Pacer) settleConnects(c *conn, t *probe.Transcript) {
	made := min(max(1, t.Connects), c.held[connects])
	p.settle(c, connects, made, true)
	p.settle(c, connects, c.held[connects], false)
}

// converse lends the session to the job.
func (p *Pacer) converse(ctx context.Context, c *conn, e *entry) {
	s := &Session{p: p, c: c, e: e}
	if !p.guarded("converse", func() { e.job.Converse(ctx, s) }) {
		s.broken = true
	}
	s.over = true
	if s.broken {
		p.lock()
		c.rcpts = c.lane.key.limits.RcptsPerSession // serves no other
		p.unlock()
	}
}

// turn ends the conversation of one job and waits for the next; nil means
// that the session is to be closed.
func (p *Pacer) turn(c *conn, e *entry) *entry {
	if !p.lie(c, e, c.dialogue.Usable()) {
		return nil
	}
	next := <-c.next
	if next == nil || !c.lainLong() || c.dialogue.Quiet() {
		return next
	}
	// The peer hung up between two jobs, as it may: the job gets a new
	// connection, and nothing rests.
	p.giveBack(c, next)
	return nil
}

// lie ends the conversation of e and lays the session idle, if it may serve
// another job.
func (p *Pacer) lie(c *conn, e *entry, usable bool) bool {
	p.lock()
	defer p.unlock()
	p.settleRcpts(c)
	p.retire(e)
	c.entry = nil
	switch {
	case !usable, p.stopping, !c.fits(KindAddress), p.now-c.opened > c.settings.dialogueTimeout()/2,
		p.shutFor(c, nil) != nil, c.lane.jobs.n[either] == 0 && p.wanted(c):
		p.leaving++
		p.push(c.lane)
		return false
	}
	c.idleSince = p.now
	c.lane.idle.push(&c.idle, c)
	p.idle.push(&c.idleAll, c)
	p.alarms.set(&c.alarm, max(p.now+idleTime, c.readyAt+slack), c)
	p.push(c.lane)
	return true
}

// wanted reports whether somebody waits for a session where this one could
// make room.
func (p *Pacer) wanted(c *conn) bool {
	g := p.global.acc[sessions].gate
	if g != nil && g.waiting() > 0 {
		return true
	}
	return slices.ContainsFunc(c.limiters, func(l *limiter) bool {
		g := l.acc[sessions].gate
		return g != nil && g.waiting() > 0
	})
}

// settleRcpts gives back what was held for RCPTs that were not sent.
func (p *Pacer) settleRcpts(c *conn) {
	for _, r := range []resource{probes, invalids, randoms} {
		p.settle(c, r, c.held[r], false)
	}
}

// fits reports whether the session has room for a RCPT of the kind: an
// address where a refusal wants a control leaves room for it, and one that may
// be sent again for that, if there is room at all.
func (c *conn) fits(kind Kind) bool {
	k := &c.lane.key
	l := &k.limits
	return c.rcpts+min(k.needs(kind, probes), l.RcptsPerSession) <= l.RcptsPerSession &&
		c.invalid+min(k.needs(kind, invalids), l.InvalidPerSession) <= l.InvalidPerSession
}

// lainLong reports whether the session lay idle long enough to be looked at.
// It is called by the goroutine that is handed the session.
func (c *conn) lainLong() bool { return c.entry != nil && c.entry.since-c.idleSince >= quietAfter }

// giveBack puts a job that the session cannot serve first into its line.
func (p *Pacer) giveBack(c *conn, e *entry) {
	p.lock()
	defer p.unlock()
	p.settleRcpts(c)
	c.entry = nil
	p.leaving++
	if e.walk == nil {
		e.walk = &walk{reason: verdict.Timeout}
	}
	p.requeue(e)
}

// closed takes the connection out of all accounts. The caller holds the lock.
func (p *Pacer) closed(c *conn, t *probe.Transcript) {
	if c.held[connects] > 0 {
		p.settleConnects(c, t)
	}
	p.settleRcpts(c)
	p.settle(c, sessions, c.held[sessions], true)
	g := &p.global.acc[sessions]
	g.held--
	p.nudge(g.gate)
	c.lane.conns--
	p.conns--
	if c.dialogue != nil {
		p.leaving--
	}
	p.push(c.lane)
	d := Dialogue{ProbeID: c.id, Why: c.why, Addresses: c.addresses, Transcript: t}
	if len(d.Addresses) == 0 && c.entry != nil {
		d.Addresses = []address.Address{c.entry.job.Rcpt}
	}
	p.later(call{dialogue: &d})
}
