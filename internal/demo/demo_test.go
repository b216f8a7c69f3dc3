package demo

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

func TestDemoTellsTheStory(t *testing.T) {
	var out bytes.Buffer
	if err := Run(context.Background(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	text := out.String()
	for _, want := range []string{
		"verdict  deliverable (accepted)",
		"verdict  undeliverable (mailbox_not_found)",
		"verdict  undeliverable (domain_no_mail)",
		"verdict  undeliverable (domain_not_found)",
		"verdict  risky (accept_all)",
		"verdict  risky (mailbox_full)",
		"verdict  unknown (greylisted)",
		"verdict  unknown (blanket_refusal)",
		"verdict  unknown (mx_reserved)",
		"verdict  unknown (probe_blocked)",
		"milter   550 5.1.1",
		"4 of 17 recipients would have been",
		"4 of 17 recipients refused",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the story lacks %q", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
