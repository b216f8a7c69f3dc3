package probe

import (
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// record is the transcript in the making. It is safe for concurrent use, as a
// status page may look at a dialogue that goes on.
type record struct {
	mu    sync.Mutex
	t     Transcript
	ended bool
}

func newRecord(r *Request, now time.Time) *record {
	return &record{t: Transcript{Target: r.Target, Source: r.Source, Sender: r.Sender, Started: now}}
}

// usualSteps are those of a dialogue about one address: greeting, EHLO, MAIL,
// RCPT, QUIT.
const usualSteps = 5

// add appends a step and returns it.
func (r *record) add(s Step) Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.t.Steps == nil {
		r.t.Steps = make([]Step, 0, usualSteps)
	}
	r.t.Steps = append(r.t.Steps, s)
	return s
}

// update changes the head of the transcript.
func (r *record) update(f func(*Transcript)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.t)
}

// last returns the latest step.
func (r *record) last() Step {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.t.Steps) == 0 {
		return Step{}
	}
	return r.t.Steps[len(r.t.Steps)-1]
}

// end stops the clock of the transcript; the first call counts.
func (r *record) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.ended {
		r.ended = true
		r.t.Took = time.Since(r.t.Started)
	}
}

// snapshot returns a copy.
func (r *record) snapshot() *Transcript {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := new(Transcript)
	*t = r.t
	t.Steps = slices.Clone(t.Steps)
	if !r.ended {
		t.Took = time.Since(t.Started)
	}
	return t
}

// maxDetail caps the texts that describe a failure.
const maxDetail = 200

// printable makes text fit for logs: one line of printable characters, capped.
func printable(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c == utf8.RuneError || !unicode.IsPrint(c) {
			c = '?'
		}
		if b.Len()+utf8.RuneLen(c) > maxDetail {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}
