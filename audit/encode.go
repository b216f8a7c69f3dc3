package audit

import (
	"net/netip"
	"strconv"
	"time"
	"unicode/utf8"

	"rcptgate/verify/verdict"
)

// AppendJSON appends the event as one JSON object without a newline. Empty
// members are left out; tags of a decision always stand, as an array.
func AppendJSON(dst []byte, e Event) []byte {
	o := object(append(dst, `{"v":1`...))
	o.str("event", e.kind())
	o.time("time", *e.at())
	switch e := e.(type) {
	case *Decision:
		o.decision(e)
	case *Probe:
		o.probe(e)
	case *Breaker:
		o.breaker(e)
	case *Config:
		o.str("what", e.What)
		o.str("hash", e.Hash)
		o.str("detail", e.Detail)
	case *Admin:
		o.str("what", e.What)
		o.str("detail", e.Detail)
	}
	return append(o, '}')
}

// object is a JSON object being written, without its closing brace. It exists
// because reflection would cost more than the decision that is recorded.
type object []byte

func (o *object) decision(d *Decision) {
	o.str("id", d.ID)
	o.str("door", d.Door)
	o.str("mode", d.Mode)
	o.str("instance", d.Instance)
	o.str("queue_id", d.QueueID)
	o.str("client", d.Client)
	o.str("sasl_username", d.SASLUsername)
	o.str("policy_context", d.PolicyContext)
	o.str("sender", d.Sender)
	o.str("recipient", d.Recipient)
	o.str("rule", d.Rule)
	o.str("status", string(d.Status))
	o.str("reason", string(d.Reason))
	o.name("tags")
	*o = append(*o, '[')
	for i, t := range d.Tags {
		if i > 0 {
			*o = append(*o, ',')
		}
		*o = appendString(*o, string(t))
	}
	*o = append(*o, ']')
	o.str("origin", string(d.Origin))
	o.str("served", string(d.Served))
	if d.Served != "" && d.Served != verdict.Fresh {
		o.millis("age_ms", d.Age)
	}
	o.millis("wait_ms", d.Wait)
	o.str("site", d.Site)
	o.str("provider", d.Provider)
	o.str("probe_id", d.ProbeID)
	o.str("action", d.Action)
	o.str("would", d.Would)
	o.str("smtp_reply", d.SMTPReply)
}

func (o *object) probe(p *Probe) {
	o.str("probe_id", p.ProbeID)
	o.str("why", p.Why)
	o.strs("addresses", p.Addresses)
	o.str("mx", p.MX)
	o.addr("mx_ip", p.MXIP)
	o.addr("source_ip", p.SourceIP)
	o.str("helo", p.HELO)
	o.str("sender", p.Sender)
	o.str("tls", p.TLS)
	o.str("stage", string(p.Stage))
	o.strs("replies", p.Replies)
	o.millis("took_ms", p.Took)
}

func (o *object) breaker(b *Breaker) {
	o.str("scope", b.Scope)
	o.str("name", b.Name)
	o.str("source_ip", b.SourceIP)
	o.str("from", b.From)
	o.str("to", b.To)
	o.str("reason", string(b.Reason))
	o.time("until", b.Until)
	o.str("text", b.Text)
}

func (o *object) name(n string) {
	*o = append(*o, ',', '"')
	*o = append(*o, n...)
	*o = append(*o, '"', ':')
}

func (o *object) str(n, v string) {
	if v == "" {
		return
	}
	o.name(n)
	*o = appendString(*o, v)
}

func (o *object) strs(n string, vs []string) {
	if len(vs) == 0 {
		return
	}
	o.name(n)
	*o = append(*o, '[')
	for i, v := range vs {
		if i > 0 {
			*o = append(*o, ',')
		}
		*o = appendString(*o, v)
	}
	*o = append(*o, ']')
}

func (o *object) addr(n string, a netip.Addr) {
	if !a.IsValid() {
		return
	}
	o.name(n)
	*o = append(*o, '"')
	*o = a.AppendTo(*o)
	*o = append(*o, '"')
}

func (o *object) millis(n string, d time.Duration) {
	o.name(n)
	*o = strconv.AppendInt(*o, d.Milliseconds(), 10)
}

// time writes RFC 3339 in UTC with milliseconds.
func (o *object) time(n string, t time.Time) {
	if t.IsZero() {
		return
	}
	o.name(n)
	*o = append(*o, '"')
	*o = t.UTC().AppendFormat(*o, "2006-01-02T15:04:05.000Z07:00")
	*o = append(*o, '"')
}

const hex = "0123456789abcdef"

// appendString appends a JSON string (RFC 8259 section 7). An octet that is no
// UTF-8 becomes U+FFFD; DEL and the C1 controls are escaped too, so that a line
// can be shown on a terminal.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0 // s[from:i] needs no escape
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f && c != '"' && c != '\\' {
			i++
			continue
		}
		r, n := rune(c), 1
		if c >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError && r > 0x9f && r != '\u2028' && r != '\u2029' {
				i += n
				continue
			}
		}
		dst = append(dst, s[from:i]...)
		if r == '"' || r == '\\' {
			dst = append(dst, '\\', byte(r))
		} else {
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		}
		i += n
		from = i
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
