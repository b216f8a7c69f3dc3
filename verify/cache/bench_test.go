package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"rcptgate/verify"
)

// rounds of a comparison; the two sides take turns.
const rounds = 9

// load brings n verdicts into a new store in dir, as the writer does but
// without its queue, and opens it anew.
func load(b *testing.B, dir string, n int) *Store {
	b.Helper()
	f, err := openStore(Options{Path: dir}, limits{})
	if err != nil {
		b.Fatal(err)
	}
	h := f.h
	h.db.NoSync = true
	now := time.Now()
	v := sampleVerdict(now)
	start := time.Now()
	for i := 0; i < n; {
		batch := make([]change, 0, maxBatch)
		for ; i < n && len(batch) < maxBatch; i++ {
			k := keyOf(uint64(i))
			v.ProbeID = strconv.FormatUint(rand.Uint64(), 16)
			batch = append(batch, change{b: verdicts, key: k[:], record: encodeVerdict(verdicts, k[:], v, now)})
		}
		slices.SortFunc(batch, func(x, y change) int { return slices.Compare(x.key, y.key) })
		if err := h.write(batch); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("%d verdicts loaded in %v", n, time.Since(start).Round(time.Second))
	if err := h.db.Sync(); err != nil {
		b.Fatal(err)
	}
	if err := f.close(b.Context()); err != nil {
		b.Fatal(err)
	}
	if f, err = openStore(Options{Path: dir}, limits{}); err != nil {
		b.Fatal(err)
	}
	s := &Store{b: f}
	b.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// bareGet is the least that a read of bbolt can be: the value, copied out.
func bareGet(db *bolt.DB, k verify.Key, into []byte) []byte {
	_ = db.View(func(tx *bolt.Tx) error {
		into = append(into[:0], tx.Bucket(bucketNames[verdicts]).Get(k[:])...)
		return nil
	})
	return into
}

// times measures reads of random keys one by one and returns them sorted.
func times(n, reads int, get func(k verify.Key)) []time.Duration {
	d := make([]time.Duration, reads)
	for i := range d {
		k := keyOf(rand.Uint64N(uint64(n)))
		start := time.Now()
		get(k)
		d[i] = time.Since(start)
	}
	slices.Sort(d)
	return d
}

// compare reads in turns, the store and bare bbolt, and reports the ratios of
// p50 and p99: median and quartiles.
func compare(b *testing.B, s *Store, n, reads int) {
	b.Helper()
	db := s.b.(*file).h.db
	buf := make([]byte, 0, 1024)
	ours := func(k verify.Key) {
		if _, ok := s.GetVerdict(k); !ok {
			b.Fatal("a verdict is not there")
		}
	}
	bare := func(k verify.Key) {
		if buf = bareGet(db, k, buf); len(buf) == 0 {
			b.Fatal("a record is not there")
		}
	}
	times(n, reads, ours) // warm
	var p50, p99, us, them []float64
	for range rounds {
		o, r := times(n, reads, ours), times(n, reads, bare)
		p50 = append(p50, float64(o[reads/2])/float64(r[reads/2]))
		p99 = append(p99, float64(o[reads*99/100])/float64(r[reads*99/100]))
		us = append(us, float64(o[reads*99/100])/1000)
		them = append(them, float64(r[reads*99/100])/1000)
	}
	for _, l := range [][]float64{p50, p99, us, them} {
		slices.Sort(l)
	}
	b.Logf("read p50, ours / bare bbolt: median %.2f, quartiles %.2f %.2f", p50[rounds/2], p50[rounds/4], p50[rounds*3/4])
	b.Logf("read p99, ours / bare bbolt: median %.2f, quartiles %.2f %.2f (%.1f us, %.1f us)",
		p99[rounds/2], p99[rounds/4], p99[rounds*3/4], us[rounds/2], them[rounds/2])
	b.ReportMetric(p50[rounds/2], "p50-ratio")
	b.ReportMetric(p99[rounds/2], "p99-ratio")
	b.ReportMetric(0, "ns/op")
}

func BenchmarkGet(b *testing.B) {
	const n = 20_000
	s := load(b, b.TempDir(), n)
	compare(b, s, n, 20_000)
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s.GetVerdict(keyOf(rand.Uint64N(n)))
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		var buf []byte
		for b.Loop() {
			buf = bareGet(s.b.(*file).h.db, keyOf(rand.Uint64N(n)), buf)
		}
	})
}

func BenchmarkPut(b *testing.B) {
	s := open(b, b.TempDir())
	v := sampleVerdict(time.Now())
	b.ReportAllocs()
	for b.Loop() {
		s.PutVerdict(keyOf(rand.Uint64N(50_000)), v)
	}
}

// BenchmarkLarge: RCPTGATE_STORE_N verdicts (200,000 without it; 10 million need
// some 5 GB in $TMPDIR), read at random while others are put, beside bare bbolt.
func BenchmarkLarge(b *testing.B) {
	n := 200_000
	if e := os.Getenv("RCPTGATE_STORE_N"); e != "" {
		var err error
		if n, err = strconv.Atoi(e); err != nil {
			b.Fatal(err)
		}
	}
	s := load(b, b.TempDir(), n)
	start := time.Now()
	if _, ok := s.GetVerdict(keyOf(0)); !ok {
		b.Fatal("the first read finds nothing")
	}
	b.Logf("first read after opening: %v", time.Since(start))
	for i := range 10_000 {
		s.PutVerdict(keyOf(uint64(n+i)), sampleVerdict(time.Now()))
	}
	compare(b, s, n, 50_000)
	st := s.Stats()
	b.Logf("%d verdicts, %d waiting, %d MB in the file", st.Verdicts, st.Pending, st.Bytes>>20)
	for _, name := range []string{"RssAnon", "RssFile", "VmHWM"} {
		b.Logf("%s %d MB", name, status(b, name)>>10)
	}
	b.ReportMetric(float64(status(b, "RssAnon"))/1024, "RssAnon-MB")
}

// status reads a figure of this process, in kB.
func status(b *testing.B, name string) (kb int) {
	b.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			if _, err := fmt.Sscan(rest, &kb); err != nil {
				b.Fatal(err)
			}
		}
	}
	return kb
}
