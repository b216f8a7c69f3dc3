package reply

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rcptgate/verify/verdict"
)

// golden is one case of testdata: a block there begins with
//
//	= stage host reason scope [plain|vague] [host] | source
//
// ("-": no host, any scope) and goes on with one or more replies.
type golden struct {
	at     string // file:line
	source string
	stage  verdict.Stage
	host   string
	reply  Reply
	reason verdict.Reason
	scope  Scope
	flags  []string
}

func readGoldens(t testing.TB) []golden {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no goldens", err)
	}
	var out []golden
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var head golden
		var p Parser
		s := bufio.NewScanner(f)
		for n := 1; s.Scan(); n++ {
			at := fmt.Sprintf("%s:%d", filepath.Base(name), n)
			line := s.Text()
			switch {
			case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "# "):
			case strings.HasPrefix(line, "= "):
				head = goldenHead(t, at, line[2:])
			default:
				done, err := p.Line([]byte(line))
				if err != nil {
					t.Fatalf("%s: %v", at, err)
				}
				if done {
					g := head
					g.at, g.reply = at, p.Reply()
					out = append(out, g)
					p = Parser{}
				}
			}
		}
	}
	return out
}

func goldenHead(t testing.TB, at, line string) golden {
	t.Helper()
	spec, source, ok := strings.Cut(line, " | ")
	w := strings.Fields(spec)
	if !ok || len(w) < 4 {
		t.Fatalf("%s: a head is stage, host, reason, scope, flags | source", at)
	}
	g := golden{source: source, stage: verdict.Stage(w[0]), host: w[1], reason: verdict.Reason(w[2]), scope: Scope(w[3]), flags: w[4:]}
	if _, ok := verdict.Lookup(g.reason); !ok {
		t.Fatalf("%s: no reason %q", at, g.reason)
	}
	if g.host == "-" {
		g.host = ""
	}
	if g.scope == "-" {
		g.scope = ""
	}
	return g
}

func (g golden) wrong(c Class) string {
	flag := func(name string, got bool) string {
		if slices.Contains(g.flags, name) && !got {
			return " want " + name
		}
		return ""
	}
	s := flag("plain", c.PlainUnknown) + flag("vague", !c.PlainUnknown) + flag("host", c.FromHost)
	if c.Reason != g.reason {
		s += fmt.Sprintf(" reason %s, want %s", c.Reason, g.reason)
	}
	if g.scope != "" && c.Scope != g.scope {
		s += fmt.Sprintf(" scope %s, want %s", c.Scope, g.scope)
	}
	return s
}

func TestGoldens(t *testing.T) {
	all := readGoldens(t)
	if len(all) < 300 {
		t.Errorf("only %d goldens", len(all))
	}
	seen := map[string]string{}
	for _, g := range all {
		key := fmt.Sprint(g.stage, g.host, g.reply)
		if before := seen[key]; before != "" {
			t.Errorf("%s: the same as %s", g.at, before)
		}
		seen[key] = g.at
		c := Classify(g.stage, g.reply, g.host)
		checkClass(t, g.stage, g.reply, c)
		if s := g.wrong(c); s != "" {
			t.Errorf("%s (%s): %d %q:%s [rule %s]", g.at, g.source, g.reply.Code, g.reply.Text(), s, c.Rule)
		}
	}
	t.Logf("%d goldens", len(all))
}
