// Package policy turns a verdict into a decision: which rule holds for this
// recipient, whether it is asked about at all, how long the asker waits, and
// what the MTA is told (RFC 5321 section 4.2, RFC 3463).
//
// It asks no server and knows no protocol of an MTA. It never refuses because of
// trouble of our own: that is always accept. Remote text never gets into what it
// answers. The rules of safety it keeps are those of docs/design.md on failing
// open, outbound mail only, and what an MTA may be told.
package policy

import (
	"net/netip"
	"strconv"

	"rcptgate/verify/address"
	"rcptgate/verify/verdict"
)

// Door is where a query came in.
type Door string

// The doors.
const (
	DoorPolicy Door = "policy"
	DoorMilter Door = "milter"
	DoorAPI    Door = "api" // the admin socket, or a token
	DoorCLI    Door = "cli"
)

// Mode says what a rule does with its decisions.
type Mode string

// The modes.
const (
	ModeOff     Mode = "off"     // no probes, nothing enforced
	ModeMonitor Mode = "monitor" // answered at once, probed behind, recorded what would have been
	ModeWarn    Mode = "warn"    // as enforce, but accepted with a warning
	ModeEnforce Mode = "enforce"
)

// Action is what becomes of a recipient.
type Action string

// The actions. Delete is the milter's, for decide = "end"; no rule makes it.
const (
	Accept Action = "accept"
	Defer  Action = "defer"
	Reject Action = "reject"
	Delete Action = "delete"
)

// Query is one recipient as a door sees it.
type Query struct {
	Door          Door
	Sender        string
	SenderForm    address.Form
	Recipient     string
	RecipientForm address.Form
	Client        netip.Addr // zero: unknown
	SASLUsername  string
	PolicyContext string // milter: {daemon_name}
	// Instance names the message: Postfix's instance, the milter's transaction.
	// It is the key of message_budget and max_refusals, and of the memory that
	// makes one decision of identical requests; empty: none of the three.
	Instance string
	QueueID  string
	Stress   bool // Postfix is overloaded: only what is known is answered
	// NoReject: the MTA cannot refuse this recipient here (non-SMTP submission):
	// the decision is always accept, at once, recorded with would.
	NoReject bool
	// AtEnd: one reply at the end of the message stands for all its recipients.
	// max_refusals does not apply, as the client sees one error, and the record
	// waits for Decision.Told.
	AtEnd bool
}

// Decision is what the door tells the MTA. Code, Enhanced and Text are set for
// defer and reject, and with Warning.
type Decision struct {
	ID       string // of this decision, in its text and its audit record
	Action   Action
	Code     int    // 450–459 or 550–559
	Enhanced string // RFC 3463; its class is the code's
	Text     string // printable ASCII, at most 200 bytes, no remote text, without codes
	Warning  bool   // warn mode: Action is accept, the reply is what would have been
	Would    Action // where Action is not enforced: what enforcing would do; empty in monitor mode, where it is recorded later
	Rule     string
	Mode     Mode
	Verdict  *verdict.Verdict // others may have it too; of a request that came again only its Reason

	told func(a Action, reply string)
}

// Told completes a decision that was asked for with Query.AtEnd: what became of
// the recipient, and the reply the MTA was given ("550 5.1.1 text", empty with
// accept and delete). The door calls it once for each, also when the message is
// aborted (then with accept); until then there is no record. Of other decisions it
// does nothing, and so does a second call.
func (d Decision) Told(a Action, reply string) {
	if d.told != nil {
		d.told(a, reply)
	}
}

// ReplyText is "550 5.1.1 text", empty without a code.
func (d Decision) ReplyText() string {
	if d.Code == 0 {
		return ""
	}
	return strconv.Itoa(d.Code) + " " + d.Enhanced + " " + d.Text
}
