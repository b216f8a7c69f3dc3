package cache

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify"
	"rcptgate/verify/verdict"
)

// fill puts n verdicts and waits until they are on the disk.
func fill(t *testing.T, s *Store, n uint64) {
	t.Helper()
	for i := range n {
		s.PutVerdict(keyOf(i), sampleVerdict(time.Now()))
	}
	settle(t, s)
}

// settle lets the writer empty the queue, in a bubble.
func settle(t *testing.T, s *Store) {
	t.Helper()
	for range 1000 {
		if s.Stats().Pending == 0 && s.Healthy() == nil {
			return
		}
		time.Sleep(batchDelay)
		synctest.Wait()
	}
	t.Fatalf("not written: %+v, %v", s.Stats(), s.Healthy())
}

func count(s *Store, n uint64) (found int) {
	for i := range n {
		if _, ok := s.GetVerdict(keyOf(i)); ok {
			found++
		}
	}
	return found
}

// TestCutWhileOpen: the file vanishes under the mapping, which is a fault in a
// reader or in the writer. The process lives, the file is set aside, a new one
// begins, and what was queued reaches it.
func TestCutWhileOpen(t *testing.T) {
	t.Parallel()
	for name, touch := range map[string]func(s *Store){
		"reader": func(s *Store) { count(s, 2000) },
		"writer": func(s *Store) {},
		"loader": func(s *Store) { _, _ = s.LoadPace() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				s, _, log := newTestFile(t, dir, limits{})
				fill(t, s, 2000)
				truncate(t, filepath.Join(dir, fileName), int64(2*os.Getpagesize()))
				touch(s)
				k := keyOf(5000)
				s.PutVerdict(k, sampleVerdict(time.Now()))
				if _, ok := s.GetVerdict(k); !ok {
					t.Error("what is queued is not read")
				}
				settle(t, s)
				if aside := asideFiles(t, dir); len(aside) != 1 || !strings.Contains(log.String(), "set aside") {
					t.Errorf("set aside %v, log %s", aside, log)
				}
				if _, ok := s.GetVerdict(k); !ok || count(s, 2000) != 0 || s.Stats().Verdicts != 1 {
					t.Errorf("%v, %+v", ok, s.Stats())
				}
				// A second time within ten minutes nothing is set aside: the
				// disk is not filled with broken files.
				truncate(t, filepath.Join(dir, fileName), int64(2*os.Getpagesize()))
				s.PutVerdict(keyOf(6000), sampleVerdict(time.Now()))
				time.Sleep(time.Minute)
				synctest.Wait()
				if err := s.Healthy(); err == nil || len(asideFiles(t, dir)) != 1 {
					t.Errorf("%v, set aside %v", err, asideFiles(t, dir))
				}
				if _, ok := s.GetVerdict(keyOf(6000)); !ok {
					t.Error("what is queued is not read")
				}
				time.Sleep(breakDelay)
				settle(t, s)
				if _, ok := s.GetVerdict(keyOf(6000)); !ok || len(asideFiles(t, dir)) != 2 {
					t.Errorf("%v, set aside %v", ok, asideFiles(t, dir))
				}
			})
		})
	}
}

// TestFlippedBit: a record that the disk changed is no record.
func TestFlippedBit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := newTestFile(t, dir, limits{})
		fill(t, s, 1)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fileName)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		changed := bytes.ReplaceAll(raw, []byte("User unknown"), []byte("User ukknown"))
		if bytes.Equal(raw, changed) {
			t.Fatal("the text is not in the file")
		}
		overwriteAll(t, path, string(changed))
		s, _, _ = newTestFile(t, dir, limits{})
		if v, ok := s.GetVerdict(keyOf(0)); ok {
			t.Errorf("%+v", v)
		}
		fill(t, s, 1)
		if _, ok := s.GetVerdict(keyOf(0)); !ok {
			t.Error("it cannot be put anew")
		}
	})
}

func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		start := time.Now()
		_, err := Open(Options{Path: dir})
		if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("%v", err)
		}
		if took := time.Since(start); took < lockWait/2 || took > 2*lockWait {
			t.Errorf("waited %v", took)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		open(t, dir)
	})
}

// TestLockedAndBroken: what another process holds is not set aside.
func TestLockedAndBroken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := newTestFile(t, dir, limits{})
		fill(t, s, 500)
		truncate(t, filepath.Join(dir, fileName), int64(2*os.Getpagesize()))
		if _, err := Open(Options{Path: dir}); !errors.Is(err, ErrLocked) || asideFiles(t, dir) != nil {
			t.Errorf("%v, set aside %v", err, asideFiles(t, dir))
		}
	})
}

// TestPutNeverBlocks: with a writer that hangs the queue overflows, its oldest
// puts are given up and counted, health is red, and all heals by itself.
func TestPutNeverBlocks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, f, _ := newTestFile(t, dir, limits{queue: 1000})
		f.mu.RLock()
		db := f.h.db
		f.mu.RUnlock()
		hang, err := db.Begin(true)
		if err != nil {
			t.Fatal(err)
		}
		for i := range uint64(5000) {
			s.PutVerdict(keyOf(i), sampleVerdict(time.Now()))
		}
		st := s.Stats()
		if st.Pending > 1100 || st.Pending+st.Dropped != 5000 {
			t.Errorf("%+v", st)
		}
		if err := s.Healthy(); err == nil || !strings.Contains(err.Error(), "given up") {
			t.Errorf("%v", err)
		}
		if _, ok := s.GetVerdict(keyOf(4999)); !ok {
			t.Error("the newest is not read")
		}
		if err := hang.Rollback(); err != nil {
			t.Fatal(err)
		}
		settle(t, s)
		if n := count(s, 5000); n != 5000-st.Dropped || s.Stats().Verdicts != n {
			t.Errorf("%d there, %+v", n, s.Stats())
		}
	})
}

// TestBatches: a put is on the disk 150 ms after it, together with those that
// came behind it, and a whole batch at once.
func TestBatches(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, _, _ := newTestFile(t, dir, limits{})
		next := uint64(0)
		put := func(n int) {
			for range n {
				s.PutVerdict(keyOf(next), sampleVerdict(time.Now()))
				next++
			}
		}
		want := func(when string, pending int) {
			t.Helper()
			synctest.Wait()
			if n := s.Stats().Pending; n != pending {
				t.Errorf("%s: %d wait for the disk, want %d", when, n, pending)
			}
		}
		for range 2 {
			put(1)
			want("at once", 1)
			time.Sleep(140 * time.Millisecond)
			put(1)
			want("after 140 ms", 2)
			time.Sleep(10 * time.Millisecond)
			want("after 150 ms", 0)
		}
		put(maxBatch - 1)
		want("one less than a batch", maxBatch-1)
		put(1)
		want("a batch", 0)
		put(1)
		time.Sleep(150 * time.Millisecond)
		want("150 ms after a batch", 0)
	})
}

// TestFullFile: the file may not grow; reads go on, from the file and from the
// queue.
func TestFullFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, _, log := newTestFile(t, dir, limits{maxSize: 256 << 10, queue: 3000})
		for i := range uint64(100) {
			s.PutVerdict(keyOf(i), sampleVerdict(time.Now()))
		}
		settle(t, s)
		for i := range uint64(3000) {
			s.PutVerdict(keyOf(100+i), sampleVerdict(time.Now()))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		err := s.Healthy()
		if err == nil || !strings.Contains(err.Error(), "do not reach the disk") || strings.Count(log.String(), "do not reach") != 1 {
			t.Errorf("%v, log %s", err, log)
		}
		if n := count(s, 3100); n != 3100 {
			t.Errorf("%d of 3100", n)
		}
		if err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "are lost") {
			t.Errorf("Close: %v", err)
		}
	})
}

// TestSweep deletes what has expired, and what is no record of ours.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, f, _ := newTestFile(t, dir, limits{})
		now := time.Now()
		for i := range uint64(3000) {
			r := verdict.MailboxFull // a day
			if i%3 == 0 {
				r = verdict.Accepted // 31 days
			}
			s.PutVerdict(keyOf(i), verdict.New(r, verdict.FromProbe, now))
		}
		s.b.put(paces, []byte("odd"), []byte("no record"))
		s.PutSite("s", verify.SiteFact{LastGood: now})
		settle(t, s)
		if st := s.Stats(); st.Verdicts != 3000 || st.Sites != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(24*time.Hour + 2*sweepRest)
		synctest.Wait()
		if st := s.Stats(); st.Verdicts != 1000 || st.Sites != 1 {
			t.Errorf("after a day: %+v", st)
		}
		if all, err := f.all(paces); err != nil || len(all) != 0 {
			t.Errorf("%v, %v", all, err)
		}
		if n := count(s, 3000); n != 1000 {
			t.Errorf("%d there", n)
		}
		time.Sleep(31 * 24 * time.Hour)
		synctest.Wait()
		if st := s.Stats(); st.Verdicts != 0 || st.Sites != 0 {
			t.Errorf("after a month: %+v", st)
		}
		// The numbers survive a restart.
		fill(t, s, 7)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		s, _, _ = newTestFile(t, dir, limits{})
		if st := s.Stats(); st.Verdicts != 7 || st.Bytes == 0 {
			t.Errorf("%+v", st)
		}
	})
}

// TestClose writes what is queued, may be called twice, and a closed store
// neither takes nor finds.
func TestClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, dir)
		for i := range uint64(12_000) {
			s.PutVerdict(keyOf(i), sampleVerdict(time.Now()))
		}
		for range 2 {
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.PutVerdict(keyOf(1), sampleVerdict(time.Now()))
		if _, ok := s.GetVerdict(keyOf(1)); ok {
			t.Error("a closed store answers")
		}
		if _, err := s.LoadPace(); err != nil {
			t.Error(err)
		}
		if n := count(open(t, dir), 12_000); n != 12_000 {
			t.Errorf("%d of 12000", n)
		}
	})
}

// TestMemoryOverFile: what was put or read lately is given without the file,
// that a key is absent too, and a put or a deletion goes before what was read.
func TestMemoryOverFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s, f, _ := newTestFile(t, dir, limits{near: 1 << 20})
		fill(t, s, 10)
		f.memory.clear()
		there, absent := keyOf(1), keyOf(5000)
		for range 2 {
			if _, ok := s.GetVerdict(there); !ok {
				t.Error("not read")
			}
			if _, ok := s.GetVerdict(absent); ok {
				t.Error("read out of nothing")
			}
		}
		if record, ok := f.memory.look(verdicts, absent[:]); !ok || record != nil {
			t.Errorf("in memory %q, %v; want absence", record, ok)
		}
		if record, ok := f.memory.look(verdicts, there[:]); ok {
			t.Errorf("in memory %q, although it was only read", record)
		}
		s.DropVerdict(there)
		s.PutVerdict(absent, sampleVerdict(time.Now()))
		for range 2 { // before and after it is written
			if _, ok := s.GetVerdict(there); ok {
				t.Error("a deleted verdict is given")
			}
			if _, ok := s.GetVerdict(absent); !ok {
				t.Error("absence outlives a put")
			}
			settle(t, s)
		}
	})
}

// TestNothingOldIsRemembered: a reader that is slow does not put back into the
// memory what was replaced meanwhile.
func TestNothingOldIsRemembered(t *testing.T) {
	t.Parallel()
	s, f, _ := newTestFile(t, t.TempDir(), limits{near: 1 << 20})
	k := keyOf(1)
	puts := f.puts[last(k[:])]
	s.PutVerdict(k, sampleVerdict(time.Now()))
	f.remember(verdicts, k[:], nil, puts)
	if _, ok := s.GetVerdict(k); !ok {
		t.Error("a verdict is hidden by what was read before it was put")
	}
}
