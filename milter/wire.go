package milter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	gomilter "github.com/emersion/go-milter"
)

// Commands of the protocol beyond those that the library names.
const (
	cmdUnknown = 'U' // SMFIC_UNKNOWN, since version 3
	cmdQuitNC  = 'K' // SMFIC_QUIT_NC, since version 6
)

// Limits of one packet, length word excluded. A command carries an SMTP command
// line or macros; a header line of Postfix may have 100 KiB
// (header_size_limit), a body chunk has at most 65,535 octets.
const (
	maxCommand = 64 << 10
	maxContent = 256 << 10
)

var (
	errZeroLength = errors.New("packet of length zero")
	errTruncated  = errors.New("packet cut short")
	errOrder      = errors.New("command out of order")
	errUnknown    = errors.New("unknown command")
)

// packetLimit is the longest packet, command byte included, that a command may
// make.
func packetLimit(cmd byte) int {
	switch gomilter.Code(cmd) {
	case gomilter.CodeHeader, gomilter.CodeBody:
		return maxContent
	default:
		return maxCommand
	}
}

// answered reports whether the MTA waits for a reply to the command.
func answered(cmd byte) bool {
	switch gomilter.Code(cmd) {
	case gomilter.CodeAbort, gomilter.CodeMacro, gomilter.CodeQuit, cmdQuitNC:
		return false
	default:
		return true
	}
}

// offer is what the MTA can do, or what a filter asks for.
type offer struct {
	version  uint32
	actions  gomilter.OptAction
	protocol gomilter.OptProtocol
}

// protocolVersion is the version that the library speaks. Postfix and Sendmail
// offer 6 and go down to it; both take a macro list under version 2 as well
// (seen with Postfix 3.7.11 and Sendmail 8.17.1, which offer actions 0x1ff and
// steps 0x1fffff).
const protocolVersion = 2

// unwanted are the steps that we do without. The bits above NOEOH came with
// later versions; under version 2 the MTAs leave those steps out by themselves,
// and Sendmail disables a filter that asks for what was not offered. No bit is
// asked that takes replies away (the library replies all the same), nor
// RCPT_REJ (it brings recipients that are refused already).
const unwanted = gomilter.OptNoHelo | gomilter.OptNoBody | gomilter.OptNoHeaders | gomilter.OptNoEOH

// symbols are the macros that we ask for. A site may have set the lists for
// another filter, so that the address macros are missing; and Postfix's default
// list for RCPT lacks who is authenticated.
var symbols = []struct {
	stage gomilter.Stage
	names string
}{
	{gomilter.StageConnect, "j {daemon_name} {client_addr} v"},
	{gomilter.StageMailFrom, "i {auth_type} {auth_authen} {client_addr} {daemon_name} {mail_addr}"},
	{gomilter.StageRcptTo, "i {rcpt_addr} {rcpt_host} {rcpt_mailer} {auth_authen} {client_addr} {daemon_name}"},
	{gomilter.StageEOM, "i"},
}

// parseOffer reads the MTA's OPTNEG.
func parseOffer(data []byte) (offer, error) {
	if len(data) < 12 {
		return offer{}, errTruncated
	}
	o := offer{
		version:  binary.BigEndian.Uint32(data),
		actions:  gomilter.OptAction(binary.BigEndian.Uint32(data[4:])),
		protocol: gomilter.OptProtocol(binary.BigEndian.Uint32(data[8:])),
	}
	if o.version < protocolVersion {
		return offer{}, fmt.Errorf("milter protocol version %d, need %d", o.version, protocolVersion)
	}
	return o, nil
}

// agree is the answer to an offer: what we want and the MTA offered, and not a
// bit more.
func agree(mta offer, remove bool) offer {
	want := gomilter.OptSetSymList
	if remove {
		want |= gomilter.OptRemoveRcpt
	}
	return offer{protocolVersion, mta.actions & want, mta.protocol & unwanted}
}

// encode makes the answer's packet data.
func (o offer) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, o.version)
	b = binary.BigEndian.AppendUint32(b, uint32(o.actions))
	b = binary.BigEndian.AppendUint32(b, uint32(o.protocol))
	if o.actions&gomilter.OptSetSymList != 0 {
		for _, s := range symbols {
			b = binary.BigEndian.AppendUint32(b, uint32(s.stage))
			b = append(append(b, s.names...), 0)
		}
	}
	return b
}

// connection is what CONNECT says of the SMTP client.
type connection struct {
	host string
	port uint16
	addr netip.Addr // zero: unknown, or a UNIX socket
}

// simulated reports Postfix's cleanup service: for mail that did not come by
// SMTP (sendmail(1), qmqpd) it plays a session from port 0 of localhost, and
// cannot refuse a recipient of it.
func (c connection) simulated() bool { return c.host == "localhost" && c.port == 0 }

// parseConnect reads CONNECT: a host name, a family, and for the Internet
// families a port and an address.
func parseConnect(data []byte) (connection, error) {
	host, rest, ok := bytes.Cut(data, []byte{0})
	if !ok || len(rest) < 1 {
		return connection{}, errTruncated
	}
	c := connection{host: string(host)}
	family := gomilter.ProtoFamily(rest[0])
	if family != gomilter.FamilyInet && family != gomilter.FamilyInet6 {
		return c, nil
	}
	if len(rest) < 3 {
		return connection{}, errTruncated
	}
	c.port = binary.BigEndian.Uint16(rest[1:])
	c.addr = parseAddr(cstring(rest[3:]))
	return c, nil
}

// parseAddr reads an address as MTAs write it, with or without the prefix of
// an IPv6 literal (RFC 5321 section 4.1.3). What is none is the zero Addr.
func parseAddr(s string) netip.Addr {
	if len(s) > 5 && strings.EqualFold(s[:5], "IPv6:") {
		s = s[5:]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}
	}
	return a.WithZone("").Unmap()
}

// parseMacros reads DEFMACRO: the command that the macros belong to, then names
// and values.
func parseMacros(data []byte) (stage byte, macros map[string]string, err error) {
	if len(data) == 0 {
		return 0, nil, errTruncated
	}
	stage, data = data[0], data[1:]
	macros = make(map[string]string)
	for len(data) > 0 {
		var name, value []byte
		name, data, _ = bytes.Cut(data, []byte{0})
		value, data, _ = bytes.Cut(data, []byte{0})
		macros[string(name)] = string(value)
	}
	return stage, macros, nil
}

// cstring is the text before the first NUL.
func cstring(data []byte) string {
	text, _, _ := bytes.Cut(data, []byte{0})
	return string(text)
}

// appendPacket appends one packet: length, code, data.
func appendPacket(b []byte, code byte, data []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(data)+1))
	return append(append(b, code), data...)
}

// validReply reports whether data is what we may send as SMFIR_REPLYCODE: one
// line of a 4xx or 5xx code but 421, which would end the SMTP session; an
// enhanced code of the same class; printable ASCII in which every % is doubled
// (Postfix drops a lone one, Sendmail replaces the whole text); one NUL at the
// end. Postfix takes anything else for a configuration error and leaves the
// filter out for the rest of the session.
func validReply(data []byte) bool {
	line, ok := bytes.CutSuffix(data, []byte{0})
	if !ok || len(line) < len("550 5.1.1 x") || len(line) > 2*maxText+20 {
		return false
	}
	class := line[0]
	if class != '4' && class != '5' || !isDigit(line[1]) || !isDigit(line[2]) || line[3] != ' ' || string(line[:3]) == "421" {
		return false
	}
	status, text, ok := bytes.Cut(line[4:], []byte{' '})
	if !ok || len(text) == 0 || !validStatus(status, class) {
		return false
	}
	if slices.ContainsFunc(text, func(c byte) bool { return c < ' ' || c > '~' }) {
		return false
	}
	return !strings.Contains(strings.ReplaceAll(string(text), "%%", ""), "%")
}

// validStatus checks an enhanced status code (RFC 3463 section 2).
func validStatus(status []byte, class byte) bool {
	parts := bytes.Split(status, []byte{'.'})
	if len(parts) != 3 || len(parts[0]) != 1 || parts[0][0] != class {
		return false
	}
	for _, p := range parts[1:] {
		if len(p) < 1 || len(p) > 3 || !isDigit(p[0]) || !isDigit(p[len(p)-1]) || !isDigit(p[len(p)/2]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
