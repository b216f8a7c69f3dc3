package milter

import (
	"fmt"
	"strings"

	gomilter "github.com/emersion/go-milter"

	"rcptgate/policy"
)

// maxText is the longest reply text in octets, before % is doubled.
const maxText = 200

// response is our own answer to an event. The library makes a new handler,
// which knows neither connection nor sender, after every response whose
// Continue is false; none of ours is.
type response struct {
	code byte
	data []byte
}

var _ gomilter.Response = response{}

// Response implements gomilter.Response.
func (r response) Response() *gomilter.Message { return &gomilter.Message{Code: r.code, Data: r.data} }

// Continue implements gomilter.Response; it is always true.
func (r response) Continue() bool { return true }

// proceed is "continue": no opinion.
func proceed() response { return response{code: byte(gomilter.ActContinue)} }

// encode turns a decision that refuses or defers into a one-line reply, any
// other into continue. A decision that makes no valid reply is an error, and
// continue.
func encode(d policy.Decision) (response, error) {
	switch d.Action {
	case policy.Reject, policy.Defer:
	case policy.Accept, policy.Delete:
		return proceed(), nil
	default:
		return proceed(), fmt.Errorf("decision %s: unknown action %q", d.ID, d.Action)
	}
	text := []byte(d.Text)
	for i, c := range text {
		if c < ' ' || c > '~' {
			text[i] = '?'
		}
	}
	if len(text) > maxText {
		text = text[:maxText]
	}
	line := fmt.Sprintf("%d %s %s\x00", d.Code, d.Enhanced, strings.ReplaceAll(string(text), "%", "%%"))
	if !validReply([]byte(line)) || (d.Action == policy.Reject) != (line[0] == '5') {
		return proceed(), fmt.Errorf("decision %s: no reply can be made of %d %q %q", d.ID, d.Code, d.Enhanced, d.Text)
	}
	return response{byte(gomilter.ActReplyCode), []byte(line)}, nil
}
