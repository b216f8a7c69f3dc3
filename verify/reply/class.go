package reply

import "rcptgate/verify/verdict"

// Scope says whom or what a reply is about, hence what a refusal closes.
type Scope string

// The scopes, from one mailbox to all hosts of a provider.
const (
	ScopeRecipient Scope = "recipient" // this mailbox
	ScopeDomain    Scope = "domain"    // the recipient's domain, or us at this domain
	ScopeHost      Scope = "host"      // this MX host and us
	ScopeSite      Scope = "site"      // all hosts of the site and us
	ScopeProvider  Scope = "provider"  // all sites of the provider and us
)

// Class is the judgement of one reply.
type Class struct {
	Reason    verdict.Reason
	Scope     Scope
	Permanent bool   // 5xx
	Rule      string // id in Rules
	// FromHost: a rule keyed on the provider of the MX host gave the meaning ("book pattern").
	FromHost bool
	// PlainUnknown: an unknown user in the plainest words, or in those of the
	// provider of the MX host: what postmaster@ may get without meaning a
	// blanket refusal. Words that fit a part of the server, a moment, a list or
	// our sender as well are not plain, even where they give mailbox_not_found.
	PlainUnknown bool
}

// AboutUs reports whether the reply speaks of our address, name, sender, TLS
// or rate, and so says nothing about the recipient (docs/design.md, rule 3).
func (c Class) AboutUs() bool {
	switch c.Reason {
	case verdict.ProbeBlocked, verdict.RateLimited, verdict.SenderRefused, verdict.TLSRequired, verdict.AuthRequired:
		return true
	default:
		return false
	}
}

// AboutMailbox reports a 5xx at RCPT that is about this mailbox and needs a
// control (docs/design.md, rule 4): mailbox_not_found, mailbox_disabled,
// invalid_syntax.
func (c Class) AboutMailbox() bool {
	switch c.Reason {
	case verdict.MailboxNotFound, verdict.MailboxDisabled, verdict.InvalidSyntax:
		return true
	default:
		return false
	}
}
