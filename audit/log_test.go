package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return l
}

// ids reads the ids of the lines of the files, each of which must be JSON.
func ids(t *testing.T, data []byte) []string {
	t.Helper()
	var out []string
	for line := range bytes.Lines(data) {
		var m struct{ ID string }
		if err := json.Unmarshal(line, &m); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		out = append(out, m.ID)
	}
	return out
}

func TestFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, Options{Path: path})
	begun := time.Now()
	for i := range 3 {
		l.Record(&Decision{ID: fmt.Sprint(i), Action: "accept"})
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ids(t, data), " "); got != "0 1 2" {
		t.Errorf("lines %s", got)
	}
	var first struct{ Time time.Time }
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&first); err != nil ||
		first.Time.Before(begun.Truncate(time.Millisecond)) || first.Time.After(time.Now()) {
		t.Errorf("an event without a time got %v: %v", first.Time, err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm()&^0o640 != 0 {
		t.Errorf("mode %v %v", fi.Mode(), err)
	}
	l.Record(&Decision{ID: "late"})
	if l.Lost() != 1 {
		t.Errorf("a line after Close was not counted as lost: %d", l.Lost())
	}
	if err := l.Reopen(); err == nil {
		t.Error("Reopen after Close was no error")
	}
	if _, err := Open(Options{Path: filepath.Join(path, "x")}); err == nil {
		t.Error("an impossible path was no error")
	}
}

func TestRotationUnderLoad(t *testing.T) {
	t.Parallel()
	const writers, each, rotations = 4, 5000, 20
	dir := t.TempDir()
	path := filepath.Join(dir, "audit.jsonl")
	l := open(t, Options{Path: path})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				l.Record(&Decision{ID: fmt.Sprintf("%d-%d", w, i)})
			}
		})
	}
	for i := range rotations {
		old := fmt.Sprintf("%s.%d", path, i)
		if err := os.Rename(path, old); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(old)
		if err != nil {
			t.Fatal(err)
		}
		ids(t, before) // whole lines only
	}
	wg.Wait()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) != rotations+1 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	seen := map[string]bool{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids(t, data) {
			if seen[id] {
				t.Errorf("%s stands twice", id)
			}
			seen[id] = true
		}
	}
	if len(seen) != writers*each || l.Lost() != 0 {
		t.Errorf("%d lines of %d, %d lost", len(seen), writers*each, l.Lost())
	}
}

func TestFlushIsPrompt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const queue = 100
		d := &disk{room: -1}
		l := onDisk(t, d, Options{Queue: queue})
		l.Record(&Decision{ID: "a"})
		time.Sleep(200 * time.Millisecond)
		if len(ids(t, d.bytes())) != 1 {
			t.Error("not written after 200 ms")
		}
		for i := range 80 {
			l.Record(&Decision{ID: fmt.Sprint(i)})
		}
		synctest.Wait() // the writer may have taken its batch at any line past the half
		if n := len(ids(t, d.bytes())); n <= 1+queue/2 {
			t.Errorf("%d lines at once with more than half the queue full", n)
		}
		time.Sleep(200 * time.Millisecond)
		if n := len(ids(t, d.bytes())); n != 81 || l.Lost() != 0 {
			t.Errorf("%d lines after 200 ms, %d lost", n, l.Lost())
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestRecent(t *testing.T) {
	t.Parallel()
	l := open(t, Options{Ring: 3})
	l.Record(&Decision{ID: "refused", Action: "reject"})
	l.Record(&Decision{ID: "would", Action: "accept", Would: "defer"})
	for i := range 10 {
		l.Record(&Decision{ID: fmt.Sprint(i), Action: "accept"})
		l.Record(&Probe{ProbeID: fmt.Sprint("p", i)})
	}
	l.Record(&Breaker{Name: "mx"})
	var got []string
	for _, e := range l.Recent(0) {
		switch e := e.(type) {
		case *Decision:
			got = append(got, e.ID)
		case *Probe:
			got = append(got, e.ProbeID)
		default:
			got = append(got, Kind(e))
		}
	}
	if s := strings.Join(got, " "); s != "breaker p9 9 p8 8 p7 7 would refused" {
		t.Errorf("recent: %s", s)
	}
	if n := len(l.Recent(2)); n != 2 {
		t.Errorf("Recent(2) gave %d", n)
	}
	if p, ok := l.Dialogue("p8"); !ok || p.ProbeID != "p8" {
		t.Errorf("Dialogue: %v %v", p, ok)
	}
	if _, ok := l.Dialogue("p1"); ok {
		t.Error("a dialogue that fell out is still found")
	}
	if len(l.recent.byProbe) != 3 {
		t.Errorf("%d dialogues indexed", len(l.recent.byProbe))
	}
	if err := l.Reopen(); err != nil {
		t.Errorf("Reopen without a file: %v", err)
	}
}

func BenchmarkRecord(b *testing.B) {
	l, err := Open(Options{Path: filepath.Join(b.TempDir(), "audit.jsonl")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.Record(fullDecision())
		}
	})
	if err := l.Close(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(l.Lost()), "lost")
}
