package verify

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}

// mapStore keeps verdicts and facts in maps.
type mapStore struct {
	mu       sync.Mutex
	verdicts map[Key]verdict.Verdict
	domains  map[[8]byte]DomainFact
	sites    map[string]SiteFact
}

func newMapStore() *mapStore {
	return &mapStore{verdicts: map[Key]verdict.Verdict{}, domains: map[[8]byte]DomainFact{}, sites: map[string]SiteFact{}}
}

func (s *mapStore) GetVerdict(k Key) (*verdict.Verdict, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.verdicts[k]
	return &v, ok
}

func (s *mapStore) PutVerdict(k Key, v *verdict.Verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.verdicts[k] = *v
}

func (s *mapStore) DropVerdict(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.verdicts, k)
}

func (s *mapStore) GetDomain(k [8]byte) (DomainFact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.domains[k]
	return f, ok
}

func (s *mapStore) PutDomain(k [8]byte, f DomainFact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.domains[k] = f
}

func (s *mapStore) GetSite(site string) (SiteFact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.sites[site]
	f.Suspect = slices.Clone(f.Suspect)
	return f, ok
}

func (s *mapStore) PutSite(site string, f SiteFact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sites[site] = f
}

// fakeDNS answers with one route for each domain.
type fakeDNS struct {
	mu      sync.Mutex
	outcome mx.Outcome // empty: found
	host    string     // empty: mx.test
	blind   bool
	delay   time.Duration
	lookups int
	panics  bool
}

func (d *fakeDNS) Lookup(ctx context.Context, name address.Domain) mx.Route {
	d.mu.Lock()
	d.lookups++
	delay, host, outcome, panics := d.delay, d.host, d.outcome, d.panics
	d.mu.Unlock()
	if panics {
		panic("lookup")
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return mx.Route{Outcome: mx.Failed}
		}
	}
	if host == "" {
		host = "mx.test"
	}
	if outcome != "" && outcome != mx.Found {
		return mx.Route{Domain: name, Outcome: outcome, Detail: "as the test wants"}
	}
	return mx.Route{
		Domain: name, Outcome: mx.Found, Site: mx.Site(host), Hosts: []mx.Host{{Name: host, Preference: 10}},
		Targets: []mx.Target{{Host: mx.Host{Name: host, Preference: 10}, Addr: netip.MustParseAddr("192.0.2.1"), Preferred: true}},
	}
}

func (d *fakeDNS) Blind() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.blind
}

func (d *fakeDNS) set(f func(*fakeDNS)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(d)
}

// fakePacer begins each job after delay and answers by script.
type fakePacer struct {
	mu        sync.Mutex
	reply     func(rcpt string, k pace.Kind, conn int) pace.Answer
	refuse    func(j job) *pace.Outcome // at Submit
	drop      func(j job) *pace.Outcome // later
	canAsk    func(k pace.Kind, nth int) bool
	delay     time.Duration // until a job begins
	rtt       time.Duration // of one RCPT
	eta       time.Duration // predicted; zero: delay + rtt
	backup    bool          // answers come from a less-preferred host
	asked     []string      // "1 user@domain", connection first
	conns     int
	live      []bool // what SetLive was told
	canceled  int
	blankets  []mx.Site
	submitted []job
	wg        sync.WaitGroup
}

func (p *fakePacer) Submit(j job) (ticket, *pace.Outcome) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.submitted = append(p.submitted, j)
	if p.refuse != nil {
		if o := p.refuse(j); o != nil {
			return nil, o
		}
	}
	eta := p.eta
	if eta == 0 {
		eta = p.delay + p.rtt
	}
	t := &fakeTicket{p: p, gone: make(chan struct{}), at: time.Now().Add(eta)}
	p.wg.Go(func() {
		if p.delay > 0 {
			select {
			case <-time.After(p.delay):
			case <-t.gone:
				return
			}
		}
		if !t.begin() {
			return
		}
		p.mu.Lock()
		drop := p.drop
		p.conns++
		s := &fakeSession{p: p, conn: p.conns, kind: j.kind}
		p.mu.Unlock()
		if drop != nil {
			if o := drop(j); o != nil {
				j.drop(*o)
				return
			}
		}
		j.converse(context.Background(), s)
	})
	return t, nil
}

func (p *fakePacer) Blanket(r mx.Route, _ netip.Addr, _ verdict.Evidence) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blankets = append(p.blankets, r.Site)
}

func (p *fakePacer) set(f func(*fakePacer)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

func (p *fakePacer) log() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.asked)
}

type fakeTicket struct {
	p     *fakePacer
	mu    sync.Mutex
	begun bool
	out   bool
	gone  chan struct{}
	at    time.Time
}

func (t *fakeTicket) begin() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = !t.out
	return t.begun
}

func (t *fakeTicket) ETA() time.Duration { return max(0, time.Until(t.at)) }

func (t *fakeTicket) Cancel() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.begun || t.out {
		return false
	}
	t.out = true
	close(t.gone)
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.p.canceled++
	return true
}

func (t *fakeTicket) SetLive(l bool) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.p.live = append(t.p.live, l)
}

type fakeSession struct {
	p    *fakePacer
	conn int
	kind pace.Kind
	n    int
}

func (s *fakeSession) Target() mx.Target {
	return mx.Target{Host: mx.Host{Name: "mx.test"}, Preferred: !s.p.backup}
}
func (s *fakeSession) ProbeID() string    { return fmt.Sprint("probe-", s.conn) }
func (s *fakeSession) Source() netip.Addr { return netip.MustParseAddr("203.0.113.5") }

func (s *fakeSession) CanAsk(k pace.Kind) bool {
	return s.p.canAsk == nil || s.p.canAsk(k, s.n)
}

func (s *fakeSession) Ask(_ context.Context, rcpt address.Address, k pace.Kind) pace.Answer {
	if s.p.rtt > 0 {
		time.Sleep(s.p.rtt)
	}
	s.n++
	s.p.mu.Lock()
	s.p.asked = append(s.p.asked, fmt.Sprint(s.conn, " ", mask(rcpt, k)))
	s.p.mu.Unlock()
	a := s.p.reply(rcpt.External(), k, s.conn)
	a.Evidence.SourceIP = s.Source()
	return a
}

// mask hides the local part of a random control.
func mask(a address.Address, k pace.Kind) string {
	if k == pace.KindRandom {
		return "random@" + a.Domain().String()
	}
	return a.External()
}

// says is the answer to a RCPT with a given class.
func says(code int, c reply.Class) pace.Answer {
	c.Permanent = code/100 == 5
	return pace.Answer{
		Asked: true, Class: c,
		Step:     probe.Step{Stage: verdict.Rcpt, Reply: reply.Reply{Code: code}},
		Evidence: verdict.Evidence{Stage: verdict.Rcpt, Code: code},
	}
}

func accept() pace.Answer { return says(250, reply.Class{Reason: verdict.Accepted}) }
func unknown() pace.Answer {
	return says(550, reply.Class{Reason: verdict.MailboxNotFound, Scope: reply.ScopeRecipient, PlainUnknown: true})
}

func refused(r verdict.Reason) pace.Answer {
	return says(550, reply.Class{Reason: r, Scope: reply.ScopeRecipient})
}

func blocked() pace.Answer {
	return says(550, reply.Class{Reason: verdict.ProbeBlocked, Scope: reply.ScopeSite})
}

func later(r verdict.Reason) pace.Answer {
	return says(450, reply.Class{Reason: r, Scope: reply.ScopeRecipient})
}

func lost() pace.Answer {
	return pace.Answer{
		Asked: true, Class: reply.Class{Reason: verdict.TemporaryFailure},
		Step: probe.Step{Stage: verdict.Rcpt, Failure: probe.Lost},
	}
}
func notAsked() pace.Answer { return pace.Answer{Class: reply.Class{Reason: verdict.NotProbed}} }

// only accepts the named local parts and random controls as the flags say.
func only(locals ...string) func(string, pace.Kind, int) pace.Answer {
	return func(rcpt string, k pace.Kind, _ int) pace.Answer {
		local, _, _ := strings.Cut(rcpt, "@")
		if k != pace.KindRandom && slices.Contains(locals, local) {
			return accept()
		}
		return unknown()
	}
}

// world is an engine over the fakes.
type world struct {
	t     testing.TB
	e     *Engine
	store *mapStore
	dns   *fakeDNS
	pacer *fakePacer
	terms provider.Terms
	st    *Settings
	next  atomic.Pointer[Settings] // after a reload

	mu    sync.Mutex
	given []given
}

// given is a verdict that was handed out, and what it was then.
type given struct {
	v   *verdict.Verdict
	was verdict.Verdict
}

func (w *world) settings() *Settings {
	if st := w.next.Load(); st != nil {
		return st
	}
	return w.st
}

func newWorld(t testing.TB, truth provider.Truth) *world {
	t.Helper()
	w := &world{
		t: t, store: newMapStore(), dns: &fakeDNS{}, pacer: &fakePacer{reply: only("user", "postmaster")},
		terms: provider.Terms{Truth: truth, Probing: true},
	}
	w.st = &Settings{Hostname: "out1.example.com", Resolver: w.dns, Senders: []address.Address{addr(t, "verify@probe.example.com")}}
	keyer, err := NewKeyer(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.e, err = newEngine(Options{Settings: w.settings, Verdicts: w.store, Facts: w.store, Keyer: keyer}, w.pacer)
	if err != nil {
		t.Fatal(err)
	}
	w.e.terms = func(*Settings, mx.Route) provider.Terms { return w.terms }
	if err := w.e.Start(); err != nil {
		t.Fatal(err)
	}
	return w
}

// inWorld runs f in a synctest bubble, with an engine that is stopped after it.
func inWorld(t *testing.T, truth provider.Truth, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, truth)
		f(t, w)
		w.stop(t)
	})
}

func (w *world) stop(t *testing.T) {
	t.Helper()
	if err := w.e.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	w.pacer.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, g := range w.given {
		if !reflect.DeepEqual(*g.v, g.was) {
			t.Errorf("changed after it was given: %+v, was %+v", *g.v, g.was)
		}
	}
	if n := w.e.Snapshot(); n.Waiting != 0 || n.Flights != 0 || len(w.e.atSite) != 0 || len(w.e.controls) != 0 {
		t.Errorf("left behind: %+v, at sites %v, controls %d", n, w.e.atSite, len(w.e.controls))
	}
}

// give remembers a verdict that others have from now on. That it is not changed
// any more is seen in stop, or by the race detector.
func (w *world) give(v *verdict.Verdict) {
	was := *v
	was.Tags = slices.Clone(v.Tags)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.given = append(w.given, given{v, was})
}

func addr(t testing.TB, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s, address.External)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// ask verifies an address as check does, waiting for the end.
func (w *world) ask(s string) *verdict.Verdict {
	return w.with(s, func(*Query) {})
}

func (w *world) with(s string, f func(q *Query)) *verdict.Verdict {
	q := Query{Address: addr(w.t, s), Probe: true, Budget: time.Minute, Uncapped: true}
	f(&q)
	v := w.e.Verify(w.t.Context(), &q)
	w.give(v)
	return v
}

func (w *world) want(s string, r verdict.Reason) *verdict.Verdict {
	w.t.Helper()
	v := w.ask(s)
	if v.Reason != r {
		w.t.Errorf("%s: %s, want %s", s, v.Reason, r)
	}
	return v
}

func (w *world) wantAsked(want ...string) {
	w.t.Helper()
	if got := w.pacer.log(); !slices.Equal(got, want) {
		w.t.Errorf("asked %q, want %q", got, want)
	}
}
