package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"rcptgate/verify/verdict"
)

// Template is [policy.reply.<reason>]. Zero fields are the default's.
type Template struct {
	Code     int
	Enhanced string
	Text     string // with {recipient} {domain} {reason} {date} {id}
}

const (
	// maxText keeps a reply with all that Postfix puts before it under 510 bytes.
	maxText = 200
	// maxValue bounds what one placeholder becomes, so that what follows is seen.
	maxValue = 80
)

const tryLater = "this recipient could not be verified ({reason}, id {id}), try again later"

// defaults has a template for every reason that can be refused. Postfix's
// smtpd_dsn_fix rewrites x.1.y unless y is 1 to 6, so 5.1.10 (RFC 7505 section
// 4.2) cannot be used. What can only be deferred has a 4xx; the rest has a 5xx,
// whose first digit becomes 4 where a rule defers it.
var defaults = map[verdict.Reason]Template{
	verdict.MailboxNotFound: {550, "5.1.1", "{domain} says that this mailbox does not exist (checked {date}, id {id})"},
	verdict.MailboxDisabled: {550, "5.2.1", "{domain} says that this mailbox is disabled (checked {date}, id {id})"},
	verdict.DomainNotFound:  {550, "5.1.2", "the domain {domain} does not exist (checked {date}, id {id})"},
	verdict.DomainNoMail:    {550, "5.1.2", "the domain {domain} takes no mail (checked {date}, id {id})"},
	verdict.InvalidSyntax:   {550, "5.1.3", "this recipient address cannot be mailed to (id {id})"},

	verdict.AcceptAll:      {550, "5.7.1", "{domain} accepts every recipient, so that this one cannot be verified (checked {date}, id {id})"},
	verdict.AcceptUnproven: {550, "5.7.1", "{domain} does not tell whether this recipient exists (checked {date}, id {id})"},
	verdict.MailboxFull:    {550, "5.2.2", "{domain} says that this mailbox is full (checked {date}, id {id})"},

	verdict.Greylisted:          {450, "4.7.1", "{domain} asks to try again later (checked {date}, id {id})"},
	verdict.RateLimited:         {450, "4.7.1", tryLater},
	verdict.ProbeBlocked:        {450, "4.7.1", tryLater},
	verdict.SenderRefused:       {450, "4.7.1", tryLater},
	verdict.RecipientPolicy:     {450, "4.7.1", tryLater},
	verdict.RelayDenied:         {450, "4.7.1", tryLater},
	verdict.TLSRequired:         {450, "4.7.1", tryLater},
	verdict.AuthRequired:        {450, "4.7.1", tryLater},
	verdict.SMTPUTF8Unsupported: {450, "4.7.1", tryLater},
	verdict.BlanketRefusal:      {450, "4.7.1", tryLater},
	verdict.DomainRefused:       {450, "4.1.2", "the mail server of {domain} does not take mail for it (checked {date}, id {id})"},
	verdict.TemporaryFailure:    {450, "4.4.0", tryLater},
	verdict.Timeout:             {450, "4.4.1", "{domain} did not answer in time (checked {date}, id {id})"},
	verdict.Unreachable:         {450, "4.4.1", "no mail server of {domain} can be reached (checked {date}, id {id})"},
	verdict.MXReserved:          {450, "4.4.4", "the mail servers of {domain} have no usable address (checked {date}, id {id})"},
	verdict.DNSFailure:          {450, "4.4.3", "the name servers of {domain} give no answer (checked {date}, id {id})"},
	verdict.ProtocolError:       {450, "4.4.0", tryLater},
	verdict.Unclassified:        {450, "4.7.1", tryLater},
	verdict.Pending:             {450, "4.7.1", "this recipient is being verified, try again later (id {id})"},
}

// byTag answers where a tag decided; {reason} is then the tag.
var byTag = Template{550, "5.7.1", "recipients of this kind ({reason}) are not accepted here (id {id})"}

// complete fills zero fields from the default of the reason.
func (t Template) complete(d Template) Template {
	if t.Code == 0 {
		t.Code = d.Code
		if t.Enhanced != "" && (t.Enhanced[0] == '4' || t.Enhanced[0] == '5') {
			t.Code = int(t.Enhanced[0]-'0')*100 + d.Code%100
		}
	}
	if t.Enhanced == "" {
		t.Enhanced = strconv.Itoa(t.Code/100) + d.Enhanced[1:]
	}
	if t.Text == "" {
		t.Text = d.Text
	}
	return t
}

var enhancedCode = regexp.MustCompile(`^[45]\.[0-9]{1,3}\.[0-9]{1,3}$`)

// mistakes says what is wrong with a complete template, by key.
func (t Template) mistakes(r verdict.Reason) map[string]string {
	m := map[string]string{}
	if !(t.Code >= 450 && t.Code <= 459 || t.Code >= 550 && t.Code <= 559) {
		m["code"] = fmt.Sprintf("%d is neither 450 to 459 nor 550 to 559", t.Code)
	} else if r.Status() == verdict.Unknown && t.Code >= 500 {
		m["code"] = fmt.Sprintf("%d: %s can only be deferred, with 450 to 459", t.Code, r)
	}
	switch {
	case !enhancedCode.MatchString(t.Enhanced):
		m["enhanced"] = fmt.Sprintf("%q is no enhanced status code such as 5.1.1", t.Enhanced)
	case m["code"] == "" && t.Enhanced[0] != byte('0'+t.Code/100):
		m["enhanced"] = fmt.Sprintf("%s does not go with the code %d", t.Enhanced, t.Code)
	}
	if len(t.Text) > maxText {
		m["text"] = fmt.Sprintf("is %d bytes long, at most %d are sent", len(t.Text), maxText)
	}
	if s := printable(t.Text); s != t.Text {
		m["text"] = "must be printable ASCII on one line"
	}
	if w := badPlaceholder(t.Text); w != "" {
		m["text"] = fmt.Sprintf("unknown placeholder %s, there are {recipient} {domain} {reason} {date} {id}", w)
	}
	return m
}

// rewritten reports an enhanced code that Postfix changes on its way out.
func (t Template) rewritten() bool {
	y, ok := strings.CutPrefix(t.Enhanced[1:], ".1.")
	return ok && (len(y) != 1 || y[0] < '1' || y[0] > '6')
}

func badPlaceholder(text string) string {
	for {
		i := strings.IndexAny(text, "{}")
		if i < 0 {
			return ""
		}
		end := strings.IndexByte(text[i:], '}')
		if text[i] == '}' || end < 0 {
			return strconv.Quote(text[i : i+1])
		}
		switch word := text[i : i+end+1]; word {
		case "{recipient}", "{domain}", "{reason}", "{date}", "{id}":
		default:
			return word
		}
		text = text[i+end+1:]
	}
}

// values are what the placeholders of one decision become.
type values struct{ recipient, domain, reason, date, id string }

// render fills the template for an action: printable ASCII, at most 200 bytes.
func (t Template) render(a Action, v values) (code int, enhanced, text string) {
	code, enhanced = t.Code, t.Enhanced
	if a == Defer && code >= 500 {
		code, enhanced = code-100, "4"+enhanced[1:]
	}
	if strings.Contains(t.Text, "{") {
		text = strings.NewReplacer(
			"{recipient}", short(v.recipient), "{domain}", short(v.domain),
			"{reason}", v.reason, "{date}", v.date, "{id}", v.id,
		).Replace(t.Text)
	} else {
		text = t.Text
	}
	text = printable(text)
	return code, enhanced, text[:min(len(text), maxText)]
}

func short(s string) string {
	if s == "" {
		return "?"
	}
	if len(s) > maxValue {
		return s[:maxValue-3] + "..."
	}
	return s
}

// printable replaces what is not printable ASCII.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
