// Package audit records what rcptgate decided, asked and changed: JSON lines in
// a file, and the recent events in memory. Recording never blocks the caller;
// one goroutine owns the file; lines that could not be kept are counted and turn
// the health red.
//
// It judges nothing, rotates no file (Reopen follows whoever does), and knows no
// reader: audit/report and audit/replay read what it wrote.
package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Options configure a Log.
type Options struct {
	Path string // empty: recent events only
	// Pseudonym replaces a local part when addresses = "hmac"; nil: clear. It must
	// be safe for concurrent use.
	Pseudonym func(local string) string
	Logger    *slog.Logger // for trouble with the log itself; nil: no logs
	Queue     int          // events waiting for the writer; zero: 65536
	// Ring is how many recent events are kept of each sort: passes, refusals,
	// dialogues, others; zero: 1000.
	Ring int
}

const (
	defaultQueue = 65536
	defaultRing  = 1000
	fileMode     = 0o640
	// linger is what the writer waits for company after a first event, so that a
	// busy log costs a write for many lines. A kill costs the lines of that time.
	linger = 20 * time.Millisecond
	// retry is the pause after a failed write or opening.
	retry = time.Second
	// batch bounds the bytes in the writer's hands.
	batch = 256 << 10
	// redFor is how long writing must go well until the health is green again.
	redFor = time.Minute
)

// Log has one writer goroutine, which Close ends and waits for.
type Log struct {
	o    Options
	mask masker

	mu     sync.Mutex // held for memory operations only
	closed bool
	recent recent

	queue  chan Event
	kick   chan struct{}   // the queue is half full: no lingering
	reopen chan chan error // each gets one answer
	quit   chan struct{}
	done   chan struct{}

	lost     atomic.Uint64
	lastLoss atomic.Pointer[time.Time]
	failing  atomic.Pointer[error] // the last write
	unopened atomic.Pointer[error] // the last opening
}

// Open opens the file for appending, makes it with mode 0640 where it is
// missing, and starts the writer. While the disk is full or read-only the lines
// wait, as they do when that happens later; any other error is returned.
func Open(o Options) (*Log, error) {
	return start(o, func() (io.WriteCloser, error) { return openFile(o.Path) })
}

// start is Open with a way to open the file.
func start(o Options, opens func() (io.WriteCloser, error)) (*Log, error) {
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	if o.Ring <= 0 {
		o.Ring = defaultRing
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Log{
		o: o, mask: o.Pseudonym, recent: newRecent(o.Ring),
		queue: make(chan Event, o.Queue), kick: make(chan struct{}, 1),
		reopen: make(chan chan error), quit: make(chan struct{}), done: make(chan struct{}),
	}
	if o.Path == "" {
		close(l.done)
		return l, nil
	}
	w := &writer{log: l, opens: opens}
	if err := w.open(); err != nil {
		if !diskTrouble(err) {
			return nil, err
		}
		o.Logger.Error("audit log cannot be opened, lines wait", "path", o.Path, "err", err)
	}
	go l.write(w)
	return l, nil
}

// diskTrouble reports errors that pass when the disk is emptied or made
// writable.
func diskTrouble(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EROFS)
}

func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, fileMode)
	if err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	return f, nil
}

// Record keeps an event, with the present time where it has none. It never
// blocks: past the queue, and after Close, the line is lost and counted. The
// event must not be changed afterwards.
func (l *Log) Record(e Event) {
	if t := e.at(); t.IsZero() {
		*t = time.Now()
	}
	if l.mask != nil {
		e = l.mask.mask(e)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.add(e)
	if l.o.Path == "" {
		return
	}
	if l.closed {
		l.lose(1)
		return
	}
	select {
	case l.queue <- e:
	default:
		l.lose(1)
	}
	if len(l.queue) > cap(l.queue)/2 {
		select {
		case l.kick <- struct{}{}:
		default:
		}
	}
}

func (l *Log) lose(n int) {
	if n == 0 {
		return
	}
	now := time.Now()
	l.lost.Add(uint64(n))
	l.lastLoss.Store(&now)
}

// Reopen opens the file of that name anew and returns when no line goes into the
// old one any more. On an error the old file stays in use, and the writer tries
// again by itself. What was recorded meanwhile goes into one or the other.
func (l *Log) Reopen() error {
	if l.o.Path == "" {
		return nil
	}
	done := make(chan error, 1)
	select {
	case l.reopen <- done:
		return <-done
	case <-l.done:
		return errors.New("audit log: closed")
	}
}

// Lost returns how many lines could not be kept.
func (l *Log) Lost() uint64 { return l.lost.Load() }

// Healthy returns nil, or why lines are missing or may soon: the file cannot be
// opened or written, or lines were lost within the last minute.
func (l *Log) Healthy() error {
	for _, trouble := range []*atomic.Pointer[error]{&l.failing, &l.unopened} {
		if err := trouble.Load(); err != nil {
			return *err
		}
	}
	if t := l.lastLoss.Load(); t != nil && time.Since(*t) < redFor {
		return fmt.Errorf("audit log: %d lines lost, the last within a minute", l.Lost())
	}
	return nil
}

// Close writes what is queued and closes the file; when ctx ends first, it
// returns ctx's error and the writer goes on alone. Calling it again is harmless.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.quit)
	}
	l.mu.Unlock()
	select {
	case <-l.done:
	case <-ctx.Done():
		return fmt.Errorf("audit log: %w", context.Cause(ctx))
	}
	if err := l.failing.Load(); err != nil {
		return *err
	}
	return nil
}

// Recent returns recent events, newest first, at most n (0: all). The slice is
// the caller's, the events are shared and not to be changed.
func (l *Log) Recent(n int) []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recent.last(n)
}

// Dialogue finds a recent dialogue by its id. It is not to be changed.
func (l *Log) Dialogue(probeID string) (*Probe, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, ok := l.recent.byProbe[probeID]
	return p, ok
}
