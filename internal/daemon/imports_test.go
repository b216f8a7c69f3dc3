package daemon

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// imports says which packages of this module each package may import. A new
// edge is a change of design and is argued in its commit.
var imports = map[string]string{
	"verify/verdict":    "",
	"verify/address":    "",
	"internal/strict":   "",
	"internal/netserve": "",
	"internal/lab":      "",
	"httpapi/client":    "",
	"verify/reply":      "verify/verdict",
	"verify/mx":         "verify/address",
	"verify/provider":   "verify/mx verify/verdict internal/strict",
	"verify/lists":      "verify/address verify/mx verify/verdict",
	"audit":             "verify/address verify/verdict",
	"verify/probe":      "verify/address verify/mx verify/reply verify/verdict",
	"verify/pace":       "verify/address verify/mx verify/probe verify/provider verify/reply verify/verdict",
	"verify": "verify/address verify/verdict verify/mx verify/lists verify/provider verify/probe " +
		"verify/pace verify/reply",
	"verify/cache":      "verify/address verify/verdict verify verify/pace",
	"policy":            "verify verify/verdict verify/address audit",
	"milter":            "policy verify/address internal/netserve",
	"policy/delegation": "policy verify/address internal/netserve",
	"httpapi":           "verify/address verify/verdict policy verify verify/pace audit internal/netserve",
	"internal/daemon": "milter policy policy/delegation verify verify/verdict verify/address verify/mx verify/probe " +
		"verify/pace verify/reply verify/provider verify/cache audit httpapi internal/netserve internal/strict",
	"internal/demo": "internal/daemon internal/lab",
	"cmd/rcptgate":  "internal/daemon internal/demo httpapi/client verify/reply",
}

// modules are the direct requirements, each with what it is for.
var modules = map[string]string{
	"github.com/BurntSushi/toml":          "configuration",
	"github.com/coreos/go-systemd/v22":    "sd_notify, watchdog, socket activation",
	"github.com/emersion/go-milter":       "milter server",
	"github.com/emersion/go-smtp":         "SMTP greeting, EHLO, extensions, QUIT",
	"github.com/google/go-cmp":            "tests: differences",
	"github.com/maypok86/otter/v2":        "bounded caches with expiry",
	"github.com/miekg/dns":                "DNS messages",
	"github.com/prometheus/client_golang": "metrics",
	"github.com/rogpeppe/go-internal":     "tests: command line scripts",
	"github.com/spf13/cobra":              "command line, completions",
	"go.etcd.io/bbolt":                    "the store",
	"go.uber.org/goleak":                  "tests: goroutine leaks",
	"golang.org/x/net":                    "IDNA, public suffixes",
	"golang.org/x/sync":                   "single flight",
	"golang.org/x/sys":                    "system calls",
	"golang.org/x/time":                   "rate limits",
	"pgregory.net/rapid":                  "tests: properties",
}

func goList(t *testing.T, args ...string) *json.Decoder {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json"}, args...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list: %v\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	return json.NewDecoder(bytes.NewReader(out))
}

func TestImportDirection(t *testing.T) {
	dec := goList(t, "rcptgate/...")
	seen := map[string]bool{}
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, "rcptgate/")
		seen[name] = true
		may, ok := imports[name]
		if !ok && len(p.Imports) > 0 && name != "integration" {
			t.Errorf("package %s is not in the table of imports", name)
			continue
		}
		for _, i := range p.Imports {
			ours, ok := strings.CutPrefix(i, "rcptgate/")
			if ok && !slices.Contains(strings.Fields(may), ours) {
				t.Errorf("%s imports %s, which the table of imports does not allow", name, ours)
			}
		}
	}
	if len(seen) < 15 {
		t.Errorf("go list found %d packages only", len(seen))
	}
}

func TestDirectModules(t *testing.T) {
	dec := goList(t, "-m", "all")
	for {
		var m struct {
			Path           string
			Main, Indirect bool
		}
		if err := dec.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if !m.Main && !m.Indirect && modules[m.Path] == "" {
			t.Errorf("direct requirement %s has no reason in the table", m.Path)
		}
	}
}
