package mx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
)

var errClosed = errors.New("resolver closed")

// memo is a bounded cache with one load at a time for each key. A load runs on
// a context of its own with its own budget, so that an asker who goes away
// takes nothing from the others. It owns the goroutines of its loads.
type memo[K comparable, V any] struct {
	budget time.Duration
	log    *slog.Logger
	load   func(ctx context.Context, key K) V
	cache  *otter.Cache[K, V]

	mu     sync.Mutex
	calls  map[K]*call[V]
	closed bool
	wg     sync.WaitGroup
}

type call[V any] struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when val and err are set
	val    V
	err    error
}

func newMemo[K comparable, V any](
	budget time.Duration, log *slog.Logger, load func(context.Context, K) V, expires func(V) time.Time,
) *memo[K, V] {
	return &memo[K, V]{
		budget: budget,
		log:    log,
		load:   load,
		calls:  map[K]*call[V]{},
		cache: otter.Must(&otter.Options[K, V]{
			MaximumSize: maxCached,
			ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[K, V]) time.Duration {
				return max(1, time.Until(expires(e.Value)))
			}),
			Clock: newMonotonic(),
			// On the caller's goroutine: the cache has no callbacks that
			// could lock it again, and so no goroutines without an owner.
			Executor: func(f func()) { f() },
		}),
	}
}

// get returns the cached value, or waits for the load that is under way or that
// it begins. An error means that ctx ended first, that the memo is closed, or
// that the load panicked.
func (m *memo[K, V]) get(ctx context.Context, key K) (V, error) {
	if v, ok := m.cache.GetIfPresent(key); ok {
		return v, nil
	}
	c, _, v, err := m.begin(key, false)
	if c == nil {
		return v, err
	}
	select {
	case <-c.done:
		return c.val, c.err
	case <-ctx.Done():
		return v, ctx.Err()
	}
}

// lead is prefetch for who is itself a load, of another memo, and has nothing
// else to do: it runs the load itself, within what is left of its budget, and
// needs no goroutine for it. Where an eighth of that is gone it does no more than
// prefetch: others may join the load, and are not to find it cut short.
func (m *memo[K, V]) lead(ctx context.Context, key K) {
	if _, ok := m.cache.GetIfPresent(key); ok {
		return
	}
	end, bounded := ctx.Deadline()
	whole := !bounded || time.Until(end) >= m.budget-m.budget/8
	if c, first, _, _ := m.begin(key, whole); first && whole {
		m.run(ctx, key, c)
	}
}

// prefetch begins the load of a key that somebody will get.
func (m *memo[K, V]) prefetch(key K) {
	if _, ok := m.cache.GetIfPresent(key); !ok {
		_, _, _, _ = m.begin(key, false)
	}
}

// begin joins the load of the key or starts one; with lead it leaves the first
// one to its caller. Without a call there is an error, or the value came in
// meanwhile.
func (m *memo[K, V]) begin(key K, lead bool) (c *call[V], first bool, v V, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil, false, v, errClosed
	}
	if c, ok := m.calls[key]; ok {
		return c, false, v, nil
	}
	if v, ok := m.cache.GetIfPresent(key); ok {
		return nil, false, v, nil
	}
	c = &call[V]{cancel: func() {}, done: make(chan struct{})}
	m.calls[key] = c
	if lead {
		return c, true, v, nil
	}
	own, cancel := context.WithTimeout(context.Background(), m.budget)
	c.cancel = cancel
	m.wg.Go(func() { m.run(own, key, c) })
	return c, true, v, nil
}

func (m *memo[K, V]) run(ctx context.Context, key K, c *call[V]) {
	defer func() {
		if p := recover(); p != nil {
			c.err = fmt.Errorf("internal error: %v", p)
			m.log.Error("panic in a DNS lookup", "panic", p, "stack", string(debug.Stack()))
		}
		c.cancel()
		m.mu.Lock()
		if c.err == nil {
			m.cache.Set(key, c.val)
		}
		delete(m.calls, key)
		m.mu.Unlock()
		close(c.done)
	}()
	c.val = m.load(ctx, key)
}

// close cancels the loads and waits for them. Idempotent.
func (m *memo[K, V]) close() {
	m.mu.Lock()
	m.closed = true
	for _, c := range m.calls {
		c.cancel()
	}
	m.mu.Unlock()
	m.wg.Wait()
}

// monotonic is the clock of the caches: it follows no change of the system
// time, and it has no ticks, because entries that expired are found when they
// are read and their number is bounded anyway.
type monotonic struct{ start time.Time }

func newMonotonic() monotonic { return monotonic{start: time.Now()} }

func (m monotonic) NowNano() int64                      { return int64(time.Since(m.start)) }
func (m monotonic) Tick(time.Duration) <-chan time.Time { return nil }
