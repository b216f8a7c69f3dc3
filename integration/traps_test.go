//go:build integration

package integration

import (
	"fmt"
	"strings"
	"testing"

	"rcptgate/internal/lab"
)

// trap is one reply that a naive reader gets wrong, at RCPT of the address
// unknown@. Everything but a mailbox that does not exist must pass.
type trap struct {
	name   string
	host   string // MX name; empty: mx.DOMAIN
	reply  string
	reason string
}

var traps = []trap{
	{"hourly-rate", "", "550 5.1.1 <ADDR> Your IP has sent to too many recipients this hour. IB607", "rate_limited"},
	{"recent-messages", "", "452 4.1.1 <ADDR> too many recent messages, try later", "rate_limited"},
	{"extended-quota", "", "552 5.1.1 <ADDR> recipient has exceeded extended quota", "mailbox_full"},
	{"over-quota-coded", "", "552 5.1.1 <ADDR> mailbox full. OFR_417", "mailbox_full"},
	{"policy-restrictions", "mx00.gmx.net", "550-Requested action not taken: mailbox unavailable\r\n550 Reject due to policy restrictions.", "probe_blocked"},
	{"access-denied-dbeb", "tenant-zone.mail.protection.outlook.com", "550 5.4.1 [ADDR]: Recipient address rejected: Access denied. AS(201806281)", "mailbox_not_found"},
	{"access-denied-block", "other-zone.mail.protection.outlook.com", "550 5.7.606 Access denied, banned sending IP [127.0.0.1]", "probe_blocked"},
	{"plain-571", "third-zone.mail.protection.outlook.com", "550 5.7.1 Access denied", "probe_blocked"},
	{"plain-571-with-address", "fourth-zone.mail.protection.outlook.com", "550 5.7.1 [ADDR]: Recipient address rejected: Access denied", "recipient_policy"},
	{"no-such-user-571", "mx.yandex.net", "550 5.7.1 No such user!", "mailbox_not_found"},
	{"invalid-recipient-571", "in.hes.trendmicro.com", "554 5.7.1 <ADDR>: Recipient address rejected: ERS-Invalid-Recipient: user unknown", "mailbox_not_found"},
	{"sender-rejected", "", "550 5.1.8 <verify@probe.sender.zone>: Sender address rejected: Domain not found", "sender_refused"},
	{"helo-rejected", "", "504 5.5.2 <out1>: Helo command rejected: need fully-qualified hostname", "probe_blocked"},
	{"spf", "", "550 5.7.23 The message was rejected because of Sender Policy Framework violation", "probe_blocked"},
	{"disabled-but-listed", "", "550 5.2.1 Mailbox unavailable. Your IP address 127.0.0.1 is blacklisted using bl.example.net", "probe_blocked"},
	{"flagged-as-spam", "mx.zoho.com", "554 5.7.1 Email cannot be delivered. Reason: Email flagged as Spam.", "probe_blocked"},
	{"spam-541", "mx2.zoho.com", "541 5.4.1 Mail rejected by destination domain", "probe_blocked"},
	{"temporary-invalid", "us-smtp-inbound-1.mimecast.com", "451 Invalid Recipient", "temporary_failure"},
	{"temporary-unknown", "", "450 4.1.1 <ADDR>: Recipient address rejected: User unknown in local recipient table", "temporary_failure"},
	{"too-many-552", "", "552 too many recipients", "rate_limited"},
	{"first-line-lies", "", "550-5.1.1 User unknown or blocked:\r\n550 5.7.1 your IP 127.0.0.1 is on our block list", "probe_blocked"},
}

// TestCoreTraps sends each misleading reply through the whole daemon to the
// reply that the client of a real mail server gets, by both protocols.
func TestCoreTraps(t *testing.T) {
	w := begin(t)
	near, sm := w.theNear(t), w.theSendmail(t)
	d := w.theGate(t)
	for i, trap := range traps {
		t.Run(trap.name, func(t *testing.T) {
			domain := fmt.Sprintf("trap%d.lab", i)
			name := trap.host
			if name == "" {
				name = "mx." + domain
			}
			w.lab.Host(name, lab.Host{Exists: users("alice"), Rcpt: func(addr string, _ *lab.Session) string {
				if strings.HasPrefix(addr, "unknown") {
					return strings.ReplaceAll(trap.reply, "ADDR", addr)
				}
				return ""
			}})
			w.lab.Domain(domain, lab.MX{Pref: 10, Host: name})
			want := "250"
			if trap.reason == "mailbox_not_found" {
				want = "550 5.1.1"
			}
			rcpt := "unknown@" + domain
			// The first to ask gets what was read; a breaker may answer the others.
			askAll(t, d, near.addr, []outcome{{rcpt, want, trap.reason}})
			askAll(t, d, near.viaMilter, []outcome{{rcpt, want, ""}})
			askAll(t, d, sm.addr, []outcome{{rcpt, want, ""}})
		})
	}
	// Only a 5xx shows a catch-all control; a 4xx to it means nothing.
	w.host("shy.lab", lab.Host{Exists: users("alice"), Unknown: "450 4.2.0 <ADDR> try again"})
	askAll(t, d, near.addr, []outcome{{"alice@shy.lab", "250", "accept_unproven"}, {"unknown@shy.lab", "250", ""}})
}
