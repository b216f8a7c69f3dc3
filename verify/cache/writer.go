package cache

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// maxQueue is some 50 MB, the store while the disk is away.
	maxQueue = 100_000
	// A batch is written when maxBatch puts wait, or the first of them has
	// waited batchDelay: the larger it is, the less a put costs.
	maxBatch   = 5000
	batchDelay = 150 * time.Millisecond
	// retryDelay is the pause after a write that failed.
	retryDelay = 30 * time.Second
	// breakDelay is the least time between two files that are set aside, so
	// that a machine that breaks them all does not fill its disk with them.
	breakDelay = 10 * time.Minute

	// The sweep reads in steps and deletes in small transactions, with pauses:
	// some 20,000 records and 500 deletions a second at most. It rests when it
	// has been through the file.
	sweepPause   = 10 * time.Second
	sweepRest    = time.Hour
	sweepSteps   = 10
	sweepRecords = 20_000
	sweepDeletes = 500
)

// fileWriter is the goroutine that writes, sweeps, and replaces a broken file.
type fileWriter struct {
	*file
	aside time.Time // when a file was set aside last
	at    place     // where the sweep goes on
}

// place is a position in the file.
type place struct {
	b   bucket
	key []byte
}

func (w *fileWriter) run() {
	defer close(w.done)
	sweep := time.NewTimer(sweepPause)
	defer sweep.Stop()
	due := time.NewTimer(0)
	due.Stop()
	defer due.Stop()
	armed := false
	for {
		select {
		case <-w.quit:
			w.finish()
			return
		case <-sweep.C:
			if w.sweep() {
				sweep.Reset(sweepRest)
			} else {
				sweep.Reset(sweepPause)
			}
		case <-w.wake:
			n, ok := w.waiting()
			switch {
			case ok && n >= maxBatch:
				w.write()
			case !armed:
				due.Reset(batchDelay)
				armed = true
			}
		case <-due.C:
			armed = false
			w.write()
		}
		if n, ok := w.waiting(); n > 0 && !armed {
			delay := batchDelay
			if !ok {
				delay = w.retry
			}
			due.Reset(delay)
			armed = true
		}
	}
}

// waiting returns how much is to be done, and whether writing worked last time.
func (w *fileWriter) waiting() (n int, ok bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	n = len(w.pending)
	if w.h == nil {
		n++ // a file is to be opened
	}
	return n, w.trouble == nil
}

// finish writes what is queued and closes the file. It stops at the first
// failure; Close says what was lost.
func (w *fileWriter) finish() {
	for {
		before, _ := w.waiting()
		if before == 0 || !w.write() {
			break
		}
	}
	w.mu.Lock()
	h := w.h
	w.h, w.closed = nil, true
	w.mu.Unlock()
	if h == nil {
		return
	}
	if err := guarded(h.db.Close); err != nil {
		w.log.Error("store: close", "err", err)
		h.abandon()
	}
}

// write brings one batch to the disk and reports whether that went well.
func (w *fileWriter) write() bool {
	w.mu.RLock()
	h := w.h
	w.mu.RUnlock()
	if h == nil {
		if err := w.open(time.Now()); err != nil {
			w.mu.Lock()
			w.fail(err)
			w.mu.Unlock()
			return false
		}
		w.mu.RLock()
		h = w.h
		w.mu.RUnlock()
	}
	batch := w.take()
	if len(batch) == 0 {
		return true
	}
	err := h.write(batch)
	w.settle(h, batch, err)
	w.lose(h, err)
	return err == nil
}

// change is one put of a batch.
type change struct {
	b      bucket
	key    []byte
	queued string
	record []byte
}

// take moves the oldest puts from the queue into a batch, in the order of the
// file.
func (w *fileWriter) take() []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.order), maxBatch)
	batch := make([]change, 0, n)
	for _, k := range w.order[:n] {
		p := w.pending[k]
		p.inFlight = true
		batch = append(batch, change{b: bucket(k[0]), key: []byte(k[1:]), queued: k, record: p.record})
	}
	w.order = w.order[n:]
	slices.SortFunc(batch, func(x, y change) int { return cmp.Compare(x.queued, y.queued) })
	return batch
}

// settle ends a batch: what was written leaves the queue unless it was put anew
// meanwhile, what was not goes back to its head.
func (w *fileWriter) settle(h *handle, batch []change, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil {
		for _, c := range batch {
			if p := w.pending[c.queued]; p != nil && p.inFlight {
				delete(w.pending, c.queued)
			}
		}
		if w.trouble != nil {
			w.log.Info("store: writing again")
		}
		w.trouble = nil
		w.dropping = w.dropping && len(w.pending) > 0
		w.counts = h.counts
		return
	}
	var back []string
	for _, c := range batch {
		if p := w.pending[c.queued]; p != nil && p.inFlight {
			p.inFlight = false
			back = append(back, c.queued)
		}
	}
	w.order = append(back, w.order...)
	w.fail(err)
}

// fail notes why writing does not work. w.mu is held.
func (w *fileWriter) fail(err error) {
	if w.trouble == nil || w.trouble.Error() != err.Error() {
		w.log.Error("store: writes do not reach the disk; what is learned stays in memory", "err", err)
	}
	w.trouble = err
}

// open opens the file for the first time, or anew after it broke: one that
// cannot be used is set aside and a new one begun.
func (w *fileWriter) open(now time.Time) error {
	w.mu.RLock()
	broken := w.broken
	w.mu.RUnlock()
	var h *handle
	var err error
	if broken == nil {
		h, err = openHandle(w.path, w.maxSize)
		_ = errors.As(err, &broken)
	}
	if broken != nil {
		if h, err = w.replace(now, broken); err == nil {
			broken = nil
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
	if err != nil {
		return err
	}
	w.h, w.counts, w.trouble = h, h.counts, nil
	return nil
}

// replace sets a broken file aside and begins a new one.
func (w *fileWriter) replace(now time.Time, broken *damageError) (*handle, error) {
	if !w.aside.IsZero() && now.Sub(w.aside) < breakDelay {
		return nil, fmt.Errorf("%w; the last file broke less than %v ago", broken, breakDelay)
	}
	name, err := setAside(w.path, now)
	if err != nil {
		return nil, fmt.Errorf("%w; it cannot be set aside: %w", broken, err)
	}
	w.aside = now
	w.log.Error("store: the file cannot be used and was set aside; a new one begins", "err", broken, "aside", name)
	return openHandle(w.path, w.maxSize)
}

// write commits a batch.
func (h *handle) write(batch []change) error {
	counts := h.counts
	err := guarded(func() error {
		return h.db.Update(func(tx *bolt.Tx) error {
			var at [buckets]*bolt.Cursor
			for b, name := range bucketNames {
				at[b] = tx.Bucket(name).Cursor()
			}
			for _, c := range batch {
				if err := apply(at[c.b], c, &counts[c.b]); err != nil {
					return err
				}
			}
			return putCounts(tx, &counts)
		})
	})
	if err == nil {
		h.counts = counts
	}
	return err
}

// apply makes one change in the bucket of the cursor, and in the number of
// records there, which of the pacer's nobody asks for.
func apply(at *bolt.Cursor, c change, count *int) error {
	if c.b != paces {
		found, _ := at.Seek(c.key)
		switch known := bytes.Equal(found, c.key); {
		case known && c.record == nil:
			*count--
		case !known && c.record != nil:
			*count++
		}
	}
	if c.record == nil {
		return at.Bucket().Delete(c.key)
	}
	return at.Bucket().Put(c.key, c.record)
}

// putCounts keeps the numbers of records in the file, because bbolt can only
// count by reading all of it.
func putCounts(tx *bolt.Tx, counts *[buckets]int) error {
	meta := tx.Bucket(metaBucket)
	for b, name := range bucketNames {
		n := binary.LittleEndian.AppendUint64(nil, uint64(max(0, counts[b])))
		if err := meta.Put(countKey(name), n); err != nil {
			return err
		}
	}
	return nil
}

// sweep deletes a part of what has expired and reports whether it came to the
// end of the file.
func (w *fileWriter) sweep() bool {
	for range sweepSteps {
		w.mu.RLock()
		h := w.h
		w.mu.RUnlock()
		if h == nil {
			return false
		}
		next, err := h.sweep(w.at, time.Now())
		if err != nil {
			w.log.Warn("store: sweep", "err", err)
			w.lose(h, err)
			return false
		}
		w.at = next
		w.mu.Lock()
		w.counts = h.counts
		w.mu.Unlock()
		if next.b == 0 && next.key == nil {
			return true
		}
	}
	return false
}

// sweep reads some records from a place on, deletes those that have expired or
// are none of ours, and returns where to go on.
func (h *handle) sweep(from place, now time.Time) (place, error) {
	next := place{b: (from.b + 1) % buckets}
	var dead [][]byte
	err := h.view(func(tx *bolt.Tx) error {
		c := tx.Bucket(bucketNames[from.b]).Cursor()
		n := 0
		for k, v := c.Seek(from.key); k != nil; k, v = c.Next() {
			if n++; n > sweepRecords || len(dead) == sweepDeletes {
				next = place{b: from.b, key: slices.Clone(k)}
				break
			}
			if expired, ok := expiryOf(v, now); expired || !ok {
				dead = append(dead, slices.Clone(k))
			}
		}
		return nil
	})
	if err != nil || len(dead) == 0 {
		return next, err
	}
	changes := make([]change, 0, len(dead))
	for _, k := range dead {
		changes = append(changes, change{b: from.b, key: k})
	}
	return next, h.write(changes)
}
