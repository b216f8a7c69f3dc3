package audit

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// writer is the state of the writer goroutine.
type writer struct {
	log *Log
	f   io.WriteCloser
	// buf holds lines not written yet; torn bytes of its first line are in the
	// file already, after a write that was cut short.
	buf        []byte
	torn       int
	reported   uint64 // lost lines that the journal was told of, and when
	reportedAt time.Time
}

// reportEvery keeps a flood of lost lines from becoming a flood of logs.
const reportEvery = time.Minute

// write owns the file until quit, then writes what is left.
func (l *Log) write(w *writer) {
	defer close(l.done)
	for {
		select {
		case e := <-l.queue:
			w.take(e)
			if !w.pause(linger, l.kick) {
				continue
			}
			w.drain()
		case r := <-l.reopen:
			w.swap(r)
		case <-l.quit:
			w.finish()
			return
		}
	}
}

// pause waits d or until kick, and reports false when it is time to quit; what was
// taken stays in buf.
func (w *writer) pause(d time.Duration, kick <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-kick:
	case r := <-w.log.reopen:
		w.swap(r)
	case <-w.log.quit:
		return false
	}
	return true
}

// drain writes until queue and buffer are empty. While the file cannot be written
// it holds one batch and leaves the rest in the queue.
func (w *writer) drain() {
	for {
		for len(w.buf) < batch && len(w.log.queue) > 0 {
			w.take(<-w.log.queue)
		}
		if len(w.buf) == 0 {
			return
		}
		if !w.flush() && !w.pause(retry, nil) {
			return
		}
	}
}

func (w *writer) take(e Event) {
	w.buf = AppendJSON(w.buf, e)
	w.buf = append(w.buf, '\n')
}

// flush writes the buffer and keeps what could not be written.
func (w *writer) flush() bool {
	defer w.report(reportEvery)
	n, err := w.f.Write(w.buf[w.torn:])
	n += w.torn
	if err != nil {
		whole := bytes.LastIndexByte(w.buf[:n], '\n') + 1
		w.buf = append(w.buf[:0], w.buf[whole:]...)
		w.torn = n - whole
		w.fail(err)
		return false
	}
	w.buf, w.torn = w.buf[:0], 0
	if w.log.failing.Swap(nil) != nil {
		w.log.o.Logger.Info("audit log is written again", "path", w.log.o.Path)
	}
	return true
}

// fail turns the health red and tells the journal once.
func (w *writer) fail(err error) {
	err = fmt.Errorf("audit log: %w", err)
	if w.log.failing.Swap(&err) == nil {
		w.log.o.Logger.Error("audit log cannot be written, lines wait", "path", w.log.o.Path, "err", err)
	}
}

// report tells the journal of lost lines, at most once in every.
func (w *writer) report(every time.Duration) {
	lost, now := w.log.Lost(), time.Now()
	if lost == w.reported || now.Sub(w.reportedAt) < every {
		return
	}
	w.log.o.Logger.Error("audit lines lost", "lines", lost-w.reported, "path", w.log.o.Path)
	w.reported, w.reportedAt = lost, now
}

// swap ends the old file and goes on in the new one. A line torn by a failed
// write is written whole into the new one.
func (w *writer) swap(r reopening) {
	if len(w.buf) > 0 {
		w.flush()
	}
	if err := w.f.Close(); err != nil {
		w.log.o.Logger.Warn("cannot close the old audit log", "path", w.log.o.Path, "err", err)
	}
	w.f, w.torn = r.f, 0
	close(r.done)
}

// finish writes what is left, once, and counts what could not be written.
func (w *writer) finish() {
	for len(w.log.queue) > 0 || len(w.buf) > 0 {
		for len(w.buf) < batch && len(w.log.queue) > 0 {
			w.take(<-w.log.queue)
		}
		if !w.flush() {
			w.log.lose(bytes.Count(w.buf, []byte{'\n'}) + len(w.log.queue))
			w.report(0)
			break
		}
	}
	if err := w.f.Close(); err != nil {
		w.fail(err)
	}
}
