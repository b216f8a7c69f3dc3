package pace

import (
	"context"
	"log/slog"
	"time"
)

// maxNotes bounds the lines that wait for a journal that nobody reads.
const maxNotes = 1000

// note has a line written to the journal. That may block, as standard error
// does when nobody reads it, so it is never done under the lock, nor where
// callbacks wait. Lines that find no place are counted in the next. The caller
// holds the lock.
func (p *Pacer) note(level slog.Level, msg string, args ...any) {
	r := slog.NewRecord(time.Now(), level, msg, 0)
	r.Add(args...)
	if p.unwritten > 0 {
		r.Add("lines_lost", p.unwritten)
	}
	select {
	case p.notes <- r:
		p.unwritten = 0
	default:
		p.unwritten++
	}
}

// journal writes what was noted. Stop waits for it.
func (p *Pacer) journal() {
	defer p.loops.Done()
	for {
		select {
		case r := <-p.notes:
			p.write(r)
			continue
		case <-p.silent:
		}
		for {
			select {
			case r := <-p.notes:
				p.write(r)
			default:
				return
			}
		}
	}
}

func (p *Pacer) write(r slog.Record) {
	ctx := context.Background()
	if h := p.logger.Handler(); h.Enabled(ctx, r.Level) {
		_ = h.Handle(ctx, r) // whom else to tell
	}
}
