package policy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
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
	delay    time.Duration
	settings atomic.Pointer[Settings]

	mu      sync.Mutex
	queries []verify.Query
	records []*audit.Decision
	journal bytes.Buffer
}

func (w *world) Verify(ctx context.Context, q *verify.Query) *verdict.Verdict {
	w.mu.Lock()
	w.queries = append(w.queries, *q)
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
	w := &world{}
	w.settings.Store(settings(t, s))
	e, err := New(Options{
		Settings: w.settings.Load, Verify: w, Record: w.record,
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
	synctest.Test(t, func(t *testing.T) { // where midnight does not come between
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
	})
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
		// What may be asked is the verdict engine's to say; it answers here
		// with the local part.
		{"PostMaster", "PostMaster", "PostMaster", true},
		{"not_probed@localhost", verdict.NotProbed, "not_probed@localhost", true},
		{"not_probed@[192.0.2.1]", verdict.NotProbed, "not_probed@[192.0.2.1]", true},
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

type constant struct{ v *verdict.Verdict }

func (c constant) Verify(context.Context, *verify.Query) *verdict.Verdict { return c.v }
