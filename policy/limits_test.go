package policy

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{})
		w.delay = time.Hour
		ask := func(instance string, i int) Query {
			q := local(fmt.Sprintf("accepted@x%d.example", i))
			q.Instance = instance
			return q
		}
		for i, want := range []time.Duration{8, 8, 4, 0, 0} {
			w.Decide(t.Context(), ask("serial", i))
			queries, _ := w.seen()
			if got := queries[0].Budget; got != want*time.Second {
				t.Errorf("recipient %d got %v", i, got)
			}
		}
		var wg sync.WaitGroup
		for i := range 10 { // side by side they use the time once
			wg.Go(func() { w.Decide(t.Context(), ask("parallel", i)) })
		}
		wg.Wait()
		queries, _ := w.seen()
		for _, q := range queries {
			if q.Budget != 8*time.Second {
				t.Errorf("side by side: %v", q.Budget)
			}
		}
		for i, want := range []time.Duration{8, 4, 0} { // and they have used 8 of 20 s
			w.Decide(t.Context(), ask("parallel", 20+i))
			if queries, _ := w.seen(); queries[0].Budget != want*time.Second {
				t.Errorf("after them: %v, want %d s", queries[0].Budget, want)
			}
		}
		w.EndMessage("serial")
		w.Decide(t.Context(), ask("serial", 30))
		if queries, _ := w.seen(); queries[0].Budget != 8*time.Second {
			t.Errorf("after EndMessage: %v", queries[0].Budget)
		}
		q := ask("stress", 1)
		q.Stress = true
		w.Decide(t.Context(), q)
		if queries, _ := w.seen(); queries[0].Budget != 0 || queries[0].Probe {
			t.Errorf("under stress: %+v", queries[0])
		}
	})
}

// TestBudgetOfOverlapping: recipients that begin while others wait get what the
// message has left by then, and a pause costs nothing.
func TestBudgetOfOverlapping(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{})
		w.delay = time.Hour
		start := time.Now()
		var wg sync.WaitGroup
		for i, c := range []struct{ at, want time.Duration }{
			{0, 8}, {5, 8}, {10, 8}, // without a gap to 18 s
			{100, 2}, {101, 1}, // the last two seconds
			{200, 0},
		} {
			time.Sleep(time.Until(start.Add(c.at * time.Second)))
			q := local(fmt.Sprintf("accepted@x%d.example", i))
			q.Instance = "i"
			wg.Go(func() { w.Decide(t.Context(), q) })
			synctest.Wait()
			queries, _ := w.seen()
			if len(queries) != 1 || queries[0].Budget != c.want*time.Second {
				t.Errorf("at %d s: %+v, want %d s", c.at, queries, c.want)
			}
		}
		wg.Wait()
	})
}

func TestMaxRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Source{Default: with(func(r *Rule) { r.MaxRefusals = 3; r.Defer = []string{"timeout"} })})
	var got []Action
	for i := range 8 {
		word := "mailbox_not_found"
		switch i {
		case 0, 2: // take nothing from those that are refused
			word = "accepted"
		case 3:
			word = "timeout"
		}
		q := local(fmt.Sprintf("%s@x%d.example", word, i))
		q.Instance = "i"
		got = append(got, w.Decide(t.Context(), q).Action)
	}
	if s := fmt.Sprint(got); s != "[accept reject accept defer reject accept accept accept]" {
		t.Errorf("%s", s)
	}
	if d := w.Decide(t.Context(), local("mailbox_not_found@example.org")); d.Action != Reject {
		t.Errorf("without an instance: %s", d.Action)
	}
}

// TestMaxRefusalsOfARollOut: what is only monitored takes no refusal from what is
// enforced, and the other way round.
func TestMaxRefusalsOfARollOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{
			Default: with(func(r *Rule) { r.MaxRefusals, r.Percent = 3, 10 }),
			Rules: []Rule{
				with(func(r *Rule) {
					r.Name, r.Recipient, r.Mode, r.MaxRefusals = "watched", []string{"*@m.example"}, ModeMonitor, 3
				}),
				with(func(r *Rule) {
					r.Name, r.Recipient, r.Mode, r.MaxRefusals = "warned", []string{"*@w.example"}, ModeWarn, 3
				}),
			},
		})
		ask := func(domain string) Action {
			q := local("mailbox_not_found@" + domain)
			q.Instance = "i"
			d := w.Decide(t.Context(), q)
			synctest.Wait()
			return d.Action
		}
		for range 20 { // identical requests are one
			ask("m.example")
			ask("w.example")
		}
		if _, records := w.seen(); len(records) != 2 || records[0].Would != "reject" || records[1].Would != "reject" {
			t.Errorf("records %+v", records)
		}
		refused := 0
		for i := range 300 {
			if ask(fmt.Sprintf("x%d.example", i)) == Reject {
				refused++
			}
		}
		if refused != 3 {
			t.Errorf("%d refused of a tenth of 300, max_refusals is 3", refused)
		}
		_, records := w.seen()
		would := 0
		for _, r := range records {
			if r.Would == "reject" {
				would++
			}
		}
		if would != 1 {
			t.Errorf("%d more would have been refused; two were of those before", would)
		}
	})
}

func TestDeferFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Defer = []string{"greylisted"} })})
		for i, c := range []struct {
			pause time.Duration
			want  Action
		}{{0, Defer}, {time.Hour, Defer}, {2 * time.Hour, Defer}, {time.Hour, Accept}, {20 * time.Hour, Accept}, {100 * time.Hour, Defer}} {
			time.Sleep(c.pause)
			if d := w.Decide(t.Context(), local("greylisted@example.org")); d.Action != c.want {
				t.Errorf("attempt %d: %s", i, d.Action)
			}
		}
		q := local("greylisted@example.org")
		q.Sender = "other@example.com"
		time.Sleep(time.Minute)
		if d := w.Decide(t.Context(), q); d.Action != Defer {
			t.Errorf("another sender: %s", d.Action)
		}
	})
}

// TestDeferForBeginsWithADeferral: not with what is only recorded, nor with what
// the MTA was not told.
func TestDeferForBeginsWithADeferral(t *testing.T) {
	t.Parallel()
	ask := func(t *testing.T, w *world, domain string) Action {
		q := local("greylisted@" + domain)
		q.Instance = fmt.Sprint(time.Now().Unix())
		d := w.Decide(t.Context(), q)
		synctest.Wait()
		return d.Action
	}
	atEnd := func(t *testing.T, w *world, told Action) Action {
		q := local("greylisted@m.example")
		q.AtEnd = true
		d := w.Decide(t.Context(), q)
		d.Told(told, d.ReplyText())
		return d.Action
	}
	for _, c := range []struct {
		name   string
		mode   Mode
		before func(t *testing.T, w *world)
		want   Action // of the same recipient, 5 h later
	}{
		{"told", ModeEnforce, func(t *testing.T, w *world) { ask(t, w, "m.example") }, Accept},
		{"told at the end", ModeEnforce, func(t *testing.T, w *world) { atEnd(t, w, Defer) }, Accept},
		{"recorded", ModeMonitor, func(t *testing.T, w *world) { ask(t, w, "m.example") }, Defer},
		{"warned of", ModeWarn, func(t *testing.T, w *world) { ask(t, w, "m.example") }, Defer},
		{"told otherwise at the end", ModeEnforce, func(t *testing.T, w *world) { atEnd(t, w, Accept) }, Defer},
		{"accepted past max_refusals", ModeEnforce, func(t *testing.T, w *world) {
			for _, domain := range []string{"x.example", "y.example", "m.example"} {
				ask(t, w, domain)
			}
		}, Defer},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				def := with(func(r *Rule) { r.Mode, r.Defer, r.MaxRefusals = c.mode, []string{"greylisted"}, 2 })
				w := newWorld(t, Source{Default: def})
				c.before(t, w)
				time.Sleep(5 * time.Hour)
				def.Mode = ModeEnforce
				w.settings.Store(settings(t, Source{Default: def}))
				if got := ask(t, w, "m.example"); got != c.want {
					t.Errorf("%s", got)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // the record has a clock of its own
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Mode, r.Defer = ModeMonitor, []string{"greylisted"} })})
		for _, want := range []string{"defer", "accept"} {
			ask(t, w, "m.example")
			if _, records := w.seen(); len(records) != 1 || records[0].Would != want {
				t.Errorf("want %s: %+v", want, records)
			}
			time.Sleep(5 * time.Hour)
		}
	})
}
