package strict

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sample has a field of every supported type.
type sample struct {
	Hostname string `toml:"hostname"`
	Policy   struct {
		Mode   mode              `toml:"mode"`
		Budget time.Duration     `toml:"answer_budget"`
		Reject []string          `toml:"reject"`
		Rule   []rule            `toml:"rule"`
		Reply  map[string]*reply `toml:"reply"`
	} `toml:"policy"`
	Probe struct {
		Port  int8    `toml:"port"`
		Rate  float64 `toml:"connects_per_second"`
		Unfit bool    `toml:"allow_unfit"`
	} `toml:"probe"`
	Site map[string]partial `toml:"site"`
	None string             // no tag: no key
}

type limits struct {
	Connections *int           `toml:"connections"`
	Interval    *time.Duration `toml:"min_interval"`
}

type partial struct {
	limits
	StayAway map[string]time.Duration `toml:"stay_away"`
}

type rule struct {
	Name string `toml:"name"`
	Mode *mode  `toml:"mode"`
}

type reply struct {
	Code int `toml:"code"`
}

type mode string

func (m *mode) UnmarshalText(b []byte) error {
	if s := string(b); s != "monitor" && s != "enforce" {
		return fmt.Errorf(`must be "monitor" or "enforce", not %q`, s)
	}
	*m = mode(b)
	return nil
}

const good = `# a comment = "with a key"
hostname = "out1.example.com"

[policy]
mode = 'enforce' # trailing
answer_budget = "1h30m"
reject = [
  "a", # first
  """b
c""",
  'd',
]
[policy.reply.mailbox_not_found]
code = 550
[[policy.rule]]
name = "one"
[[policy.rule]]
"name" = "two"
mode = "monitor"

[probe]
port = 25
connects_per_second = 50
allow_unfit = true
[site.".mx.example.net"]
connections = 0
stay_away.rate_limited = "7d"
[site]
"a \"b\"" = { min_interval = "250ms", stay_away = { x = "1s" } }
`

func TestDecode(t *testing.T) {
	t.Parallel()
	var got sample
	got.Policy.Reject = []string{"default"}
	d, problems := Decode("f", []byte(good), &got, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	zero, monitor, ms := 0, mode("monitor"), 250*time.Millisecond
	var want sample
	want.Hostname = "out1.example.com"
	want.Policy.Mode = "enforce"
	want.Policy.Budget = 90 * time.Minute
	want.Policy.Reject = []string{"a", "b\nc", "d"}
	want.Policy.Rule = []rule{{Name: "one"}, {Name: "two", Mode: &monitor}}
	want.Policy.Reply = map[string]*reply{"mailbox_not_found": {550}}
	want.Probe.Port, want.Probe.Rate, want.Probe.Unfit = 25, 50, true
	want.Site = map[string]partial{
		".mx.example.net": {limits{Connections: &zero}, map[string]time.Duration{"rate_limited": 7 * 24 * time.Hour}},
		`a "b"`:           {limits{Interval: &ms}, map[string]time.Duration{"x": time.Second}},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sample{}, partial{})); diff != "" {
		t.Error(diff)
	}
	for key, line := range map[string]int{
		"hostname": 2, "policy": 4, "policy.mode": 5, "policy.reject": 7, "policy.reject[0]": 8, "policy.reject[1]": 9, "policy.reject[2]": 11,
		"policy.reply.mailbox_not_found.code": 14, "policy.rule[0]": 15, "policy.rule[1]": 17, "policy.rule[1].name": 18, "policy.rule[1].mode": 19,
		`site.".mx.example.net"`: 25, `site.".mx.example.net".stay_away.rate_limited`: 27, `site."a \"b\"".stay_away.x`: 29,
		"policy.rule[0].sender": 15, "policy.percent": 4, "listen.policy": 0,
	} {
		if got := d.Line(key); got != line {
			t.Errorf("Line(%s) = %d, want %d", key, got, line)
		}
	}
	if !d.IsDefined("policy.rule[1].mode") || d.IsDefined("policy.rule[0].mode") || d.IsDefined("percent") {
		t.Error("IsDefined is wrong")
	}
}

// TestDecodeBad holds one bad file per mistake, with the exact text.
func TestDecodeBad(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, want string }{
		{"unknown key", "\n[policy]\nmod = 'enforce'\n", `f:3: unknown key "policy.mod"; did you mean "mode"?`},
		{"unknown key, swapped", "hostnmae = 'x'\n", `f:1: unknown key "hostnmae"; did you mean "hostname"?`},
		{"unknown key, nothing near", "[policy]\nxylophone = 1\n", `f:2: unknown key "policy.xylophone"`},
		{"unknown table", "[polcy]\nmode = 'x'\nfoo = 1\n", `f:1: unknown key "polcy"; did you mean "policy"?`},
		{"key of another table", "[policy]\nport = 1\n", `f:2: unknown key "policy.port"; did you mean "probe.port"?`},
		{"key below a header", "[policy]\nhostname = 'x'\n", `f:2: unknown key "policy.hostname"; did you mean "hostname", which stands before the first table?`},
		{"unknown key in an element", "[[policy.rule]]\n[[policy.rule]]\nsendr = 1\n", `f:3: unknown key "policy.rule[1].sendr"`},
		{"unknown key in a map", "[site.'.x']\nconections = 1\n", `f:2: unknown key "site.\".x\".conections"; did you mean "connections"?`},
		{"spelled with capitals", "[policy]\nMode = 'enforce'\n", `f:2: unknown key "policy.Mode"; did you mean "mode"?`},
		{"equal but for case", "[policy]\nmode = 'enforce'\nMODE = 'monitor'\n", `f:3: "policy.MODE" and "policy.mode" on line 2 are equal but for case`},
		{"equal but for case in a map", "[site.a]\n[site.A]\n", `f:2: "site.A" and "site.a" on line 1 are equal but for case`},
		{"later", "[policy]\nmode = 'enforce'\n[fleet]\nurl = 'x'\n", `f:3: "fleet" is not in this version`},
		{"wrong type, string", "hostname = 1\n", `f:1: "hostname" must be a string, not an integer`},
		{"wrong type, integer", "[probe]\nport = '25'\n", `f:2: "probe.port" must be an integer, not a string`},
		{"wrong type, range", "[probe]\nport = 2525\n", `f:2: "probe.port" is out of range (2525)`},
		{"wrong type, float", "[probe]\nconnects_per_second = '1'\n", `f:2: "probe.connects_per_second" must be a number, not a string`},
		{"wrong type, boolean", "[probe]\nallow_unfit = 1\n", `f:2: "probe.allow_unfit" must be true or false, not an integer`},
		{"wrong type, table", "policy = 1.5\n", `f:1: "policy" must be a table, not a float`},
		{"wrong type, map", "site = true\n", `f:1: "site" must be a table, not a boolean`},
		{"wrong type, array", "[policy]\nreject = 'x'\n", `f:2: "policy.reject" must be an array, not a string`},
		{"wrong type, element", "[policy]\nreject = [\n'x',\n2020-01-01,\n]\n", `f:4: "policy.reject[1]" must be a string, not a date`},
		{"wrong type, array of tables", "[policy.rule]\nname = 'x'\n", `f:1: "policy.rule" must be an array of tables ([[policy.rule]]), not a table`},
		{"wrong type, text", "[policy]\nmode = []\n", `f:2: "policy.mode" must be a string, not an array`},
		{"bad word", "[policy]\nmode = 'x'\n", `f:2: "policy.mode" must be "monitor" or "enforce", not "x"`},
		{"bare integer", "[policy]\nanswer_budget = 8\n", `f:2: "policy.answer_budget" must be a duration with its unit, such as "8s", not a bare number`},
		{"bare float", "[policy]\nanswer_budget = 0.5\n", `f:2: "policy.answer_budget" must be a duration with its unit, such as "250ms", not a bare number`},
		{"duration, other type", "[policy]\nanswer_budget = true\n", `f:2: "policy.answer_budget" must be a duration such as "8s", not a boolean`},
		{"duration without unit", "[policy]\nanswer_budget = '8'\n", `f:2: "policy.answer_budget" must be a duration such as "250ms", "8s", "10m", "24h" or "7d", not "8"`},
		{"duration below zero", "[policy]\nanswer_budget = '-8s'\n", `f:2: "policy.answer_budget" must not be negative (-8s)`},
		{"duration too long", "[policy]\nanswer_budget = '4000000d'\n", `f:2: "policy.answer_budget" is too long`},
		{"given twice", "[policy]\nmode = 'monitor'\n\nmode = 'enforce'\n", `f:4: "policy.mode" is given twice, first on line 2`},
		{"table twice", "[policy]\n[probe]\n[policy]\n", `f:3: syntax: Key 'policy' has already been defined`},
		{"arrays too deep", "\nx = " + strings.Repeat("[", 10_000), "f:2: nested deeper than 32 levels"},
		{"tables too deep", "x = " + strings.Repeat("{a=", 10_000), "f:1: nested deeper than 32 levels"},
		{"key too deep", strings.Repeat("a.", 10_000) + "b = 1", "f:1: nested deeper than 32 levels"},
		{"header too deep", "[" + strings.Repeat("a.", 10_000) + "b]", "f:1: nested deeper than 32 levels"},
		{"no quotes", "[policy]\nmode = monitor\n", `f:2: syntax: expected value but found "monitor" instead (after the key "policy.mode")`},
		{"no end of header", "hostname = 1\n[policy\nmode = 'enforce'\n", "f:2: syntax: expected '.' or ']' to end table name, but got '\\n' instead"},
		{"no end of array", "[policy]\nreject = [ 'x'\nmode = 'x'\nfoo = 1\n", `f:3: syntax: expected a comma (',') or array terminator (']'), but got 'm' (after the key "policy.reject")`},
		{
			"all at once", "hostnam = 'x'\n[policy]\nmode = monitor\nanswer_budget = 8\nreject = ['a']\nreject = ['b']\n[probe]\nport = 'x'\nPort = 25\n[lists]\n",
			`f:1: unknown key "hostnam"; did you mean "hostname"?
f:3: syntax: expected value but found "monitor" instead (after the key "policy.mode")
f:4: "policy.answer_budget" must be a duration with its unit, such as "8s", not a bare number
f:6: "policy.reject" is given twice, first on line 5
f:8: "probe.port" must be an integer, not a string
f:9: "probe.Port" and "probe.port" on line 8 are equal but for case
f:10: "lists" is not in this version`,
		},
	}
	for _, tt := range tests {
		var v sample
		_, problems := Decode("f", []byte(tt.file), &v, []string{"lists", "fleet"})
		if got := problems.Error(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	if err := Problems(nil).Err(); err != nil {
		t.Errorf("no mistakes are the error %v", err)
	}
	p := Problems{{File: "f", Text: "c"}, {File: "f", Line: 2, Text: "b"}, {File: "f", Line: 1, Text: "a"}}
	p.Sort()
	err := fmt.Errorf("load: %w", p.Err())
	if got, ok := errors.AsType[Problems](err); !ok || got.Error() != "f:1: a\nf:2: b\nf: c" {
		t.Errorf("got %v", err)
	}
}

func TestDurationText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0s": "0s", "250ms": "250ms", "8s": "8s", "10m": "10m", "600s": "10m", "24h": "24h", "1440m": "24h", "48h": "2d", "7d": "7d",
		"1h30m": "1h30m", "90s": "1m30s", "1h0m5s": "1h0m5s", "10h": "10h", "20s": "20s",
	} {
		d, err := ParseDuration(in)
		if err != nil {
			t.Error(err)
			continue
		}
		if text := FormatDuration(d); text != want {
			t.Errorf("%s prints as %s, want %s", in, text, want)
		}
		if again, err := ParseDuration(want); err != nil || again != d {
			t.Errorf("%s reads as %s, %v", want, again, err)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"mode", "mod", 1}, {"mode", "mdoe", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	want := []string{
		"hostname", "policy.mode", "policy.answer_budget", "policy.reject", "policy.rule.name", "policy.rule.mode", "policy.reply.*.code",
		"probe.port", "probe.connects_per_second", "probe.allow_unfit", "site.*.connections", "site.*.min_interval", "site.*.stay_away.*",
	}
	if diff := cmp.Diff(want, Keys(&sample{})); diff != "" {
		t.Error(diff)
	}
}

// FuzzDecode: any text ends with a value or with mistakes, each of one printable
// line that is in the file; and every key that the library finds has its line.
func FuzzDecode(f *testing.F) {
	f.Add(good)
	for _, s := range []string{"", "a", "a=", "[", "[[", "a=[", "a={", "a='''", "a=\"\\", "[[policy.rule]]\n[policy.rule.x]", "a.b=1\na.c=2", "'a'.\"\\u0061\"=[{a=[1,\n2]}]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var v sample
		d, problems := Decode("f", []byte(text), &v, []string{"lists"})
		lines := strings.Count(text, "\n") + 1
		for _, p := range problems {
			if p.Line < 0 || p.Line > lines || strings.ContainsAny(p.String(), "\n\r\x00\x1b") {
				t.Errorf("mistake %q in %d lines", p, lines)
			}
		}
		tree, bad := d.parse(text)
		if len(bad) == 0 {
			checkLines(t, d, "", tree)
		}
	})
}

func checkLines(t *testing.T, d *Doc, prefix string, m map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		key := under(prefix, name)
		if !d.IsDefined(key) {
			t.Errorf("no line for %s", key)
		}
		checkValue(t, d, key, m[name])
	}
}

func checkValue(t *testing.T, d *Doc, key string, value any) {
	switch v := value.(type) {
	case map[string]any:
		checkLines(t, d, key, v)
	case []map[string]any:
		for i, e := range v {
			checkLines(t, d, Elem(key, i), e)
		}
	case []any:
		for i, e := range v {
			checkValue(t, d, Elem(key, i), e)
		}
	}
}
