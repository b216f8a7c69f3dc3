package probe

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"rcptgate/verify/address"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// stages are the commands that may leave, with their stages (docs/design.md,
// safety rule 1: never DATA, BDAT, VRFY or EXPN). An empty one is the stage
// that the dialogue has reached.
var stages = map[string]verdict.Stage{
	"EHLO": verdict.EHLO, "HELO": verdict.HELO, "STARTTLS": verdict.StartTLS,
	"MAIL": verdict.Mail, "RCPT": verdict.Rcpt, "RSET": verdict.Mail,
	"NOOP": "", "QUIT": "",
}

// command is one line that may leave.
type command struct {
	stage verdict.Stage
	text  string // without line end
}

// errNoLine is what bytes that are no whole command lines get.
var errNoLine = errors.New("not whole command lines")

// commands splits what is to be sent into its lines and refuses all of it
// where one is not a whole, clean line of a permitted verb.
func commands(p []byte) ([]command, error) {
	var all []command
	for len(p) > 0 {
		line, rest, ok := bytes.Cut(p, []byte("\r\n"))
		if !ok || len(line) > reply.MaxLine-2 {
			return nil, errNoLine
		}
		for _, c := range line {
			if c < ' ' || c == 0x7f {
				return nil, errNoLine
			}
		}
		text := string(line)
		verb, _, _ := strings.Cut(text, " ")
		stage, ok := stages[strings.ToUpper(verb)]
		if !ok {
			return nil, fmt.Errorf("command %q may not be sent", printable(verb))
		}
		all = append(all, command{stage, text})
		p = rest
	}
	if all == nil {
		return nil, errNoLine
	}
	return all, nil
}

// mailCommand and rcptCommand carry no parameter but SMTPUTF8: a BODY or SIZE
// would promise a message that never comes.
func mailCommand(sender address.Address, utf8 bool) string {
	s := "MAIL FROM:<" + sender.External() + ">"
	if utf8 {
		s += " SMTPUTF8"
	}
	return s
}

func rcptCommand(rcpt address.Address) string {
	return "RCPT TO:<" + rcpt.External() + ">"
}

// forLibrary writes a reply so that go-smtp reads what we read: keywords of
// EHLO in upper case (RFC 5321 section 4.1.1.1 ignores case, the library does
// not), no control bytes, no line longer than it takes, and one code, 502, for
// all the ways to say that EHLO is not known, so that it falls back to HELO.
func forLibrary(s Step) []byte {
	const maxLine = 1900
	code := s.Reply.Code
	if s.Stage == verdict.EHLO && code >= 500 && code <= 504 {
		code = 502
	}
	var b bytes.Buffer
	for i, line := range s.Reply.Lines {
		if s.Stage == verdict.EHLO && i > 0 {
			keyword, rest, _ := strings.Cut(strings.TrimRight(line, " \t"), " ")
			line = strings.TrimRight(strings.ToUpper(keyword)+" "+rest, " ")
		}
		sep := '-'
		if i == len(s.Reply.Lines)-1 {
			sep = ' '
		}
		fmt.Fprintf(&b, "%d%c%s\r\n", code, sep, clean(line[:min(len(line), maxLine)]))
	}
	if len(s.Reply.Lines) == 0 {
		fmt.Fprintf(&b, "%d \r\n", code)
	}
	return b.Bytes()
}

// clean replaces bytes that are not printable ASCII.
func clean(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b)
}
