package daemon

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// ruleTests says which tests prove which rule of safety (docs/design.md). The
// first one of each is of the whole daemon.
var ruleTests = [13][]string{
	{"internal/daemon TestFarEnds", "verify/probe TestForbiddenCommands", "verify/probe FuzzCommands"},
	{
		"internal/daemon TestFarEnds", "internal/daemon TestNameServers", "internal/daemon TestCanaryFails", "internal/daemon TestPolicyDoorAbused",
		"policy TestPanics", "verify TestPanicsAreOurOwnTrouble", "verify/mx TestNegativeIsAskedTwice", "verify/mx TestCanaryIsAskedOnceInThirtySeconds",
	},
	{"internal/daemon TestBreakers", "verify/pace TestScopesAtRcpt", "verify/pace TestTripClass", "verify/reply TestGoldens"},
	{
		"internal/daemon TestControls", "verify TestUndeliverableNeedsItsControl", "verify TestCatchAllControl", "verify TestPositiveControl",
		"verify TestControlsAreNotShared", "verify TestPlainPostmasterCountsFourAnHour", "verify TestBlanketRefusalMakesNegativesSuspect",
		"verify TestTruthfulSitesAreSampled", "verify/pace TestControlKeptBack",
	},
	{"internal/daemon TestInconclusiveLater", "verify TestInconclusiveNeverOverwrites"},
	{"internal/daemon TestThousandNames", "verify/pace TestNoLimitExceeded", "verify TestRandomControlWithoutBudget"},
	{"internal/daemon TestForbiddenProviders", "verify/provider TestBook", "internal/daemon TestWarnings"},
	{"internal/daemon TestReservedTargets", "internal/daemon TestOnlyOutbound", "verify/mx TestGuardAddr", "verify/mx TestGuardHost"},
	{"internal/daemon TestOnlyOutbound", "policy TestOutbound", "verify TestNeverAsked"},
	{
		"internal/daemon TestPolicyDoorAbused", "internal/daemon TestMilterDoorAbused", "internal/daemon TestRepliesThatAreNone",
		"internal/daemon TestRemoteText", "verify/mx TestCaps", "verify/reply TestPrintable",
	},
	{"internal/daemon TestModes", "milter TestVet", "policy/delegation FuzzConnection", "policy FuzzRender"},
	{"internal/daemon TestBlind", "internal/daemon TestBlindDNS", "verify/pace TestBlind", "verify/mx TestBlind"},
	{"internal/daemon TestUnfitIdentity", "internal/daemon TestUnfit", "internal/daemon TestExample"},
}

// TestSafetyRulesHaveTests: each rule of docs/design.md has tests, and they
// exist.
func TestSafetyRulesHaveTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string][]string{}
	for i, tests := range ruleTests {
		if !strings.Contains(string(page), fmt.Sprintf("\n%d. **", i+1)) {
			t.Errorf("docs/design.md has no rule %d", i+1)
		}
		if len(tests) == 0 || !strings.HasPrefix(tests[0], "internal/daemon ") {
			t.Errorf("rule %d has no test of the whole daemon", i+1)
		}
		for _, name := range tests {
			dir, name, _ := strings.Cut(name, " ")
			if known[dir] == nil {
				known[dir] = testsOf(t, dir)
			}
			if !slices.Contains(known[dir], name) {
				t.Errorf("rule %d: %s has no %s", i+1, dir, name)
			}
		}
	}
	if strings.Contains(string(page), fmt.Sprintf("\n%d. **", len(ruleTests)+1)) {
		t.Error("docs/design.md has a rule more")
	}
}

// testsOf are the names of a package's test functions.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

// asked are the recipients that a host was asked about.
func (w *world) asked(host string) (rcpts []string) {
	for _, e := range w.Log() {
		if e.Host == host && e.Verb == "RCPT" {
			_, rcpt, _ := strings.Cut(e.Arg, "<")
			rcpt, _, _ = strings.Cut(rcpt, ">")
			rcpts = append(rcpts, rcpt)
		}
	}
	return rcpts
}

// TestBreakers: what an MX says of us keeps us away, from as much as it speaks
// for (rule 3).
func TestBreakers(t *testing.T) {
	const listed = "550 5.7.1 Service unavailable; client host [198.51.100.1] blocked using zen.spamhaus.org"
	t.Run("at RCPT", func(t *testing.T) {
		inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
			w.Host("mx.hoster.test", lab.Host{Rcpt: func(string, *lab.Session) string { return listed }})
			for i := range 3 {
				w.Domain(fmt.Sprintf("d%d.test", i), lab.MX{Pref: 10, Host: "mx.hoster.test"})
			}
			for _, rcpt := range []string{"a@d0.test", "b@d0.test", "a@d1.test", "b@d1.test", "a@d2.test"} {
				if got := w.rcpt(rcpt); got != "DUNNO" {
					t.Errorf("%s: %q", rcpt, got)
				}
			}
			// The first refusal closes its domain, the second domain the site.
			if got, want := w.asked("mx.hoster.test"), []string{"a@d0.test", "a@d1.test"}; !slices.Equal(got, want) {
				t.Errorf("asked %q, want %q", got, want)
			}
			w.wellBehaved()
			time.Sleep(61 * time.Minute) // of the bubble
			w.rcpt("c@d2.test")
			if got := len(w.asked("mx.hoster.test")); got != 3 {
				t.Errorf("asked %d times, want one trial after an hour", got)
			}
		})
	})
	t.Run("in the greeting", func(t *testing.T) {
		inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
			var mx []lab.MX
			for i := range 3 {
				host := fmt.Sprintf("mx%d.far.test", i)
				w.Host(host, lab.Host{Greeting: "554 no service here"})
				mx = append(mx, lab.MX{Pref: uint16(i), Host: host})
			}
			w.Domain("far.test", mx...)
			for _, rcpt := range []string{"a@far.test", "b@far.test"} {
				if got := w.rcpt(rcpt); got != "DUNNO" {
					t.Errorf("%s: %q", rcpt, got)
				}
			}
			if n := w.Count("", "CONNECT", -1); n != 2 {
				t.Errorf("%d connections, want the host and one further", n)
			}
			w.wellBehaved()
		})
	})
}

// TestControls: the address itself first, then its control on the same
// connection (rule 4).
func TestControls(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		angry := false
		w.Site("far.test", lab.Host{Exists: exists("ada"), Rcpt: func(string, *lab.Session) string {
			if angry {
				return "550 5.1.1 User unknown"
			}
			return ""
		}})
		w.rcpt("nobody@far.test")
		if got, want := w.asked("mx.far.test"), []string{"nobody@far.test", "postmaster@far.test"}; !slices.Equal(got, want) {
			t.Errorf("asked %q, want %q", got, want)
		}
		w.check("ada@far.test")
		got := w.asked("mx.far.test")
		if len(got) != 4 || got[2] != "ada@far.test" || strings.HasPrefix(got[3], "ada@") || strings.HasPrefix(got[3], "postmaster@") {
			t.Errorf("asked %q, want the address and a random one", got)
		}
		w.rcpt("nobody2@far.test")
		if got := w.asked("mx.far.test"); got[len(got)-1] != "ada@far.test" {
			t.Errorf("asked %q, want an address as control that exists", got)
		}
		angry = true // it refuses everybody from now on
		if got := w.rcpt("ada2@far.test"); got != "DUNNO" {
			t.Errorf("refused with everybody else: %q", got)
		}
	})
}

// TestInconclusiveLater: what was certain stands until it expires, whatever
// the MX cannot say meanwhile (rule 5).
func TestInconclusiveLater(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		silent := false
		w.Site("far.test", lab.Host{Rcpt: func(string, *lab.Session) string {
			if silent {
				return "450 4.3.0 try later"
			}
			return ""
		}})
		ask := func(when, want string) {
			t.Helper()
			if got := w.rcpt("nobody@far.test"); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %q, want %s", when, got, want)
			}
		}
		ask("at first", "550 5.1.1")
		silent = true
		time.Sleep(13 * time.Hour) // of the bubble: past the refresh
		ask("after 13 h, when it says nothing", "550 5.1.1")
		if n := len(w.asked("mx.far.test")); n < 3 {
			t.Errorf("%d recipients in all: it was not asked again", n)
		}
		time.Sleep(60 * time.Hour) // past the end of three days
		ask("after three days", "DUNNO")
	})
}

// TestForbiddenProviders: who publishes that it may not be probed is not
// probed, unless the operator says so (rule 7).
func TestForbiddenProviders(t *testing.T) {
	const host = "outlook-com.olc.protection.outlook.com"
	for _, allowed := range []bool{false, true} {
		t.Run(fmt.Sprint(allowed), func(t *testing.T) {
			o := worldOptions{}
			if allowed {
				o.probe = "[provider.outlook]\nprobing = \"allowed\""
			}
			inWorld(t, o, func(t *testing.T, w *world) {
				w.Host(host, lab.Host{Exists: exists("ada")})
				w.Domain("outlook.com", lab.MX{Pref: 10, Host: host})
				got := w.rcpt("nobody@outlook.com")
				if asked := len(w.asked(host)) > 0; asked != allowed {
					t.Errorf("asked: %v (%q)", asked, got)
				}
				if !allowed && got != "DUNNO" {
					t.Errorf("policy door: %q", got)
				}
			})
		})
	}
}

// TestRemoteText: what a server says stays on one line and out of what we say
// (rule 10).
func TestRemoteText(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Site("far.test", lab.Host{
			Unknown: "550 5.1.1 <ADDR> User unknown\x1b[31m level=ERROR faked\x07\xff\xfe %s%n {recipient} " + strings.Repeat("x", 400),
		})
		w.Site("listed.test", lab.Host{Greeting: "554 5.7.1 198.51.100.1 listed at rbl\x1b[2J\x9b level=ERROR faked=1"})
		policy, milter := w.rcpt("nobody@far.test"), w.milterRcpt("nobody2@far.test")
		if !strings.HasPrefix(policy, "550 5.1.1") || !strings.HasPrefix(milter, "y 550 5.1.1") {
			t.Errorf("%q, %q", policy, milter)
		}
		w.rcpt("nobody@listed.test")
		_, body := w.http("admin", "POST", "/v1/verify", `{"address":"nobody@far.test"}`)
		record, err := os.ReadFile(w.path("audit.jsonl"))
		w.must(err)
		for where, text := range map[string]string{
			"the policy reply": policy, "the milter reply": milter, "the journal": w.journal.String(), "the audit log": string(record), "the API": body,
		} {
			if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\ufffd' }); i >= 0 {
				t.Errorf("%s holds %q", where, text[max(0, i-20):i+1])
			}
		}
		if strings.Contains(policy+milter, "faked") {
			t.Errorf("remote text in a reply: %q, %q", policy, milter)
		}
		for line := range strings.Lines(w.journal.String()) {
			if strings.Contains(line, " level=ERROR") && !strings.Contains(line, `"`) {
				t.Errorf("a faked line: %s", line)
			}
		}
	})
}
