package pace

import (
	"strings"

	"rcptgate/verify/address"
	"rcptgate/verify/probe"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// classify judges what the host said in answer to rcpt, or says what a failure
// is for the address.
func (c *conn) classify(s probe.Step, rcpt address.Address) reply.Class {
	if s.Failure != probe.NoFailure {
		return reply.Class{Reason: failureReason(s.Failure)}
	}
	class := reply.Classify(s.Stage, s.Reply, c.target.Host.Name)
	if c.namesSender(s, class, rcpt) {
		return reply.Class{Reason: verdict.SenderRefused, Scope: reply.ScopeDomain, Permanent: true, Rule: "names-our-sender"}
	}
	return class
}

// namesSender reports a 5xx at RCPT that names our sender and not the
// recipient: whatever its words are, it is about us (docs/design.md, rule 3).
// Only the recipient's own list of senders may name one.
func (c *conn) namesSender(s probe.Step, class reply.Class, rcpt address.Address) bool {
	if s.Stage != verdict.Rcpt || s.Reply.Code < 500 || class.AboutUs() || class.Reason == verdict.RecipientPolicy {
		return false
	}
	text := strings.Join(s.Reply.Lines, "\n")
	return names(text, c.settings.Sender.External()) && !names(text, rcpt.External())
}

// names reports whether the text holds the address, in any case, and not as a
// part of a longer one.
func names(text, addr string) bool {
	text, addr = strings.ToLower(text), strings.ToLower(addr)
	for addr != "" {
		before, after, found := strings.Cut(text, addr)
		if !found {
			return false
		}
		rest := strings.TrimPrefix(after, ".") // may end the sentence
		if !inAddress(before[max(0, len(before)-1):]) && !inAddress(rest[:min(1, len(rest))]) {
			return true
		}
		text = after
	}
	return false
}

// inAddress reports an octet that goes on with an address; others that may
// stand in one ("=", "/") stand beside one as well.
func inAddress(s string) bool {
	return s != "" && strings.Contains("abcdefghijklmnopqrstuvwxyz0123456789.-_+", s)
}

// failureReason is what a failure means for the address that was asked.
func failureReason(f probe.Failure) verdict.Reason {
	switch f {
	case probe.TimedOut, probe.ConnectTimeout:
		return verdict.Timeout
	case probe.ConnectRefused, probe.ConnectFailed:
		return verdict.Unreachable
	case probe.Protocol:
		return verdict.ProtocolError
	case probe.NoSMTPUTF8:
		return verdict.SMTPUTF8Unsupported
	case probe.Canceled, probe.LocalTrouble:
		return verdict.NotProbed
	case probe.NoFailure, probe.Lost, probe.TLSFailed:
	}
	return verdict.TemporaryFailure
}

// evidence says what a step rests on.
func (c *conn) evidence(s probe.Step, class reply.Class, rcpt address.Address) verdict.Evidence {
	ev := verdict.Evidence{
		Stage: s.Stage, MX: c.target.Host.Name, MXIP: c.target.Addr, SourceIP: c.local,
		TLS: c.tls, Took: s.Took, Rule: class.Rule, Text: s.Detail,
	}
	if !ev.SourceIP.IsValid() {
		ev.SourceIP = c.source.IP
	}
	if s.Failure == probe.NoFailure {
		ev.Code, ev.Enhanced = s.Reply.Code, s.Reply.Enhanced.String()
		ev.Text = s.Reply.Printable(rcpt.External())
	}
	return ev
}
