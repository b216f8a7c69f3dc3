package policy

import "time"

// memory is a bounded map that forgets what was not touched for a time between
// ttl and twice ttl, or earlier when it is full. It keeps two generations and
// needs no goroutine. It is not safe for concurrent use.
type memory[K comparable, V any] struct {
	ttl      time.Duration
	size     int // of a generation
	now, old map[K]V
	since    time.Time // when now began
}

func newMemory[K comparable, V any](ttl time.Duration, size int) *memory[K, V] {
	return &memory[K, V]{ttl: ttl, size: size, now: map[K]V{}, old: map[K]V{}}
}

func (m *memory[K, V]) get(k K) (V, bool) {
	m.turn()
	v, ok := m.now[k]
	if ok {
		return v, true
	}
	if v, ok = m.old[k]; ok {
		m.put(k, v)
	}
	return v, ok
}

func (m *memory[K, V]) put(k K, v V) {
	m.turn()
	m.now[k] = v
}

func (m *memory[K, V]) delete(k K) {
	delete(m.now, k)
	delete(m.old, k)
}

// turn begins a new generation when it is time.
func (m *memory[K, V]) turn() {
	now := time.Now()
	idle := now.Sub(m.since)
	if idle < m.ttl && len(m.now) < m.size {
		return
	}
	m.now, m.old = m.old, m.now
	clear(m.now)
	if idle >= 2*m.ttl {
		clear(m.old)
	}
	m.since = now
}
