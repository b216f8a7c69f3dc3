// Package cache keeps what was learned: verdicts, facts of domains and sites,
// and the pacer's counters, in one bbolt file, or in memory alone.
//
// Nothing that waits for a mail server waits for the disk: a put goes into a
// bounded queue, one goroutine writes it in batches, and reads see the queue.
// When the disk is full, read-only or broken, the queue holds the newest of
// what was learned, Healthy says why, and writing goes on when the disk does. A
// file that is corrupt, cut or not ours is set aside, never repaired and never
// deleted. What is lost with the process is what was queued (at most some
// 150 ms of it); a verdict that is lost is found out anew.
//
// It judges nothing: which verdict may overwrite which is the engine's
// decision (docs/design.md, rule 5). It stores no clear addresses: keys are
// keyed hashes, made by the engine, and the evidence of a verdict holds none.
package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"rcptgate/verify"
	"rcptgate/verify/pace"
	"rcptgate/verify/verdict"
)

// ErrLocked says that another process holds the store.
var ErrLocked = errors.New("another process holds the store")

// Options of a Store.
type Options struct {
	// Path is the directory of the file, made when missing; "" keeps
	// everything in memory.
	Path   string
	Logger *slog.Logger // nil: discards
}

// Store implements verify.Verdicts, verify.Facts and pace.Memory. Its methods
// are safe for concurrent use. With a path it owns one goroutine, which Close
// ends; without one it owns none.
type Store struct{ b backend }

var (
	_ verify.Verdicts = (*Store)(nil)
	_ verify.Facts    = (*Store)(nil)
	_ pace.Memory     = (*Store)(nil)
)

// backend keeps records by bucket and key. Records are never changed once they
// were handed over in either direction.
type backend interface {
	// get returns the record, or nil.
	get(b bucket, key []byte) []byte
	// put replaces the record, or deletes it when it is nil. It never blocks.
	put(b bucket, key, record []byte)
	// all returns the records of a bucket that is small.
	all(b bucket) (map[string][]byte, error)
	healthy() error
	stats() Stats
	close(ctx context.Context) error
}

// bucket is a kind of record.
type bucket byte

const (
	verdicts bucket = iota
	domains
	sites
	paces
	buckets // how many there are
)

// siteLife is how long a site fact lives: its suspect intervals outlive every
// negative verdict.
const siteLife = 7 * 24 * time.Hour

// Open opens the store, or begins one. A file that is corrupt, cut or not ours
// is set aside with a line in the log. A disk that is full or read-only is no
// error, but told by Healthy. ErrLocked: another process holds the file.
func Open(o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Path == "" {
		return &Store{b: newMemory(memoryBudget)}, nil
	}
	f, err := openStore(o, limits{})
	if err != nil {
		return nil, err
	}
	return &Store{b: f}, nil
}

// Close writes what is queued until ctx ends, and releases the file. An error
// says what was not written. Idempotent.
func (s *Store) Close(ctx context.Context) error { return s.b.close(ctx) }

// Healthy returns nil, or why what is put does not reach the disk.
func (s *Store) Healthy() error { return s.b.healthy() }

// GetVerdict returns a copy of a verdict that has not expired.
func (s *Store) GetVerdict(k verify.Key) (*verdict.Verdict, bool) {
	v, err := decodeVerdict(verdicts, k[:], s.b.get(verdicts, k[:]), time.Now())
	return v, err == nil
}

// PutVerdict queues a verdict; one without expiry or expired is not kept.
func (s *Store) PutVerdict(k verify.Key, v *verdict.Verdict) {
	if now := time.Now(); !v.Expired(now) {
		s.b.put(verdicts, k[:], encodeVerdict(verdicts, k[:], v, now))
	}
}

// DropVerdict queues the deletion of a verdict.
func (s *Store) DropVerdict(k verify.Key) { s.b.put(verdicts, k[:], nil) }

// GetDomain returns a domain fact of which anything still counts.
func (s *Store) GetDomain(k [8]byte) (verify.DomainFact, bool) {
	f, err := decodeDomain(domains, k[:], s.b.get(domains, k[:]), time.Now())
	return f, err == nil
}

// PutDomain queues a domain fact; one of which nothing counts is not kept.
func (s *Store) PutDomain(k [8]byte, f verify.DomainFact) {
	if now := time.Now(); now.Before(f.Until()) {
		s.b.put(domains, k[:], encodeDomain(domains, k[:], f, now))
	}
}

// GetSite returns what was put of a site in the last seven days.
func (s *Store) GetSite(site string) (verify.SiteFact, bool) {
	k := siteKey(site)
	f, err := decodeSite(sites, k, s.b.get(sites, k), time.Now())
	return f, err == nil
}

// PutSite queues a site fact.
func (s *Store) PutSite(site string, f verify.SiteFact) {
	k := siteKey(site)
	s.b.put(sites, k, encodeSite(sites, k, f, time.Now()))
}

// siteKey shortens the name of a site, which may be twenty host names long.
func siteKey(site string) []byte {
	sum := sha256.Sum256([]byte(site))
	return sum[:16]
}

// maxPaceKey is what bbolt takes as a key.
const maxPaceKey = 32_000

// LoadPace returns what SavePace was given and still lives, by its keys.
func (s *Store) LoadPace() (map[string][]byte, error) {
	all, err := s.b.all(paces)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	m := make(map[string][]byte, len(all))
	for k, record := range all {
		if r, err := openRecord(paces, []byte(k), record, now); err == nil {
			m[k] = []byte(r.s)
		}
	}
	return m, nil
}

// SavePace queues a value that lives so long, or with nil the deletion of its key.
func (s *Store) SavePace(key string, value []byte, life time.Duration) {
	if key == "" || len(key) > maxPaceKey {
		return
	}
	k := []byte(key)
	if value == nil {
		s.b.put(paces, k, nil)
		return
	}
	now := time.Now()
	w := newRecord(now, now.Add(life), len(value))
	w.b = append(w.b, value...)
	s.b.put(paces, k, w.seal(paces, k))
}

// Stats says how much there is. The numbers of records include those that
// expired and were not yet swept.
type Stats struct {
	Verdicts, Domains, Sites int
	Pending                  int   // puts that are not yet on the disk
	Dropped                  int   // puts that were given up since Open because the queue was full
	Bytes                    int64 // size of the file, or an estimate of the memory
}

// Stats returns the numbers of now.
func (s *Store) Stats() Stats { return s.b.stats() }
