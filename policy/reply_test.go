package policy

import (
	"strings"
	"testing"

	"rcptgate/verify/verdict"
)

// TestDefaults holds the table of replies against the table of reasons.
func TestDefaults(t *testing.T) {
	t.Parallel()
	for _, i := range verdict.Table() {
		d, ok := defaults[i.Reason]
		refusable := i.Status != verdict.Deliverable && i.Reason != verdict.NotProbed && i.Reason != verdict.InternalError
		if ok != refusable {
			t.Errorf("%s: template %v, can be refused %v", i.Reason, ok, refusable)
		}
		if !ok {
			continue
		}
		if m := d.mistakes(i.Reason); len(m) > 0 {
			t.Errorf("%s: %v", i.Reason, m)
		}
		if d.rewritten() {
			t.Errorf("%s: Postfix rewrites %s", i.Reason, d.Enhanced)
		}
		if !strings.Contains(d.Text, "{id}") {
			t.Errorf("%s: no {id}", i.Reason)
		}
	}
	if m := byTag.mistakes(verdict.AcceptAll); len(m) > 0 {
		t.Errorf("byTag: %v", m)
	}
}

func TestComplete(t *testing.T) {
	t.Parallel()
	d := Template{550, "5.1.1", "text"}
	for in, want := range map[Template]Template{
		{}:                              {550, "5.1.1", "text"},
		{Code: 451}:                     {451, "4.1.1", "text"},
		{Enhanced: "4.7.1"}:             {450, "4.7.1", "text"},
		{Code: 551, Enhanced: "5.7.1"}:  {551, "5.7.1", "text"},
		{Code: 550, Enhanced: "broken"}: {550, "broken", "text"},
		{Text: "other"}:                 {550, "5.1.1", "other"},
	} {
		if got := in.complete(d); got != want {
			t.Errorf("%+v: %+v, want %+v", in, got, want)
		}
	}
}

func TestRender(t *testing.T) {
	t.Parallel()
	v := values{recipient: "jürgen@" + strings.Repeat("x", 90), domain: "example.org", reason: "mailbox_not_found", date: "2026-11-23", id: "abc"}
	code, enhanced, text := Template{550, "5.1.1", "<{recipient}> {domain} {reason} {date} {id}"}.render(Defer, v)
	want := "<j?rgen@" + strings.Repeat("x", 69) + "...> example.org mailbox_not_found 2026-11-23 abc"
	if code != 450 || enhanced != "4.1.1" || text != want {
		t.Errorf("%d %s %q, want %q", code, enhanced, text, want)
	}
	if _, _, text := (Template{550, "5.1.1", "{domain}."}).render(Reject, values{}); text != "?." {
		t.Errorf("no domain: %q", text)
	}
	if _, _, text := (Template{550, "5.1.1", strings.Repeat("{domain}", 25)}).render(Reject, v); len(text) != maxText {
		t.Errorf("%d bytes", len(text))
	}
}

func FuzzRender(f *testing.F) {
	f.Add("{domain} says {recipient}", "a@b\r\n250 ok", "b", true)
	f.Fuzz(func(t *testing.T, text, recipient, domain string, deferred bool) {
		action := Reject
		if deferred {
			action = Defer
		}
		_, _, got := Template{550, "5.1.1", text}.render(action, values{recipient: recipient, domain: domain})
		if len(got) > maxText || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q", got)
		}
	})
}
