package daemon

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"rcptgate/internal/lab"
)

// TestBadStore starts the whole daemon on a file that is none of ours: it is
// set aside with words, and everybody is served.
func TestBadStore(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(t *testing.T, path string) error
	}{
		{"empty", func(_ *testing.T, path string) error { return os.WriteFile(path, nil, 0o600) }},
		{"text", func(_ *testing.T, path string) error {
			return os.WriteFile(path, bytes.Repeat([]byte("this is no store\n"), 10_000), 0o600)
		}},
		{"cut", func(_ *testing.T, path string) error { return os.Truncate(path, 9000) }},
		{"corrupt inside", func(_ *testing.T, path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return err
			}
			_, err = f.WriteAt(bytes.Repeat([]byte{0xa5}, int(info.Size())-8192), 8192) // behind the two meta pages
			return err
		}},
		{"foreign", func(_ *testing.T, path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			db, err := bolt.Open(path, 0o600, nil)
			if err != nil {
				return err
			}
			defer db.Close()
			return db.Update(func(tx *bolt.Tx) error {
				_, err := tx.CreateBucket([]byte("another program"))
				return err
			})
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{})
				w.start()
				w.wellBehaved()
				w.must(w.stop())
				w.must(c.spoil(t, w.path("verdicts.db")))
				w.start()
				w.wellBehaved()
				w.red()
				w.must(w.stop())
				w.Internet.Close()
				w.verify(worldOptions{})
				aside, _ := filepath.Glob(w.path("verdicts.db.*"))
				if c.name == "empty" {
					return // nothing to keep
				}
				if len(aside) != 1 || !strings.Contains(w.journal.String(), "level=ERROR") && !strings.Contains(w.journal.String(), "level=WARN") {
					t.Errorf("set aside: %q; the journal:\n%s", aside, w.journal.String())
				}
			})
		})
	}
}

// TestNewStoreFolder: the folder of the store is made, with the key in it.
func TestNewStoreFolder(t *testing.T) {
	inWorld(t, worldOptions{edit: func(config string) string {
		return strings.NewReplacer(`/key"`, `/new/store/key"`, `"
key_file`, `/new/store"
key_file`).Replace(config)
	}}, func(t *testing.T, w *world) {
		w.wellBehaved()
		for _, name := range []string{"new/store", "new/store/key"} {
			if info, err := os.Stat(w.path(name)); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestStoreCutWhileRunning: the file is lost under the daemon's feet.
func TestStoreCutWhileRunning(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Site("far.test", lab.Host{Exists: exists("ada")})
		w.rcpt("nobody@far.test")
		time.Sleep(time.Minute) // of the bubble: it is written
		w.must(os.Truncate(w.path("verdicts.db"), 0))
		if got := w.rcpt("nobody@far.test"); !strings.HasPrefix(got, "550 5.1.1") && got != "DUNNO" {
			t.Errorf("what was in the file: %q", got)
		}
		w.wellBehaved()
		time.Sleep(time.Minute)
		w.wellBehaved()
		w.red()
	})
}

// TestStoreServesTheNextLife: verdicts, breakers and counters are still known
// after a restart, and no MX is asked again.
func TestStoreServesTheNextLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, worldOptions{})
		w.start()
		w.Site("far.test", lab.Host{Exists: exists("ada")})
		w.Site("angry.test", lab.Host{Greeting: "554 5.7.1 your address 198.51.100.1 is on a block list"})
		w.rcpt("nobody@far.test")
		w.rcpt("nobody@angry.test")
		w.must(w.stop())
		connections := w.Count("", "CONNECT", -1)
		w.start()
		if got := w.rcpt("nobody@far.test"); !strings.HasPrefix(got, "550 5.1.1") {
			t.Errorf("known before: %q", got)
		}
		if got := w.rcpt("someone@angry.test"); got != "DUNNO" {
			t.Errorf("at a site that blocks us: %q", got)
		}
		if got := w.Count("", "CONNECT", -1); got != connections {
			t.Errorf("%d connections more", got-connections)
		}
		w.wellBehaved()
		w.must(w.stop())
		w.Internet.Close()
		w.verify(worldOptions{})
	})
}
