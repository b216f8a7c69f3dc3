package policy

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/audit"
	"rcptgate/verify/verdict"
)

func TestMonitor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Mode, r.MaxRefusals = ModeMonitor, 2 })})
		w.delay = 3 * time.Second
		start := time.Now()
		for i := range 4 {
			q := local("mailbox_not_found@example.org")
			q.Instance, q.Recipient = "i", fmt.Sprintf("mailbox_not_found@x%d.example", i)
			if d := w.Decide(t.Context(), q); d.Action != Accept || d.ReplyText() != "" || d.Warning {
				t.Errorf("%+v", d)
			}
		}
		if time.Since(start) != 0 {
			t.Error("monitor mode made the asker wait")
		}
		synctest.Wait()
		if _, records := w.seen(); len(records) != 0 {
			t.Error("recorded before the verdict came")
		}
		time.Sleep(4 * time.Second)
		_, records := w.seen()
		would := map[string]int{}
		for _, r := range records {
			would[r.Would]++
			if r.Action != "accept" || r.Wait != 3*time.Second || r.Mode != "monitor" || r.SMTPReply != "" {
				t.Errorf("record %+v", r)
			}
		}
		if would["reject"] != 2 || would["accept"] != 2 {
			t.Errorf("would %v, as max_refusals is 2", would)
		}
		w.delay = time.Hour
		w.Decide(t.Context(), local("mailbox_not_found@example.org"))
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if _, records := w.seen(); len(records) != 1 || records[0].Reason != verdict.Pending || records[0].Wait != 8*time.Second {
			t.Errorf("after the budget: %+v", records)
		}
	})
}

func TestStopWaitsForRecords(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Mode = ModeMonitor })})
		w.delay = 3 * time.Second
		w.Decide(t.Context(), local("mailbox_not_found@example.org"))
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if _, records := w.seen(); len(records) != 1 || records[0].Would != "reject" {
			t.Errorf("records %+v", records)
		}
		w.delay = 0
		w.Decide(t.Context(), local("mailbox_not_found@example.org"))
		if queries, records := w.seen(); len(records) != 1 || queries[0].Probe || queries[0].Budget != 0 {
			t.Errorf("after Stop: %+v %+v", queries, records)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Mode = ModeMonitor })})
		w.delay = 5 * time.Second
		w.Decide(t.Context(), local("mailbox_not_found@example.org"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Stop(ctx); err == nil {
			t.Error("no error although records were cut short")
		}
		if _, records := w.seen(); len(records) != 1 || records[0].Reason != verdict.Pending {
			t.Errorf("records %+v", records)
		}
	})
}

func TestWarnAndNoReject(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Mode = ModeWarn })})
		w.delay = time.Second
		d := w.Decide(t.Context(), local("mailbox_not_found@example.org"))
		if d.Action != Accept || !d.Warning || d.Would != Reject || !strings.HasPrefix(d.ReplyText(), "550 5.1.1 example.org says") {
			t.Errorf("warn: %+v", d)
		}
		if _, records := w.seen(); records[0].Would != "reject" || records[0].Action != "accept" || records[0].SMTPReply != "" || records[0].Wait != time.Second {
			t.Errorf("record %+v", records[0])
		}
		if d := w.Decide(t.Context(), local("accepted@example.org")); d.Warning || d.Would != Accept || d.ReplyText() != "" {
			t.Errorf("warn, good: %+v", d)
		}
		w = newWorld(t, Source{})
		q := local("mailbox_not_found@example.org")
		q.NoReject = true
		if d := w.Decide(t.Context(), q); d.Action != Accept || d.Warning || d.ReplyText() != "" {
			t.Errorf("no reject: %+v", d)
		}
		synctest.Wait()
		if _, records := w.seen(); len(records) != 1 || records[0].Would != "reject" || records[0].Mode != "enforce" {
			t.Errorf("records %+v", records)
		}
	})
}

func TestPercent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Source{Default: with(func(r *Rule) { r.Percent = 30 })})
	other := newWorld(t, Source{Default: with(func(r *Rule) { r.Percent = 30 })})
	refused := 0
	for i := range 1000 {
		rcpt := fmt.Sprintf("mailbox_not_found@x%d.example", i)
		a, b := w.Decide(t.Context(), local(rcpt)), other.Decide(t.Context(), local(strings.Replace(rcpt, "example", "EXAMPLE", 1)))
		if a.Action != b.Action {
			t.Errorf("%s: %s here, %s there", rcpt, a.Action, b.Action)
		}
		if a.Action == Reject {
			refused++
		}
	}
	if refused < 250 || refused > 350 {
		t.Errorf("%d of 1000 are in 30 percent", refused)
	}
	none := newWorld(t, Source{Default: with(func(r *Rule) { r.Percent = 0 })})
	if d := none.Decide(t.Context(), local("mailbox_not_found@example.org")); d.Action != Accept {
		t.Errorf("0 percent: %+v", d)
	}
}

func TestPanics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Source{})
	d := w.Decide(t.Context(), local("panic@example.org"))
	if d.Action != Accept || d.Verdict.Reason != verdict.InternalError || w.Panics() != 1 {
		t.Errorf("%+v, %d panics", d, w.Panics())
	}
	if _, records := w.seen(); len(records) != 1 || records[0].Reason != verdict.InternalError || records[0].ID != d.ID {
		t.Errorf("%+v", records)
	}
	if v, _ := w.VerifyNow(t.Context(), "panic@example.org", "", "", time.Second, DoorCLI); v.Reason != verdict.InternalError {
		t.Errorf("VerifyNow: %+v", v)
	}
	if s := w.journal.String(); !strings.Contains(s, "panic in a decision") || !strings.Contains(s, "engine_test.go") {
		t.Errorf("journal: %s", s)
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Mode = ModeMonitor })})
		w.Decide(t.Context(), local("panic@example.org"))
		synctest.Wait()
		if _, records := w.seen(); len(records) != 1 || records[0].Reason != verdict.InternalError || w.Panics() != 1 {
			t.Errorf("behind: %+v", records)
		}
	})
	broken, err := New(Options{Settings: func() *Settings { return nil }, Verify: w, Record: func(*audit.Decision) { panic("no") }})
	if err != nil {
		t.Fatal(err)
	}
	if d := broken.Decide(t.Context(), local("accepted@example.org")); d.Action != Accept {
		t.Errorf("%+v", d)
	}
}

func TestJournalPseudonym(t *testing.T) {
	t.Parallel()
	st := settings(t, Source{})
	w := &world{}
	e, err := New(Options{
		Settings: func() *Settings { return st }, Verify: w, Record: w.record,
		Logger: slog.New(slog.NewTextHandler(&w.journal, nil)), Pseudonym: func(string) string { return "h" },
	})
	if err != nil {
		t.Fatal(err)
	}
	e.Decide(t.Context(), local("mailbox_not_found@example.org"))
	if s := w.journal.String(); !strings.Contains(s, "rcpt=h@example.org") || strings.Contains(s, "reply=") {
		t.Errorf("%s", s)
	}
}
