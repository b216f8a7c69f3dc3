package pace

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rcptgate/internal/lab"
	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a simulated internet with a pacer in it, inside a synctest bubble.
type world struct {
	t        testing.TB
	net      *lab.Internet
	p        *Pacer
	settings atomic.Pointer[Settings]
	mem      *memory
	logger   *slog.Logger // nil: discards

	mu        sync.Mutex
	dialogues []Dialogue
	changes   []BreakerChange
	noSocket  map[netip.Addr]error // instead of a connection to there; the zero address: to anywhere
}

// memory is a Memory that survives its pacer. Puts reach its disk after batch.
type memory struct {
	mu    sync.Mutex
	data  map[string][]byte
	ends  map[string]time.Time // of the lives of data
	disk  map[string][]byte
	queue []put
	batch time.Duration
}

type put struct {
	at    time.Time
	key   string
	value []byte
}

func (m *memory) LoadPace() (map[string][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.data, func(k string, _ []byte) bool {
		end, ok := m.ends[k]
		return ok && !time.Now().Before(end)
	})
	return maps.Clone(m.data), nil
}

func (m *memory) SavePace(key string, v []byte, life time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v = slices.Clone(v)
	m.write()
	if m.ends == nil {
		m.ends = map[string]time.Time{}
	}
	m.ends[key] = time.Now().Add(life)
	m.queue = append(m.queue, put{time.Now(), key, v})
	store(m.data, key, v)
}

// write brings to the disk what has waited for long enough.
func (m *memory) write() {
	for len(m.queue) > 0 && time.Since(m.queue[0].at) >= m.batch {
		store(m.disk, m.queue[0].key, m.queue[0].value)
		m.queue = m.queue[1:]
	}
}

// killed is what is left when the process is killed now.
func (m *memory) killed() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.write()
	return &memory{data: maps.Clone(m.disk), disk: maps.Clone(m.disk), batch: m.batch}
}

func store(to map[string][]byte, key string, v []byte) {
	if v == nil {
		delete(to, key)
		return
	}
	to[key] = v
}

func newMemory() *memory { return &memory{data: map[string][]byte{}, disk: map[string][]byte{}} }

// book returns the provider book with overrides.
func book(t testing.TB, o provider.Overrides) *provider.Book {
	t.Helper()
	if o.Pace == (provider.Limits{}) {
		o.Pace = provider.DefaultLimits()
	}
	b, err := provider.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newWorld starts a pacer; it is stopped when f returns. change may be nil.
func inWorld(t *testing.T, change func(*Settings), f func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory(), change)
		defer w.stop()
		f(w)
	})
}

func newWorld(t testing.TB, mem *memory, change func(*Settings)) *world {
	w := &world{t: t, mem: mem, net: lab.New(lab.Options{RTT: 20 * time.Millisecond})}
	s := &Settings{
		Sources: []probe.Source{{HELO: "probe.example.net"}},
		Sender:  addr(t, "verify@probe.example.net"),
		Book:    book(t, provider.Overrides{}),
	}
	if change != nil {
		change(s)
	}
	w.settings.Store(s)
	w.start()
	return w
}

// start makes and starts a pacer over the world's network and memory.
func (w *world) start() {
	dial := func(ctx context.Context, src netip.Addr, dst netip.AddrPort) (net.Conn, error) {
		w.mu.Lock()
		err := cmp.Or(w.noSocket[dst.Addr()], w.noSocket[netip.Addr{}])
		w.mu.Unlock()
		if err != nil {
			return nil, err
		}
		return w.net.DialFrom(ctx, src, "tcp", dst.String())
	}
	p, err := New(Options{
		Settings: w.settings.Load, Prober: probe.New(probe.Options{Dial: dial}), Memory: w.mem,
		Logger: w.logger,
		OnDialogue: func(d Dialogue) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.dialogues = append(w.dialogues, d)
		},
		OnBreaker: func(b BreakerChange) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.changes = append(w.changes, b)
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.p = p
}

func (w *world) stop() {
	w.stopPacer()
	w.net.Close()
}

func (w *world) stopPacer() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.p.Stop(ctx); err != nil {
		w.t.Error(err)
	}
}

// lacks has each dial to the addresses fail with the error; nil ends that.
func (w *world) lacks(err error, to ...netip.Addr) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noSocket = map[netip.Addr]error{}
	for _, a := range to {
		w.noSocket[a] = err
	}
}

// told returns the breaker changes so far, one word each.
func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, c := range w.changes {
		out = append(out, fmt.Sprintf("%s %s %s>%s %s %s", c.Scope, c.Name, c.From, c.To, c.Reason, c.Until.Sub(c.At).Round(time.Second)))
	}
	return out
}

func addr(t testing.TB, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s, address.External)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// site registers hosts and returns the route of a domain over them; hosts are
// named mx1.DOMAIN and so on.
func (w *world) site(domain string, hosts ...lab.Host) mx.Route {
	names := make([]string, len(hosts))
	for i, h := range hosts {
		names[i] = fmt.Sprintf("mx%d.%s", i+1, domain)
		w.net.Host(names[i], h)
	}
	return w.route(domain, names...)
}

// hostAddrs are looked up in the lab's own DNS records.
func (w *world) route(domain string, names ...string) mx.Route {
	d, err := address.ParseDomain(domain)
	if err != nil {
		w.t.Fatal(err)
	}
	r := mx.Route{Domain: d, Outcome: mx.Found, Site: mx.Site(strings.Join(names, ";"))}
	for i, n := range names {
		h := mx.Host{Name: n, Preference: uint16(10 * i)}
		r.Hosts = append(r.Hosts, h)
		r.Targets = append(r.Targets, mx.Target{Host: h, Addr: w.addrOf(n), Preferred: i == 0})
	}
	return r
}

func (w *world) addrOf(host string) netip.Addr {
	c, err := w.net.Dial(context.Background(), "tcp", lab.DNSAddr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	return resolve(w.t, c, host)
}

// result is what became of a job.
type result struct {
	answers []Answer
	dropped *Outcome
	refused *Outcome
	probeID string
	after   time.Duration // since it was submitted
}

// pending is a job on its way.
type pending struct {
	w      *world
	ticket *Ticket
	done   chan result
}

// submit sends a job that asks its address once, and then what more returns.
func (w *world) submit(r mx.Route, local string, change func(*pending, *Job)) *pending {
	q := &pending{w: w, done: make(chan result, 1)}
	began := time.Now()
	j := &Job{Rcpt: addr(w.t, local+"@"+r.Domain.String()), Route: r, Tenant: "t", Why: WhyAsk, Live: true}
	j.Converse = func(ctx context.Context, s *Session) {
		a := s.Ask(ctx, j.Rcpt, j.Kind)
		q.done <- result{answers: []Answer{a}, probeID: s.ProbeID(), after: time.Since(began)}
	}
	j.Drop = func(o Outcome) { q.done <- result{dropped: &o, after: time.Since(began)} }
	if change != nil {
		change(q, j)
	}
	t, refused := w.p.Submit(j)
	if refused != nil {
		q.done <- result{refused: refused}
	}
	q.ticket = t
	return q
}

func (q *pending) wait() result {
	select {
	case r := <-q.done:
		return r
	case <-time.After(48 * time.Hour):
		q.w.t.Fatalf("a job was forgotten; %+v", q.w.p.Snapshot())
		return result{}
	}
}

// String says in a word what became of the job.
func (r result) String() string {
	switch {
	case r.refused != nil:
		return fmt.Sprintf("refused %s", r.refused.Reason)
	case r.dropped != nil:
		return fmt.Sprintf("dropped %s", r.dropped.Reason)
	case !r.answers[0].Asked:
		return "not asked"
	}
	return string(r.answers[0].Class.Reason)
}

// ask is submit and wait, in a word, until the session has been laid idle.
func (w *world) ask(r mx.Route, local string) string {
	got := w.submit(r, local, nil).wait()
	synctest.Wait()
	return got.String()
}

// want compares a result with its word.
func (w *world) want(what, got, want string) {
	w.t.Helper()
	if got != want {
		w.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
