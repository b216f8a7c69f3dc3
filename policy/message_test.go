package policy

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify/verdict"
)

func TestDuplicates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{})
		w.delay = 2 * time.Second
		q := local("mailbox_not_found@example.org")
		q.Instance = "i"
		var wg sync.WaitGroup
		got := make([]Decision, 5)
		for i := range got {
			wg.Go(func() { got[i] = w.Decide(t.Context(), q) })
		}
		wg.Wait()
		time.Sleep(time.Minute)
		got = append(got, w.Decide(t.Context(), q))
		for _, d := range got {
			if d.ID != got[0].ID || d.Action != Reject || d.ReplyText() != got[0].ReplyText() || d.Verdict.Reason != verdict.MailboxNotFound ||
				d.Rule != got[0].Rule || d.Mode != ModeEnforce || d.Code != 550 {
				t.Errorf("%+v", d)
			}
		}
		if queries, records := w.seen(); len(queries) != 1 || len(records) != 1 {
			t.Errorf("%d queries, %d records", len(queries), len(records))
		}
		other := q
		other.PolicyContext = "other"
		if d := w.Decide(t.Context(), other); d.ID == got[0].ID {
			t.Error("another policy context got the same decision")
		}
		time.Sleep(5 * time.Minute)
		if d := w.Decide(t.Context(), q); d.ID == got[0].ID {
			t.Error("remembered after five minutes")
		}
	})
}

func TestDuplicateOfOneThatWentAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{})
		w.delay = 4 * time.Second
		q := local("mailbox_not_found@example.org")
		q.Instance = "i"
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if d := w.Decide(ctx, q); d.Action != Accept || d.Verdict.Reason != verdict.Pending {
				t.Errorf("gone: %+v", d)
			}
		})
		synctest.Wait()
		if d := w.Decide(t.Context(), q); d.Action != Reject {
			t.Errorf("the next: %+v", d)
		}
		wg.Wait()
	})
}

func TestMemory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory[int, string](time.Minute, 3)
		m.put(1, "one")
		time.Sleep(50 * time.Second)
		if _, ok := m.get(1); !ok {
			t.Error("forgotten early")
		}
		time.Sleep(50 * time.Second)
		if _, ok := m.get(1); !ok {
			t.Error("touched 50 s ago, forgotten")
		}
		time.Sleep(3 * time.Minute)
		if _, ok := m.get(1); ok {
			t.Error("not forgotten")
		}
		for i := range 100 {
			m.put(i, "x")
		}
		if n := len(m.now) + len(m.old); n > 6 {
			t.Errorf("%d entries", n)
		}
		m.delete(99)
		if _, ok := m.get(99); ok {
			t.Error("not deleted")
		}
	})
}
