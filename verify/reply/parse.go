package reply

import (
	"bytes"
	"strconv"
)

// ProtocolError says how a peer broke RFC 5321.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return e.What }

// Parser assembles one reply from its lines; it does no I/O. The zero value is
// ready, and serves for one reply.
type Parser struct {
	reply Reply
	bytes int
	done  bool
	err   error
}

// Line takes one line without its line end (a CR that is left is cut, so that
// bare LF and CRLF are alike) and reports whether the reply is complete. An
// error is always a *ProtocolError and final: contradictory codes, NUL, code
// outside 200-599, not a reply line, a line after the last one, or more than
// MaxLine, MaxLines or MaxBytes. The line is copied.
func (p *Parser) Line(line []byte) (done bool, err error) {
	if p.err == nil {
		p.err = p.line(bytes.TrimSuffix(line, []byte{'\r'}))
	}
	return p.done && p.err == nil, p.err
}

func (p *Parser) line(line []byte) error {
	p.bytes += len(line)
	switch {
	case p.done:
		return &ProtocolError{"a line after the end of the reply"}
	case len(line) > MaxLine:
		return &ProtocolError{"a reply line of more than " + strconv.Itoa(MaxLine) + " bytes"}
	case len(p.reply.Lines) == MaxLines:
		return &ProtocolError{"a reply of more than " + strconv.Itoa(MaxLines) + " lines"}
	case p.bytes > MaxBytes:
		return &ProtocolError{"a reply of more than " + strconv.Itoa(MaxBytes) + " bytes"}
	case bytes.IndexByte(line, 0) >= 0:
		return &ProtocolError{"a NUL in the reply"}
	}
	code, ok := leadingCode(line)
	switch {
	case !ok || len(line) > 3 && line[3] != ' ' && line[3] != '-':
		return &ProtocolError{"not a reply line"}
	case code < 200 || code > 599:
		return &ProtocolError{"a reply code outside 200-599: " + strconv.Itoa(code)}
	case len(p.reply.Lines) > 0 && code != p.reply.Code:
		return &ProtocolError{"contradictory codes in one reply: " + strconv.Itoa(p.reply.Code) + " and " + strconv.Itoa(code)}
	}
	text := ""
	if len(line) > 4 {
		text = string(line[4:])
	}
	p.reply.Code = code
	p.reply.Lines = append(p.reply.Lines, text)
	if p.reply.Enhanced.IsZero() {
		p.reply.Enhanced, _ = cutEnhanced(text, code)
	}
	// "250" alone is a last line (RFC 5321 section 4.2: receivers must take it).
	p.done = len(line) == 3 || line[3] == ' '
	return nil
}

// leadingCode reads the three digits that a reply line begins with.
func leadingCode(line []byte) (code int, ok bool) {
	if len(line) < 3 {
		return 0, false
	}
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return 0, false
		}
		code = code*10 + int(c-'0')
	}
	return code, true
}

// Reply returns the reply; it is meaningful once Line has reported it complete.
func (p *Parser) Reply() Reply { return p.reply }

// Parse parses one whole reply as it stood on the wire (CRLF or bare LF; the
// last line must have its end). An error is always a *ProtocolError.
func Parse(raw []byte) (Reply, error) {
	var p Parser
	for len(raw) > 0 {
		line, rest, ended := bytes.Cut(raw, []byte{'\n'})
		if !ended {
			return Reply{}, &ProtocolError{"the last line is cut"}
		}
		if _, err := p.Line(line); err != nil {
			return Reply{}, err
		}
		raw = rest
	}
	if !p.done {
		return Reply{}, &ProtocolError{"the reply is not complete"}
	}
	return p.reply, nil
}
