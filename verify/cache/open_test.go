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
)

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
