package reply

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"rcptgate/verify/verdict"
)

// Rule is one row of the table: a reply that meets all its conditions means
// Reason. The first row that is met decides. An empty condition is met by any
// reply.
type Rule struct {
	ID    string // stable, [a-z0-9-]+
	Means string // what it says, in a few words
	From  string // where it is known from: an RFC section, a provider's page, a software

	Reason verdict.Reason
	Scope  Scope // empty: follows from reason and stage (see Classify); with Home, holds only there

	At       Part     // stages
	Digit    int      // first digit of the code: 4 or 5
	Codes    []int    // reply codes
	Enhanced []string // enhanced codes without class: "1.1", "7.606-649"
	Hosts    []string // MX names: a name, or a suffix with a leading dot
	NoHost   bool     // only where no MX name is known, as in a log
	Home     []string // MX names to whose provider the words belong, although they are believed anywhere
	Any      []string // phrases, one of which must be there (grammar: phrase.go); a rule without them has no Not
	And      []string // a second set, one of which must be there too
	Not      []string // none of these may be in the sentence of that phrase (nor in a line that it may go on from)
	Nowhere  []string // none of these may be anywhere in the reply
	Words    int      // at most so many words in all, where not 0; those with a digit are ids and do not count
	// NotEnhanced: codes, written as in Enhanced, of which it may be none.
	NotEnhanced []string
	// Plain: the words fit nothing but an unknown user, so that postmaster@ may
	// get them too without a blanket refusal; with Home, they fit only there.
	Plain bool
}

// Part tells the two halves of a dialogue apart.
type Part string

// The parts.
const (
	Anywhere Part = ""
	Early    Part = "early" // before RCPT
	AtRcpt   Part = "rcpt"  // RCPT and later
)

// Rules returns the table in its order. It is a copy.
func Rules() []Rule {
	rules := ruleTable()
	for i := range rules {
		r := &rules[i]
		r.Codes, r.Enhanced, r.Hosts = slices.Clone(r.Codes), slices.Clone(r.Enhanced), slices.Clone(r.Hosts)
		r.Home, r.NotEnhanced = slices.Clone(r.Home), slices.Clone(r.NotEnhanced)
		r.Any, r.And = slices.Clone(r.Any), slices.Clone(r.And)
		r.Not, r.Nowhere = slices.Clone(r.Not), slices.Clone(r.Nowhere)
	}
	return rules
}

// ruleTable is the order of judgement: what speaks of us comes before what
// speaks of the mailbox, so that no refusal of ours passes for one of theirs
// (docs/design.md, rule 3).
func ruleTable() []Rule {
	return slices.Concat(
		providerRules, ispRules, gatewayRules, greylistRules, blockRules, rateRules, quotaRules, senderRules,
		trafficRules, policyRules, mailboxRules, unknownRules, worldRules, shortRules, domainRules, codeRules,
	)
}

// table is the compiled form of the rules; it is not changed once built, but
// for the pool of scratch space.
type table struct {
	rules   []compiled
	always  []uint64    // bit set: rules without Any
	hits    []sentences // rule → everySentence for those, else 0
	matcher *matcher
	uses    [][]use // last step of a phrase → what it is to the rules
	namesUs uint16  // step of the class that names our address, a list or a rate
	scratch sync.Pool
}

type compiled struct {
	Rule
	enhanced, notEnhanced []enhancedRange
	and                   []uint16
	hears                 sentences // where its phrases count
}

// use is what a phrase is to a rule: one of Any, Not or Nowhere.
type use struct {
	rule uint16
	part part
}

type part uint8

const (
	inAny part = iota
	inNot
	inNowhere
)

type enhancedRange struct{ subject, from, to int }

var book = newTable(ruleTable(), wordClasses, worldClasses)

// newTable compiles rules. It panics on a row that cannot be read: the rows
// are part of the program, and a test builds them.
func newTable(rules []Rule, classes ...map[string][]string) *table {
	p := newPhrases(classes...)
	t := &table{namesUs: p.compile("$namesus"), always: make([]uint64, len(rules)/64+1)}
	t.hits = make([]sentences, len(rules))
	uses := map[uint16][]use{}
	add := func(rule int, phrases []string, part part) {
		for _, s := range phrases {
			step := p.compile(s)
			uses[step] = append(uses[step], use{rule: uint16(rule), part: part})
		}
	}
	for i, r := range rules {
		c := compiled{Rule: r, hears: everySentence}
		for _, e := range r.Enhanced {
			c.enhanced = append(c.enhanced, parseRange(r.ID, e))
		}
		for _, e := range r.NotEnhanced {
			c.notEnhanced = append(c.notEnhanced, parseRange(r.ID, e))
		}
		for _, s := range r.And {
			c.and = append(c.and, p.compile(s))
		}
		add(i, r.Any, inAny)
		add(i, r.Not, inNot)
		add(i, r.Nowhere, inNowhere)
		if len(r.Any) == 0 {
			t.always[i/64] |= 1 << (i % 64)
			t.hits[i] = everySentence
			if len(r.Not) > 0 {
				panic("reply: rule " + r.ID + " has no phrase whose sentence Not could speak of")
			}
		}
		// The name of a page says nothing of a mailbox, except the page of its provider.
		if r.Reason.Status() == verdict.Undeliverable && len(r.Hosts)+len(r.Home) == 0 {
			c.hears &^= inURL
		}
		t.rules = append(t.rules, c)
	}
	t.matcher = p.settle()
	t.uses = make([][]use, p.last+1)
	for step, all := range uses {
		t.uses[step] = all
	}
	t.scratch.New = func() any {
		return &scratch{
			wanted: make([]uint64, len(t.always)), hits: make([]sentences, len(rules)), vetoes: make([]sentences, len(rules)),
		}
	}
	return t
}

func parseRange(id, s string) enhancedRange {
	subject, detail, _ := strings.Cut(s, ".")
	from, to, ranged := strings.Cut(detail, "-")
	if !ranged {
		to = from
	}
	var r enhancedRange
	var err [3]error
	r.subject, err[0] = strconv.Atoi(subject)
	r.from, err[1] = strconv.Atoi(from)
	r.to, err[2] = strconv.Atoi(to)
	if err != [3]error{} {
		panic(fmt.Sprintf("reply: rule %s: enhanced code %q", id, s))
	}
	return r
}

// scratch is the space that one judgement needs.
type scratch struct {
	scan
	hits   []sentences // rule → where a phrase of its Any was found
	vetoes []sentences // rule → where its Not or Nowhere forbids it
	wanted []uint64    // bit set: rules of which a phrase was found
}

// ask tells the rules where their phrases were found.
func (t *table) ask(s *scratch) {
	copy(s.wanted, t.always)
	copy(s.hits, t.hits)
	clear(s.vetoes)
	for _, step := range s.touched {
		in := s.in[step]
		for _, u := range t.uses[step] {
			switch u.part {
			case inAny:
				s.wanted[u.rule/64] |= 1 << (u.rule % 64)
				s.hits[u.rule] |= in
			case inNot:
				s.vetoes[u.rule] |= in | in<<1&s.unsure
			case inNowhere:
				s.vetoes[u.rule] = everySentence
			}
		}
	}
}
