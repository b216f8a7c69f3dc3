package audit

import (
	"net/netip"
	"time"

	"rcptgate/verify/verdict"
)

// Event is one audit record: *Decision, *Probe, *Breaker, *Config or *Admin. It
// is not changed any more once it was recorded.
type Event interface {
	kind() string
	// at returns where the event keeps its time.
	at() *time.Time
}

// Kind returns the word of the member "event".
func Kind(e Event) string { return e.kind() }

// Decision is written once per decision.
type Decision struct {
	Time                                           time.Time
	ID, Door, Mode, Instance, QueueID, Client      string
	SASLUsername, PolicyContext, Sender, Recipient string
	Rule                                           string
	Status                                         verdict.Status
	Reason                                         verdict.Reason
	Tags                                           []verdict.Tag
	Origin                                         verdict.Origin
	Served                                         verdict.Served
	Age                                            time.Duration // of the verdict; written when it was not fresh
	Wait                                           time.Duration // what the asker waited, in monitor mode the record
	Site, Provider, ProbeID                        string
	Action                                         string // accept|defer|reject|delete
	Would                                          string // in monitor and warn mode: what enforcing would have done
	SMTPReply                                      string
}

// Probe is written once per dialogue.
type Probe struct {
	Time              time.Time
	ProbeID, Why      string
	Addresses         []string
	MX                string
	MXIP, SourceIP    netip.Addr
	HELO, Sender, TLS string
	Stage             verdict.Stage // the last stage reached
	Replies           []string      // "rcpt 550 5.1.1 …", capped, printable
	Took              time.Duration
}

// Breaker says which breaker changed, from what to what, why and until when.
type Breaker struct {
	Time                  time.Time
	Scope, Name, SourceIP string
	From, To              string
	Reason                verdict.Reason
	Until                 time.Time
	Text                  string
}

// Config says what became of a configuration.
type Config struct {
	Time   time.Time
	What   string // loaded | reloaded | refused | …
	Hash   string
	Detail string
}

// Admin says what an operator did.
type Admin struct {
	Time         time.Time
	What, Detail string
}

func (*Decision) kind() string { return "decision" }
func (*Probe) kind() string    { return "probe" }
func (*Breaker) kind() string  { return "breaker" }
func (*Config) kind() string   { return "config" }
func (*Admin) kind() string    { return "admin" }

func (d *Decision) at() *time.Time { return &d.Time }
func (p *Probe) at() *time.Time    { return &p.Time }
func (b *Breaker) at() *time.Time  { return &b.Time }
func (c *Config) at() *time.Time   { return &c.Time }
func (a *Admin) at() *time.Time    { return &a.Time }

// refused reports a decision against a recipient, real or would-have-been.
func (d *Decision) refused() bool {
	return d.Action != "accept" && d.Action != "" || d.Would != "accept" && d.Would != ""
}
