package verify

import (
	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// need is the control that an answer calls for before it is a verdict.
type need int

const (
	needNothing  need = iota
	needCatchAll      // rule 4a: a 250, and the site's truth is per_domain or unknown
	needPositive      // rule 4b: a 5xx about the mailbox at such a site
	needSample        // rule 4c: the same at a truthful site
)

// judge says what one answer to the real address means, and which control
// must still confirm it. preferred: the answer came from a most-preferred MX.
// It never returns an undeliverable reason without a need, and only for a 5xx
// at RCPT that is about the mailbox (rule 2).
func judge(a pace.Answer, preferred bool, truth provider.Truth) (verdict.Reason, need) {
	r := a.Class.Reason
	code := a.Step.Reply.Code
	switch {
	case !a.Asked:
		return verdict.NotProbed, needNothing
	case a.Step.Failure != probe.NoFailure || a.Step.Stage != verdict.Rcpt:
		if r.Status() != verdict.Unknown || r == "" {
			return verdict.TemporaryFailure, needNothing
		}
		return r, needNothing
	case code/100 == 2:
		return accepted(a, preferred, truth)
	case code/100 == 5 && a.Class.AboutMailbox():
		if truth == provider.Truthful {
			return r, needSample
		}
		return r, needPositive
	}
	switch r.Status() {
	case verdict.Unknown, verdict.Risky:
		if r != "" && r != verdict.AcceptAll && r != verdict.AcceptUnproven {
			return r, needNothing
		}
	case verdict.Deliverable, verdict.Undeliverable:
	}
	// A 4xx is never undeliverable, and a 5xx that is not about the mailbox
	// neither, whatever its text.
	if code/100 == 4 {
		return verdict.TemporaryFailure, needNothing
	}
	return verdict.Unclassified, needNothing
}

// accepted judges a 2xx at RCPT. 250 and 251 count, from a most-preferred MX
// only: a backup MX often knows no mailboxes. 252 is no promise (RFC 5321
// section 3.5.3).
func accepted(a pace.Answer, preferred bool, truth provider.Truth) (verdict.Reason, need) {
	if a.Class.Reason != verdict.Accepted || !preferred {
		return verdict.AcceptUnproven, needNothing
	}
	switch truth {
	case provider.Truthful:
		return verdict.Accepted, needNothing
	case provider.AcceptAll:
		return verdict.AcceptAll, needNothing
	case provider.PerDomain, provider.UnknownTruth:
	}
	return verdict.AcceptUnproven, needCatchAll
}

// judgeRandom says what the answer to the catch-all control tells of the
// domain. learned is false where it tells nothing at all, not even "unknown".
func judgeRandom(a pace.Answer, preferred bool) (c CatchAll, learned bool) {
	code := a.Step.Reply.Code
	switch {
	case !a.Asked || a.Step.Failure == probe.Canceled || !preferred:
		return CatchAllUnknown, false
	case a.Step.Failure != probe.NoFailure || a.Step.Stage != verdict.Rcpt:
		return CatchAllUnknown, true
	case code/100 == 2 && a.Class.Reason == verdict.Accepted:
		return CatchAllYes, true
	case code/100 == 5 && a.Class.AboutMailbox():
		return CatchAllNo, true
	}
	return CatchAllUnknown, true
}

// finding is what a positive control found.
type finding int

const (
	foundNothing finding = iota // 4xx, lost, no answer: says nothing
	foundGood                   // accepted: the site tells mailboxes apart
	foundPlain                  // postmaster@ is plainly unknown: the refusal counts, within a cap
	foundBlanket                // an address that must exist is refused
	foundAboutUs                // the control was refused because of us
)

// judgePositive says what the answer to a positive control means. known: the
// address is known to exist, else it is postmaster@.
func judgePositive(a pace.Answer, known bool) finding {
	code := a.Step.Reply.Code
	switch {
	case !a.Asked || a.Step.Failure != probe.NoFailure:
		return foundNothing
	case a.Step.Stage != verdict.Rcpt && code/100 == 5 && a.Class.AboutUs():
		return foundAboutUs
	case a.Step.Stage != verdict.Rcpt:
		return foundNothing
	case code/100 == 2, code/100 == 5 && a.Class.Reason == verdict.MailboxFull:
		// A full mailbox exists: the site tells mailboxes apart. A 4xx says
		// nothing, not even that: it may be the disk of the MX that is full.
		return foundGood
	case code/100 != 5:
		return foundNothing
	case known:
		return foundBlanket
	case a.Class.PlainUnknown:
		return foundPlain
	}
	return foundBlanket
}

// possible are the reasons that may come of the work behind, in the order in
// which stages rule them out. Pending and internal_error are in none: they
// are about the asker and about us, and the asker leaves with another answer.
func possible(drop ...verdict.Reason) []verdict.Reason {
	out := make([]verdict.Reason, 0, 32)
rows:
	for _, i := range verdict.Table() {
		for _, d := range drop {
			if i.Reason == d {
				continue rows
			}
		}
		switch i.Reason {
		case verdict.Delivered, verdict.Pending, verdict.InternalError:
			continue
		}
		out = append(out, i.Reason)
	}
	return out
}

// The sets of reasons that are possible at a point of the way. Read-only.
var (
	possibleAtStart = possible()
	possibleAtMX    = possible(verdict.DomainNotFound, verdict.DomainNoMail, verdict.MXReserved, verdict.DNSFailure)
	possibleTruth   = possible(verdict.DomainNotFound, verdict.DomainNoMail, verdict.MXReserved, verdict.DNSFailure, verdict.AcceptAll)
	possibleGood    = []verdict.Reason{verdict.Accepted, verdict.AcceptAll, verdict.AcceptUnproven}
)

// possibleRefused are the reasons that a refusal may still become while its
// control is under way.
func possibleRefused(r verdict.Reason) []verdict.Reason {
	return []verdict.Reason{
		r, verdict.BlanketRefusal, verdict.Unclassified, verdict.TemporaryFailure, verdict.Greylisted,
		verdict.ProbeBlocked, verdict.RateLimited, verdict.SenderRefused, verdict.TLSRequired, verdict.AuthRequired,
	}
}
