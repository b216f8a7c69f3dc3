package pace

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// What Outcome.Detail says.
const (
	detailBlind     = "blind: the last sites tried all failed to connect"
	detailOurs      = "this host could not open a connection"
	detailStopping  = "stopping"
	detailForbidden = "the provider forbids probing"
	detailZero      = "a limit of zero forbids probing"
	detailNoSource  = "the source is not configured, or has no name to greet with"
)

// Options of a Pacer. Settings and Prober are required.
type Options struct {
	Settings func() *Settings // current; read at each dispatch
	Prober   *probe.Prober
	Memory   Memory // nil: forgets
	Logger   *slog.Logger
	// OnDialogue is called once a dialogue has ended (audit "probe"),
	// OnBreaker at each change, on a goroutine of the pacer and in order.
	// Neither may block.
	OnDialogue func(Dialogue)
	OnBreaker  func(BreakerChange)
}

// Pacer owns queues, budgets, breakers and sessions. One lock guards them all
// and is never held while anybody reads, writes or calls back; whoever changes
// something decides under that lock what can begin now. Beside a goroutine for
// each open connection there are three: one for the clock, one for callbacks,
// one for the journal.
type Pacer struct {
	o      Options
	opener opener
	logger *slog.Logger
	epoch  time.Time
	panics atomic.Uint64

	ctx     context.Context // of all dialogues; ends when Stop waits no longer
	cancel  context.CancelFunc
	work    sync.WaitGroup // connections
	loops   sync.WaitGroup // clock, callbacks and journal
	quit    chan struct{}  // ends the clock
	silent  chan struct{}  // the clock has ended: no more calls
	rearm   chan struct{}  // an earlier alarm was set
	called  chan struct{}  // calls is not empty
	notes   chan slog.Record
	once    sync.Once // Stop
	stopped error     // of Stop

	mu       sync.Mutex
	now      tick      // since when the lock is held
	settings *Settings // current when the lock was taken
	started  bool
	stopping bool
	alarms   alarms
	wakeAt   tick // for which the clock is set
	sweep    sweeper
	sites    map[scopeKey]*site
	limiters map[limiterKey]*limiter
	breakers map[breakerKey]*breaker
	global   *limiter
	blind    blind
	idle     list[*conn]
	conns    int
	leaving  int // connections that are being closed
	queued   int
	tenants  map[string]int // of queued
	gates    []*gate        // to be opened before the lock is released
	ready    []*lane        // to be tried before the lock is released
	calls    []call
	unsaved  saver
	minute   []byte // what keepMinute wrote last, to be written over

	unwritten int // lines that found no place in notes
}

// New returns a pacer that is to be started.
func New(o Options) (*Pacer, error) {
	if o.Settings == nil || o.Prober == nil {
		return nil, errors.New("pace: Settings and Prober are required")
	}
	return newPacer(o, prober{o.Prober}), nil
}

func newPacer(o Options, op opener) *Pacer {
	p := &Pacer{
		o: o, opener: op, logger: o.Logger, epoch: time.Now(),
		quit: make(chan struct{}), silent: make(chan struct{}), rearm: make(chan struct{}, 1), called: make(chan struct{}, 1),
		notes: make(chan slog.Record, maxNotes),
		sites: make(map[scopeKey]*site), limiters: make(map[limiterKey]*limiter),
		breakers: make(map[breakerKey]*breaker), tenants: make(map[string]int),
		global: newLimiter(limiterKey{kind: "global"}), wakeAt: never,
	}
	if p.logger == nil {
		p.logger = slog.New(slog.DiscardHandler)
	}
	p.global.acc[sessions].span = 0
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// lock takes the lock and reads clock and settings.
func (p *Pacer) lock() { p.lockWith(p.o.Settings()) }

func (p *Pacer) lockWith(s *Settings) {
	p.mu.Lock()
	p.now = p.clockNow()
	if p.settings != s {
		for _, site := range p.sites { // resort them
			for _, l := range site.lanes {
				p.push(l)
			}
		}
		p.settings = s
		_, p.global.acc[connects].span = s.connectRate()
	}
}

// clockNow reads the monotonic clock.
func (p *Pacer) clockNow() tick { return time.Since(p.epoch) }

// unlock begins what can begin now and releases the lock.
func (p *Pacer) unlock() {
	p.pump()
	if p.alarms.next() < p.wakeAt {
		signal(p.rearm)
	}
	if len(p.calls) > 0 {
		signal(p.called)
	}
	p.mu.Unlock()
}

// pump tries the gates and lanes whose state has changed.
func (p *Pacer) pump() {
	for {
		switch {
		case len(p.gates) > 0:
			g := p.gates[0]
			p.gates = p.gates[1:]
			g.pending = false
			g.open(p)
		case len(p.ready) > 0:
			l := p.ready[0]
			p.ready = p.ready[1:]
			l.pending = false
			p.try(l)
		default:
			p.gates, p.ready = nil, nil
			return
		}
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Submit queues the job, or says at once why it cannot be asked now: breaker
// open, blind, queue full, tenant's quarter. It never blocks. On refusal
// neither Converse nor Drop is called.
func (p *Pacer) Submit(j *Job) (*Ticket, *Outcome) {
	settings := p.o.Settings()
	terms := settings.Book.Terms(j.Route)
	p.lockWith(settings)
	defer p.unlock()
	source, trial, refused := p.admit(j.Source, j.Route, terms)
	if refused == nil {
		refused = p.full(j.Tenant)
	}
	if refused != nil {
		return nil, refused
	}
	e := &entry{job: j, terms: terms, trial: trial}
	if trial {
		p.blind.trial = p.now + blindTrial
	}
	for _, b := range p.around(source, j.Route, terms) {
		b.take(e)
	}
	e.lane = p.lane(source, j.Route, terms)
	p.enqueue(e)
	p.alarms.set(&e.alarm, p.now+settings.queueTimeout(), e)
	return &Ticket{p, e}, nil
}

// admit chooses the source, or says why no job for the route may be queued.
func (p *Pacer) admit(pinned netip.Addr, r mx.Route, t provider.Terms) (source netip.Addr, trial bool, refused *Outcome) {
	no := func(detail string) (netip.Addr, bool, *Outcome) {
		return netip.Addr{}, false, &Outcome{Reason: verdict.NotProbed, Detail: detail}
	}
	switch {
	case !p.started:
		return no("not started")
	case p.stopping:
		return no(detailStopping)
	case p.settings.Unfit != "":
		return no(p.settings.unfit())
	case len(r.Targets) == 0:
		return no("no MX address to ask")
	case !t.Probing:
		return no(detailForbidden)
	case !usable(&t.Limits):
		return no(detailZero)
	}
	var bar *breaker
	found := false
	for _, s := range p.settings.Sources {
		if pinned.IsValid() && s.IP != pinned || s.HELO == "" {
			continue
		}
		found, source = true, s.IP
		if bar = p.barred(s.IP, r, t); bar == nil {
			break
		}
	}
	switch {
	case !found:
		return no(detailNoSource)
	case bar != nil:
		return source, false, bar.outcome(p)
	}
	may, trial := p.mayLook()
	if !may {
		return no(detailBlind)
	}
	return source, trial, nil
}

// usable reports limits that let anything be asked at all.
func usable(l *provider.Limits) bool {
	return min(l.Connections, l.ConnectionsPerMinute, l.RcptsPerSession, l.InvalidPerSession, l.InvalidPerHour, l.ProbesPerMinute) > 0
}

// full refuses a job the queue has no place for.
func (p *Pacer) full(tenant string) *Outcome {
	limit := p.settings.maxQueued()
	switch {
	case p.queued >= limit:
		return &Outcome{Reason: verdict.NotProbed, Detail: "queue full"}
	case p.tenants[tenant] >= max(1, limit/4):
		return &Outcome{Reason: verdict.NotProbed, Detail: "queue full: a quarter of it is this tenant's"}
	}
	return nil
}

// Ticket is a queued job.
type Ticket struct {
	p *Pacer
	e *entry
}

// Cancel drops the job if it has not begun and reports whether it did (Drop is
// then not called). A job has begun when a connection is opened for it.
func (t *Ticket) Cancel() bool {
	t.p.lock()
	defer t.p.unlock()
	if t.e.state != waiting || t.e.begun {
		return false
	}
	t.p.unqueue(t.e, false)
	t.p.retire(t.e)
	t.p.push(t.e.lane)
	return true
}

// SetLive moves the job before or behind the background ones.
func (t *Ticket) SetLive(live bool) {
	t.p.lock()
	defer t.p.unlock()
	e := t.e
	if e.job.Live == live {
		return
	}
	if e.state == waiting {
		e.lane.jobs.remove(e, false)
		e.job.Live = live
		e.lane.jobs.push(e)
		t.p.push(e.lane)
		return
	}
	e.job.Live = live
}

// Begun reports whether the conversation has begun: a connection is being
// opened for the job, or was.
func (t *Ticket) Begun() bool {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	return t.e.begun
}

func (s *Settings) dialogueTimeout() time.Duration { return cmp.Or(s.DialogueTimeout, time.Minute) }
func (s *Settings) queueTimeout() time.Duration    { return cmp.Or(s.QueueTimeout, 10*time.Minute) }
func (s *Settings) maxSessions() int               { return cmp.Or(s.MaxSessions, 500) }
func (s *Settings) maxQueued() int                 { return cmp.Or(s.MaxQueued, 100_000) }

// connectRate is connects_per_second as a whole number in a window.
func (s *Settings) connectRate() (n int, span tick) {
	rate := cmp.Or(s.ConnectsPerSecond, 50)
	if !(rate >= MinConnectRate) { // nor is it NaN
		rate = MinConnectRate
	}
	n = max(1, int(min(rate, 1e6)))
	return n, tick(math.Ceil(float64(n) / rate * float64(time.Second)))
}

func (s *Settings) unfit() string { return "nothing is probed: " + s.Unfit }

// source finds the identity of an address; ok is false after a reload that
// took it or its name away.
func (s *Settings) source(ip netip.Addr) (src probe.Source, ok bool) {
	i := slices.IndexFunc(s.Sources, func(src probe.Source) bool { return src.IP == ip && src.HELO != "" })
	if i < 0 {
		return probe.Source{}, false
	}
	return s.Sources[i], true
}
