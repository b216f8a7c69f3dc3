package policy

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/verdict"
)

// Rule is one effective rule: keys that it does not set itself are filled in from
// [policy]. Its fields mean what they say, zero too: a MaxRefusals of zero
// refuses nothing, an AnswerBudget of zero waits for nothing.
type Rule struct {
	Name string // [a-z0-9_-]+
	// The keys: all that are set must match, any value of a key. Globs with `*`
	// and `?`; addresses and user names whatever their case, domains as A-labels.
	SASLUsername  []string
	Sender        []string // "<>" is the null sender
	Recipient     []string
	Client        []netip.Prefix
	PolicyContext []string

	Exempt                                bool
	OwnVerify                             bool // it has its own action = "verify": with Client or PolicyContext its mail is outbound
	Mode                                  Mode
	Percent                               int      // 0 to 100; outside it as in monitor
	Reject, Defer                         []string // reasons and "tag:x"
	AnswerBudget, MessageBudget, DeferFor time.Duration
	MaxRefusals                           int
}

// Source is what settings are made of.
type Source struct {
	Rules           []Rule // in order, without the default
	Default         Rule   // [policy]; its name and keys do not matter
	OutboundClients []netip.Prefix
	SkipDomains     []string // exact, or ".suffix"
	Replies         map[verdict.Reason]Template
}

// DefaultRule is the name of the rule that matches what no other does.
const DefaultRule = "default"

// Mistake is one mistake in a Source. Key is the dotted key of the configuration,
// such as "policy.rule[2].reject", counted from 0.
type Mistake struct{ Key, Text string }

// Error prints the mistake on one line.
func (m *Mistake) Error() string { return m.Key + ": " + m.Text }

// Settings is immutable. NewSettings makes it.
type Settings struct {
	rules    []*rule // the default is the last
	outbound []netip.Prefix
	skip     []string
	replies  map[verdict.Reason]Template
}

// rule is a compiled Rule.
type rule struct {
	Rule
	keys    keys
	outcome outcome
	settled func(possible []verdict.Reason, tags []verdict.Tag) bool // the outcome's
	// opens: its first match makes mail outbound.
	opens bool
}

// first returns the first rule that matches.
func (st *Settings) first(s *subject) *rule {
	for _, r := range st.rules[:len(st.rules)-1] {
		if r.keys.matches(s) {
			return r
		}
	}
	return st.rules[len(st.rules)-1]
}

// skips reports a domain of skip_domains.
func (st *Settings) skips(domain string) bool {
	for _, s := range st.skip {
		if domain == s || strings.HasPrefix(s, ".") && strings.HasSuffix(domain, s) {
			return true
		}
	}
	return false
}

// NewSettings returns the settings, or all mistakes joined, each a *Mistake. The
// warnings name what is allowed and surely not meant: rules that can never match,
// reasons in both lists, tags that nobody sets, enhanced codes that Postfix
// rewrites.
func NewSettings(s Source) (st *Settings, warnings []string, err error) {
	c := &compiler{
		src: &s, st: &Settings{replies: map[verdict.Reason]Template{}},
		names: map[string]bool{DefaultRule: true}, softened: map[verdict.Reason]bool{},
	}
	for _, p := range s.OutboundClients {
		c.st.outbound = append(c.st.outbound, plainPrefix(p))
	}
	for _, d := range s.SkipDomains {
		c.skipDomain(d)
	}
	c.allReplies()
	def := s.Default
	def.Name = DefaultRule
	def.SASLUsername, def.Sender, def.Recipient, def.Client, def.PolicyContext = nil, nil, nil, nil, nil
	compiled := c.rule("policy", def, true)
	for i, r := range s.Rules {
		key := fmt.Sprintf("policy.rule[%d]", i)
		c.name(key, r.Name)
		one := c.rule(key, r, false)
		c.reachable(one)
		c.st.rules = append(c.st.rules, one)
	}
	c.st.rules = append(c.st.rules, compiled)
	if len(c.errs) > 0 {
		return nil, c.warnings, errors.Join(c.errs...)
	}
	return c.st, c.warnings, nil
}

// compiler collects what is wrong with a Source.
type compiler struct {
	src      *Source
	st       *Settings
	names    map[string]bool
	softened map[verdict.Reason]bool // reported by codes
	errs     []error
	warnings []string
}

func (c *compiler) mistake(key, format string, args ...any) {
	c.errs = append(c.errs, &Mistake{Key: key, Text: fmt.Sprintf(format, args...)})
}

func (c *compiler) warn(format string, args ...any) {
	c.warnings = append(c.warnings, fmt.Sprintf(format, args...))
}

func (c *compiler) name(key, name string) {
	switch {
	case name == "":
		c.mistake(key+".name", "a rule needs a name")
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != "":
		c.mistake(key+".name", "%q: a name is made of a-z 0-9 _ -", name)
	case c.names[name]:
		c.mistake(key+".name", "%q is taken, names are unique", name)
	}
	c.names[name] = true
}

func (c *compiler) skipDomain(d string) {
	name, dot := d, ""
	if strings.HasPrefix(d, ".") {
		name, dot = d[1:], "."
	}
	a, err := address.ParseDomain(name)
	if err != nil {
		c.mistake("policy.skip_domains", "%q is no domain, nor .suffix", d)
		return
	}
	c.st.skip = append(c.st.skip, dot+a.String())
}

func (c *compiler) allReplies() {
	maps.Copy(c.st.replies, defaults)
	for _, reason := range slices.Sorted(maps.Keys(c.src.Replies)) {
		key := "policy.reply." + string(reason)
		def, ok := defaults[reason]
		if !ok {
			if _, known := verdict.Lookup(reason); known {
				c.mistake(key, "%s is never refused", reason)
			} else {
				c.mistake(key, "%s", unknownWord(string(reason), refusable()))
			}
			continue
		}
		t := c.src.Replies[reason].complete(def)
		wrong := t.mistakes(reason)
		for _, k := range slices.Sorted(maps.Keys(wrong)) {
			c.mistake(key+"."+k, "%s", wrong[k])
		}
		if len(wrong) == 0 && t.rewritten() {
			c.warn("%s.enhanced: Postfix rewrites %s, as it keeps only x.1.1 to x.1.6 of x.1.y", key, t.Enhanced)
		}
		c.st.replies[reason] = t
	}
}

func (c *compiler) rule(key string, r Rule, isDefault bool) *rule {
	one := &rule{Rule: r, outcome: outcome{reasons: map[verdict.Reason]Action{}, tags: map[verdict.Tag]Action{}}}
	switch r.Mode {
	case ModeOff, ModeMonitor, ModeWarn, ModeEnforce:
	default:
		c.mistake(key+".mode", "%s", unknownWord(string(r.Mode), []string{"off", "monitor", "warn", "enforce"}))
	}
	if r.Percent < 0 || r.Percent > 100 {
		c.mistake(key+".percent", "%d is not from 0 to 100", r.Percent)
	}
	for _, n := range []struct {
		key   string
		value int64
	}{
		{"answer_budget", int64(r.AnswerBudget)},
		{"message_budget", int64(r.MessageBudget)},
		{"defer_for", int64(r.DeferFor)},
		{"max_refusals", int64(r.MaxRefusals)},
	} {
		if n.value < 0 {
			c.mistake(key+"."+n.key, "must not be negative")
		}
	}
	one.keys.sasl = folded(r.SASLUsername)
	one.keys.context = r.PolicyContext
	one.keys.sender = c.addresses(key+".sender", r.Sender)
	one.keys.recipient = c.addresses(key+".recipient", r.Recipient)
	for _, p := range r.Client {
		one.keys.client = append(one.keys.client, plainPrefix(p))
	}
	one.opens = r.OwnVerify && !r.Exempt && len(r.Client)+len(r.PolicyContext) > 0

	// Reject first: a reason in both lists is deferred, the milder of the two.
	c.list(one, key+".reject", Reject, r.Reject, !isDefault && slices.Equal(r.Reject, c.src.Default.Reject))
	c.list(one, key+".defer", Defer, r.Defer, !isDefault && slices.Equal(r.Defer, c.src.Default.Defer))
	c.codes(one)
	one.settled = one.outcome.settled
	return one
}

// codes finds rejected reasons whose template is for deferring.
func (c *compiler) codes(r *rule) {
	for _, i := range verdict.Table() {
		t := c.st.replies[i.Reason]
		if r.outcome.reasons[i.Reason] != Reject || t.Code >= 500 || c.softened[i.Reason] {
			continue
		}
		c.softened[i.Reason] = true
		c.mistake("policy.reply."+string(i.Reason)+".code", "%d, but rule %s rejects %s; to answer 4xx, write it in defer", t.Code, r.Name, i.Reason)
	}
}

// list reads a reject or defer list. An inherited one has been judged already.
func (c *compiler) list(r *rule, key string, a Action, words []string, inherited bool) {
	for _, w := range words {
		wrong := ""
		if name, ok := strings.CutPrefix(w, "tag:"); ok {
			wrong = r.outcome.addTag(a, verdict.Tag(name))
			if wrong == "" && !inherited {
				c.warn("%s: %s has no effect, as no part of this version sets that tag", key, w)
			}
		} else {
			var twice bool
			twice, wrong = r.outcome.addReason(a, verdict.Reason(w))
			if twice && !inherited {
				c.warn("rule %s: %s stands in reject and in defer, it is deferred", r.Name, w)
			}
		}
		if wrong != "" && !inherited {
			c.mistake(key, "%s", wrong)
		}
	}
}

func (o *outcome) addTag(a Action, t verdict.Tag) (wrong string) {
	switch {
	case t == verdict.Suspect:
		return "tag:suspect marks what is never enforced"
	case !slices.Contains(verdict.Tags(), t):
		var words []string
		for _, t := range verdict.Tags() {
			words = append(words, "tag:"+string(t))
		}
		return unknownWord("tag:"+string(t), words)
	}
	o.tags[t] = a
	return ""
}

func (o *outcome) addReason(a Action, r verdict.Reason) (twice bool, wrong string) {
	info, ok := verdict.Lookup(r)
	switch {
	case !ok:
		return false, unknownWord(string(r), refusable())
	case r == verdict.NotProbed, r == verdict.InternalError:
		return false, fmt.Sprintf("%s is always accepted: a mail must not wait because we did not ask", r)
	case info.Status == verdict.Deliverable:
		return false, fmt.Sprintf("%s is always accepted: the address is deliverable", r)
	case info.Status == verdict.Unknown && a == Reject:
		return false, fmt.Sprintf("%s says nothing of the mailbox, it can stand in defer only", r)
	}
	old, ok := o.reasons[r]
	o.reasons[r] = a
	return ok && old != a, ""
}

// refusable are the reasons that can stand in a list.
func refusable() []string {
	var words []string
	for _, i := range verdict.Table() {
		if _, ok := defaults[i.Reason]; ok {
			words = append(words, string(i.Reason))
		}
	}
	return words
}

func (c *compiler) addresses(key string, patterns []string) []addressGlob {
	var out []addressGlob
	for _, p := range patterns {
		g, wrong := newAddressGlob(p)
		if wrong != "" {
			c.mistake(key, "%q: %s", p, wrong)
		}
		out = append(out, g)
	}
	return out
}

// reachable warns of a rule that an earlier one leaves nothing to match.
func (c *compiler) reachable(r *rule) {
	for _, earlier := range c.st.rules {
		if earlier.keys.covers(&r.keys) {
			c.warn("rule %s can never match: rule %s before it matches all that it does", r.Name, earlier.Name)
			return
		}
	}
}

func folded(words []string) []string {
	var out []string
	for _, w := range words {
		out = append(out, strings.ToLower(w))
	}
	return out
}

// unknownWord says that a word is unknown, and which one may be meant.
func unknownWord(word string, known []string) string {
	best, least := "", len(word)/2+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return fmt.Sprintf("unknown word %q", word)
	}
	return fmt.Sprintf("unknown word %q, did you mean %q?", word, best)
}

// distance is the Levenshtein distance in octets.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
