package reply

import (
	"strings"

	"rcptgate/verify/verdict"
)

// Classify judges one reply given at a stage by host (an MX name, may be
// empty). It is total and allocates nothing worth naming. 2xx at RCPT:
// Accepted (250, 251) or AcceptUnproven (252, others).
func Classify(stage verdict.Stage, r Reply, host string) Class {
	c := Class{Reason: verdict.Unclassified, Scope: ScopeRecipient, Permanent: r.Code >= 500, Rule: "unclassified"}
	text := strings.ToLower(r.Text())
	switch {
	case stage != verdict.Rcpt && stage != verdict.Data:
		c.Scope = ScopeHost
		if r.Code >= 400 {
			c.Reason, c.Rule = verdict.ProbeBlocked, "early-refusal"
		}
	case r.Code < 400:
		c.Reason, c.Rule = verdict.AcceptUnproven, "ok-other"
		if r.Code == 250 || r.Code == 251 {
			c.Reason, c.Rule = verdict.Accepted, "ok"
		}
	case strings.Contains(text, "blocked") || strings.Contains(text, "blacklisted"):
		c.Reason, c.Rule, c.Scope = verdict.ProbeBlocked, "blocked", ScopeDomain
	case r.Code < 500 && strings.Contains(text, "grey"):
		c.Reason, c.Rule = verdict.Greylisted, "greylisted"
	case r.Code < 500:
		c.Reason, c.Rule = verdict.TemporaryFailure, "temporary"
	case strings.Contains(text, "unknown") || strings.Contains(text, "no such user") || strings.Contains(text, "does not exist"):
		c.Reason, c.Rule, c.PlainUnknown = verdict.MailboxNotFound, "unknown-user", true
	}
	return c
}
