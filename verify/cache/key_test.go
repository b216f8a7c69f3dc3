package cache

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestKey(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key")
	var wg sync.WaitGroup
	keys := make([][]byte, 8)
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = Key(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if len(k) != 32 || !bytes.Equal(k, keys[0]) || bytes.Equal(k, make([]byte, 32)) {
			t.Errorf("keys %x and %x", k, keys[0])
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
	other, err := Key(filepath.Join(t.TempDir(), "key"))
	if err != nil || bytes.Equal(other, keys[0]) {
		t.Errorf("two files have one key: %v", err)
	}
}

func TestKeyRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	make := func(name string, size int, mode os.FileMode) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, bytes.Repeat([]byte{7}, size), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(p, mode); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, c := range []struct{ path, words string }{
		{make("group", 32, 0o640), "others than its owner"},
		{make("world", 32, 0o604), "others than its owner"},
		{make("empty", 0, 0o600), "0 octets, not 32"},
		{make("short", 31, 0o600), "31 octets, not 32"},
		{make("long", 33, 0o600), "33 octets, not 32"},
		{dir, "not a regular file"},
		{filepath.Join(dir, "absent", "key"), "absent/key: no such file"},
	} {
		if k, err := Key(c.path); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %x, %v", c.path, k, err)
		}
	}
	if _, err := Key(make("good", 32, 0o400)); err != nil {
		t.Errorf("read-only for its owner: %v", err)
	}
}
