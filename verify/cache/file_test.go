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

	bolt "go.etcd.io/bbolt"

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

// TestBadFilesAreSetAside, with words, and a new one begins; half of the damage
// that bbolt can mend itself is left to it.
func TestBadFilesAreSetAside(t *testing.T) {
	t.Parallel()
	overwrite := func(at int64, what []byte) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(what, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	page := int64(os.Getpagesize())
	with := func(o *bolt.Options, change func(tx *bolt.Tx) error) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			db, err := bolt.Open(path, 0o600, o)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(db.Update(change), db.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, path string)
		words  string // empty: the file is still good
	}{
		"untouched":      {func(*testing.T, string) {}, ""},
		"text":           {func(t *testing.T, p string) { remove(t, p); overwriteAll(t, p, "hello") }, "not a bbolt file"},
		"long text":      {func(t *testing.T, p string) { remove(t, p); overwriteAll(t, p, strings.Repeat("hello ", 9999)) }, "not a bbolt file"},
		"zeros":          {func(t *testing.T, p string) { remove(t, p); overwriteAll(t, p, strings.Repeat("\x00", 65536)) }, "not a bbolt file"},
		"cut":            {func(t *testing.T, p string) { truncate(t, p, 9*page) }, "cut"},
		"cut to a page":  {func(t *testing.T, p string) { truncate(t, p, page) }, "cut"},
		"cut to nothing": {func(t *testing.T, p string) { truncate(t, p, 0) }, "empty"},
		"one meta page":  {overwrite(20, bytes.Repeat([]byte{9}, 100)), ""},
		"other one":      {overwrite(page+20, bytes.Repeat([]byte{9}, 100)), ""},
		"both": {func(t *testing.T, p string) {
			overwrite(20, bytes.Repeat([]byte{9}, 100))(t, p)
			overwrite(page+20, bytes.Repeat([]byte{9}, 100))(t, p)
		}, "not a bbolt file"},
		"foreign": {func(t *testing.T, p string) {
			remove(t, p)
			with(nil, func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err })(t, p)
		}, "another program"},
		"schema": {with(nil, func(tx *bolt.Tx) error {
			return tx.Bucket(metaBucket).Put(schemaKey, []byte("rcptgate 9\x1b"))
		}), `schema`},
		"a bucket is gone": {with(nil, func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketNames[sites]) }), `no bucket`},
		"no freelist":      {with(&bolt.Options{NoFreelistSync: true}, func(*bolt.Tx) error { return nil }), "without a freelist"},
		"inside": {func(t *testing.T, p string) {
			// All but the meta pages is noise.
			info, _ := os.Stat(p)
			overwrite(2*page, bytes.Repeat([]byte{0xA5}, int(info.Size()-2*page)))(t, p)
		}, "broken inside"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				s, _, _ := newTestFile(t, dir, limits{})
				fill(t, s, 2000)
				// The last transaction may fall with its meta page.
				s.PutVerdict(keyOf(9999), sampleVerdict(time.Now()))
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(dir, fileName)
				c.damage(t, path)
				s, _, log := newTestFile(t, dir, limits{})
				aside := asideFiles(t, dir)
				switch {
				case c.words == "":
					if count(s, 2000) != 2000 || aside != nil {
						t.Errorf("%d of 2000 verdicts, set aside %v", count(s, 2000), aside)
					}
				case c.words == "empty":
					if count(s, 2000) != 0 || aside != nil {
						t.Errorf("%d of 2000 verdicts, set aside %v", count(s, 2000), aside)
					}
				default:
					if len(aside) != 1 || !strings.Contains(log.String(), c.words) || !strings.Contains(log.String(), "set aside") {
						t.Errorf("set aside %v, log %s", aside, log)
					}
				}
				if err := s.Healthy(); err != nil {
					t.Error(err)
				}
				fill(t, s, 100)
				if n := count(s, 100); n != 100 {
					t.Errorf("%d of 100 verdicts", n)
				}
			})
		})
	}
}

func overwriteAll(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string, size int64) {
	t.Helper()
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
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

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	overwriteAll(t, filepath.Join(dir, "file"), "x")
	if err := os.MkdirAll(filepath.Join(dir, "store", fileName), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "file", "store"), filepath.Join(dir, "store")} {
		if s, err := Open(Options{Path: path}); err == nil {
			t.Errorf("%s is taken", path)
			_ = s.Close(t.Context())
		}
	}
}

func FuzzMeta(f *testing.F) {
	path := filepath.Join(f.TempDir(), "x")
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		f.Fatal(err)
	}
	if err := db.Close(); err != nil {
		f.Fatal(err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := readMeta(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if m != nil && (m.pageSize < minPage || m.pageSize > maxPage) {
			t.Errorf("%+v", m)
		}
	})
}
