package pace

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

func TestPanicInConverse(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("good.test", lab.Host{Exists: everybody})
		w.submit(r, "ann", func(_ *pending, j *Job) {
			j.Converse = func(ctx context.Context, s *Session) {
				s.Ask(ctx, j.Rcpt, KindAddress)
				panic("at the worst moment")
			}
		})
		w.want("bob", w.ask(r, "bob"), "accepted")
		synctest.Wait()
		if s := w.p.Snapshot(); s.Panics != 1 {
			t.Errorf("%d panics counted", s.Panics)
		}
		time.Sleep(time.Minute)
		for _, x := range w.p.leaks() {
			t.Error(x)
		}
	})
}

// brittle panics where it is told to.
type brittle struct {
	opener
	at string
}

func (b brittle) open(ctx context.Context, r *probe.Request) (dialogue, *probe.Transcript, probe.Step) {
	d, t, last := b.opener.open(ctx, r)
	if b.at == "open" {
		d.Close(ctx)
		panic("at the worst moment")
	}
	return brittleDialogue{d}, t, last
}

type brittleDialogue struct{ dialogue }

func (d brittleDialogue) Close(ctx context.Context) *probe.Transcript {
	d.dialogue.Close(ctx)
	panic("at the worst moment")
}

// A dialogue that panics before or behind the conversation has a transcript to
// be looked at, and leaves nothing counted.
func TestPanicInOpenAndClose(t *testing.T) {
	for at, want := range map[string]string{"open": "dropped protocol_error", "close": "accepted"} {
		inWorld(t, nil, func(w *world) {
			w.p.opener = brittle{w.p.opener, at}
			r := w.site("good.test", lab.Host{Exists: everybody})
			w.want(at, w.ask(r, "ann"), want)
			time.Sleep(time.Minute)
			if s := w.p.Snapshot(); s.Panics == 0 || s.Sessions != 0 {
				t.Errorf("%s: %+v", at, s)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.dialogues) == 0 {
				t.Errorf("%s: no dialogue", at)
			}
			for _, d := range w.dialogues {
				if d.Transcript == nil {
					t.Errorf("%s: no transcript", at)
				}
			}
			for _, x := range w.p.leaks() {
				t.Errorf("%s: %s", at, x)
			}
		})
	}
}

func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory(), single(t))
		r := w.site("slow.test", lab.Host{Exists: everybody, Delay: map[string]time.Duration{"RCPT": 10 * time.Second}})
		idle := w.site("idle.test", lab.Host{Exists: everybody})
		hole := w.site("hole.test", lab.Host{Delay: map[string]time.Duration{"RCPT": 40 * time.Second}})
		running, queued, long := w.submit(r, "ann", nil), w.submit(r, "bob", nil), w.submit(hole, "ann", nil)
		w.want("idle", w.ask(idle, "ann"), "accepted")
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		began := time.Now()
		if err := w.p.Stop(ctx); err != nil {
			t.Error(err)
		}
		if d := time.Since(began); d > 25*time.Second {
			t.Errorf("stopping took %v", d)
		}
		w.want("running", running.wait().String(), "accepted")
		w.want("queued", queued.wait().String(), "dropped not_probed")
		w.want("broken off", long.wait().String(), "not_probed")
		w.want("after", w.ask(r, "cid"), "refused not_probed")
		w.stop()

		p := newPacer(Options{Settings: w.settings.Load}, nil)
		if err := p.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// A reload holds for what waits, too.
func TestReload(t *testing.T) {
	inWorld(t, single(t), func(w *world) {
		r := w.site("slow.test", lab.Host{Exists: everybody, Delay: map[string]time.Duration{"RCPT": 3 * time.Second}})
		other := w.site("other.test", lab.Host{Exists: everybody, Delay: map[string]time.Duration{"RCPT": 3 * time.Second}})
		var jobs, others []*pending
		for i := range 5 {
			jobs = append(jobs, w.submit(r, fmt.Sprintf("g%d", i), nil))
			others = append(others, w.submit(other, fmt.Sprintf("g%d", i), nil))
		}
		time.Sleep(time.Second)
		s := *w.settings.Load()
		forbidden, three := provider.Forbidden, 3*time.Second
		s.Book = book(t, provider.Overrides{Domain: map[string]provider.Partial{
			"slow.test": {Probing: &forbidden}, "other.test": {MinInterval: &three},
		}})
		w.settings.Store(&s)
		w.want("begun", jobs[0].wait().String(), "accepted")
		for _, q := range jobs[1:] {
			w.want("queued", q.wait().String(), "dropped not_probed")
		}
		for _, q := range others {
			w.want("other", q.wait().String(), "accepted")
		}
		w.want("new", w.ask(r, "new"), "refused not_probed")

		time.Sleep(10 * time.Second)
		q1 := w.submit(other, "last", nil)
		w.submit(other, "other", nil) // the second connection
		q2 := w.submit(other, "lost", nil)
		time.Sleep(time.Second)
		s2 := s
		s2.Sources = []probe.Source{{IP: netip.MustParseAddr("198.51.100.9"), HELO: "new.example.net"}}
		w.settings.Store(&s2)
		w.want("begun", q1.wait().String(), "accepted")
		w.want("its source is gone", q2.wait().String(), "dropped not_probed")
		w.want("from the new source", w.ask(other, "next"), "accepted")
	})
}

// What waits for a budget of an hour is told of such a reload within a minute.
func TestReloadUnfitWhileNothingMoves(t *testing.T) {
	inWorld(t, func(s *Settings) { s.QueueTimeout = 24 * time.Hour }, func(w *world) {
		r := w.site("bad.test", lab.Host{})
		for i := range 9 {
			w.want("bad", w.ask(r, fmt.Sprintf("b%d", i)), "mailbox_not_found")
		}
		q := w.submit(r, "late", nil)
		time.Sleep(time.Minute)
		s := *w.settings.Load()
		s.Unfit = "[probe] sender is not set"
		w.settings.Store(&s)
		began := time.Now()
		if got := q.wait(); got.dropped == nil || time.Since(began) > sweepEvery {
			t.Errorf("%v after %v", got, time.Since(began))
		}
	})
}

// A reload that leaves us without an identity lets nothing out that waits, on
// a new connection or an open one.
func TestReloadUnfit(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Settings)
		detail string
	}{
		{"no name", func(s *Settings) { s.Sources = []probe.Source{{}} }, detailNoSource},
		{"unfit", func(s *Settings) { s.Unfit = "[probe] sender is not set" }, "nothing is probed: [probe] sender is not set"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, single(t), func(w *world) {
				r := w.site("slow.test", lab.Host{Exists: everybody, Delay: map[string]time.Duration{"RCPT": 3 * time.Second}})
				begun := w.submit(r, "ann", nil)
				queued := []*pending{
					w.submit(r, "bob", nil),
					w.submit(r, "cid", func(_ *pending, j *Job) { j.Fresh = true }),
				}
				time.Sleep(time.Second)
				fit := w.settings.Load()
				s := *fit
				tt.change(&s)
				w.settings.Store(&s)
				w.want("begun", begun.wait().String(), "accepted")
				for _, q := range queued {
					if got := q.wait(); got.dropped == nil || got.dropped.Reason != verdict.NotProbed || got.dropped.Detail != tt.detail {
						t.Errorf("queued: %v, %+v", got, got.dropped)
					}
				}
				got := w.submit(r, "dan", nil).wait()
				if got.refused == nil || got.refused.Reason != verdict.NotProbed || got.refused.Detail != tt.detail {
					t.Errorf("new: %v, %+v", got, got.refused)
				}
				if _, ok := w.p.Predict(r); ok {
					t.Error("predicted without an identity")
				}
				w.settings.Store(fit)
				w.want("fit again", w.ask(r, "eve"), "accepted")
			})
		})
	}
}
