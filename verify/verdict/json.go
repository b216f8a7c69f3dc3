package verdict

import (
	"encoding/json"
	"time"
)

// millis is the time format of all JSON that rcptgate writes: RFC 3339, UTC,
// milliseconds.
const millis = "2006-01-02T15:04:05.000Z07:00"

// FormatTime prints a time as RFC 3339 in UTC with milliseconds, and the zero
// time as an empty string.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(millis)
}

type evidenceJSON struct {
	Stage    Stage  `json:"stage,omitempty"`
	MX       string `json:"mx,omitempty"`
	MXIP     string `json:"mx_ip,omitempty"`
	SourceIP string `json:"source_ip,omitempty"`
	Code     int    `json:"code,omitempty"`
	Enhanced string `json:"enhanced,omitempty"`
	Text     string `json:"text,omitempty"`
	TLS      string `json:"tls,omitempty"`
	TookMS   int64  `json:"took_ms,omitempty"`
	Rule     string `json:"rule,omitempty"`
}

type verdictJSON struct {
	V            int           `json:"v"`
	Input        string        `json:"input"`
	Address      string        `json:"address"`
	Valid        *bool         `json:"valid"`
	Status       Status        `json:"status"`
	Reason       Reason        `json:"reason"`
	Tags         []Tag         `json:"tags"`
	Suggestion   string        `json:"suggestion,omitempty"`
	Origin       Origin        `json:"origin,omitempty"`
	Served       Served        `json:"served,omitempty"`
	Site         string        `json:"site,omitempty"`
	Provider     string        `json:"provider,omitempty"`
	ProbeID      string        `json:"probe_id,omitempty"`
	CheckedAt    string        `json:"checked_at,omitempty"`
	RefreshAt    string        `json:"refresh_at,omitempty"`
	ExpiresAt    string        `json:"expires_at,omitempty"`
	RetryAfterMS int64         `json:"retry_after_ms,omitempty"`
	Evidence     *evidenceJSON `json:"evidence,omitempty"`
}

// MarshalFor encodes the verdict as the object that the HTTP interface and
// "check --json" print. input is what the asker wrote, address its parsed form
// or empty where it could not be parsed. The result is one line without a
// newline.
func (v Verdict) MarshalFor(input, address string) ([]byte, error) {
	j := verdictJSON{
		V: 1, Input: input, Address: address,
		Valid: v.Status().Valid(), Status: v.Status(), Reason: v.Reason,
		Tags: v.Tags, Suggestion: v.Suggestion, Origin: v.Origin, Served: v.Served,
		Site: v.Site, Provider: v.Provider, ProbeID: v.ProbeID,
		CheckedAt: FormatTime(v.CheckedAt), RefreshAt: FormatTime(v.RefreshAt),
		ExpiresAt: FormatTime(v.ExpiresAt), RetryAfterMS: v.RetryAfter.Milliseconds(),
	}
	if j.Tags == nil {
		j.Tags = []Tag{}
	}
	if e := v.Evidence; e != (Evidence{}) {
		j.Evidence = &evidenceJSON{
			Stage: e.Stage, MX: e.MX, Code: e.Code, Enhanced: e.Enhanced, Text: e.Text,
			TLS: e.TLS, TookMS: e.Took.Milliseconds(), Rule: e.Rule,
		}
		if e.MXIP.IsValid() {
			j.Evidence.MXIP = e.MXIP.String()
		}
		if e.SourceIP.IsValid() {
			j.Evidence.SourceIP = e.SourceIP.String()
		}
	}
	return json.Marshal(j)
}
