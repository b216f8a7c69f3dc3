package policy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rcptgate/audit"
	"rcptgate/verify"
	"rcptgate/verify/address"
	"rcptgate/verify/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is an engine with a verifier that answers after a while what the local
// part of the address names.
type world struct {
	*Engine
	delay time.Duration

	mu      sync.Mutex
	queries []verify.Query
	records []*audit.Decision
	journal bytes.Buffer
}

func (w *world) Verify(ctx context.Context, q verify.Query) verdict.Verdict {
	w.mu.Lock()
	w.queries = append(w.queries, q)
	w.mu.Unlock()
	word, tag, _ := strings.Cut(q.Address.Local(), "+")
	if word == "panic" {
		panic("as asked")
	}
	v := verdict.New(verdict.Reason(word), verdict.FromProbe, time.Now())
	if tag != "" {
		v.Tags = []verdict.Tag{verdict.Tag(tag)}
	}
	if w.delay == 0 {
		return v
	}
	t := time.NewTimer(min(w.delay, q.Budget))
	defer t.Stop()
	select {
	case <-t.C:
		if w.delay <= q.Budget {
			return v
		}
	case <-ctx.Done():
	}
	return verdict.New(verdict.Pending, "", time.Now())
}

func (w *world) record(d *audit.Decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.records = append(w.records, d)
}

func (w *world) seen() (queries []verify.Query, records []*audit.Decision) {
	w.mu.Lock()
	defer w.mu.Unlock()
	queries, records = w.queries, w.records
	w.queries, w.records = nil, nil
	return queries, records
}

func newWorld(t testing.TB, s Source) *world {
	t.Helper()
	st := settings(t, s)
	w := &world{}
	e, err := New(Options{
		Settings: func() *Settings { return st }, Verify: w, Record: w.record,
		Logger: slog.New(slog.NewTextHandler(&w.journal, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Engine = e
	t.Cleanup(func() {
		if err := e.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

// local is a query from a client in outbound_clients.
func local(recipient string) Query {
	return Query{Door: DoorPolicy, Sender: "news@example.com", Recipient: recipient, Client: netip.MustParseAddr("127.0.0.1")}
}

func TestOutbound(t *testing.T) {
	t.Parallel()
	far := netip.MustParseAddr("192.0.2.9")
	w := newWorld(t, Source{
		SkipDomains: []string{"ours.example", ".ours.example"},
		Rules: []Rule{
			with(func(r *Rule) {
				r.Name, r.Client = "inherited", []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
			}),
			with(func(r *Rule) {
				r.Name, r.Client, r.OwnVerify = "relay", []netip.Prefix{netip.MustParsePrefix("192.0.2.2/32")}, true
			}),
			with(func(r *Rule) { r.Name, r.PolicyContext, r.OwnVerify = "ctx", []string{"out"}, true }),
			with(func(r *Rule) { r.Name, r.Sender, r.OwnVerify = "sender", []string{"vip@*"}, true }),
			with(func(r *Rule) { r.Name, r.Sender, r.Exempt = "exempt", []string{"exempt@*"}, true }),
			with(func(r *Rule) { r.Name, r.Sender, r.Mode = "off", []string{"off@*"}, ModeOff }),
		},
	})
	for _, c := range []struct {
		name  string
		q     Query
		asked bool
		rule  string
	}{
		{"stranger", Query{Client: far}, false, "default"},
		{"no client", Query{}, false, "default"},
		{"authenticated", Query{Client: far, SASLUsername: "u"}, true, "default"},
		{"outbound client", Query{Client: netip.MustParseAddr("127.9.9.9")}, true, "default"},
		{"mapped outbound client", Query{Client: netip.MustParseAddr("::ffff:127.0.0.1")}, true, "default"},
		{"command line", Query{Door: DoorCLI}, true, "default"},
		{"admin or token", Query{Door: DoorAPI}, true, "default"},
		{"rule without its own action", Query{Client: netip.MustParseAddr("192.0.2.1")}, false, "inherited"},
		{"rule with client", Query{Client: netip.MustParseAddr("192.0.2.2")}, true, "relay"},
		{"rule with context", Query{Client: far, PolicyContext: "out"}, true, "ctx"},
		{"rule with sender only", Query{Client: far, Sender: "vip@example.com"}, false, "sender"},
		{"exempt", Query{SASLUsername: "u", Sender: "exempt@example.com"}, false, "exempt"},
		{"off", Query{SASLUsername: "u", Sender: "off@example.com"}, false, "off"},
		{"skipped", Query{SASLUsername: "u", Recipient: "mailbox_not_found@Ours.Example"}, false, "default"},
		{"skipped suffix", Query{SASLUsername: "u", Recipient: "mailbox_not_found@a.ours.example"}, false, "default"},
		{"dotless", Query{SASLUsername: "u", Recipient: "mailbox_not_found@localhost"}, false, "default"},
		{"literal", Query{SASLUsername: "u", Recipient: "mailbox_not_found@[192.0.2.1]"}, false, "default"},
		{"bare", Query{SASLUsername: "u", Recipient: "postmaster"}, false, "default"},
	} {
		if c.q.Recipient == "" {
			c.q.Recipient = "mailbox_not_found@example.org"
		}
		if c.q.Door == "" {
			c.q.Door = DoorPolicy
		}
		d := w.Decide(t.Context(), c.q)
		queries, records := w.seen()
		if (len(queries) == 1) != c.asked || (d.Action == Reject) != c.asked || d.Rule != c.rule {
			t.Errorf("%s: %d queries, %s by %s", c.name, len(queries), d.Action, d.Rule)
		}
		if len(records) != 1 || records[0].ID != d.ID || !c.asked && records[0].Reason != verdict.NotProbed {
			t.Errorf("%s: records %+v", c.name, records)
		}
	}
}

func TestReject(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Source{})
	q := local("mailbox_not_found@Example.ORG")
	q.QueueID, q.SASLUsername, q.PolicyContext = "4Abc", "u@example.com", "submission"
	d := w.Decide(t.Context(), q)
	want := "550 5.1.1 example.org says that this mailbox does not exist (checked " + time.Now().UTC().Format(time.DateOnly) + ", id " + d.ID + ")"
	if d.Action != Reject || d.ReplyText() != want || len(d.ID) != 12 || d.Would != "" || d.Warning || d.Mode != ModeEnforce {
		t.Errorf("%+v\n%q", d, d.ReplyText())
	}
	queries, records := w.seen()
	vq := queries[0]
	if vq.ID != d.ID || vq.Budget != 8*time.Second || !vq.Probe || vq.Tenant != "u@example.com" || !vq.AcceptedWhenLeft || vq.RetryGreylisted ||
		vq.Address.External() != "mailbox_not_found@example.org" || vq.Sender.External() != "news@example.com" || vq.Uncapped {
		t.Errorf("query %+v", vq)
	}
	r := records[0]
	if r.Door != "policy" || r.Mode != "enforce" || r.QueueID != "4Abc" || r.Client != "127.0.0.1" || r.SASLUsername != "u@example.com" ||
		r.PolicyContext != "submission" || r.Sender != "news@example.com" || r.Recipient != "mailbox_not_found@example.org" || r.Rule != "default" ||
		r.Status != verdict.Undeliverable || r.Reason != verdict.MailboxNotFound || r.Action != "reject" || r.Would != "" || r.SMTPReply != want {
		t.Errorf("record %+v", r)
	}
	if line := w.journal.String(); !strings.Contains(line, "level=INFO msg=decision id="+d.ID+" door=policy") || !strings.Contains(line, "rcpt=mailbox_not_found@example.org") {
		t.Errorf("journal %s", line)
	}
	w.journal.Reset()
	if d := w.Decide(t.Context(), local("accepted@example.org")); d.Action != Accept || d.ReplyText() != "" || w.journal.Len() != 0 {
		t.Errorf("pass: %+v, journal %s", d, w.journal.String())
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	def := with(func(r *Rule) {
		r.Reject = append(r.Reject, "accept_all", "tag:disposable")
		r.Defer = []string{"greylisted", "mailbox_full", "pending", "tag:role"}
	})
	w := newWorld(t, Source{Default: def})
	for recipient, want := range map[string]string{
		"accepted@a.example":                  "accept",
		"accept_all@a.example":                "550 5.7.1",
		"accept_unproven@a.example":           "accept",
		"mailbox_full@a.example":              "450 4.2.2",
		"greylisted@a.example":                "450 4.7.1",
		"timeout@a.example":                   "accept",
		"internal_error+disposable@a.example": "accept",
		"not_probed@a.example":                "accept",
		"not_probed+disposable@a.example":     "550 5.7.1 recipients of this kind (disposable)",
		"accepted+disposable@a.example":       "550 5.7.1 recipients of this kind (disposable)",
		"greylisted+disposable@a.example":     "550 5.7.1 recipients of this kind (disposable)",
		"accepted+role@a.example":             "450 4.7.1 recipients of this kind (role)",
		"mailbox_not_found+role@a.example":    "550 5.1.1",
		"mailbox_not_found+suspect@a.example": "accept",
		"mailbox_not_found+free@a.example":    "550 5.1.1",
		"\x01@a.example":                      "550 5.1.3",
		"@a.example":                          "550 5.1.3",
	} {
		d := w.Decide(t.Context(), local(recipient))
		got := d.ReplyText()
		if d.Action == Accept {
			got = "accept"
		}
		if !strings.HasPrefix(got, want) {
			t.Errorf("%q: %s, want %s", recipient, got, want)
		}
	}
	queries, _ := w.seen()
	if q := queries[0]; q.AcceptedWhenLeft || !q.RetryGreylisted {
		t.Errorf("query %+v", q)
	}
	settled := queries[0].Settled
	for _, c := range []struct {
		reasons []verdict.Reason
		tags    []verdict.Tag
		want    bool
	}{
		{[]verdict.Reason{verdict.Accepted, verdict.AcceptUnproven}, nil, true},
		{[]verdict.Reason{verdict.Accepted, verdict.AcceptAll}, nil, false},
		{[]verdict.Reason{verdict.Accepted}, []verdict.Tag{verdict.Disposable}, false},
		{[]verdict.Reason{verdict.MailboxNotFound}, nil, false},
		{[]verdict.Reason{verdict.MailboxNotFound}, []verdict.Tag{verdict.Suspect}, true},
		{nil, nil, false},
	} {
		if got := settled(c.reasons, c.tags); got != c.want {
			t.Errorf("settled(%v, %v) = %v", c.reasons, c.tags, got)
		}
	}
}

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
		w.Decide(t.Context(), ask("parallel", 20))
		if queries, _ := w.seen(); queries[0].Budget != 8*time.Second {
			t.Errorf("after them: %v", queries[0].Budget)
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

func TestMaxRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Source{Default: with(func(r *Rule) { r.MaxRefusals = 3; r.Defer = []string{"timeout"} })})
	var got []Action
	for i := range 6 {
		word := "mailbox_not_found"
		if i == 1 {
			word = "timeout"
		}
		q := local(fmt.Sprintf("%s@x%d.example", word, i))
		q.Instance = "i"
		got = append(got, w.Decide(t.Context(), q).Action)
	}
	if s := fmt.Sprint(got); s != "[reject defer reject accept accept accept]" {
		t.Errorf("%s", s)
	}
	if d := w.Decide(t.Context(), local("mailbox_not_found@example.org")); d.Action != Reject {
		t.Errorf("without an instance: %s", d.Action)
	}
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
			if d.ID != got[0].ID || d.Action != Reject {
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

func TestVerifyNow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, Source{SkipDomains: []string{"ours.example"}})
	for _, c := range []struct {
		in     string
		reason verdict.Reason
		addr   string
		asked  bool
	}{
		{"mailbox_not_found@BÜCHER.example", verdict.MailboxNotFound, "mailbox_not_found@xn--bcher-kva.example", true},
		{"joe", verdict.InvalidSyntax, "", false},
		{"", verdict.InvalidSyntax, "", false},
		{"<>", verdict.InvalidSyntax, "", false},
		{"@example.org", verdict.InvalidSyntax, "", false},
		{"PostMaster", verdict.NotProbed, "PostMaster", false},
		{"a@localhost", verdict.NotProbed, "a@localhost", false},
		{"a@[192.0.2.1]", verdict.NotProbed, "a@[192.0.2.1]", false},
		{"a@ours.example", verdict.NotProbed, "a@ours.example", false},
	} {
		v, addr := w.VerifyNow(t.Context(), c.in, "s@example.com", "", time.Minute, DoorCLI)
		queries, records := w.seen()
		if v.Reason != c.reason || addr != c.addr || (len(queries) == 1) != c.asked || len(records) != 0 {
			t.Errorf("%q: %s %q, %d queries, %d records", c.in, v.Reason, addr, len(queries), len(records))
		}
		if c.asked {
			if q := queries[0]; !q.Uncapped || !q.RetryGreylisted || q.AcceptedWhenLeft || q.Budget != time.Minute || q.Tenant != "cli" || q.Settled != nil || !q.Probe {
				t.Errorf("query %+v", q)
			}
		}
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

// FuzzDecide checks that whatever a client writes, the answer can be sent.
func FuzzDecide(f *testing.F) {
	f.Add("a@example.com", "mailbox_not_found@example.org", "u", uint8(0))
	f.Add("", "\x00 b\"@[", "", uint8(2))
	def := with(func(r *Rule) { r.Defer = []string{"greylisted", "tag:role"} })
	replies := map[verdict.Reason]Template{verdict.InvalidSyntax: {Text: "{recipient}|{domain}|{reason}|{date}|{id}"}}
	w := newWorld(f, Source{Default: def, Replies: replies, Rules: []Rule{with(func(r *Rule) {
		r.Name, r.Sender, r.SASLUsername = "r", []string{"*@*.example"}, []string{"?*"}
	})}})
	f.Fuzz(func(t *testing.T, sender, recipient, user string, form uint8) {
		q := local(recipient)
		q.Sender, q.SASLUsername, q.Door = sender, user, DoorAPI
		q.RecipientForm = address.Form(form % 3)
		d := w.Decide(t.Context(), q)
		text := d.ReplyText()
		if len(d.Text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q", text)
		}
		if d.Action == Accept != (text == "") {
			t.Errorf("%s %q", d.Action, text)
		}
		_, records := w.seen()
		for _, r := range records {
			audit.AppendJSON(nil, r)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	st := settings(b, Source{})
	v := verdict.New(verdict.Accepted, verdict.FromProbe, time.Now())
	e, err := New(Options{Settings: func() *Settings { return st }, Verify: constant{v}, Record: func(*audit.Decision) {}})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		q := local("accepted@example.org")
		q.Instance = fmt.Sprint(i)
		e.Decide(b.Context(), q)
	}
}

type constant struct{ v verdict.Verdict }

func (c constant) Verify(context.Context, verify.Query) verdict.Verdict { return c.v }
