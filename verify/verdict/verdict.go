// Package verdict holds the words in which rcptgate speaks of one address:
// status, reason, tag, origin, stage and the verdict made of them. The sets
// are closed; Table is the one place that lists the reasons, and the
// documentation, the metrics, the configuration and the JSON read it.
//
// The package judges nothing and does no I/O.
package verdict

import (
	"net/netip"
	"slices"
	"time"
)

// Status says what may be done with an address.
type Status string

// The four statuses.
const (
	Deliverable   Status = "deliverable"
	Undeliverable Status = "undeliverable"
	Risky         Status = "risky"
	Unknown       Status = "unknown"
)

// Valid returns the tri-state of the JSON interface: true, false, or nil where
// neither is known.
func (s Status) Valid() *bool {
	switch s {
	case Deliverable:
		v := true
		return &v
	case Undeliverable:
		v := false
		return &v
	case Risky, Unknown:
		return nil
	}
	return nil
}

// Reason says why an address has its status.
type Reason string

// The reasons, in the order of Table.
const (
	Accepted  Reason = "accepted"
	Delivered Reason = "delivered"

	MailboxNotFound Reason = "mailbox_not_found"
	MailboxDisabled Reason = "mailbox_disabled"
	DomainNotFound  Reason = "domain_not_found"
	DomainNoMail    Reason = "domain_no_mail"
	InvalidSyntax   Reason = "invalid_syntax"

	AcceptAll      Reason = "accept_all"
	AcceptUnproven Reason = "accept_unproven"
	MailboxFull    Reason = "mailbox_full"

	Greylisted          Reason = "greylisted"
	RateLimited         Reason = "rate_limited"
	ProbeBlocked        Reason = "probe_blocked"
	SenderRefused       Reason = "sender_refused"
	RecipientPolicy     Reason = "recipient_policy"
	RelayDenied         Reason = "relay_denied"
	TLSRequired         Reason = "tls_required"
	AuthRequired        Reason = "auth_required"
	SMTPUTF8Unsupported Reason = "smtputf8_unsupported"
	BlanketRefusal      Reason = "blanket_refusal"
	DomainRefused       Reason = "domain_refused"
	TemporaryFailure    Reason = "temporary_failure"
	Timeout             Reason = "timeout"
	Unreachable         Reason = "unreachable"
	MXReserved          Reason = "mx_reserved"
	DNSFailure          Reason = "dns_failure"
	ProtocolError       Reason = "protocol_error"
	Unclassified        Reason = "unclassified"
	NotProbed           Reason = "not_probed"
	Pending             Reason = "pending"
	InternalError       Reason = "internal_error"
)

// Info is one row of Table.
type Info struct {
	Reason Reason
	Status Status
	Means  string // one sentence for the documentation
	// Refresh is the age from which a verdict is asked again when somebody
	// wants it; zero means that it is not refreshed before it expires.
	Refresh time.Duration
	// Expire is the age from which a verdict is no longer used; zero means
	// that it is never stored.
	Expire time.Duration
}

const day = 24 * time.Hour

var table = []Info{
	{Accepted, Deliverable, "a most-preferred MX accepted the recipient, and that site tells the truth at RCPT", 7 * day, 31 * day},
	{Delivered, Deliverable, "a real message to the address was delivered", 7 * day, 31 * day},

	{MailboxNotFound, Undeliverable, "the MX says that this mailbox does not exist, and its control passed", 12 * time.Hour, 3 * day},
	{MailboxDisabled, Undeliverable, "the MX says that this mailbox is disabled, and its control passed", 12 * time.Hour, 3 * day},
	{DomainNotFound, Undeliverable, "the domain does not exist (NXDOMAIN from our own DNS, asked twice)", time.Hour, day},
	{DomainNoMail, Undeliverable, "the domain takes no mail: a null MX (RFC 7505), or neither MX nor address", time.Hour, day},
	{InvalidSyntax, Undeliverable, "no SMTP command can carry the address, or the MX refuses its syntax (5.1.3)", 12 * time.Hour, 3 * day},

	{AcceptAll, Risky, "the domain or site accepts every recipient", day, 7 * day},
	{AcceptUnproven, Risky, "accepted, but nothing is known of how truthful the site is (also 252, or a less-preferred MX)", day, 7 * day},
	{MailboxFull, Risky, "the mailbox exists and is over quota", 6 * time.Hour, day},

	{Greylisted, Unknown, "the MX asks to try again later, as greylisting does", 0, 2 * time.Hour},
	{RateLimited, Unknown, "the MX says that we ask too often", 0, 0},
	{ProbeBlocked, Unknown, "the MX blocks our address or name", 0, 0},
	{SenderRefused, Unknown, "the MX refuses the probe sender", 0, 0},
	{RecipientPolicy, Unknown, "the recipient's side refuses by a policy that does not say whether the mailbox exists", time.Hour, 6 * time.Hour},
	{RelayDenied, Unknown, "the MX says that it does not relay for this domain", time.Hour, 6 * time.Hour},
	{TLSRequired, Unknown, "the MX wants TLS that could not be had", 0, 0},
	{AuthRequired, Unknown, "the MX wants authentication", 0, 0},
	{SMTPUTF8Unsupported, Unknown, "the address needs SMTPUTF8 and the MX does not offer it", 5 * time.Minute, 30 * time.Minute},
	{BlanketRefusal, Unknown, "the MX refuses addresses that must exist too, so its refusals say nothing", time.Hour, 6 * time.Hour},
	{DomainRefused, Unknown, "the MX says that the domain is unknown there or takes no mail", time.Hour, 6 * time.Hour},
	{TemporaryFailure, Unknown, "a temporary failure without more words", 5 * time.Minute, 30 * time.Minute},
	{Timeout, Unknown, "the MX did not answer in time", 5 * time.Minute, 30 * time.Minute},
	{Unreachable, Unknown, "no MX could be connected to, or none has an address", 5 * time.Minute, 30 * time.Minute},
	{MXReserved, Unknown, "the MX addresses lie in networks that are never asked", 5 * time.Minute, 30 * time.Minute},
	{DNSFailure, Unknown, "the DNS gave no usable answer", 5 * time.Minute, 30 * time.Minute},
	{ProtocolError, Unknown, "the MX broke the SMTP protocol", 5 * time.Minute, 30 * time.Minute},
	{Unclassified, Unknown, "the reply fits no known meaning", time.Hour, 6 * time.Hour},
	{NotProbed, Unknown, "not asked: policy, provider, budget, breaker, or no working network", 0, 0},
	{Pending, Unknown, "the asker's time ran out before the answer came", 0, 0},
	{InternalError, Unknown, "rcptgate itself failed", 0, 0},
}

var byReason = func() map[Reason]Info {
	m := make(map[Reason]Info, len(table))
	for _, i := range table {
		m[i.Reason] = i
	}
	return m
}()

// Table returns all reasons with their status, meaning and clocks, in the
// order of the documentation. The slice is a copy.
func Table() []Info { return slices.Clone(table) }

// Lookup returns the row of a reason; ok is false for a word that is none.
func Lookup(r Reason) (i Info, ok bool) {
	i, ok = byReason[r]
	return i, ok
}

// Status returns the status that belongs to a reason, Unknown for a word that
// is none.
func (r Reason) Status() Status {
	if i, ok := byReason[r]; ok {
		return i.Status
	}
	return Unknown
}

// Conclusive reports whether a verdict of this reason says something about
// the mailbox, so that no inconclusive answer may overwrite it before it
// expires.
func (r Reason) Conclusive() bool { return r.Status() != Unknown }

// Stored reports whether verdicts of this reason are kept at all.
func (r Reason) Stored() bool { return byReason[r].Expire > 0 }

// Tag is a mark beside the status.
type Tag string

// The tags.
const (
	Disposable   Tag = "disposable"
	Role         Tag = "role"
	Free         Tag = "free"
	TypoDomain   Tag = "typo_domain"
	ListedDomain Tag = "listed_domain"
	Suspect      Tag = "suspect" // a negative seen while its site refused blindly; never enforced
)

// Tags returns all tags in the order of the documentation.
func Tags() []Tag { return []Tag{Disposable, Role, Free, TypoDomain, ListedDomain, Suspect} }

// Origin says where a verdict comes from.
type Origin string

// The origins. Verdicts that come from nowhere but ourselves (not_probed,
// pending, internal_error, an address no command can carry) have none.
const (
	FromProbe    Origin = "probe"
	FromControl  Origin = "control"
	FromDNS      Origin = "dns"
	FromList     Origin = "list"
	FromDelivery Origin = "delivery"
)

// Served says how fresh a verdict is to the asker.
type Served string

// The ways a verdict is served.
const (
	Fresh     Served = "fresh"
	FromCache Served = "cache"
	FromFleet Served = "fleet"
)

// Stage is the point of an SMTP dialogue at which something was said.
type Stage string

// The stages in their order. Data is judged as Rcpt and is never reached by a
// probe; DNS is what comes before any dialogue.
const (
	DNS      Stage = "dns"
	Connect  Stage = "connect" // TCP connection and greeting
	EHLO     Stage = "ehlo"
	HELO     Stage = "helo"
	StartTLS Stage = "starttls"
	Mail     Stage = "mail"
	Rcpt     Stage = "rcpt"
	Data     Stage = "data"
)

// Evidence is what a verdict rests on. Text is already capped, printable, and
// has the address replaced by "<rcpt>".
type Evidence struct {
	Stage    Stage
	MX       string
	MXIP     netip.Addr
	SourceIP netip.Addr
	Code     int
	Enhanced string
	Text     string
	TLS      string // protocol version such as "TLSv1.3"; empty in plain text
	Took     time.Duration
	Rule     string // id of the classifier rule
}

// Verdict is what is known of one address. The status follows from the reason.
type Verdict struct {
	Reason     Reason
	Tags       []Tag
	Suggestion string // a domain, with typo_domain
	Origin     Origin
	Served     Served
	Evidence   Evidence
	Site       string // the MX site, empty where no MX was looked up
	Provider   string // name in the provider book, or empty
	ProbeID    string // the dialogue that gave the answer
	CheckedAt  time.Time
	RefreshAt  time.Time // zero: not refreshed before it expires
	ExpiresAt  time.Time // zero: not stored
	// RetryAfter says when to ask again, with pending; zero otherwise.
	RetryAfter time.Duration
}

// New returns a verdict of the reason, checked at now, with the clocks of the
// table.
func New(r Reason, o Origin, now time.Time) *Verdict {
	v := &Verdict{Reason: r, Origin: o, Served: Fresh, CheckedAt: now}
	i := byReason[r]
	if i.Refresh > 0 {
		v.RefreshAt = now.Add(i.Refresh)
	}
	if i.Expire > 0 {
		v.ExpiresAt = now.Add(i.Expire)
	}
	return v
}

// Status returns the status that follows from the reason.
func (v Verdict) Status() Status { return v.Reason.Status() }

// Has reports whether the verdict bears the tag.
func (v Verdict) Has(t Tag) bool { return slices.Contains(v.Tags, t) }

// Stale reports whether the verdict should be asked again at now.
func (v Verdict) Stale(now time.Time) bool {
	return !v.RefreshAt.IsZero() && !now.Before(v.RefreshAt)
}

// Expired reports whether the verdict must not be used any more at now.
func (v Verdict) Expired(now time.Time) bool { return !now.Before(v.ExpiresAt) }
