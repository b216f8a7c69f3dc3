package verify

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// maxFlights bounds the addresses that are being worked on, whatever the
// queue of the pacer allows.
const maxFlights = 200_000

// Engine is the verdict engine. It owns the goroutines of the MX lookups and
// of the greylist schedule; conversations run on goroutines of the pacer.
// Its methods are safe for concurrent use.
type Engine struct {
	settings func() *Settings
	terms    func(st *Settings, r mx.Route) provider.Terms // the book's; tests bring their own
	pacer    pacer
	keyer    *Keyer
	log      *slog.Logger
	store    ledger
	facts    knowledge
	grey     schedule
	panics   atomic.Int64

	ctx    context.Context // of the work behind
	cancel context.CancelFunc
	wg     sync.WaitGroup

	// mu guards the flights with their waiters, and the catch-all controls
	// under way. Tickets and facts are read under it, both quick; nothing is
	// asked or looked up.
	mu       sync.Mutex
	closed   bool
	flights  map[Key]*flight
	controls map[[8]byte]*control
	waiting  int
	atSite   map[mx.Site]int
	trial    time.Time     // of the last lookup while the DNS was blind
	idle     chan struct{} // closed when closed and the last flight has ended
}

// New returns an engine. Start runs its schedule; Verify works before that.
func New(o Options) (*Engine, error) {
	if o.Pacer == nil {
		return nil, fmt.Errorf("verify: no Pacer")
	}
	return newEngine(o, paced{o.Pacer})
}

func newEngine(o Options, p pacer) (*Engine, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		settings: o.Settings,
		terms:    func(st *Settings, r mx.Route) provider.Terms { return st.Book.Terms(r) },
		pacer:    p,
		keyer:    o.Keyer,
		log:      o.Logger,
		store:    ledger{verdicts: o.Verdicts},
		flights:  map[Key]*flight{},
		controls: map[[8]byte]*control{},
		atSite:   map[mx.Site]int{},
		idle:     make(chan struct{}),
	}
	e.facts.init(o.Facts)
	e.grey.init()
	e.ctx, e.cancel = context.WithCancel(context.Background())
	return e, nil
}

// Start runs the greylist schedule.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("verify: already stopped")
	}
	e.wg.Go(e.runSchedule)
	return nil
}

// Stop begins nothing new, drops what is queued and waits for the dialogues
// under way until ctx ends; askers that still wait then get not_probed. The
// pacer is stopped after it. Stop is idempotent, and may come before Start.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		if len(e.flights) == 0 {
			close(e.idle)
		}
		for _, f := range e.flights {
			f.kept = false
			if !f.begun && f.ticket != nil && f.ticket.Cancel() {
				e.endLocked(f, notProbed("stopping"))
			}
		}
	}
	e.mu.Unlock()
	var err error
	select {
	case <-e.idle:
	case <-ctx.Done():
		err = fmt.Errorf("verify: flights still under way: %w", ctx.Err())
	}
	e.cancel()
	e.mu.Lock()
	for _, f := range e.flights {
		e.endLocked(f, notProbed("stopping"))
	}
	e.mu.Unlock()
	e.wg.Wait()
	return err
}

// Snapshot returns the numbers of the moment.
func (e *Engine) Snapshot() Snapshot {
	s := Snapshot{Greylist: e.grey.size(), Panics: int(e.panics.Load())}
	e.mu.Lock()
	s.Flights, s.Waiting = len(e.flights), e.waiting
	e.mu.Unlock()
	if st := e.settings(); st != nil && st.Resolver != nil {
		s.DNSBlind = st.Resolver.Blind()
	}
	return s
}

// ask is one query on its way through the stages that need no I/O.
type ask struct {
	q      *Query
	st     *Settings
	key    Key
	now    time.Time
	why    pace.Why
	old    *verdict.Verdict // what is known, where it does not end the query; nil: nothing
	behind bool             // the answer stands, but is to be asked again behind
}

func (a *ask) domain() (k [8]byte) {
	copy(k[:], a.key[:8])
	return k
}

// Verify returns what is known of the address when the verdict is final, the
// asker settled, or its budget ended. It never fails: our own trouble is
// internal_error, a budget that ran out pending (with RetryAfter), refusal to
// ask not_probed. ctx ends the asker's wait only; the work goes on as
// Query.AcceptedWhenLeft says. Others may be given the same verdict: it is not
// changed.
func (e *Engine) Verify(ctx context.Context, q *Query) (v *verdict.Verdict) {
	defer func() {
		if r := recover(); r != nil {
			v = e.panicked("verify", r)
		}
	}()
	a := ask{q: q, st: e.settings(), now: time.Now(), why: q.Why}
	if a.why == "" {
		a.why = pace.WhyAsk
	}
	for _, s := range knownStages {
		v := s.run(e, &a)
		if v == nil {
			continue
		}
		if a.behind && q.Probe {
			e.refresh(&a)
		}
		return v
	}
	if !q.Probe {
		return a.known(notProbed("only what is known was wanted"))
	}
	return e.follow(ctx, &a)
}

// Known answers from memory, store and facts alone, without DNS.
func (e *Engine) Known(addr address.Address) (v *verdict.Verdict, ok bool) {
	defer func() {
		if r := recover(); r != nil {
			v, ok = e.panicked("known", r), true
		}
	}()
	a := ask{q: &Query{Address: addr}, st: e.settings(), now: time.Now()}
	for _, s := range knownStages {
		if v := s.run(e, &a); v != nil {
			return v, v.Reason != verdict.NotProbed
		}
	}
	return a.old, a.old != nil
}

// panicked counts and logs a recovered panic, and says what the asker gets.
func (e *Engine) panicked(where string, r any) *verdict.Verdict {
	e.panics.Add(1)
	e.log.Error("panic recovered", "where", where, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
	return verdict.New(verdict.InternalError, "", time.Now())
}

// notProbed is the verdict of an address that is not asked, and says why.
func notProbed(why string) *verdict.Verdict {
	v := verdict.New(verdict.NotProbed, "", time.Now())
	v.Evidence.Text = why
	return v
}
