package daemon

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"rcptgate/httpapi"
)

const metricsPage = "../../docs/metrics.md"

// TestMetricsInDocs compares the table of the page with what is served.
func TestMetricsInDocs(t *testing.T) {
	var table strings.Builder
	table.WriteString("| metric | kind | labels | what it counts |\n|---|---|---|---|\n")
	for _, m := range httpapi.MetricTable() {
		labels := "–"
		if len(m.Labels) > 0 {
			labels = "`" + strings.Join(m.Labels, "`, `") + "`"
		}
		fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, labels, m.Help)
	}
	checkDoc(t, metricsPage, "metrics", table.String())
}

// TestMetricsPageIsWhole compares the names in the whole page with the code's,
// both ways, and the parts that can be in trouble.
func TestMetricsPageIsWhole(t *testing.T) {
	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(rcptgate_[a-z_]+)").FindAllStringSubmatch(string(page), -1)
	for _, n := range named {
		if !slices.Contains(httpapi.MetricNames(), n[1]) {
			t.Errorf("the page names %s, which is not served", n[1])
		}
	}
	for _, n := range httpapi.MetricNames() {
		if !strings.Contains(string(page), "| `"+n+"` |") {
			t.Errorf("the page does not name %s", n)
		}
	}
	for _, p := range httpapi.Parts() {
		if !strings.Contains(string(page), "\n| `"+string(p)+"` |") {
			t.Errorf("the page does not say what trouble with %s is", p)
		}
	}
}
