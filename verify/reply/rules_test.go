package reply

import (
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"rcptgate/verify/verdict"
)

// finals are the ids that Classify gives where no rule is met.
var finals = []string{
	"unclassified", "temporary", "takes-no-mail", "greeting-refused", "hello-refused", "mail-refused",
	"accepted", "accept-unproven", "positive-early", "positive-other",
}

func TestRulesAreWhole(t *testing.T) {
	ids := slices.Clone(finals)
	for _, r := range Rules() {
		if slices.Contains(ids, r.ID) {
			t.Errorf("%s stands twice", r.ID)
		}
		ids = append(ids, r.ID)
		if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(r.ID) {
			t.Errorf("id %q", r.ID)
		}
		if r.Means == "" || r.From == "" {
			t.Errorf("%s: without meaning or source", r.ID)
		}
		if _, ok := verdict.Lookup(r.Reason); !ok {
			t.Errorf("%s: reason %q", r.ID, r.Reason)
		}
		if r.Reason.Status() == verdict.Undeliverable && (r.At != AtRcpt || r.Digit != 5) {
			t.Errorf("%s: %s may only be said of a 5xx at RCPT", r.ID, r.Reason)
		}
		if r.Plain && r.Reason != verdict.MailboxNotFound {
			t.Errorf("%s: %s is no plain unknown user", r.ID, r.Reason)
		}
		if r.Reason.Status() == verdict.Deliverable {
			t.Errorf("%s: no refusal is %s", r.ID, r.Reason)
		}
		if len(r.Any) == 0 && len(r.Enhanced) == 0 && len(r.Codes) == 0 {
			t.Errorf("%s: met by every reply", r.ID)
		}
	}
}

// TestNothingStandsTwice: no list of words or phrases says the same twice.
func TestNothingStandsTwice(t *testing.T) {
	once := func(where string, list []string) {
		sorted := slices.Sorted(slices.Values(list))
		for i := range sorted[:max(0, len(sorted)-1)] {
			if sorted[i] == sorted[i+1] {
				t.Errorf("%s: %q stands twice", where, sorted[i])
			}
		}
	}
	for _, r := range ruleTable() {
		once(r.ID+" any", r.Any)
		once(r.ID+" and", r.And)
		once(r.ID+" not", r.Not)
	}
	for _, classes := range []map[string][]string{wordClasses, worldClasses} {
		for name, words := range classes {
			once("$"+name, words)
		}
	}
}

// TestNoPhraseIsNeedless: no phrase of words side by side holds another one of
// its rule.
func TestNoPhraseIsNeedless(t *testing.T) {
	for i, r := range book.rules {
		for _, phrase := range r.Any {
			if strings.ContainsAny(phrase, "$*.@%<") || r.ID == "unknown-user-advice" { // a shared list, and weaker phrases
				continue
			}
			var s scan
			s.reset(len(book.uses))
			s.text = appendWords(s.text, phrase)
			book.matcher.run(&s)
			n := 0
			for _, step := range s.touched {
				if slices.Contains(book.uses[step], use{rule: uint16(i), part: inAny}) {
					n++
				}
			}
			if n != 1 {
				t.Errorf("%s: %q meets %d of its phrases", r.ID, phrase, n)
			}
		}
	}
}

// TestRulesAreReached: each row of the table decides at least one golden.
func TestRulesAreReached(t *testing.T) {
	reached := map[string]bool{}
	for _, g := range readGoldens(t) {
		reached[Classify(g.stage, g.reply, g.host).Rule] = true
	}
	var missing []string
	for _, r := range Rules() {
		if !reached[r.ID] {
			missing = append(missing, r.ID)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no golden reaches: %s", strings.Join(missing, " "))
	}
}

// TestClassifyTogether judges from many goroutines at once: the scratch space
// is theirs alone.
func TestClassifyTogether(t *testing.T) {
	all := readGoldens(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for _, g := range all {
				if c := Classify(g.stage, g.reply, g.host); c.Reason != g.reason {
					t.Errorf("%s: %s", g.at, c.Reason)
				}
			}
		})
	}
	wg.Wait()
}

func TestRulesIsACopy(t *testing.T) {
	i := slices.IndexFunc(Rules(), func(r Rule) bool { return len(r.Any) > 0 })
	Rules()[i].Any[0] = "changed"
	if Rules()[i].Any[0] == "changed" || book.rules[i].Any[0] == "changed" {
		t.Error("the table can be changed from outside")
	}
}

func TestUnknownClassPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a phrase with an unknown class was compiled")
		}
	}()
	newPhrases(nil).compile("$nobody")
}

func TestPhrases(t *testing.T) {
	classes := map[string][]string{"who": {"user", "mail box"}, "absent": {"unknown", "not found"}}
	tests := []struct {
		phrase, text string
		want         bool
	}{
		{"user unknown", "User unknown", true},
		{"user unknown", "5.1.1: user-unknown!", true},
		{"user unknown", "superuser unknown", false},
		{"user unknown", "user unknownish", false},
		{"black*", "it is blacklisted", true},
		{"black*", "pitchblack", false},
		{"$who .. $absent", "mail box of kim was not found", true},
		{"$who .. $absent", "user one two three four five six seven unknown", false},
		{"$who $absent", "user kim unknown", false},
		{"$absent $who", "unknown user", true},
		{"user @ unknown", "user <kim@example.net> unknown", true},
		{"user @ unknown", "user kim@example.net, unknown", true},
		{"from %", "from [198.51.100.9]", true},
		{"from %", "from 2001:db8::1", true},
		{"from %", "from 1.2.3", false},
		{"from <>", "mail from <> refused", true},
		{"doesnt exist", "it doesn’t exist", true},
		{"empfanger", "Empf\xe4nger", true}, // Latin-1
		{"empfanger", "EMPFÄNGER", true},
		{"αγνωστος", "Άγνωστος", true},
		{"不 存 在", "用户不存在。", true},
		{"email", "E-Mail", true},
		{"user", "e.user-x@example.net", false},
		{"example net", "<https://example.net/x>", true},
		{"$who .. $absent", "no mail for this user. The page was not found", false},
		{"$who .. $absent", "no mail for this user; unknown", false},
		{"$who .. $absent", "the user of mx.example (v. 2) is unknown", true},
		{"user unknown", "<kim@example.net>... user... unknown", true},
		{"path of . $who", "no path of this user", true},
		{"path of . $who", "no path of user kim", true},
		{"path of . $who", "no path of any known user", false},
		{"user unknown", "user: unknown", true},
		{"user unknown", "user. unknown", false},
		{"user unknown", "user https://example.net/ unknown", false},
	}
	for _, tt := range tests {
		p := newPhrases(classes)
		step := p.compile(tt.phrase)
		var s scan
		s.reset(int(p.last) + 1)
		s.text = appendWords(s.text, tt.text)
		p.settle().run(&s)
		if got := s.found(step); got != tt.want {
			t.Errorf("%q in %q (%q): %v", tt.phrase, tt.text, s.text, got)
		}
	}
}

// TestTrie compares the walk of the trie with a look at each literal.
func TestTrie(t *testing.T) {
	literals := []string{
		"b", "black", "black*", "blacklist*", "black list", "blacklists here", "list", "l*", strings.Repeat("x", 300),
		"нет", "не", "не*", "нет такого", "неи*", "用 户", "用", "@", "% x", "<>",
	}
	p := newPhrases()
	var steps []uint16
	for _, l := range literals {
		steps = append(steps, p.compile(l))
	}
	m := p.settle()
	for _, text := range []string{
		"black", "blacklisted", "a black list", "blacklists here", "blacklists hereby", "b lack", "bl",
		"no list\nblack\nlist",
		"нет такого", "неизвестен", "нета", "н", "用 户", "用\n户", "@ % x <>", "% xx", strings.Repeat("x", 300),
		strings.Repeat("x", 301),
	} {
		var s scan
		s.reset(int(p.last) + 1)
		s.text = append(s.text, text...)
		m.run(&s)
		for i, l := range literals {
			stem, prefix := strings.CutSuffix(l, "*")
			want := false
			for at := range text {
				rest, ok := strings.CutPrefix(text[at:], stem)
				want = want || ok && (at == 0 || text[at-1] <= ' ') && (prefix || rest == "" || rest[0] <= ' ')
			}
			if got := s.found(steps[i]); got != want {
				t.Errorf("%.20q in %.20q: %v", l, text, got)
			}
		}
	}
}

// TestPlainWords: what has a digit is no word.
func TestPlainWords(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "no": 1, "no such\nuser": 3, "a1 2b gone 550": 1, "see\twww example\rhere": 4, "no\n\twww": 2,
		"不 1": 1,
	} {
		if got := plainWords([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}

// TestSentences shows where a text is cut: "|" for a sentence, "~" and "^" for
// a URL, "/" for a line.
func TestSentences(t *testing.T) {
	for in, want := range map[string]string{
		"No such user. Ask again!":                      "no such user|ask again|",
		"mx1.example.net says 5.1.1, i.e. no":           "mx1 example net says 5 1 1 i e no",
		"<kim@example.net>... gone; see 1.2.3.4.":       "@ gone|see %|",
		`"@" or "." expected`:                           "or expected",
		"No. (Ask us.) Bye":                             "no|ask us|bye",
		"see https://example.net/a.b?c=d. Bye":          "see~https example net a b c d|bye",
		"www.example.net":                               "~www example net^",
		"no user: see http://a.example/b, or ask":       "no user see~http a example b^or ask",
		"No user. http://a.example/b www.b.example Bye": "no user|~http a example b^~www b example^bye",
		"见http://a.example/错误。不存在":                      "见~http a example^错 误|不 存 在",
		"unknown (state 14).":                           "unknown|",
		"Gone [code=28] (Err #5) (id: 7)":               "gone",
		"see (s3140) (state) (state 1 of 2) (state 1":   "see s3140 state state 1 of 2 state 1",
		"Gone.\tAsk":       "gone|ask",
		"Gone.\nAsk\n\nus": "gone|ask|us",
		"no way from the\nUser server of your\nHost": "no way from the user server of your host",
		"用户不存在。请检查":                                  "用 户 不 存 在|请 检 查",
		"a user\nthat is gone\nThere":                "a user that is gone/there",
		"it failed:\nUser unknown,\nAt least here":   "it failed user unknown at least here",
		"see http://example.net\nfor more\nIP names": "see~http example net^for more ip names",
	} {
		var got []byte
		lines := strings.Split(in, "\n")
		for i, line := range lines {
			got = appendLine(got, lines[:i], line)
		}
		if s := strings.NewReplacer("\n", "|", "\t", "~", "\r", "^", "\v", "/").Replace(string(got)); s != want {
			t.Errorf("%q: %q, want %q", in, s, want)
		}
	}
}

// TestVetoes: Not speaks of the sentence of the phrase, Nowhere of the reply.
func TestVetoes(t *testing.T) {
	table := newTable([]Rule{
		{ID: "page", Reason: verdict.MailboxFull, Any: []string{"page full"}},
		{
			ID: "gone", Reason: verdict.MailboxNotFound, Any: []string{"gone", "away"},
			Not: []string{"server"}, Nowhere: []string{"spam"},
		},
	}, map[string][]string{"namesus": {"your ip"}})
	long := strings.Repeat("So. ", 100)
	for text, want := range map[string]string{
		"Gone.":                                 "gone",
		"Gone. Ask the server.":                 "gone",
		"Gone\nThe server.":                     "gone",
		"The server\nKim is gone":               "unclassified", // the line may go on
		"The server.\nKim is gone":              "gone",
		"The server\nStill\nKim is gone":        "gone",
		"Gone (see www.example.net). A server.": "gone",
		"The server (www.example.net) is gone":  "unclassified",
		"The server is gone":                    "unclassified",
		"The server is gone. Kim is away.":      "gone",
		"Gone. For spam.":                       "unclassified",
		"No. See https://example.net/gone":      "unclassified",
		"No. See https://example.net/page/full": "page",
		"Gone. https://example.net/server":      "gone",
		"Gone. " + long + "The server.":         "gone",
		long + "Gone. The server.":              "unclassified", // so far on, sentences are not told apart
	} {
		if c := table.judge(question{code: 550}, verdict.Rcpt, strings.Split(text, "\n")); c.Rule != want {
			t.Errorf("%q: %s, want %s", text, c.Rule, want)
		}
	}
}
