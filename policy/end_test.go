package policy

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestAtEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Source{Default: with(func(r *Rule) { r.MaxRefusals = 1 })})
	ask := func(i int) Decision {
		q := local(fmt.Sprintf("mailbox_not_found@x%d.example", i))
		q.Instance, q.AtEnd = "i", true
		return w.Decide(t.Context(), q)
	}
	for i, c := range []struct {
		told          Action
		reply         string
		action, would string
	}{
		{Reject, "550 5.1.1 all of them", "reject", ""},
		{Accept, "", "accept", "reject"},
		{Delete, "", "delete", ""},
	} {
		d := ask(i)
		if d.Action != Reject || ask(i).ID != d.ID {
			t.Errorf("%d: %+v", i, d)
		}
		if _, records := w.seen(); len(records) != 0 {
			t.Errorf("%d: recorded before the end of the message", i)
		}
		d.Told(c.told, c.reply)
		ask(i).Told(Accept, "")
		_, records := w.seen()
		if len(records) != 1 || records[0].Action != c.action || records[0].Would != c.would || records[0].SMTPReply != c.reply {
			t.Errorf("%d: %+v", i, records)
		}
	}
	w.Decide(t.Context(), local("accepted@example.org")).Told(Reject, "550 no")
	if _, records := w.seen(); len(records) != 1 || records[0].Action != "accept" {
		t.Errorf("%+v", records)
	}
}

// TestDeferForAndTheEnd: defer_for counts from what was deferred by its own
// verdict, and told so; it ends deferrals alone, also at the end of a message.
func TestDeferForAndTheEnd(t *testing.T) {
	t.Parallel()
	const reject, deferred, neither = "reject", "defer", ""
	for _, c := range []struct {
		name   string
		list   string // that holds the reason
		told   Action // at the end of the message; empty: at RCPT
		later  string // the list, 5 h later
		action Action // then, at RCPT and at the end
	}{
		{"deferred", deferred, "", deferred, Accept},
		{"deferred at the end", deferred, Defer, deferred, Accept},
		{"deferred, then refused", deferred, "", reject, Reject},
		{"accepted", neither, "", deferred, Defer},
		{"refused", reject, "", deferred, Defer},
		{"refused in a message that was deferred", reject, Defer, deferred, Defer},
		{"accepted in a message that was deferred", neither, Defer, deferred, Defer},
		{"deferred in a message that was refused", deferred, Reject, deferred, Defer},
		{"deferred and removed", deferred, Delete, deferred, Defer},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, Source{})
				ask := func(list string, atEnd bool) Decision {
					w.settings.Store(settings(t, Source{Default: with(func(r *Rule) {
						r.Reject, r.Defer = nil, nil
						switch list {
						case reject:
							r.Reject = []string{"mailbox_not_found"}
						case deferred:
							r.Defer = []string{"mailbox_not_found"}
						}
					})}))
					q := local("mailbox_not_found@m.example")
					q.AtEnd = atEnd
					return w.Decide(t.Context(), q)
				}
				ask(c.list, c.told != "").Told(c.told, "")
				time.Sleep(5 * time.Hour)
				if d := ask(c.later, true); d.Action != c.action {
					t.Errorf("at the end: %s", d.Action)
				}
				if d := ask(c.later, false); d.Action != c.action {
					t.Errorf("at RCPT: %s", d.Action)
				}
			})
		})
	}
}

// TestMonitoredAtEnd: what is only recorded waits for nobody to be told, and has
// no max_refusals but its own clock of defer_for.
func TestMonitoredAtEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Source{Default: with(func(r *Rule) {
			r.Mode, r.Defer, r.MaxRefusals = ModeMonitor, []string{"greylisted"}, 1
		})})
		for i, would := range []string{"defer", "accept"} {
			for _, domain := range []string{"a.example", "b.example"} {
				q := local("greylisted@" + domain)
				q.Instance, q.AtEnd = fmt.Sprint(i), true
				w.Decide(t.Context(), q)
				synctest.Wait()
				if _, records := w.seen(); len(records) != 1 || records[0].Would != would {
					t.Errorf("message %d, %s: want one record of %s, got %+v", i, domain, would, records)
				}
			}
			time.Sleep(5 * time.Hour)
		}
	})
}

// TestToldAtEnd: the record says what became of a recipient, and what its own
// verdict would have made of it.
func TestToldAtEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode   Mode
		reason string
		would  string
	}{
		{ModeEnforce, "accepted", ""},
		{ModeEnforce, "greylisted", "defer"},
		{ModeEnforce, "mailbox_not_found", "reject"},
		{ModeWarn, "accepted", "accept"},
		{ModeWarn, "greylisted", "defer"},
		{ModeWarn, "mailbox_not_found", "reject"},
	} {
		w := newWorld(t, Source{Default: with(func(r *Rule) { r.Mode, r.Defer = c.mode, []string{"greylisted"} })})
		q := local(c.reason + "@example.org")
		q.AtEnd = true
		w.Decide(t.Context(), q).Told(Accept, "")
		if _, records := w.seen(); len(records) != 1 || records[0].Action != "accept" || records[0].Would != c.would {
			t.Errorf("%s %s: %+v", c.mode, c.reason, records)
		}
	}
}
