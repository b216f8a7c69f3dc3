package verdict

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

func TestMarshalFor(t *testing.T) {
	t.Parallel()
	v := New(MailboxNotFound, FromProbe, time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC))
	v.Tags = []Tag{Suspect}
	v.Evidence = Evidence{
		Stage: Rcpt, MX: "mx.example.net", MXIP: netip.MustParseAddr("192.0.2.1"), SourceIP: netip.MustParseAddr("192.0.2.2"),
		Code: 550, Enhanced: "5.1.1", Text: "<rcpt>: unknown", TLS: "TLSv1.3", Took: 123 * time.Millisecond, Rule: "unknown-user",
	}
	for want, got := range map[string]*Verdict{
		`{"v":1,"input":"A@x","address":"A@x","valid":false,"status":"undeliverable","reason":"mailbox_not_found","tags":["suspect"],` +
			`"origin":"probe","served":"fresh","checked_at":"2026-01-02T03:04:05.006Z","refresh_at":"2026-01-02T15:04:05.006Z","expires_at":"2026-01-05T03:04:05.006Z",` +
			`"evidence":{"stage":"rcpt","mx":"mx.example.net","mx_ip":"192.0.2.1","source_ip":"192.0.2.2","code":550,"enhanced":"5.1.1","text":"\u003crcpt\u003e: unknown","tls":"TLSv1.3","took_ms":123,"rule":"unknown-user"}}`: v,
		`{"v":1,"input":"A@x","address":"A@x","valid":null,"status":"unknown","reason":"pending","tags":[],"retry_after_ms":1500}`: {Reason: Pending, RetryAfter: 1500 * time.Millisecond},
	} {
		b, err := got.MarshalFor("A@x", "A@x")
		if err != nil || string(b) != want {
			t.Errorf("%v\n got %s\nwant %s", err, b, want)
		}
	}
}

// The table is closed: each reason once, each with a status and a sentence,
// refreshed before it expires.
func TestTable(t *testing.T) {
	t.Parallel()
	seen := map[Reason]bool{}
	for _, i := range Table() {
		if seen[i.Reason] || i.Means == "" || !slices.Contains([]Status{Deliverable, Undeliverable, Risky, Unknown}, i.Status) {
			t.Errorf("row %+v", i)
		}
		seen[i.Reason] = true
		if i.Refresh > 0 && i.Refresh >= i.Expire {
			t.Errorf("%s is refreshed after it expires", i.Reason)
		}
		if i.Reason.Status() != i.Status || i.Reason.Stored() != (i.Expire > 0) || i.Reason.Conclusive() != (i.Status != Unknown) {
			t.Errorf("%s does not follow its row", i.Reason)
		}
	}
	if r := Reason("no such"); r.Status() != Unknown || r.Stored() {
		t.Error("a word that is no reason has a status or is stored")
	}
}

func TestClocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	v := New(AcceptAll, FromControl, now)
	if v.Stale(now.Add(24*time.Hour-1)) || !v.Stale(now.Add(24*time.Hour)) || v.Expired(now.Add(7*24*time.Hour-1)) || !v.Expired(now.Add(7*24*time.Hour)) {
		t.Errorf("clocks of %+v", v)
	}
	if v := New(Greylisted, FromProbe, now); v.Stale(now.Add(time.Hour)) {
		t.Error("a greylisted verdict goes stale")
	}
}
