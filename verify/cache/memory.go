package cache

import (
	"context"
	"time"

	"github.com/maypok86/otter/v2"
)

// memoryBudget bounds a store without a file, in bytes: some 300,000
// verdicts.
const memoryBudget = 256 << 20

// nearBudget bounds what of a file is kept in memory, in bytes: some 40,000
// verdicts.
const nearBudget = 32 << 20

// entryCost is what the cache itself needs for an entry, measured.
const entryCost = 160

// memory is a store without a file: bounded caches that forget what is used
// least. It owns no goroutine.
type memory struct {
	caches [buckets]*otter.Cache[string, []byte]
}

func newMemory(budget int) *memory {
	m := &memory{}
	for b := range m.caches {
		share := budget / 8
		if bucket(b) == verdicts {
			share = budget - (int(buckets)-1)*share
		}
		m.caches[b] = otter.Must(&otter.Options[string, []byte]{
			MaximumWeight: uint64(max(1, share)),
			Weigher:       func(k string, v []byte) uint32 { return uint32(len(k) + cap(v) + entryCost) },
			// On the caller's goroutine: so there is none to wait for.
			Executor: func(f func()) { f() },
		})
	}
	return m
}

func (m *memory) get(b bucket, key []byte) []byte {
	record, _ := m.caches[b].GetIfPresent(string(key))
	if expired, ok := expiryOf(record, time.Now()); ok && expired {
		m.caches[b].Invalidate(string(key))
		return nil
	}
	return record
}

// look returns the record of a key, nil where it is known to be absent, and
// whether anything is known of it.
func (m *memory) look(b bucket, key []byte) (record []byte, ok bool) {
	record, ok = m.caches[b].GetIfPresent(string(key))
	if len(record) == 0 {
		return nil, ok
	}
	return record, ok
}

// keep notes the record of a key, or with nil that it is absent.
func (m *memory) keep(b bucket, key, record []byte) {
	if record == nil {
		record = []byte{}
	}
	m.caches[b].Set(string(key), record)
}

// clear forgets everything.
func (m *memory) clear() {
	for _, c := range m.caches {
		c.InvalidateAll()
	}
}

func (m *memory) put(b bucket, key, record []byte) {
	if record == nil {
		m.caches[b].Invalidate(string(key))
		return
	}
	m.caches[b].Set(string(key), record)
}

func (m *memory) all(b bucket) (map[string][]byte, error) {
	all := map[string][]byte{}
	for k, v := range m.caches[b].All() {
		all[k] = v
	}
	return all, nil
}

func (m *memory) healthy() error { return nil }

func (m *memory) stats() Stats {
	var bytes uint64
	for _, c := range m.caches {
		bytes += c.WeightedSize()
	}
	return Stats{
		Verdicts: m.caches[verdicts].EstimatedSize(),
		Domains:  m.caches[domains].EstimatedSize(),
		Sites:    m.caches[sites].EstimatedSize(),
		Bytes:    int64(bytes),
	}
}

func (m *memory) close(context.Context) error { return nil }
