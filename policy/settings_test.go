package policy

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rcptgate/verify/verdict"
)

// base is [policy] as it ships, but enforcing.
func base() Rule {
	return Rule{
		Mode: ModeEnforce, Percent: 100, AnswerBudget: 8 * time.Second, MessageBudget: 20 * time.Second,
		DeferFor: 4 * time.Hour, MaxRefusals: 8,
		Reject: []string{"mailbox_not_found", "mailbox_disabled", "domain_not_found", "domain_no_mail", "invalid_syntax"},
	}
}

func with(change func(*Rule)) Rule {
	r := base()
	change(&r)
	return r
}

func settings(t testing.TB, s Source) *Settings {
	t.Helper()
	if s.Default.Mode == "" {
		s.Default = base()
	}
	if s.OutboundClients == nil {
		s.OutboundClients = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	}
	st, _, err := NewSettings(s)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func TestMistakes(t *testing.T) {
	t.Parallel()
	s := Source{
		SkipDomains: []string{"ok.example", ".ok.example", "no domain"},
		Default: with(func(r *Rule) {
			r.Reject = append(r.Reject, "mailbox_notfound", "greylisted", "not_probed", "accepted", "tag:suspect", "tag:disposible")
			r.Defer = []string{"internal_error", "tag:role"}
		}),
		Rules: []Rule{
			with(func(r *Rule) { r.Name, r.Mode, r.Percent, r.MaxRefusals = "Big Rule", "enforced", 101, -1 }),
			with(func(r *Rule) { r.Mode = ""; r.Sender = []string{"*@bü*.example", "bücher", "a@-x.example"} }),
			with(func(r *Rule) { r.Name = "default" }),
			with(func(r *Rule) {
				r.Name = "news"
				r.Sender = []string{"a@x.example"}
				r.Reject = []string{"gibberish-word"}
			}),
			with(func(r *Rule) { r.Name = "news"; r.Sender = []string{"b@x.example"} }),
		},
		Replies: map[verdict.Reason]Template{
			"mailbox_not_fund":       {Code: 550},
			verdict.Accepted:         {Code: 550},
			verdict.MailboxNotFound:  {Code: 540, Enhanced: "5.1", Text: "füll"},
			verdict.MailboxDisabled:  {Code: 550, Enhanced: "4.2.1", Text: "{name} is gone"},
			verdict.DomainNotFound:   {Text: strings.Repeat("x", 201)},
			verdict.DomainNoMail:     {Code: 450},
			verdict.Greylisted:       {Code: 550},
			verdict.RateLimited:      {Text: "wait { a bit"},
			verdict.TemporaryFailure: {Enhanced: "4.1.10"},
		},
	}
	_, warnings, err := NewSettings(s)
	var all interface{ Unwrap() []error }
	if !errors.As(err, &all) {
		t.Fatalf("error: %v", err)
	}
	var got []string
	for _, e := range all.Unwrap() {
		var m *Mistake
		if !errors.As(e, &m) {
			t.Fatalf("%T", e)
		}
		got = append(got, m.Error())
	}
	want := []string{
		`policy.skip_domains: "no domain" is no domain, nor .suffix`,
		`policy.reply.accepted: accepted is never refused`,
		`policy.reply.domain_not_found.text: is 201 bytes long, at most 200 are sent`,
		`policy.reply.greylisted.code: 550: greylisted can only be deferred, with 450 to 459`,
		`policy.reply.mailbox_disabled.enhanced: 4.2.1 does not go with the code 550`,
		`policy.reply.mailbox_disabled.text: unknown placeholder {name}, there are {recipient} {domain} {reason} {date} {id}`,
		`policy.reply.mailbox_not_found.code: 540 is neither 450 to 459 nor 550 to 559`,
		`policy.reply.mailbox_not_found.enhanced: "5.1" is no enhanced status code such as 5.1.1`,
		`policy.reply.mailbox_not_found.text: must be printable ASCII on one line`,
		`policy.reply.mailbox_not_fund: unknown word "mailbox_not_fund", did you mean "mailbox_not_found"?`,
		`policy.reply.rate_limited.text: unknown placeholder "{", there are {recipient} {domain} {reason} {date} {id}`,
		`policy.reject: unknown word "mailbox_notfound", did you mean "mailbox_not_found"?`,
		`policy.reject: greylisted says nothing of the mailbox, it can stand in defer only`,
		`policy.reject: not_probed is always accepted: a mail must not wait because we did not ask`,
		`policy.reject: accepted is always accepted: the address is deliverable`,
		`policy.reject: tag:suspect marks what is never enforced`,
		`policy.reject: unknown word "tag:disposible", did you mean "tag:disposable"?`,
		`policy.defer: internal_error is always accepted: a mail must not wait because we did not ask`,
		`policy.reply.domain_no_mail.code: 450, but rule default rejects domain_no_mail; to answer 4xx, write it in defer`,
		`policy.rule[0].name: "Big Rule": a name is made of a-z 0-9 _ -`,
		`policy.rule[0].mode: unknown word "enforced", did you mean "enforce"?`,
		`policy.rule[0].percent: 101 is not from 0 to 100`,
		`policy.rule[0].max_refusals: must not be negative`,
		`policy.rule[1].name: a rule needs a name`,
		`policy.rule[1].mode: unknown word ""`,
		`policy.rule[1].sender: "*@bü*.example": a label cannot have both a wildcard and other letters than a-z`,
		`policy.rule[1].sender: "bücher": write the @, so that it can be told whether a domain is meant`,
		`policy.rule[1].sender: "a@-x.example": impossible domain`,
		`policy.rule[2].name: "default" is taken, names are unique`,
		`policy.rule[3].reject: unknown word "gibberish-word"`,
		`policy.rule[4].name: "news" is taken, names are unique`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(warnings) == 0 || warnings[0] != "policy.reply.temporary_failure.enhanced: Postfix rewrites 4.1.10, as it keeps only x.1.1 to x.1.6 of x.1.y" {
		t.Errorf("warnings %q", warnings)
	}
}

func TestInheritedMistakeIsToldOnce(t *testing.T) {
	t.Parallel()
	def := with(func(r *Rule) { r.Reject = []string{"nonsense"} })
	other := def
	other.Name = "a"
	_, _, err := NewSettings(Source{Default: def, Rules: []Rule{other}})
	if err == nil || err.Error() != `policy.reject: unknown word "nonsense"` {
		t.Errorf("%v", err)
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	cidr := func(s ...string) (out []netip.Prefix) {
		for _, p := range s {
			out = append(out, netip.MustParsePrefix(p))
		}
		return out
	}
	rules := []Rule{
		{Name: "a", SASLUsername: []string{"News@*"}, Client: cidr("10.0.0.0/8")},
		{Name: "same", SASLUsername: []string{"news@*"}, Client: cidr("10.1.0.0/16", "::ffff:10.2.0.0/112")}, // covered by a
		{Name: "wider", SASLUsername: []string{"news@*", "x"}, Client: cidr("10.1.0.0/16")},
		{Name: "narrow", SASLUsername: []string{"news@a*b?"}, Client: cidr("10.1.0.0/16"), Recipient: []string{"*@x.example"}}, // covered by a
		{Name: "open", SASLUsername: []string{"news@a"}},                                                                       // any client
		{Name: "sender", Sender: []string{"*@example.com"}},
		{Name: "idn", Sender: []string{"*@BÜCHER.example"}},
		{Name: "idn2", Sender: []string{"a@xn--bcher-kva.example"}}, // covered by idn
		{Name: "question", Sender: []string{"?@q.example"}},
		{Name: "star", Sender: []string{"*@q.example"}},
		{Name: "null", Sender: []string{"<>"}},
		{Name: "halves", Client: cidr("0.0.0.0/1", "128.0.0.0/1")},
		{Name: "whole", Client: cidr("0.0.0.0/0")}, // covered by halves together
		{Name: "all"},
		{Name: "late", PolicyContext: []string{"submission"}}, // covered by all
	}
	for i := range rules {
		name, keys := rules[i].Name, rules[i]
		rules[i] = with(func(r *Rule) {
			r.Name, r.SASLUsername, r.Client, r.Recipient = name, keys.SASLUsername, keys.Client, keys.Recipient
			r.Sender, r.PolicyContext = keys.Sender, keys.PolicyContext
		})
	}
	_, warnings, err := NewSettings(Source{Default: base(), Rules: rules})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"rule same can never match: rule a before it matches all that it does",
		"rule narrow can never match: rule a before it matches all that it does",
		"rule idn2 can never match: rule idn before it matches all that it does",
		"rule whole can never match: rule halves before it matches all that it does",
		"rule late can never match: rule all before it matches all that it does",
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestBothListsDefer(t *testing.T) {
	t.Parallel()
	r := with(func(r *Rule) { r.Name, r.Defer = "soft", []string{"mailbox_not_found"} })
	st, warnings, err := NewSettings(Source{Default: base(), Rules: []Rule{r}})
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := st.rules[0].outcome.of(verdict.MailboxNotFound, nil); a != Defer {
		t.Errorf("%s", a)
	}
	if len(warnings) != 1 || warnings[0] != "rule soft: mailbox_not_found stands in reject and in defer, it is deferred" {
		t.Errorf("%q", warnings)
	}
}

// TestTagsThatNobodySets: whoever lists one believes that it is refused.
func TestTagsThatNobodySets(t *testing.T) {
	t.Parallel()
	def := with(func(r *Rule) { r.Reject = append(r.Reject, "tag:disposable", "tag:role") })
	inherits, own := def, def
	inherits.Name, own.Name, own.Reject = "inherits", "own", []string{"tag:free", "tag:typo_domain"}
	inherits.Sender, own.Defer = []string{"a@b.example"}, []string{"tag:listed_domain"}
	_, warnings, err := NewSettings(Source{Default: def, Rules: []Rule{inherits, own}})
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, w := range []string{
		"policy.reject: tag:disposable", "policy.reject: tag:role",
		"policy.rule[1].reject: tag:free", "policy.rule[1].reject: tag:typo_domain", "policy.rule[1].defer: tag:listed_domain",
	} {
		want = append(want, w+" has no effect, as no part of this version sets that tag")
	}
	if diff := cmp.Diff(want, warnings); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
