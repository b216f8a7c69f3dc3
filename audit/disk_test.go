package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// disk is a file that can be full after some bytes.
type disk struct {
	mu   sync.Mutex
	data []byte
	room int // bytes; negative: endless
	shut bool
}

var errFull = errors.New("no space left on device")

func (d *disk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(p)
	if d.room >= 0 {
		n = min(n, d.room)
		d.room -= n
	}
	d.data = append(d.data, p[:n]...)
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func (d *disk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
	return nil
}

func (d *disk) bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.data)
}

func (d *disk) set(room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.room = room
}

// drive opens disks.
type drive struct {
	mu   sync.Mutex
	disk *disk
	err  error // of an opening
}

func (d *drive) open() (io.WriteCloser, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err != nil {
		return nil, d.err
	}
	return d.disk, nil
}

func (d *drive) set(to *disk, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.disk, d.err = to, err
}

// onDrive starts a log on disks of the test's.
func onDrive(t *testing.T, d *drive, o Options) *Log {
	t.Helper()
	o.Path = "in memory"
	o.Ring = 10
	if o.Queue == 0 {
		o.Queue = 100
	}
	l, err := start(o, d.open)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func onDisk(t *testing.T, d *disk, o Options) *Log {
	t.Helper()
	return onDrive(t, &drive{disk: d}, o)
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var journal bytes.Buffer
		d := &disk{room: 100} // ends inside the second line
		l := onDisk(t, d, Options{Logger: slog.New(slog.NewTextHandler(&journal, nil))})
		for i := range 5 {
			l.Record(&Decision{ID: fmt.Sprint(i)})
		}
		time.Sleep(200 * time.Millisecond)
		if err := l.Healthy(); !errors.Is(err, errFull) {
			t.Errorf("Healthy: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := strings.Count(journal.String(), "cannot be written"); n != 1 {
			t.Errorf("reported %d times", n)
		}
		d.set(-1)
		time.Sleep(2 * time.Second)
		if err := l.Healthy(); err != nil {
			t.Errorf("Healthy after recovery: %v", err)
		}
		if got := strings.Join(ids(t, d.bytes()), " "); got != "0 1 2 3 4" || l.Lost() != 0 {
			t.Errorf("lines %s, %d lost", got, l.Lost())
		}
		if err := l.Close(t.Context()); err != nil || !d.shut {
			t.Errorf("Close: %v, closed %v", err, d.shut)
		}
	})
}

func TestTornLineAndRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, fresh := &disk{room: 100}, &disk{room: -1}
		d := &drive{disk: old}
		l := onDrive(t, d, Options{})
		for i := range 3 {
			l.Record(&Decision{ID: fmt.Sprint(i)})
		}
		time.Sleep(time.Second / 2)
		d.set(fresh, nil)
		if err := l.Reopen(); err != nil {
			t.Error(err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := strings.Join(ids(t, fresh.bytes()), " "); got != "1 2" || !old.shut {
			t.Errorf("new file: %s; old closed: %v", got, old.shut)
		}
		if !bytes.Contains(old.bytes(), []byte(`"id":"0"`)) {
			t.Errorf("old file: %s", old.data)
		}
	})
}

// TestReopenFails: after a rotation that went wrong no line is lost, and the
// writer finds the new file by itself.
func TestReopenFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old, fresh := &disk{room: -1}, &disk{room: -1}
		d := &drive{disk: old}
		l := onDrive(t, d, Options{})
		d.set(nil, syscall.EISDIR)
		if err := l.Reopen(); !errors.Is(err, syscall.EISDIR) {
			t.Errorf("Reopen: %v", err)
		}
		l.Record(&Decision{ID: "0"})
		time.Sleep(time.Hour)
		if err := l.Healthy(); !errors.Is(err, syscall.EISDIR) {
			t.Errorf("Healthy: %v", err)
		}
		if got := strings.Join(ids(t, old.bytes()), " "); got != "0" {
			t.Errorf("old file: %s", got)
		}
		d.set(fresh, nil)
		time.Sleep(2 * time.Second) // nothing is recorded meanwhile
		if err := l.Healthy(); err != nil || !old.shut {
			t.Errorf("Healthy: %v; old closed: %v", err, old.shut)
		}
		l.Record(&Decision{ID: "1"})
		if err := l.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := strings.Join(ids(t, fresh.bytes()), " "); got != "1" || l.Lost() != 0 {
			t.Errorf("new file: %s, %d lost", got, l.Lost())
		}
	})
}

// TestOpenOnBadDisk: a disk that is full or read-only at the start is waited
// for; a path that only the operator can mend is an error.
func TestOpenOnBadDisk(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.ENOSPC, syscall.EDQUOT} {
		synctest.Test(t, func(t *testing.T) {
			var journal bytes.Buffer
			d := &drive{err: errno}
			l := onDrive(t, d, Options{Logger: slog.New(slog.NewTextHandler(&journal, nil))})
			for i := range 5 {
				l.Record(&Decision{ID: fmt.Sprint(i)})
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			if err := l.Healthy(); !errors.Is(err, errno) {
				t.Errorf("Healthy: %v", err)
			}
			if n := strings.Count(journal.String(), "level=ERROR"); n != 1 {
				t.Errorf("reported %d times", n)
			}
			good := &disk{room: -1}
			d.set(good, nil)
			time.Sleep(2 * time.Second)
			if err := l.Healthy(); err != nil {
				t.Errorf("Healthy after recovery: %v", err)
			}
			if got := strings.Join(ids(t, good.bytes()), " "); got != "0 1 2 3 4" || l.Lost() != 0 {
				t.Errorf("lines %s, %d lost", got, l.Lost())
			}
			if err := l.Close(t.Context()); err != nil || !good.shut {
				t.Errorf("Close: %v, closed %v", err, good.shut)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		l := onDrive(t, &drive{err: syscall.EROFS}, Options{})
		l.Record(&Decision{})
		if err := l.Close(t.Context()); !errors.Is(err, syscall.EROFS) || l.Lost() != 1 {
			t.Errorf("Close: %v, %d lost", err, l.Lost())
		}
	})
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.ENOENT, syscall.EISDIR} {
		if _, err := start(Options{Path: "in memory"}, (&drive{err: errno}).open); !errors.Is(err, errno) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}

func TestLostLines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := &disk{room: 0}
		l := onDisk(t, d, Options{Queue: 4})
		for i := range 4 {
			l.Record(&Decision{ID: fmt.Sprint(i)})
		}
		// The four are in the writer's hands, and it sleeps until its next try.
		time.Sleep(time.Minute + retry/2)
		for i := range 10 {
			l.Record(&Decision{ID: fmt.Sprint(i)})
		}
		if l.Lost() != 6 {
			t.Errorf("%d lost, want 6", l.Lost())
		}
		d.set(-1)
		time.Sleep(10 * time.Second)
		if err := l.Healthy(); err == nil || err.Error() != "audit log: 6 lines lost, the last within a minute" {
			t.Errorf("Healthy: %v", err)
		}
		time.Sleep(time.Minute)
		if err := l.Healthy(); err != nil {
			t.Errorf("Healthy after a good minute: %v", err)
		}
		d.set(0)
		l.Record(&Decision{ID: "x"})
		l.Record(&Decision{ID: "y"})
		if err := l.Close(t.Context()); !errors.Is(err, errFull) {
			t.Errorf("Close: %v", err)
		}
		if l.Lost() != 8 {
			t.Errorf("%d lost after Close on a full disk, want 8", l.Lost())
		}
		if err := l.Close(t.Context()); !errors.Is(err, errFull) {
			t.Errorf("second Close: %v", err)
		}
	})
}
