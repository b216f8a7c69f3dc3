package daemon

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rcptgate/internal/strict"
	"rcptgate/policy"
	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// TestParseBad holds one bad file per mistake, with the exact text.
func TestParseBad(t *testing.T) {
	t.Parallel()
	long := "unix:/" + strings.Repeat("x", 120)
	tests := []struct{ name, file, want string }{
		{"unknown key", "[policy]\nmod = 'enforce'\n", `f:2: unknown key "policy.mod"; did you mean "mode"?`},
		{"unknown key of a rule", "[[policy.rule]]\nname = 'a'\nrecipents = ['x']\n", `f:3: unknown key "policy.rule[0].recipents"; did you mean "recipient"?`},
		{"wrong type", "[listen]\npolicy = 'inet:127.0.0.1:1'\n", `f:2: "listen.policy" must be an array, not a string`},
		{"bare integer", "[policy]\nanswer_budget = 8\n", `f:2: "policy.answer_budget" must be a duration with its unit, such as "8s", not a bare number`},
		{"equal but for case", "[probe]\nport = 25\nPort = 26\n", `f:3: "probe.Port" and "probe.port" on line 2 are equal but for case`},
		{"later version", "[lists]\nx = 1\n[learn]\n[fleet]\n", "f:1: \"lists\" is not in this version\nf:3: \"learn\" is not in this version\nf:4: \"fleet\" is not in this version"},
		{"second source", "[[probe.source]]\n[[probe.source]]\n", `f:2: "probe.source[1]" a second [[probe.source]] is not in this version`},

		{"hostname", "hostname = 'a b'\n", `f:1: "hostname" is no host name: impossible label at offset 1 of "a b"`},
		{"hostname, address", "hostname = '192.0.2.1'\n", `f:1: "hostname" must be a host name, not the address "192.0.2.1"`},
		{"sender without a domain", "[probe]\nsender = 'verify'\n", `f:2: "probe.sender" has no domain: "verify"`},
		{"null sender", "[probe]\nsender = '<>'\n", `f:2: "probe.sender" has no domain: "<>"`},
		{"dotless sender", "[probe]\nsender = 'verify@localhost'\n", `f:2: "probe.sender" must be of a domain that DNS can hold: "verify@localhost"`},
		{"bad sender", "[probe]\nsender = '@x.org'\n", `f:2: "probe.sender" is no address: empty local part at offset 0 of "@x.org"`},
		{"sender in UTF-8", "[probe]\nsender = 'ü@x.org'\n", `f:2: "probe.sender" must be in ASCII: "ü@x.org"`},
		{"source address", "[[probe.source]]\nip = '0.0.0.0'\n", `f:2: "probe.source[0].ip" must be an address of this host, not "0.0.0.0"`},
		{"source name", "[[probe.source]]\nhelo = 'a..b'\n", `f:2: "probe.source[0].helo" is no host name: empty label at offset 2 of "a..b"`},

		{"listen, kind", "[listen]\nmilter = [\n'tcp:1',\n]\n", `f:3: "listen.milter[0]" "tcp:1": unknown kind "tcp", want unix:PATH, inet:HOST:PORT or fd:NAME`},
		{"listen, long path", "[listen]\npolicy = ['" + long + "']\n", `f:2: "listen.policy[0]" "` + long + `": path is 121 bytes long, a unix socket can have at most 107`},
		{"listen, twice", "[listen]\nhttp = 'inet:127.0.0.1:10045'\n", `f:2: "listen.http" listens where "listen.policy[0]" does: "inet:127.0.0.1:10045"`},
		{"listen, open admin", "[listen]\nadmin = 'inet:127.0.0.1:1'\n", `f:2: "listen.admin" must be a unix socket, because it asks for no password`},
		{"socket mode", "[listen]\nunix_mode = '660'\nadmin_mode = '01777'\n", "f:2: \"listen.unix_mode\" must be permissions in octal such as \"0660\", not \"660\"\nf:3: \"listen.admin_mode\" must be permissions in octal such as \"0660\", not \"01777\""},

		{"name server", "[dns]\nservers = ['127.0.0.1', '::1', '[::1]:53', 'localhost:53', '127.0.0.1:0']\n", "f:2: \"dns.servers[3]\" must be an address and a port such as \"127.0.0.1:53\", not \"localhost:53\"\nf:2: \"dns.servers[4]\" must be an address and a port such as \"127.0.0.1:53\", not \"127.0.0.1:0\""},

		{"CIDR", "[probe]\nallow_mx = ['10.0.0.0/33']\n", `f:2: "probe.allow_mx[0]" must be an address or a network such as "192.0.2.0/24", not "10.0.0.0/33"`},
		{"CIDR, host bits", "[policy]\noutbound_clients = ['127.0.0.1', '10.1.2.3/8']\n", `f:2: "policy.outbound_clients[1]" has bits set behind its mask: "10.1.2.3/8"; did you mean "10.0.0.0/8"?`},
		{"CIDR in a rule", "[[policy.rule]]\nname = 'a'\nclient = ['x']\n", `f:3: "policy.rule[0].client[0]" must be an address or a network such as "192.0.2.0/24", not "x"`},

		{"ranges", "[probe]\nport = 65536\nmax_sessions = 0\nmax_queued = 0\nconnects_per_second = 0\ndialogue_timeout = '0s'\nqueue_timeout = '0s'\nafter_accept = 'stop'\n", `f:2: "probe.port" must be from 1 to 65535, not 65536
f:3: "probe.max_sessions" must be from 1 to 1000000, not 0
f:4: "probe.max_queued" must be from 1 to 100000000, not 0
f:5: "probe.connects_per_second" must be at least 0.001, not 0
f:6: "probe.dialogue_timeout" must be at least 1s, not 0s
f:7: "probe.queue_timeout" must be at least 1s, not 0s
f:8: "probe.after_accept" must be "finish" or "queue", not "stop"`},
		{"a connection in 317 years", "[probe]\nconnects_per_second = 1e-10\n", `f:2: "probe.connects_per_second" must be at least 0.001, not 1e-10`},
		{"dialogue too long", "[probe]\ndialogue_timeout = '2h'\n", `f:2: "probe.dialogue_timeout" must be at most 1h, not 2h`},

		{"pace", "[pace]\nconnections = 0\n", `f:2: "pace.connections" must be at least 1, not 0`},
		{"provider", "[provider.gogle]\nconnections = 5\n", `f:1: "provider.gogle" is no provider of the book: google, mailru, microsoft365, outlook, tonline, yahoo`},
		{"provider words", "[provider.google]\ntruth = 'yes'\nprobing = true\n", "f:2: \"provider.google.truth\" must be \"truthful\", \"accept_all\", \"per_domain\" or \"unknown\", not \"yes\"\nf:3: \"provider.google.probing\" must be a string, not a boolean"},
		{"site", "[site.\".mx.example.net.\"]\nconnections = 1\n", `f:1: "site.\".mx.example.net.\"" can never match: leave out the dot at the end`},
		{"site, stay away", "[site.\"mx.example.net\".stay_away]\nrate_limit = '1h'\n", `f:2: "site.\"mx.example.net\".stay_away.rate_limit" is no refusal to keep away for: rate_limited, probe_blocked, sender_refused, tls_required, auth_required, blanket_refusal, temporary_failure, unreachable`},
		{"known good", "[domain.'a.net']\nknown_good = 'ann@b.net'\n[domain.'b.net']\nknown_good = ''\n[domain.'c.net']\nknown_good = 'c.net'\n", "f:2: \"domain.\\\"a.net\\\".known_good\" must be an address of a.net, not \"ann@b.net\"\nf:4: \"domain.\\\"b.net\\\".known_good\" must be an address of b.net, not \"\"\nf:6: \"domain.\\\"c.net\\\".known_good\" must be an address of c.net, not \"c.net\""},
		{"domain", "[domain.\"Example.org\"]\n", `f:1: "domain.\"Example.org\"" can never match: names are compared in lower case`},
		{"domain without a dot", "[domain.'example']\nconnections = 1\n", `f:1: "domain.example" can never match: a name without a dot is never asked about`},

		{"milter", "[milter]\nmailers = []\ndecide = 'eom'\non_partial = 'drop'\n", "f:2: \"milter.mailers\" is empty and can never match\nf:3: \"milter.decide\" must be \"rcpt\" or \"end\", not \"eom\"\nf:4: \"milter.on_partial\" must be \"keep\", \"reject\" or \"delete\", not \"drop\""},
		{"files", "[store]\npath = 'var'\nkey_file = ''\n[audit]\npath = 'x'\naddresses = 'plain'\n", "f:2: \"store.path\" must be a path from the root, not \"var\"\nf:3: \"store.key_file\" must be set where verdicts are stored\nf:5: \"audit.path\" must be a path from the root, not \"x\"\nf:6: \"audit.addresses\" must be \"clear\" or \"hmac\", not \"plain\""},

		{"caps", "[policy]\nmax_waiting = 0\nmax_waiting_per_site = -1\n", "f:2: \"policy.max_waiting\" must be from 1 to 1000000, not 0\nf:3: \"policy.max_waiting_per_site\" must be from 1 to 1000000, not -1"},
		{"negative duration", "[policy]\ndefer_for = '-1h'\n", `f:2: "policy.defer_for" must not be negative (-1h)`},
		{"rule, action", "[[policy.rule]]\nname = 'a'\nclient = ['::1']\naction = 'skip'\n", `f:4: "policy.rule[0].action" must be "verify" or "exempt", not "skip"`},
		{"rule, empty keys", "[[policy.rule]]\nname = 'a'\nclient = []\nsender = ['']\nrecipient = []\n", "f:3: \"policy.rule[0].client\" is empty and can never match\nf:4: \"policy.rule[0].sender[0]\" is empty and can never match\nf:5: \"policy.rule[0].recipient\" is empty and can never match"},
		{"unreachable rule", "[[policy.rule]]\nname = 'a'\n[[policy.rule]]\nname = 'b'\nsender = ['x@*']\n", `f:3: rule b can never match: rule a before it matches all that it does`},
	}
	for _, tt := range tests {
		_, err := Parse("f", []byte(tt.file))
		if _, ok := errors.AsType[*ConfigError](err); !ok {
			t.Errorf("%s: %v is no ConfigError", tt.name, err)
			continue
		}
		if got := err.Error(); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestParseBadPolicy: the mistakes that package policy finds get their lines;
// their words are its own.
func TestParseBadPolicy(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, want string }{
		{"unknown reason", "[policy]\nreject = ['mailbox_notfound']\n", `f:2: "policy.reject": `},
		{"reason in reject", "[policy]\n\nreject = ['greylisted']\n", `f:3: "policy.reject": `},
		{"our own trouble", "[policy]\ndefer = ['not_probed']\n", `f:2: "policy.defer": `},
		{"unknown tag", "[policy]\nreject = ['tag:x']\n", `f:2: "policy.reject": `},
		{"reason in a rule", "[[policy.rule]]\nname = 'a'\nclient = ['::1']\ndefer = ['x']\n", `f:4: "policy.rule[0].defer": `},
		{"mode", "[policy]\nmode = 'on'\n", `f:2: "policy.mode": `},
		{"percent", "[policy]\npercent = 101\n", `f:2: "policy.percent": `},
		{"skip_domains", "[policy]\nskip_domains = ['a..b']\n", `f:2: "policy.skip_domains": `},
		{"rule without a name", "[[policy.rule]]\nclient = ['::1']\n", `f:1: "policy.rule[0].name": `},
		{"rule named twice", "[[policy.rule]]\nname = 'a'\nclient = ['::1']\n[[policy.rule]]\nname = 'a'\n", `f:5: "policy.rule[1].name": `},
		{"reply for no reason", "[policy.reply.x]\ncode = 550\n", `f:1: "policy.reply.x": `},
		{"reply code", "[policy.reply.mailbox_not_found]\ncode = 421\n", `f:2: "policy.reply.mailbox_not_found.code": `},
		{"reply text", "[policy.reply.mailbox_not_found]\ntext = '{rcpt}'\n", `f:2: "policy.reply.mailbox_not_found.text": `},
	}
	for _, tt := range tests {
		_, err := Parse("f", []byte(tt.file))
		e, ok := errors.AsType[*ConfigError](err)
		if !ok || !strings.HasPrefix(e.Problems[0].String(), tt.want) {
			t.Errorf("%s: got %v, want %s...", tt.name, err, tt.want)
		}
	}
}

func TestParseAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Parse("/etc/rcptgate.toml", []byte("hostnam = 'x'\n[probe]\nsender = 'x'\n[policy]\nmode = enforce\nanswer_budget = 8\n[site.'.X']\n[fleet]\n"))
	const want = `/etc/rcptgate.toml:1: unknown key "hostnam"; did you mean "hostname"?
/etc/rcptgate.toml:3: "probe.sender" has no domain: "x"
/etc/rcptgate.toml:5: syntax: expected value but found "enforce" instead (after the key "policy.mode")
/etc/rcptgate.toml:6: "policy.answer_budget" must be a duration with its unit, such as "8s", not a bare number
/etc/rcptgate.toml:7: "site.\".X\"" can never match: names are compared in lower case
/etc/rcptgate.toml:8: "fleet" is not in this version`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "rcptgate.toml")
	_, err := Load(path)
	if e, ok := errors.AsType[*ConfigError](err); !ok || e.Error() != path+": cannot be read: no such file or directory" {
		t.Errorf("missing file: %v", err)
	}
	if _, err := Load(filepath.Dir(path)); err == nil || !strings.Contains(err.Error(), "cannot be read: is a directory") {
		t.Errorf("directory: %v", err)
	}
	if err := os.WriteFile(path, []byte("hostname = 'mx.rcptgate.org'"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil || c.Hostname != "mx.rcptgate.org" {
		t.Errorf("%v, %v", c, err)
	}
}

const exampleFile = "../../config.example.toml"

// uncommented is the example with the keys that have no default.
func uncommented(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^#(\[|[a-z"])`).ReplaceAll(data, []byte("$1"))
}

// TestExample compares config.example.toml with the code both ways.
func TestExample(t *testing.T) {
	t.Parallel()
	c, err := Load(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Defaults().Show(), c.Show()); diff != "" {
		t.Errorf("as it is, the example differs from the defaults:\n%s", diff)
	}
	full, err := Parse("config.example.toml", uncommented(t))
	if err != nil {
		t.Fatalf("with every key: %v", err)
	}
	var present []string
	doc, problems := strict.Decode("", uncommented(t), Defaults(), laterKeys)
	if problems != nil {
		t.Fatal(problems)
	}
	for _, key := range strict.Keys(full) {
		where := strings.NewReplacer(
			"policy.rule.", "policy.rule[0].", "probe.source.", "probe.source[0].", "policy.reply.*", "policy.reply.mailbox_not_found",
			"provider.*", "provider.google", "site.*", `site.".mx.example.net"`, "domain.*", `domain."example.org"`, "stay_away.*", "stay_away.rate_limited",
		).Replace(key)
		// The keys of the three overrides are documented once.
		shared := strings.HasPrefix(key, "site.") || strings.HasPrefix(key, "domain.")
		if !doc.IsDefined(where) && !shared {
			t.Errorf("%s is not in the example", key)
		}
		present = append(present, key)
	}
	if len(present) < 60 {
		t.Errorf("%d keys only", len(present))
	}
}

// TestExampleSpeaks: every key of the example stands below a comment.
func TestExampleSpeaks(t *testing.T) {
	t.Parallel()
	key := regexp.MustCompile(`^#?([a-z_]+) = `)
	comment := false
	for i, line := range strings.Split(string(mustRead(t, exampleFile)), "\n") {
		switch {
		case strings.HasPrefix(line, "# "):
			comment = true
		case key.MatchString(line):
			if !comment {
				t.Errorf("%s:%d: %s has no comment", exampleFile, i+1, line)
			}
		default:
			comment = strings.HasPrefix(line, "#") && comment
		}
		if len(line) > 120 {
			t.Errorf("%s:%d: longer than 120", exampleFile, i+1)
		}
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestShow: what Show prints is a file of the same meaning.
func TestShow(t *testing.T) {
	t.Parallel()
	for _, data := range [][]byte{nil, uncommented(t)} {
		c, err := Parse("f", data)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("show", []byte(c.Show()))
		if err != nil {
			t.Fatalf("%v\n%s", err, c.Show())
		}
		if diff := cmp.Diff(c.Show(), again.Show()); diff != "" || c.Hash() != again.Hash() {
			t.Error(diff)
		}
	}
	a, _ := Parse("f", []byte("[policy]\nmode = 'warn'"))
	if b, _ := Parse("f", nil); a.Hash() == b.Hash() {
		t.Error("two configurations have one hash")
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	c, err := Parse("f", []byte(`
hostname = "Out1.bücher.org"
[dns]
servers = ["192.0.2.53", "[2001:db8::53]:5353"]
[probe]
sender = "verify@probe.rcptgate.org"
allow_mx = ["10.0.0.0/8"]
[[probe.source]]
ip = "192.0.2.10"
helo = "out2.rcptgate.org"
[milter]
decide = "end"
[policy]
skip_domains = ["Bücher.org.", ".Example.ORG"]
defer = ["greylisted"]
[policy.reply.greylisted]
text = "later"
[[policy.rule]]
name = "a"
client = ["192.0.2.1", "2001:db8::/32"]
action = "verify"
mode = "enforce"
reject = []
percent = 0
answer_budget = "3s"
[[policy.rule]]
name = "b"
sasl_username = ["x"]
action = "exempt"
[provider.google]
connections = 5
`))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.sender().External(); got != "verify@probe.rcptgate.org" {
		t.Errorf("sender %s", got)
	}
	prefix := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	addr := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	for _, p := range []struct{ want, got any }{
		{[]probe.Source{{IP: netip.MustParseAddr("192.0.2.10"), HELO: "out2.rcptgate.org"}}, c.sources()},
		{[]string{"out1.xn--bcher-kva.org", "out2.rcptgate.org"}, c.ownNames()},
		{[]string{"192.0.2.53:53", "[2001:db8::53]:5353"}, c.dnsServers()},
		{[]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, c.allowMX()},
		{true, c.milterSettings().DecideEnd},
		{"", c.Unfit()},
	} {
		if diff := cmp.Diff(p.want, p.got, prefix, addr); diff != "" {
			t.Error(diff)
		}
	}
	def := policy.Rule{
		Mode: policy.ModeMonitor, Percent: 100, Reject: Defaults().Policy.Reject, Defer: []string{"greylisted"},
		AnswerBudget: 8 * time.Second, MessageBudget: 20 * time.Second, DeferFor: 4 * time.Hour, MaxRefusals: 8,
	}
	a, b := def, def
	a.Name, a.OwnVerify, a.Mode, a.Reject, a.Percent, a.AnswerBudget = "a", true, policy.ModeEnforce, []string{}, 0, 3*time.Second
	a.Client = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::/32")}
	b.Name, b.Exempt, b.SASLUsername, b.Client = "b", true, []string{"x"}, []netip.Prefix{}
	want := policy.Source{
		Rules: []policy.Rule{a, b}, Default: def,
		OutboundClients: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		SkipDomains:     []string{"xn--bcher-kva.org", ".example.org"},
		Replies:         map[verdict.Reason]policy.Template{verdict.Greylisted: {Text: "later"}},
	}
	if diff := cmp.Diff(want, c.policySource(), prefix); diff != "" {
		t.Error(diff)
	}
	book, err := provider.New(c.overrides())
	if err != nil {
		t.Fatal(err)
	}
	p := c.paceSettings(book)
	if p.Port != 25 || p.MaxQueued != 100_000 || p.Sender != c.sender() || len(p.Sources) != 1 {
		t.Errorf("%+v", p)
	}
	terms := p.Book.Terms(mx.Route{Outcome: mx.Found, Hosts: []mx.Host{{Name: "smtp.google.com"}}})
	if terms.Limits.Connections != 5 {
		t.Errorf("%+v", terms)
	}
}

func TestUnfit(t *testing.T) {
	t.Parallel()
	const fit = "hostname = 'out1.rcptgate.org'\n[probe]\nsender = 'verify@rcptgate.org'\n"
	tests := []struct{ file, want string }{
		{fit, ""},
		{"", "hostname is not set"},
		{"hostname = 'out1'\n", "hostname out1 has no domain"},
		{"hostname = 'out1.example.com'\n", "hostname out1.example.com is an example (RFC 2606)"},
		{"hostname = 'a.test'\n", "hostname a.test is an example (RFC 2606)"},
		{"hostname = 'example.net'\n", "hostname example.net is an example (RFC 2606)"},
		{"hostname = 'notexample.net'\n", "[probe] sender is not set"},
		{"hostname = 'a.rcptgate.org'\n[probe]\nsender = 'a@b.localhost'\n", "[probe] sender a@b.localhost is of an example domain (RFC 2606)"},
		{fit + "[[probe.source]]\nhelo = 'x.invalid'\n", "[[probe.source]] helo x.invalid is an example (RFC 2606)"},
		{fit + "[[probe.source]]\nhelo = 'out2'\n", "[[probe.source]] helo out2 has no domain"},
		{fit + "[[probe.source]]\nhelo = 'out2.rcptgate.org'\n", ""},
		// A helo stands in for no hostname.
		{"[probe]\nsender = 'verify@rcptgate.org'\n[[probe.source]]\nhelo = 'out1.rcptgate.org'\n", "hostname is not set"},
		{"hostname = 'out1.example.com'\n[probe]\nsender = 'verify@rcptgate.org'\n[[probe.source]]\nhelo = 'out1.rcptgate.org'\n", "hostname out1.example.com is an example (RFC 2606)"},
		{"[probe]\nallow_unfit_identity = true\n[[probe.source]]\nhelo = 'out1.rcptgate.org'\n", ""},
		{"hostname = 'out1'\n[probe]\nallow_unfit_identity = true\n", ""},
		{"[probe]\nallow_unfit_identity = true\n", "hostname is not set"},
	}
	for _, tt := range tests {
		c, err := Parse("f", []byte(tt.file))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Unfit(); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.file, got, tt.want)
		}
	}
}

func TestNeedsRestart(t *testing.T) {
	t.Parallel()
	a, b := Defaults(), Defaults()
	b.Policy.Mode = policy.ModeEnforce
	if got := a.needsRestart(b); got != nil {
		t.Errorf("%q", got)
	}
	b.Listen.Policy, b.Store.Path, b.Audit.Addresses = nil, "", "hmac"
	if diff := cmp.Diff([]string{"[listen]", "[store]", "[audit]"}, a.needsRestart(b)); diff != "" {
		t.Error(diff)
	}
}

// FuzzParse: any text is a Config or mistakes, and what Show prints of a Config
// is one again.
func FuzzParse(f *testing.F) {
	example, err := os.ReadFile(exampleFile)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, s := range []string{"", "hostname='a.b'", "[[probe.source]]\nip='::1'", "[policy]\nreject=[]", "[site.\"\\u0000\"]", "[[policy.rule]]\nname='a'\nclient=['::ffff:1.2.3.4']"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f", data)
		if err != nil {
			if e, ok := errors.AsType[*ConfigError](err); !ok || len(e.Problems) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		c.Warnings()
		if _, err := Parse("show", []byte(c.Show())); err != nil {
			t.Fatalf("%v\n%s", err, c.Show())
		}
	})
}
