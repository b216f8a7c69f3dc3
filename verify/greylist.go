package verify

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/pace"
	"rcptgate/verify/verdict"
)

// Greylisting (RFC 6647) lets the same triple of client, sender and recipient
// pass after a delay, most often 5 minutes, sometimes an hour: the retries
// come from the same source with the same sender.
var retryAt = [...]time.Duration{6 * time.Minute, 20 * time.Minute, 65 * time.Minute}

const (
	retryJitter = 20 * time.Second // added at random, never early
	maxGreylist = 10_000           // addresses on the schedule
)

// schedule is the table of greylisted addresses, and when each is next.
type schedule struct {
	mu    sync.Mutex
	byKey map[Key]*greylisted
	queue greyQueue
	wake  chan struct{} // capacity 1: there is something new
}

// greylisted is one address on the schedule. While its retry is under way it
// is in the table, but not in the queue.
type greylisted struct {
	key    Key
	addr   address.Address
	tenant string
	source netip.Addr
	first  time.Time
	next   int // index into retryAt
	due    time.Time
}

func (s *schedule) init() {
	s.byKey = map[Key]*greylisted{}
	s.wake = make(chan struct{}, 1)
}

func (s *schedule) size() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.byKey)
}

// add puts an address on the schedule unless it is there, or there is no
// room, or all its times are over.
func (s *schedule) add(g *greylisted, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byKey[g.key] != nil || max(len(s.byKey), len(s.queue)) >= maxGreylist {
		return
	}
	s.byKey[g.key] = g
	s.arm(g, now)
}

// again puts an address back for its next time, or drops it after the last.
func (s *schedule) again(k Key, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.byKey[k]; g != nil {
		s.arm(g, now)
	}
}

// arm queues the first time that lies ahead. s.mu is held.
func (s *schedule) arm(g *greylisted, now time.Time) {
	for ; g.next < len(retryAt); g.next++ {
		if at := g.first.Add(retryAt[g.next]); at.After(now) {
			g.due = at.Add(rand.N(retryJitter))
			g.next++
			heap.Push(&s.queue, g)
			select {
			case s.wake <- struct{}{}:
			default:
			}
			return
		}
	}
	delete(s.byKey, g.key)
}

func (s *schedule) drop(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byKey, k) // what is in the queue is skipped when it is due
}

// due takes out what is due, and says when to come back at the latest.
func (s *schedule) due(now time.Time) (out []*greylisted, wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 0 {
		g := s.queue[0]
		if s.byKey[g.key] == g && g.due.After(now) {
			return out, g.due.Sub(now)
		}
		heap.Pop(&s.queue)
		if s.byKey[g.key] == g {
			out = append(out, g)
		}
	}
	return out, time.Hour
}

// retryLater puts a greylisted address on the schedule. source is the
// configured one of the dialogue; zero: any.
func (e *Engine) retryLater(a address.Address, tenant string, source netip.Addr, first time.Time) {
	e.grey.add(&greylisted{key: e.keyer.Key(a), addr: a, tenant: tenant, source: source, first: first}, time.Now())
}

// retried keeps the schedule after a flight has ended.
func (e *Engine) retried(f *flight, v *verdict.Verdict) {
	switch {
	case f.why == pace.WhyGreylist && (v.Reason == verdict.Greylisted || !v.Reason.Stored()):
		e.grey.again(f.key, time.Now())
	case v.Reason != verdict.Greylisted:
		if v.Reason.Stored() {
			e.grey.drop(f.key)
		}
	default:
		e.mu.Lock()
		retry := f.retry
		e.mu.Unlock()
		if retry {
			e.retryLater(f.addr, f.tenant, f.source, v.CheckedAt)
		}
	}
}

// runSchedule begins the retries when they are due; Start runs it, Stop ends
// and awaits it.
func (e *Engine) runSchedule() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		due, wait := e.grey.due(time.Now())
		for _, g := range due {
			e.retryNow(g)
		}
		timer.Reset(wait)
		select {
		case <-e.ctx.Done():
			return
		case <-e.grey.wake:
		case <-timer.C:
		}
	}
}

func (e *Engine) retryNow(g *greylisted) {
	defer func() {
		if r := recover(); r != nil {
			e.panicked("greylist schedule", r)
			e.grey.drop(g.key)
		}
	}()
	a := ask{
		q:  &Query{Address: g.addr, Tenant: g.tenant},
		st: e.settings(), now: time.Now(), why: pace.WhyGreylist,
	}
	if e.guard(&a) != nil { // other settings since
		e.grey.drop(g.key)
		return
	}
	e.mu.Lock()
	taken := e.closed || e.flights[a.key] != nil || len(e.flights) >= maxFlights
	if !taken {
		f := e.beginLocked(&a)
		f.kept, f.source = true, g.source
	}
	e.mu.Unlock()
	if taken { // somebody asks just now
		e.grey.again(g.key, time.Now())
	}
}

// greyQueue is a heap by due.
type greyQueue []*greylisted

func (q greyQueue) Len() int           { return len(q) }
func (q greyQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q greyQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *greyQueue) Push(x any)        { *q = append(*q, x.(*greylisted)) }
func (q *greyQueue) Pop() any {
	old := *q
	g := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return g
}
