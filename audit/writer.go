package audit

import (
	"bytes"
	"fmt"
	"io"
	"time"
)

// writer is the state of the writer goroutine.
type writer struct {
	log   *Log
	opens func() (io.WriteCloser, error)
	f     io.WriteCloser   // nil: not opened yet
	again <-chan time.Time // when to open the file once more; nil: it is open
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
		case done := <-l.reopen:
			done <- w.open()
		case <-w.again:
			_ = w.open() // said by Healthy
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
	case done := <-w.log.reopen:
		done <- w.open()
	case <-w.again:
		_ = w.open() // said by Healthy
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
	if w.f == nil {
		return false
	}
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

// open goes on in the file of the log's name, and ends the old one. A line torn
// by a failed write is written whole into the new one. On an error the old file
// stays in use, and again says when to try once more.
func (w *writer) open() error {
	f, err := w.opens()
	if err != nil {
		w.log.unopened.Store(&err)
		w.again = time.After(retry)
		return err
	}
	if w.f != nil {
		if err := w.f.Close(); err != nil {
			w.log.o.Logger.Warn("cannot close the old audit log", "path", w.log.o.Path, "err", err)
		}
	}
	w.f, w.torn, w.again = f, 0, nil
	if w.log.unopened.Swap(nil) != nil {
		w.log.o.Logger.Info("audit log is open again", "path", w.log.o.Path)
	}
	return nil
}

// finish writes what is left, once, and counts what could not be written.
func (w *writer) finish() {
	if w.f == nil {
		if err := w.open(); err != nil {
			w.log.failing.Store(&err) // for Close
		}
	}
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
	if w.f == nil {
		return
	}
	if err := w.f.Close(); err != nil {
		w.fail(err)
	}
}
