package reply

import (
	"math/bits"
	"slices"
	"strings"

	"rcptgate/verify/verdict"
)

// question is one reply, made ready for the rules.
type question struct {
	early    bool
	code     int
	enhanced Enhanced
	host     string
}

// Classify judges one reply given at a stage by host (an MX name, may be
// empty). It is total and allocates nothing worth naming. All lines are read:
// some servers say what they mean only in the last one.
//
// 2xx at RCPT is Accepted (250, 251) or AcceptUnproven (252 and others: RFC
// 5321 section 3.5.3). Data is judged as RCPT. Any other stage comes before
// RCPT, where nothing is ever about a mailbox (docs/design.md, rule 2).
//
// The scope, where the rule names none: what is about us is about this host
// before RCPT, but about its site where our address, a list or a rate is named
// or the sender is refused; at RCPT it is about the domain. What is about the
// mailbox, or about nobody, is about the recipient.
func Classify(stage verdict.Stage, r Reply, host string) Class {
	early := stage != verdict.Rcpt && stage != verdict.Data
	if r.Code < 400 {
		return positive(early, r.Code)
	}
	return book.judge(question{early: early, code: r.Code, enhanced: r.Enhanced, host: host}, stage, r.Lines)
}

// positive judges 2xx and 3xx. Before RCPT they say nothing of an address, and
// 3xx is no answer to any command we send (RFC 5321 section 4.2.1).
func positive(early bool, code int) Class {
	c := Class{Reason: verdict.Unclassified, Scope: ScopeRecipient, Rule: "positive-other"}
	switch {
	case early:
		c.Scope, c.Rule = ScopeHost, "positive-early"
	case code == 250 || code == 251:
		c.Reason, c.Rule = verdict.Accepted, "accepted"
	case code < 300:
		c.Reason, c.Rule = verdict.AcceptUnproven, "accept-unproven"
	}
	return c
}

func (t *table) judge(q question, stage verdict.Stage, lines []string) Class {
	s := t.scratch.Get().(*scratch)
	defer t.scratch.Put(s)
	s.reset(len(t.uses))
	for i, line := range lines {
		_, text := cutEnhanced(line, q.code)
		s.text = appendLine(s.text, lines[:i], text)
		if q.enhanced.IsZero() {
			q.enhanced = hashEnhanced(line, q.code)
		}
	}
	t.matcher.run(&s.scan)
	t.ask(s)
	namesUs := s.found(t.namesUs)
	for w, word := range s.wanted {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			rule := &t.rules[i]
			if s.hits[i]&^s.vetoes[i]&rule.hears != 0 && rule.meets(q, &s.scan) {
				return rule.class(q, namesUs)
			}
		}
	}
	return last(q, stage, namesUs)
}

// meets reports whether a reply meets all conditions but those of Any, Not and
// Nowhere.
func (c *compiled) meets(q question, s *scan) bool {
	switch {
	case c.At == Early && !q.early, c.At == AtRcpt && q.early:
		return false
	case c.Digit != 0 && c.Digit != q.code/100:
		return false
	case len(c.Codes) > 0 && !slices.Contains(c.Codes, q.code):
		return false
	case len(c.enhanced) > 0 && !slices.ContainsFunc(c.enhanced, q.enhanced.in):
		return false
	case slices.ContainsFunc(c.notEnhanced, q.enhanced.in):
		return false
	case len(c.Hosts) > 0 && !hostIn(q.host, c.Hosts), c.NoHost && q.host != "":
		return false
	case len(c.and) > 0 && !slices.ContainsFunc(c.and, s.found):
		return false
	case c.Words != 0 && plainWords(s.text) > c.Words:
		return false
	}
	return true
}

func (e Enhanced) in(r enhancedRange) bool {
	return !e.IsZero() && e.Subject == r.subject && e.Detail >= r.from && e.Detail <= r.to
}

// hostIn reports whether an MX name is one of the names or under one of the
// suffixes, letter case and a trailing dot ignored.
func hostIn(host string, names []string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" {
		return false
	}
	for _, n := range names {
		bare := strings.TrimPrefix(n, ".")
		if strings.EqualFold(host, bare) {
			return true
		}
		if d := len(host) - len(n); len(bare) < len(n) && d > 0 && strings.EqualFold(host[d:], n) {
			return true
		}
	}
	return false
}

func (c *compiled) class(q question, namesUs bool) Class {
	k := Class{
		Reason: c.Reason, Scope: c.Scope, Permanent: q.code >= 500, Rule: c.ID, FromHost: len(c.Hosts) > 0 || hostIn(q.host, c.Home),
	}
	k.PlainUnknown = c.Plain && (len(c.Home) == 0 || k.FromHost)
	if len(c.Home) > 0 && !k.FromHost && k.Scope != ScopeRecipient {
		k.Scope = ""
	}
	switch {
	case q.early && k.Scope == "":
		k.Scope = earlyScope(c.Reason, namesUs)
	case k.Scope != "":
	case k.AboutUs() && k.FromHost:
		k.Scope = ScopeSite
	case k.AboutUs(), c.Reason == verdict.DomainRefused, c.Reason == verdict.RelayDenied:
		k.Scope = ScopeDomain
	default:
		k.Scope = ScopeRecipient
	}
	return k
}

func earlyScope(r verdict.Reason, namesUs bool) Scope {
	if r == verdict.RateLimited || r == verdict.SenderRefused || r == verdict.ProbeBlocked && namesUs {
		return ScopeSite
	}
	return ScopeHost
}

// last judges what no rule knows. It is the only place that looks at the stage
// itself.
func last(q question, stage verdict.Stage, namesUs bool) Class {
	c := Class{Reason: verdict.Unclassified, Scope: ScopeRecipient, Permanent: q.code >= 500, Rule: "unclassified"}
	switch {
	case q.early && q.code == 521: // RFC 7504 section 4
		c.Reason, c.Rule = verdict.Unreachable, "takes-no-mail"
	case q.code < 500:
		c.Reason, c.Rule = verdict.TemporaryFailure, "temporary"
	case stage == verdict.Connect:
		c.Reason, c.Rule = verdict.ProbeBlocked, "greeting-refused"
	case stage == verdict.EHLO || stage == verdict.HELO:
		c.Reason, c.Rule = verdict.ProbeBlocked, "hello-refused"
	case stage == verdict.Mail:
		c.Reason, c.Rule = verdict.SenderRefused, "mail-refused"
	}
	switch {
	case q.early:
		c.Scope = earlyScope(c.Reason, namesUs)
	case q.code == 421:
		c.Scope = ScopeHost // the server is closing the channel: RFC 5321 section 3.8
	}
	return c
}

// hashEnhanced finds the form "#5.1.1" that qmail puts at the end of its
// texts and Cisco at their start.
func hashEnhanced(line string, code int) Enhanced {
	for {
		i := strings.IndexByte(line, '#')
		if i < 0 || i+1 == len(line) {
			return Enhanced{}
		}
		line = line[i+1:]
		text := line
		if end := strings.IndexByte(text, ')'); end >= 0 {
			text = text[:end]
		}
		if e, _ := cutEnhanced(text, code); !e.IsZero() {
			return e
		}
	}
}
