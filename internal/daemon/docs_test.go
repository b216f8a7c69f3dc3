package daemon

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"rcptgate/verify/verdict"
)

var update = flag.Bool("update", false, "rewrite the tables of the documentation from the code")

// tagMeanings is the sentence for each tag in the documentation.
var tagMeanings = map[verdict.Tag]string{
	verdict.Disposable:   "the domain hands out throw-away mailboxes",
	verdict.Role:         "the local part names a role (postmaster, info), not a person",
	verdict.Free:         "the domain is a free mail provider",
	verdict.TypoDomain:   "the domain looks like a misspelt one; `suggestion` has the likely one",
	verdict.ListedDomain: "the domain is on a reputation list",
	verdict.Suspect:      "a negative seen while its site refused blindly, or without the proof that rule 4 asks for; never enforced",
}

func TestVerdictTablesInDocs(t *testing.T) {
	var reasons, tags strings.Builder
	reasons.WriteString("| reason | status | means | asked again | kept |\n|---|---|---|---|---|\n")
	for _, i := range verdict.Table() {
		fmt.Fprintf(&reasons, "| `%s` | %s | %s | %s | %s |\n", i.Reason, i.Status, i.Means, age(i.Refresh), age(i.Expire))
	}
	tags.WriteString("| tag | means |\n|---|---|\n")
	for _, tag := range verdict.Tags() {
		if tagMeanings[tag] == "" {
			t.Errorf("tag %s has no sentence", tag)
		}
		fmt.Fprintf(&tags, "| `%s` | %s |\n", tag, tagMeanings[tag])
	}
	checkDoc(t, "../../docs/verdicts.md", "reasons", reasons.String())
	checkDoc(t, "../../docs/verdicts.md", "tags", tags.String())
}

// checkDoc compares what stands between <!-- name --> and <!-- /name --> in a
// page with what the code says; -update writes it.
func checkDoc(t *testing.T, file, name, want string) {
	t.Helper()
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	open, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(string(page), open)
	got, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no part %q", file, name)
	}
	if got == want {
		return
	}
	if *update {
		if err := os.WriteFile(file, []byte(before+open+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Errorf("%s: part %q does not say what the code says; go test ./internal/daemon -run Docs -update rewrites it\n got: %s\nwant: %s", file, name, got, want)
}

func age(d time.Duration) string {
	switch {
	case d == 0:
		return "–"
	case d%(24*time.Hour) == 0:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return fmt.Sprintf("%d min", d/time.Minute)
}
