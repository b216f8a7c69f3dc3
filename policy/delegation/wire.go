package delegation

import (
	"bytes"
	"errors"
	"net/netip"
	"strconv"

	"rcptgate/policy"
	"rcptgate/verify/address"
)

// The limits of one request. Postfix's own line limit is four times its
// line_length_limit of 2,048.
const (
	maxLine       = 8192 // without the newline
	maxAttributes = 200
	maxRequest    = 64 << 10
)

// What cannot be parsed. The connection is closed without a reply, as
// SMTPD_POLICY_README asks; Postfix then does its default action.
var (
	errLongLine    = errors.New("line longer than 8192 bytes")
	errNoEquals    = errors.New("line without name=value")
	errNUL         = errors.New("NUL byte")
	errTooMuch     = errors.New("request of more than 200 attributes or 64 KiB")
	errNoRequest   = errors.New("not a request=smtpd_access_policy")
	errNoAttribute = errors.New("empty request")
)

// attribute is one that we use.
type attribute int

const (
	request attribute = iota
	protocolState
	queueID
	sender
	recipient
	clientAddress
	instance
	saslUsername
	policyContext
	stress
	attributes // how many
)

func attributeOf(name []byte) (attribute, bool) {
	switch string(name) { // no allocation
	case "request":
		return request, true
	case "protocol_state":
		return protocolState, true
	case "queue_id":
		return queueID, true
	case "sender":
		return sender, true
	case "recipient":
		return recipient, true
	case "client_address":
		return clientAddress, true
	case "instance":
		return instance, true
	case "sasl_username":
		return saslUsername, true
	case "policy_context":
		return policyContext, true
	case "stress":
		return stress, true
	}
	return 0, false
}

// message is one request being read, line by line. The values that we use are
// copied; of a repeated name the first is kept.
type message struct {
	values []byte
	span   [attributes]struct{ from, to int }
	seen   [attributes]bool
	count  int
	size   int
}

func (m *message) reset() {
	values := m.values[:0]
	if cap(values) > maxLine { // do not keep what one large request needed
		values = nil
	}
	*m = message{values: values}
}

// begun reports that a part of a request has been read.
func (m *message) begun() bool { return m.count > 0 }

// add takes one line without its newline. An empty line ends the request and is
// not for add.
func (m *message) add(line []byte) error {
	m.count++
	m.size += len(line) + 1
	name, value, ok := bytes.Cut(line, []byte{'='})
	switch {
	case len(line) > maxLine:
		return errLongLine
	case m.count > maxAttributes, m.size > maxRequest:
		return errTooMuch
	case bytes.IndexByte(line, 0) >= 0:
		return errNUL
	case !ok, len(name) == 0:
		return errNoEquals
	}
	a, ours := attributeOf(name)
	if !ours || m.seen[a] {
		return nil
	}
	m.seen[a] = true
	m.span[a].from = len(m.values)
	m.values = append(m.values, value...)
	m.span[a].to = len(m.values)
	return nil
}

// query makes of a complete request what policy asks for; ok is false where there
// is nothing to decide: another state than RCPT, or no recipient. Missing, empty
// and unparsable values are not available.
func (m *message) query() (q policy.Query, ok bool, err error) {
	if m.count == 0 {
		return q, false, errNoAttribute
	}
	all := string(m.values) // one allocation for all values
	get := func(a attribute) string { return all[m.span[a].from:m.span[a].to] }
	if get(request) != "smtpd_access_policy" {
		return q, false, errNoRequest
	}
	q = policy.Query{
		Door: policy.DoorPolicy, SenderForm: address.Internal, RecipientForm: address.Internal,
		Sender: get(sender), Recipient: get(recipient), SASLUsername: get(saslUsername),
		PolicyContext: get(policyContext), Instance: get(instance), QueueID: get(queueID),
		Stress: get(stress) == "yes",
	}
	if ip, err := netip.ParseAddr(get(clientAddress)); err == nil {
		q.Client = ip
	}
	return q, get(protocolState) == "RCPT" && q.Recipient != "", nil
}

// state is the protocol state of a request, for the journal.
func (m *message) state() string {
	return string(m.values[m.span[protocolState].from:m.span[protocolState].to])
}

const dunno = "action=DUNNO\n\n"

// appendReply encodes a decision. Of all that an access(5) table could say only
// DUNNO, a code of our own with its text, and WARN leave here. An explicit 4xx is
// sent for defer, rather than DEFER_IF_PERMIT: the client learns our code and
// words, and a restriction after us could only turn the deferral into a refusal.
// What does not fit the form is DUNNO.
func appendReply(dst []byte, d policy.Decision) []byte {
	lowest := 0
	switch {
	case d.Action == policy.Reject || d.Action == policy.Accept && d.Warning && d.Code >= 500:
		lowest = 550
	case d.Action == policy.Defer || d.Action == policy.Accept && d.Warning:
		lowest = 450
	default:
		return append(dst, dunno...)
	}
	if d.Code < lowest || d.Code > lowest+9 || d.Text == "" {
		return append(dst, dunno...)
	}
	dst = append(dst, "action="...)
	if d.Action == policy.Accept {
		dst = append(dst, "WARN recipient would be refused: "...)
	}
	dst = strconv.AppendInt(dst, int64(d.Code), 10)
	for _, s := range [2]string{d.Enhanced, d.Text} {
		if s != "" {
			dst = append(dst, ' ')
			dst = appendPrintable(dst, s)
		}
	}
	return append(dst, '\n', '\n')
}

// maxText is what one part of a reply may be long.
const maxText = 200

// appendPrintable lets nothing but printable ASCII through, whatever policy
// promised: a newline would end the reply.
func appendPrintable(dst []byte, s string) []byte {
	for i := range min(len(s), maxText) {
		c := s[i]
		if c < ' ' || c > '~' {
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}
