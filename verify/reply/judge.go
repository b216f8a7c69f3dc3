package reply

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"rcptgate/verify/verdict"
)

type judgeIn struct {
	ID       json.RawMessage `json:"id"`
	Stage    string          `json:"stage"`
	Code     json.RawMessage `json:"code"`
	Enhanced string          `json:"enhanced"`
	Text     string          `json:"text"`
	Host     string          `json:"host"`
}

type judgeOut struct {
	ID     json.RawMessage `json:"id,omitempty"`
	Status verdict.Status  `json:"status"`
	Reason verdict.Reason  `json:"reason"`
	Scope  Scope           `json:"scope"`
	Rule   string          `json:"rule"`
}

type judgeBad struct {
	ID    json.RawMessage `json:"id"` // null where there is none
	Error string          `json:"error"`
}

// JudgeLine answers one line of "rcptgate classify". In: one JSON object with
// id (a string or number, echoed as it came), stage (connect ehlo helo starttls
// mail rcpt data, any case; absent or another word: rcpt), code (whole number,
// or a string of one), enhanced (may be absent: then it is looked for in the
// text), text (several lines with newlines between) and host (the MX name).
// Out: id, status (the table's status of the reason, as if its control had
// passed), reason, scope and rule.
//
// A line that cannot be judged gives an object with id (null where there is
// none) and error, and the same error as err, so that the command can end with
// exit code 1. out is one line without its newline, and never nil.
func JudgeLine(line []byte) (out []byte, err error) {
	var in judgeIn
	if err := json.Unmarshal(line, &in); err != nil {
		return badLine(in.ID, fmt.Errorf("not a JSON object of the expected form: %w", err))
	}
	if !plainID(in.ID) {
		return badLine(nil, errors.New("id is neither a string nor a number"))
	}
	r, err := in.reply()
	if err != nil {
		return badLine(in.ID, err)
	}
	c := Classify(in.stage(), r, in.Host)
	return marshal(judgeOut{ID: in.ID, Status: c.Reason.Status(), Reason: c.Reason, Scope: c.Scope, Rule: c.Rule}), nil
}

func badLine(id json.RawMessage, err error) ([]byte, error) {
	if !plainID(id) {
		id = nil
	}
	return marshal(judgeBad{ID: id, Error: err.Error()}), err
}

// marshal encodes one of the two objects above; both always can be.
func marshal(v any) []byte {
	out, err := json.Marshal(v)
	if err != nil {
		return []byte(`{"id":null,"error":"internal error"}`)
	}
	return out
}

// plainID reports whether an id is absent, a string or a number.
func plainID(id json.RawMessage) bool {
	return len(id) == 0 || !strings.ContainsRune("{[tf", rune(id[0]))
}

func (in judgeIn) stage() verdict.Stage {
	switch s := verdict.Stage(strings.ToLower(strings.TrimSpace(in.Stage))); s {
	case verdict.Connect, verdict.EHLO, verdict.HELO, verdict.StartTLS, verdict.Mail, verdict.Data:
		return s
	default:
		return verdict.Rcpt
	}
}

// reply builds the reply that the fields describe, under the limits of one that
// came from the wire. A code that stands before each line of the text as well
// is cut off.
func (in judgeIn) reply() (Reply, error) {
	// JSON has one sort of numbers: 550.0 is 550.
	number, err := strconv.ParseFloat(strings.Trim(string(in.Code), `" `), 64)
	if err != nil || number != math.Trunc(number) {
		return Reply{}, errors.New("code is absent or not a whole number")
	}
	if number < 200 || number > 599 {
		return Reply{}, fmt.Errorf("code %.0f is outside 200-599", number)
	}
	code := int(number)
	if len(in.Text) > MaxBytes {
		return Reply{}, fmt.Errorf("text of more than %d bytes", MaxBytes)
	}
	r := Reply{Code: code}
	prefix := strconv.Itoa(code)
	for line := range strings.SplitSeq(strings.TrimRight(in.Text, "\r\n"), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if rest, ok := strings.CutPrefix(line, prefix); ok && rest != "" && (rest[0] == ' ' || rest[0] == '-') {
			line = rest[1:]
		}
		r.Lines = append(r.Lines, line)
		if r.Enhanced.IsZero() {
			r.Enhanced, _ = cutEnhanced(line, code)
		}
	}
	if len(r.Lines) > MaxLines {
		return Reply{}, fmt.Errorf("text of more than %d lines", MaxLines)
	}
	if e, ok := ParseEnhanced(strings.TrimSpace(in.Enhanced)); ok && e.Class == code/100 {
		r.Enhanced = e
	}
	return r, nil
}
