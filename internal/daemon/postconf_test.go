package daemon

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakePostconf is a script; a file that a test writes and runs at once may
// still be open in a child of another test.
func fakePostconf(name string) string { return filepath.Join("testdata", "postconf", name) }

func TestPostfixNotes(t *testing.T) {
	t.Parallel()
	c, err := Parse("f", []byte("hostname = 'out1.rcptgate.org'\n[policy]\nskip_domains = ['skipped.net', '.skipped.com']\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"postfix names in mydestination and skip_domains does not: example.org",
		"postfix names in virtual_mailbox_domains and skip_domains does not: xn--bcher-kva.org",
		"postfix looks for virtual_mailbox_domains in hash:/etc/postfix/vmail: compare it with skip_domains yourself",
		"postfix names in relay_domains and skip_domains does not: relay.org",
		"postfix looks for relay_domains in /etc/postfix/relay: compare it with skip_domains yourself",
		"postfix looks for transport_maps in hash:/etc/postfix/transport: compare it with skip_domains yourself",
	}
	if diff := cmp.Diff(want, c.postfixNotes(t.Context(), fakePostconf("full"))); diff != "" {
		t.Error(diff)
	}
}

func TestPostfixNotesTrouble(t *testing.T) {
	t.Parallel()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		path string
		want string
	}{
		{"fails", t.Context(), fakePostconf("fails"), "could not be asked what Postfix delivers by itself: exit status 1"},
		{"is missing", t.Context(), "/nonexistent/postconf", "no such file or directory"},
		{"is too slow", canceled, fakePostconf("slow"), "context canceled"},
		{"says too little", t.Context(), fakePostconf("short"), "1 values came for 5 parameters"},
	}
	for _, tt := range tests {
		notes := Defaults().postfixNotes(tt.ctx, tt.path)
		if len(notes) != 1 || !strings.Contains(notes[0], tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, notes, tt.want)
		}
	}
}

func TestBrief(t *testing.T) {
	t.Parallel()
	if got := brief([]string{"a", "b", "c"}, 2); got != "a, b and 1 more" {
		t.Error(got)
	}
}

func FuzzParsePostconf(f *testing.F) {
	f.Add("a, b\nhash:/x\n\n!c ${d}\n.e\n")
	f.Fuzz(func(_ *testing.T, out string) {
		values, err := parsePostconf(out)
		if err != nil {
			return
		}
		for _, entries := range values {
			for _, e := range entries {
				if d, _ := postfixEntry(e); d != "" {
					Defaults().skips(d)
				}
			}
		}
	})
}
