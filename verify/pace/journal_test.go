package pace

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
)

// unread is a journal that takes nothing until it is read.
type unread struct {
	read  chan struct{}
	lines bytes.Buffer
}

func (u *unread) Write(b []byte) (int, error) {
	<-u.read
	return u.lines.Write(b)
}

// A journal that nobody reads stops neither the pacer nor its callbacks.
func TestUnreadJournal(t *testing.T) {
	journal := &unread{read: make(chan struct{})}
	inWorld(t, nil, func(w *world) {
		w.stopPacer()
		journal.read = make(chan struct{}) // of the bubble
		w.logger = slog.New(slog.NewTextHandler(journal, nil))
		w.start()
		shy := w.site("shy.test", lab.Host{Mail: func(string, *lab.Session) string { return noSender }})
		first := w.submit(shy, "ann", nil)
		time.Sleep(time.Second)
		synctest.Wait()
		if !w.p.mu.TryLock() {
			close(journal.read)
			t.Fatal("the lock is held while a line is written")
		}
		w.p.mu.Unlock()
		w.want("first", first.wait().String(), "sender_refused")
		w.want("while unread", w.ask(shy, "bob"), "refused not_probed")
		synctest.Wait()
		w.want("told", strings.Join(w.told(), ", "), "site mx1.shy.test closed>open sender_refused 1h0m0s")
		for i := range blindSites { // another line
			w.submit(w.site(fmt.Sprintf("dead%d.test", i), lab.Host{Dead: true}), "ann", nil)
		}
		synctest.Wait()
		w.p.lock()
		for range maxNotes + 9 {
			w.p.note(slog.LevelInfo, "filler")
		}
		w.p.unlock()
		close(journal.read)
		synctest.Wait()
		w.p.lock()
		w.p.note(slog.LevelInfo, "again")
		w.p.unlock()
	})
	text := journal.lines.String() // Stop has waited for the last line
	for _, want := range []string{"msg=breaker scope=site name=mx1.shy.test", "msg=again lines_lost="} {
		if !strings.Contains(text, want) {
			t.Errorf("the journal does not hold %q", want)
		}
	}
	if n := strings.Count(text, "\n"); n < maxNotes || n > maxNotes+10 {
		t.Errorf("%d lines", n)
	}
}
