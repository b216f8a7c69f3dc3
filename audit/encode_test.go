package audit

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rcptgate/verify/verdict"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.FixedZone("", 3600))

func fullDecision() *Decision {
	return &Decision{
		Time: noon, ID: "abc", Door: "policy", Mode: "enforce", Instance: "1.2.3", QueueID: "4Abc", Client: "192.0.2.1",
		SASLUsername: "news@example.com", PolicyContext: "submission", Sender: "a@example.com", Recipient: "b@example.org",
		Rule: "newsletters", Status: verdict.Undeliverable, Reason: verdict.MailboxNotFound,
		Tags: []verdict.Tag{verdict.Role, verdict.Free}, Origin: verdict.FromProbe, Served: verdict.FromCache,
		Age: 90 * time.Second, Wait: 12 * time.Millisecond, Site: "mx.example.org", Provider: "google", ProbeID: "p1",
		Action: "reject", Would: "", SMTPReply: `550 5.1.1 example.org says "no"`,
	}
}

func TestAppendJSON(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		e    Event
		want string
	}{
		{fullDecision(), `{"v":1,"event":"decision","time":"2026-11-23T11:00:00.123Z","id":"abc","door":"policy","mode":"enforce","instance":"1.2.3","queue_id":"4Abc","client":"192.0.2.1",` +
			`"sasl_username":"news@example.com","policy_context":"submission","sender":"a@example.com","recipient":"b@example.org","rule":"newsletters","status":"undeliverable","reason":"mailbox_not_found",` +
			`"tags":["role","free"],"origin":"probe","served":"cache","age_ms":90000,"wait_ms":12,"site":"mx.example.org","provider":"google","probe_id":"p1","action":"reject","smtp_reply":"550 5.1.1 example.org says \"no\""}`},
		{&Decision{Action: "accept", Served: verdict.Fresh, Age: 5}, `{"v":1,"event":"decision","tags":[],"served":"fresh","wait_ms":0,"action":"accept"}`},
		{
			&Probe{
				Time: noon, ProbeID: "p1", Why: "ask", Addresses: []string{"b@example.org", "x@example.org"}, MX: "mx.example.org",
				MXIP: netip.MustParseAddr("2001:db8::1"), SourceIP: netip.MustParseAddr("192.0.2.10"), HELO: "out1.example.com",
				Sender: "verify@probe.example.com", TLS: "TLSv1.3", Stage: verdict.Rcpt, Replies: []string{"rcpt 550 5.1.1 no\tsuch"}, Took: 1500 * time.Microsecond,
			},
			`{"v":1,"event":"probe","time":"2026-11-23T11:00:00.123Z","probe_id":"p1","why":"ask","addresses":["b@example.org","x@example.org"],"mx":"mx.example.org","mx_ip":"2001:db8::1",` +
				`"source_ip":"192.0.2.10","helo":"out1.example.com","sender":"verify@probe.example.com","tls":"TLSv1.3","stage":"rcpt","replies":["rcpt 550 5.1.1 no\u0009such"],"took_ms":1}`,
		},
		{&Breaker{Time: noon, Scope: "site", Name: "mx.example.org", SourceIP: "192.0.2.10", From: "closed", To: "open", Reason: verdict.ProbeBlocked, Until: noon.Add(time.Hour), Text: "blocked"}, `{"v":1,"event":"breaker","time":"2026-11-23T11:00:00.123Z","scope":"site","name":"mx.example.org","source_ip":"192.0.2.10","from":"closed","to":"open","reason":"probe_blocked","until":"2026-11-23T12:00:00.123Z","text":"blocked"}`},
		{&Config{Time: noon, What: "loaded", Hash: "h", Detail: "d"}, `{"v":1,"event":"config","time":"2026-11-23T11:00:00.123Z","what":"loaded","hash":"h","detail":"d"}`},
		{&Admin{Time: noon, What: "forget", Detail: "b@example.org"}, `{"v":1,"event":"admin","time":"2026-11-23T11:00:00.123Z","what":"forget","detail":"b@example.org"}`},
	} {
		if diff := cmp.Diff(c.want, string(AppendJSON(nil, c.e))); diff != "" {
			t.Errorf("%s (-want +got)\n%s", Kind(c.e), diff)
		}
	}
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", `q"b\`, "nul\x00del\x7f", "\u0085\u2028", "пример", "bad\xff\xc3", "\U0001F600"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := appendString(nil, s)
		if i := bytes.IndexFunc(got, func(r rune) bool { return r < ' ' || r >= 0x7f && r <= 0x9f }); i >= 0 {
			t.Errorf("control byte left in %q", got)
		}
		var back string
		if err := json.Unmarshal(got, &back); err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		std, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var want string
		if err := json.Unmarshal(std, &want); err != nil {
			t.Fatal(err)
		}
		if back != want {
			t.Errorf("%q came back as %q, by encoding/json as %q", s, back, want)
		}
	})
}

// FuzzEvents checks that whatever stands in an event, one line of JSON comes out
// and every member comes back.
func FuzzEvents(f *testing.F) {
	f.Add("b@example.org", "550 5.1.1 \"no\"", int64(7))
	f.Add("\"a b\"@x", "rcpt 250\r\nok", int64(-1))
	f.Fuzz(func(t *testing.T, a, b string, n int64) {
		for _, e := range []Event{
			&Decision{Time: noon, Recipient: a, SMTPReply: b, Wait: time.Duration(n)},
			&Probe{Time: noon, Addresses: []string{a, b}, Replies: []string{b}, Took: time.Duration(n)},
			&Breaker{Time: noon, Name: a, Text: b, Until: noon},
			&Config{Time: noon, Hash: a, Detail: b},
			&Admin{Time: noon, What: a, Detail: b},
		} {
			line := AppendJSON(nil, e)
			if bytes.ContainsAny(line, "\r\n") {
				t.Errorf("%s: more than one line: %q", Kind(e), line)
			}
			var m map[string]any
			if err := json.Unmarshal(line, &m); err != nil {
				t.Fatalf("%s: %v in %q", Kind(e), err, line)
			}
			if m["event"] != Kind(e) || m["v"] != 1.0 {
				t.Errorf("%q", line)
			}
			if d, ok := e.(*Decision); ok && d.Recipient != "" && m["recipient"] != strings.ToValidUTF8(spell(d.Recipient), "\ufffd") {
				t.Errorf("recipient %q came back as %q", d.Recipient, m["recipient"])
			}
		}
	})
}

// spell turns each octet that is no UTF-8 into its own U+FFFD, as JSON does.
func spell(s string) string { return string([]rune(s)) }

func BenchmarkAppendJSON(b *testing.B) {
	d := fullDecision()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendJSON(buf[:0], d)
	}
	b.SetBytes(int64(len(buf)))
}
