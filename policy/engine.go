package policy

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"rcptgate/audit"
	"rcptgate/verify"
	"rcptgate/verify/address"
	"rcptgate/verify/verdict"
)

// Options configure an Engine. All but Logger and Pseudonym are required.
type Options struct {
	Settings func() *Settings // current; read once a query
	Verify   Verifier
	Record   func(*audit.Decision) // never blocks
	Logger   *slog.Logger          // the journal; nil: none
	// Pseudonym replaces local parts in the journal, as in the audit log; nil:
	// they are shown.
	Pseudonym func(local string) string
}

// Verifier is verify.Engine. Verify returns when ctx ends; its verdict may be others'
// too, and is not changed.
type Verifier interface {
	Verify(ctx context.Context, q *verify.Query) *verdict.Verdict
}

// maxBehind bounds the goroutines of monitor mode. Past it the record holds what
// is known at once.
const maxBehind = 4096

// Engine decides. It owns the goroutines that wait for the verdicts of monitor
// mode; Stop waits for them. Its methods are safe for concurrent use.
type Engine struct {
	o        Options
	messages messages
	twice    duplicates
	panics   atomic.Uint64

	ctx    context.Context // of the work behind
	cancel context.CancelFunc
	mu     sync.Mutex // guards closed against behind.Add
	closed bool
	behind sync.WaitGroup
	slots  chan struct{}
}

// New returns an engine that can decide.
func New(o Options) (*Engine, error) {
	if o.Settings == nil || o.Verify == nil || o.Record == nil {
		return nil, errors.New("policy: Settings, Verify and Record are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{o: o, messages: newMessages(), twice: newDuplicates(), slots: make(chan struct{}, maxBehind)}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// Decide always returns a decision: our own trouble is accept. ctx ends when the
// door's client is gone; nobody waits then. Identical requests of a message, at
// once or within about two minutes, get one decision and leave one record.
func (e *Engine) Decide(ctx context.Context, q Query) Decision {
	if q.Instance == "" {
		return e.decide(ctx, &q)
	}
	return e.twice.once(ctx, &q, func() (Decision, bool) {
		d := e.decide(ctx, &q)
		return d, ctx.Err() != nil && d.Verdict.Reason == verdict.Pending
	})
}

// asked is one query on its way.
type asked struct {
	q         *Query
	id        string
	client    string // empty: unknown
	st        *Settings
	rule      *rule
	sender    address.Address
	recipient address.Address
	badRcpt   bool // no command can carry the recipient
	// monitored: the answer is accept whatever is found, and given at once.
	monitored bool
	wait      time.Duration
}

func (e *Engine) decide(ctx context.Context, q *Query) (d Decision) {
	a := &asked{q: q, id: newID()}
	defer func() {
		if r := recover(); r != nil {
			d = e.panicked(a, r)
		}
	}()
	a.st = e.o.Settings()
	s := a.parse()
	a.rule = a.st.first(s)
	if v := e.passes(a); v != nil {
		return e.finish(a, e.accept(a, v))
	}
	a.monitored = a.rule.Mode == ModeMonitor || q.NoReject || !a.inPercent()
	if a.monitored {
		return e.monitor(a)
	}
	return e.finish(a, e.conclude(a, e.verdict(ctx, a)))
}

// panicked accepts, says so, and leaves a record.
func (e *Engine) panicked(a *asked, r any) Decision {
	e.panics.Add(1)
	e.o.Logger.Error("panic in a decision", "id", a.id, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	d := Decision{ID: a.id, Action: Accept, Verdict: verdict.New(verdict.InternalError, "", time.Now())}
	if a.rule != nil {
		d.Rule, d.Mode = a.rule.Name, a.rule.Mode
	}
	func() {
		defer func() { _ = recover() }() // the record may be what panicked
		e.o.Record(e.event(a, d, ""))
	}()
	return d
}

// parse reads both addresses once.
func (a *asked) parse() *subject {
	if a.q.Client.IsValid() {
		a.client = a.q.Client.Unmap().String()
	}
	var err error
	s := &subject{sasl: strings.ToLower(a.q.SASLUsername), context: a.q.PolicyContext, client: a.q.Client}
	a.sender, err = address.Parse(a.q.Sender, a.q.SenderForm)
	s.sender = partsOf(a.sender, a.q.Sender, err)
	a.recipient, err = address.Parse(a.q.Recipient, a.q.RecipientForm)
	s.recipient = partsOf(a.recipient, a.q.Recipient, err)
	a.badRcpt = err != nil
	return s
}

// passes ends queries that are accepted without asking anybody; nil: somebody is
// asked.
func (e *Engine) passes(a *asked) *verdict.Verdict {
	asks := !a.rule.Exempt && a.rule.Mode != ModeOff && a.outbound() &&
		(a.badRcpt || a.recipient.Kind() == address.Mailbox) && !a.st.skips(a.recipient.Domain().String())
	if asks {
		return nil
	}
	return verdict.New(verdict.NotProbed, "", time.Now())
}

// outbound is the rule of docs/design.md that only outgoing mail is asked about.
func (a *asked) outbound() bool {
	return a.q.Door == DoorCLI || a.q.Door == DoorAPI || a.q.SASLUsername != "" ||
		contains(a.st.outbound, a.q.Client) || a.rule.opens
}

// enforced reports that a refusal is told to the MTA.
func (a *asked) enforced() bool { return a.rule.Mode == ModeEnforce && !a.monitored }

// account is the one that the limits of this query are counted on.
func (a *asked) account() account {
	if a.enforced() {
		return enforced
	}
	return monitored
}

// inPercent reports whether the recipient is in the roll-out, the same on every
// host.
func (a *asked) inPercent() bool {
	if a.rule.Percent >= 100 {
		return true
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, a.rule.Name)
	_, _ = h.Write([]byte{0})
	_, _ = io.WriteString(h, a.recipient.Key())
	// The low bits of FNV are weak for texts that end alike.
	n := h.Sum64()
	return int((n^n>>32)%100) < a.rule.Percent
}

// verdict asks for the verdict, for an asker that waits.
func (e *Engine) verdict(ctx context.Context, a *asked) *verdict.Verdict {
	if a.badRcpt {
		return verdict.New(verdict.InvalidSyntax, "", time.Now())
	}
	q := a.query()
	m := e.messages.of(a.q.Instance)
	q.Budget = m.begin(a.rule.AnswerBudget, a.rule.MessageBudget)
	q.Settled = a.rule.settled
	if a.q.Stress {
		q.Budget, q.Probe = 0, false
	}
	if a.enforced() {
		pending, _ := a.rule.outcome.of(verdict.Pending, nil)
		greylisted, _ := a.rule.outcome.of(verdict.Greylisted, nil)
		q.AcceptedWhenLeft, q.RetryGreylisted = pending == Accept, greylisted == Defer
	}
	start := time.Now()
	defer func() {
		a.wait = time.Since(start)
		m.end()
	}()
	return e.o.Verify.Verify(ctx, q)
}

// query is what both kinds of askers have in common.
func (a *asked) query() *verify.Query {
	q := &verify.Query{ID: a.id, Address: a.recipient, Sender: a.sender, Tenant: a.q.SASLUsername, Probe: true, AcceptedWhenLeft: true}
	if q.Tenant == "" {
		q.Tenant = a.client
	}
	return q
}

// monitor accepts at once. The audit record takes the asker's place and waits for
// the verdict on a goroutine of its own; where there can be none, it holds what is
// known.
func (e *Engine) monitor(a *asked) Decision {
	now := e.accept(a, verdict.New(verdict.Pending, "", time.Now()))
	if !e.goBehind(func() { e.watch(e.ctx, a, true) }) {
		e.watch(e.ctx, a, false)
	}
	return now
}

// watch gets the verdict for the record alone.
func (e *Engine) watch(ctx context.Context, a *asked, wait bool) {
	defer func() {
		if r := recover(); r != nil {
			e.panicked(a, r)
		}
	}()
	v := verdict.New(verdict.InvalidSyntax, "", time.Now())
	if !a.badRcpt {
		q := a.query()
		q.Budget = a.rule.AnswerBudget
		if !wait || a.q.Stress {
			q.Budget, q.Probe = 0, false
		}
		start := time.Now()
		v = e.o.Verify.Verify(ctx, q)
		a.wait = time.Since(start)
	}
	e.finish(a, e.conclude(a, v))
}

// goBehind runs work on a goroutine, if there may be one more.
func (e *Engine) goBehind(work func()) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	select {
	case e.slots <- struct{}{}:
	default:
		return false
	}
	e.behind.Go(func() {
		defer func() { <-e.slots }()
		work()
	})
	return true
}

// VerifyNow is for the command line and the API: the verdict of one address,
// waiting at most budget. The safety rules hold (skip_domains, loops, providers),
// rules, outcome lists and max_waiting do not. addr is the address in external
// form, "" when input cannot be parsed; input without an @ is invalid_syntax,
// postmaster excepted.
func (e *Engine) VerifyNow(ctx context.Context, input, sender, tenant string, budget time.Duration, door Door) (v *verdict.Verdict, addr string) {
	defer func() {
		if r := recover(); r != nil {
			e.panics.Add(1)
			e.o.Logger.Error("panic in a query", "door", string(door), "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			v = verdict.New(verdict.InternalError, "", time.Now())
		}
	}()
	a, err := address.Parse(input, address.External)
	if err != nil {
		return verdict.New(verdict.InvalidSyntax, "", time.Now()), ""
	}
	switch a.Kind() {
	case address.Null:
		return verdict.New(verdict.InvalidSyntax, "", time.Now()), ""
	case address.NoDomain:
		if !strings.EqualFold(a.Local(), "postmaster") {
			return verdict.New(verdict.InvalidSyntax, "", time.Now()), ""
		}
	case address.Mailbox, address.Literal, address.Dotless, address.Foreign:
		// Whether it may be asked at all is the verdict engine's to say.
	}
	from, err := address.Parse(sender, address.External)
	if err != nil {
		from = address.Address{}
	}
	if tenant == "" {
		tenant = string(door)
	}
	return e.o.Verify.Verify(ctx, &verify.Query{
		ID: newID(), Address: a, Sender: from, Tenant: tenant,
		Probe: true, Budget: budget, Uncapped: true, RetryGreylisted: true,
	}), a.External()
}

// EndMessage forgets the budgets of an instance (milter: transaction over).
// Optional; they expire by themselves.
func (e *Engine) EndMessage(instance string) { e.messages.forget(instance) }

// Panics counts the panics that were turned into accept.
func (e *Engine) Panics() uint64 { return e.panics.Load() }

// Stop waits for the records of monitor mode still to come; when ctx ends, they
// are written with what is known by then, and ctx's error is returned. Decide
// works on, without waiting behind. Calling it again is harmless.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	done := make(chan struct{})
	go func() { // ends with the last record
		e.behind.Wait()
		close(done)
	}()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("policy: records of monitor mode cut short: %w", context.Cause(ctx))
	}
	e.cancel()
	<-done // Verify returns when its context ends
	return err
}

// newID is 60 random bits in Crockford's base 32: short enough for a reply.
func newID() string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	var b [12]byte
	n := rand.Uint64()
	for i := range b {
		b[i] = alphabet[n&31]
		n >>= 5
	}
	return string(b[:])
}
