package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

// limits are for tests; zero fields mean the defaults.
type limits struct {
	queue   int           // puts that wait for the disk
	maxSize int           // of the file, octets
	retry   time.Duration // pause after a write that failed
	near    int           // octets of what is kept in memory
}

// file is a store on the disk: a queue of puts and a bounded memory of what was
// used lately in front of one bbolt file, and the goroutine that writes. A
// handle that broke is nil until the writer has set its file aside and begun a
// new one; queue and memory are the store meanwhile.
type file struct {
	path string
	log  *slog.Logger
	limits

	wake chan struct{} // something was queued, or the handle broke
	quit chan struct{} // closed by Close
	done chan struct{} // closed by the writer
	stop sync.Once

	memory *memory // what was put or read lately

	mu       sync.RWMutex
	h        *handle
	pending  map[string]*pendingPut // by bucket octet and key
	order    []string               // keys of pending that are not in flight, oldest first
	trouble  error                  // why the last write did not succeed
	broken   *damageError           // why h is nil, until its file is set aside
	dropping bool                   // the queue overflowed and has not been empty since
	dropped  int
	counts   [buckets]int
	closed   bool
	puts     [256]uint32 // how often a key that ends so was put
}

// pendingPut is a put that is not on the disk yet. A nil record deletes.
type pendingPut struct {
	record   []byte
	inFlight bool // part of the batch that is being written
}

func openStore(o Options, l limits) (*file, error) {
	f := &file{
		path:    filepath.Join(o.Path, fileName),
		log:     o.Logger,
		limits:  l,
		wake:    make(chan struct{}, 1),
		quit:    make(chan struct{}),
		done:    make(chan struct{}),
		pending: map[string]*pendingPut{},
		memory:  newMemory(cmp.Or(l.near, nearBudget)),
	}
	f.queue = cmp.Or(f.queue, maxQueue)
	f.maxSize = cmp.Or(f.maxSize, maxFile)
	f.retry = cmp.Or(f.retry, retryDelay)
	w := &fileWriter{file: f}
	if err := w.open(time.Now()); diskTrouble(err) {
		w.fail(err) // nobody else has it yet: no lock
	} else if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	go w.run()
	return f, nil
}

// queueKey writes the key of pending into buf.
func queueKey(buf []byte, b bucket, key []byte) []byte {
	return append(append(buf, byte(b)), key...)
}

func (f *file) get(b bucket, key []byte) []byte {
	if record, ok := f.memory.look(b, key); ok {
		return record
	}
	var buf [64]byte
	k := queueKey(buf[:0], b, key)
	f.mu.RLock()
	p, queued := f.pending[string(k)]
	h, puts := f.h, f.puts[last(key)]
	var record []byte
	if queued {
		record = p.record
	}
	f.mu.RUnlock()
	if queued || h == nil {
		return record
	}
	if err := h.view(func(tx *bolt.Tx) error {
		record = slices.Clone(tx.Bucket(bucketNames[b]).Get(key))
		return nil
	}); err != nil {
		f.lose(h, err)
		return nil
	}
	f.remember(b, key, record, puts)
	return record
}

// remember keeps in memory what was read of the file, unless the key was put
// anew since puts was read. Verdicts are not: those that are asked for again
// soon were put lately, and to make room for one costs more than to read it.
func (f *file) remember(b bucket, key, record []byte, puts uint32) {
	if b == verdicts && record != nil {
		return
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.puts[last(key)] == puts && !f.closed {
		f.memory.keep(b, key, record)
	}
}

// last is the last octet of a key, of which the hashed ones have all sorts.
func last(key []byte) byte {
	if len(key) == 0 {
		return 0
	}
	return key[len(key)-1]
}

func (f *file) all(b bucket) (map[string][]byte, error) {
	f.mu.RLock()
	h := f.h
	f.mu.RUnlock()
	all := map[string][]byte{}
	if h != nil {
		if err := h.view(func(tx *bolt.Tx) error {
			return tx.Bucket(bucketNames[b]).ForEach(func(k, v []byte) error {
				all[string(k)] = slices.Clone(v)
				return nil
			})
		}); err != nil {
			f.lose(h, err)
			return nil, fmt.Errorf("store: %w", err)
		}
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	for k, p := range f.pending {
		switch {
		case bucket(k[0]) != b:
		case p.record == nil:
			delete(all, k[1:])
		default:
			all[k[1:]] = p.record
		}
	}
	return all, nil
}

func (f *file) put(b bucket, key, record []byte) {
	var buf [64]byte
	k := queueKey(buf[:0], b, key)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	f.puts[last(key)]++
	if b != paces { // read at the start alone
		f.memory.keep(b, key, record)
	}
	p := f.pending[string(k)]
	switch {
	case p == nil:
		if len(f.pending) >= f.queue {
			f.drop()
		}
		s := string(k)
		f.pending[s] = &pendingPut{record: record}
		f.order = append(f.order, s)
	case p.inFlight:
		p.record, p.inFlight = record, false
		f.order = append(f.order, string(k))
	default:
		p.record = record
	}
	f.signal()
}

// drop gives the oldest queued put up. f.mu is held.
func (f *file) drop() {
	if len(f.order) == 0 {
		return
	}
	delete(f.pending, f.order[0])
	f.order = f.order[1:]
	f.dropped++
	f.dropping = true
}

func (f *file) signal() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// view reads. Whatever goes wrong in it, but for a file that was just closed,
// is damage.
func (h *handle) view(read func(*bolt.Tx) error) error {
	return guarded(func() error { return h.db.View(read) })
}

// lose takes a handle that broke out of use; the writer does the rest.
func (f *file) lose(h *handle, err error) {
	var damage *damageError
	if !errors.As(err, &damage) {
		return // closed meanwhile
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.h != h {
		return
	}
	f.h, f.broken = nil, damage
	h.abandon()
	f.signal()
}

func (f *file) healthy() error {
	f.mu.RLock()
	defer f.mu.RUnlock()
	switch {
	case f.trouble != nil:
		return fmt.Errorf("store: writes do not reach the disk: %w (%d wait, %d given up)", f.trouble, len(f.pending), f.dropped)
	case f.broken != nil:
		return fmt.Errorf("store: %w", f.broken)
	case f.dropping:
		return fmt.Errorf("store: the disk is too slow (%d writes wait, %d given up)", len(f.pending), f.dropped)
	}
	return nil
}

func (f *file) stats() Stats {
	var size int64
	if info, err := os.Stat(f.path); err == nil {
		size = info.Size()
	}
	f.mu.RLock()
	defer f.mu.RUnlock()
	return Stats{
		Verdicts: f.counts[verdicts], Domains: f.counts[domains], Sites: f.counts[sites],
		Pending: len(f.pending), Dropped: f.dropped, Bytes: size,
	}
}

func (f *file) close(ctx context.Context) error {
	f.stop.Do(func() { close(f.quit) })
	select {
	case <-f.done:
	case <-ctx.Done():
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.memory.clear()
	if n := len(f.pending); n > 0 {
		return fmt.Errorf("store: %d writes are lost: %w", n, errors.Join(f.trouble, ctx.Err()))
	}
	return nil
}
