package reply

import "rcptgate/verify/verdict"

// providerRules are the meanings that one provider gives to words which others
// use differently. They come first, in the same order within one provider as
// the whole table: what is about us before what is about the mailbox.
var providerRules = []Rule{
	// Zoho, before the words of Microsoft that are believed anywhere
	{
		ID: "zoho-rejected", Means: "we are refused, whatever the words name",
		From:   "Zoho Mail delivery errors: 541, message rejected by the recipient's server",
		Reason: verdict.ProbeBlocked, At: AtRcpt, Codes: []int{541}, Hosts: hostsZoho,
		Enhanced: []string{"4.1"},
	},
	{
		ID: "zoho-policy", Means: "the recipient's side restricts what its mailbox takes",
		From:   "Zoho Mail delivery errors: mailbox delivery restricted by policy",
		Reason: verdict.RecipientPolicy, At: AtRcpt, Home: hostsZoho,
		Any: []string{
			"restricted by policy error", "mailbox delivery failure policy error", "mailpolicy violation",
		},
	},
	// Microsoft
	{
		ID: "ms-namespace-mining", Means: "our address probes too many recipients",
		From:   "Outlook.com postmaster pages, SC-002",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Any: []string{"sc 002"},
	},
	{
		ID: "ms-blocked", Means: "our address is blocked",
		From:   "Outlook.com postmaster pages; Exchange Online NDR list",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsMicrosoft,
		Any: []string{
			"sc 00*", "dy 00*", "ou 00*", "s3140", "s3150", "s8001", "s8002",
			"banned sending ip", "s775", "s843", "s3113", "s3114", "weren t sent", "werent sent",
		},
		Nowhere: []string{"exceeded .. limit", "exceeded .. number of connections"},
	},
	{
		ID: "ms-blocked-words", Means: "our address or sender is on a list of theirs",
		From:   "Outlook.com postmaster pages; Exchange Online NDR list",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Any:     []string{"block list", "banned sender"},
		Nowhere: []string{"exceeded .. limit"},
	},
	{
		ID: "ms-rate", Means: "we ask too often, known by the tag where the host is not",
		From:   "Outlook.com postmaster pages; Exchange Online NDR list",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsMicrosoft,
		Any: []string{"rp 001", "rp 002", "rp 003", "s3115", "s3114", "as780090", "as777*", "as761*"},
	},
	{
		ID: "ms-rate-words", Means: "we ask too often",
		From:   "Outlook.com postmaster pages; Exchange Online NDR list",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Any: []string{"server busy", "too many connections", "exceeded .. connections", "exceeded permitted limits"},
	},
	{
		ID: "ms-blocked-by-recipient", Means: "the recipient's side has blocked our address",
		From:   "Exchange Online NDR list: 5.7.507; nobody else numbers so high",
		Reason: verdict.ProbeBlocked, Scope: ScopeDomain, At: AtRcpt, Home: hostsMicrosoft,
		Enhanced: []string{"7.507"},
	},
	{
		ID: "ms-recipient-rejected", Means: "the recipient is not valid, although the code says policy",
		From:   "Exchange Online NDR list: 5.7.504, and its remedy: verify the address",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsMicrosoft,
		Enhanced: []string{"7.504"},
		Any:      []string{"recipient address rejected access denied"},
		Nowhere:  []string{"relay*", "banned", "blocked", "policy"},
	},
	{
		ID: "ms-policy-code", Means: "the recipient's side refuses: a list of theirs, or the recipient",
		From:   "Exchange Online NDR list: 5.7.504, 5.7.505; nobody else numbers so high",
		Reason: verdict.RecipientPolicy, At: AtRcpt, Home: hostsMicrosoft,
		Enhanced: []string{"7.504-505"},
	},
	{
		ID: "ms-blocked-code", Means: "our address, sender or message is refused",
		From:   "Exchange Online NDR list; nobody else numbers so high",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsMicrosoft,
		Enhanced: []string{"7.502-503", "7.506", "7.509-515", "7.606-651", "7.703", "7.708", "7.750", "7.850-899"},
	},
	{
		ID: "ms-blocked-code-low", Means: "our address is blocked, by codes that others use as well",
		From:   "Exchange Online NDR list",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Enhanced: []string{"7.25-26"},
	},
	{
		ID: "ms-spam-code", Means: "our tenant or address is known for spam",
		From:   "Exchange Online NDR list: 5.7.501; 4.7.501 is a rate",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Digit: 5, Home: hostsMicrosoft,
		Enhanced: []string{"7.501"},
	},
	{
		ID: "ms-rate-code", Means: "we ask too often",
		From:   "Exchange Online NDR list; nobody else numbers so high",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsMicrosoft,
		Enhanced: []string{"7.500-501", "7.508", "7.652", "7.705"},
	},
	{
		ID: "ms-rate-code-low", Means: "we ask too often, by a code that others use as well",
		From:   "Exchange Online NDR list",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Enhanced: []string{"5.3"},
	},
	{
		ID: "ms-no-such-recipient", Means: "the recipient is not in the tenant's directory (DBEB)",
		From:   "Microsoft Learn: Directory-Based Edge Blocking, 5.4.1",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsMicrosoft, Plain: true,
		Enhanced: []string{"4.1"},
		Any:      []string{"recipient address rejected", "access denied"},
		Nowhere:  []string{"relay*"},
	},
	{
		ID: "ms-mailbox-unavailable", Means: "the mailbox does not exist",
		From:   "Outlook.com consumer MX: 550 5.5.0 with an S20… tag",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsMicrosoft, Plain: true,
		Enhanced: []string{"5.0", "1.1"},
		Any:      []string{"mailbox unavailable"},
	},
	{
		ID: "ms-no-such-recipient-code", Means: "the recipient is not in the tenant's directory (DBEB), known by its code where the host is not",
		From:   "Microsoft Learn: Directory-Based Edge Blocking, 5.4.1",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NoHost: true,
		Codes:    []int{550},
		Enhanced: []string{"4.1"},
		Any: []string{
			"recipient address rejected access denied", "recipient addresses rejected access denied",
		},
	},
	{
		ID: "ms-no-such-recipient-server", Means: "the recipient is not in the tenant's directory (DBEB), known by the tag, or the server that signs the reply, even behind a gateway",
		From:   "Microsoft Learn: Directory-Based Edge Blocking; AS(number), and the name of the front end in brackets",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Any: []string{"recipient address rejected access denied", "recipient addresses rejected access denied"},
		And: []string{"as 20*", "prod outlook com", "prod protection outlook com"},
	},
	{
		ID: "ms-mailbox-unavailable-tag", Means: "the mailbox does not exist, known by the tag where the host is not",
		From:   "Outlook.com consumer MX: 550 5.5.0 with an S20… tag",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Any: []string{"mailbox unavailable s20*"},
	},
	{
		ID: "ms-mailbox-unavailable-server", Means: "the mailbox does not exist, known by the server that signs the reply",
		From:   "Outlook.com consumer MX: 550 5.5.0; the name of the front end stands in brackets",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Enhanced: []string{"5.0"},
		Any:      []string{"mailbox unavailable"},
		And:      []string{"prod outlook com", "prod protection outlook com"},
	},
	{
		ID: "ms-recipient-not-found", Means: "no mailbox of the organization has this address",
		From:   "Exchange NDR list: 5.1.1 and 5.1.10, RESOLVER.ADR",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsMicrosoft, Plain: true,
		Any: []string{"recipientnotfound", "recipnotfound", "exrecipnotfound"},
	},
	{
		ID: "ms-unknown-beyond", Means: "a server behind says that the recipient is unknown",
		From:   "Exchange Online NDR list: 5.1.351; nobody else numbers so high",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsMicrosoft,
		Enhanced: []string{"1.351"},
		Any:      []string{"unknown recip*"},
		Nowhere:  []string{"$dnsbl", "blocked", "denied", "policy", "spam*", "554", wordIP, "relay*"},
	},
	{
		ID: "ms-no-mailboxes", Means: "the domain is in a tenant that has no mailboxes",
		From:   "Exchange Online: ATTR5, no mail-enabled subscriptions",
		Reason: verdict.DomainRefused, At: AtRcpt, Digit: 5, Home: hostsMicrosoft,
		Any: []string{"no mail enabled subscriptions"},
	},
	{
		ID: "ms-not-authorized", Means: "the recipient takes mail only from some senders",
		From:   "Exchange Online NDR list: 5.7.124, 5.7.133 and their neighbours",
		Reason: verdict.RecipientPolicy, At: AtRcpt,
		Enhanced: []string{"7.120-136", "7.193"},
	},
	{
		ID: "ms-not-authenticated", Means: "the recipient takes mail only from inside",
		From:   "Exchange Online NDR list: 5.7.12, 5.7.13",
		Reason: verdict.RecipientPolicy, At: AtRcpt, Hosts: hostsMicrosoft,
		Enhanced: []string{"7.12-13"},
	},

	// Google
	{
		ID: "google-mailbox-rate", Means: "the mailbox exists, and takes no more mail for now",
		From:   "Google Workspace SMTP error list, 4.2.1 and 5.2.1",
		Reason: verdict.RateLimited, Scope: ScopeRecipient, Home: hostsGoogle,
		Any: []string{
			"receiving mail at a rate", "is receiving mail at a", "receiving mail too quickly", "receivingrate*",
			"rate that prevents additional",
		},
	},
	{
		ID: "google-unsolicited", Means: "unsolicited mail from our address, which is blocked for good",
		From:   "Google: email sender guidelines, 5.7.28; 4.7.28 is a rate",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Digit: 5, Home: hostsGoogle,
		Any: []string{"rate of unsolicited"},
		And: []string{"blocked", "from your ip", "from your network"},
	},
	{
		ID: "google-rate", Means: "unusual rate of mail from us",
		From:   "Google: email sender guidelines, 4.7.28",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsGoogle,
		Enhanced: []string{"7.28"},
	},
	{
		ID: "google-quota", Means: "our allowance of mail is used up",
		From:   "Google Workspace SMTP error list, 5.7.1: email quota exceeded",
		Reason: verdict.RateLimited, Hosts: hostsGoogle, Enhanced: []string{"7.1"},
		Any: []string{"email quota exceeded"},
	},
	{
		ID: "google-tls", Means: "TLS is demanded",
		From:   "Google: email sender guidelines, 4.7.29 and 5.7.29",
		Reason: verdict.TLSRequired, Hosts: hostsGoogle,
		Enhanced: []string{"7.29"},
	},
	{
		ID: "google-relay", Means: "the relay service does not know us",
		From:   "Google Workspace SMTP error list, 5.7.0 and 5.7.1",
		Reason: verdict.RelayDenied, Hosts: hostsGoogle,
		Any: []string{"relay denied", "for relay", "relay access"},
	},
	{
		ID: "google-blocked", Means: "our address, name or authentication is refused",
		From:   "Google: email sender guidelines, 4.7.23 to 5.7.40",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsGoogle,
		Enhanced: []string{"7.23-27", "7.30-40"},
	},

	{
		ID: "google-page-unknown", Means: "the account does not exist: the page that the reply sends us to is named so",
		From:   "Google: support pages that replies point to, p=NoSuchUser and answer 6596",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsGoogle, Plain: true,
		Any: []string{"nosuchuser", "answer 6596"},
	},
	{
		ID: "google-page-disabled", Means: "the account is shut: the page is named so",
		From:   "Google: support pages that replies point to, p=DisabledUser",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5, Home: hostsGoogle,
		Any: []string{"disableduser"},
	},
	{
		ID: "google-page-full", Means: "the mailbox is full: the page is named so",
		From:   "Google: support pages that replies point to, p=OverQuotaPerm and p=OverQuotaTemp",
		Reason: verdict.MailboxFull, At: AtRcpt, Home: hostsGoogle,
		Any: []string{"overquotaperm", "overquotatemp"},
	},
	{
		ID: "google-page-blocked", Means: "our address or authentication is refused: the page is named so",
		From:   "Google: support pages that replies point to, p=UnsolicitedMessageError, p=DmarcRejection, answers 81126 and 188131",
		Reason: verdict.ProbeBlocked, Home: hostsGoogle,
		Any:     []string{"unsolicitedmessage*", "dmarcrejection", "answer 81126", "answer 188131"},
		Nowhere: []string{"rate limited", "unusual rate"},
	},
	{
		ID: "google-unknown", Means: "the account does not exist",
		From:   "Google Workspace SMTP error list, 5.1.1; its replies end with gsmtp",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsGoogle, Plain: true,
		Enhanced: []string{"1.1"},
		Any:      []string{"gsmtp"},
	},

	// Yahoo
	{
		ID: "yahoo-unknown-recipients", Means: "we asked for too many addresses that do not exist",
		From:   "Yahoo sender hub: VS1-IP",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsYahoo,
		Any: []string{"excessive unknown recipients", "vs1 ip", "max message per connection"},
	},
	{
		ID: "yahoo-greylisted", Means: "the first attempt is deferred",
		From:   "Yahoo sender hub: GL01",
		Reason: verdict.Greylisted, Digit: 4, Home: hostsYahoo,
		Any: []string{"gl01"},
	},
	{
		ID: "yahoo-blocked", Means: "our address is deferred or blocked for its reputation",
		From:   "Yahoo sender hub: TSS, TS, IPTS, BL",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsYahoo,
		Any: []string{
			"tss02", "tss04", "tss05", "tss07", "tss09", "tss11", "tss12", "tss13", "vs98 ip*", "ts01", "ts02", "ts03",
			"ts04", "ipts*", "bl21", "bl23", "tssbl*", "permanently deferred", "help yahoo com .. defer*",
		},
	},
	{
		ID: "yahoo-deferred", Means: "our address is deferred for its reputation",
		From:   "Yahoo sender hub: messages temporarily deferred",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsYahoo,
		Any:     []string{"tss*", "temporarily deferred"},
		Nowhere: []string{"from domain", "unresolvable rfc*"},
	},

	{
		ID: "aol-blocked", Means: "our address is blocked",
		From:   "AOL postmaster pages: codes in brackets",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsYahoo,
		Any: []string{
			"con b1", "con b2", "hvu b1", "hvu b2", "rly b1", "rly b2", "rly bd", "rly bl", "rly nw", "rly ov",
			"rly sn", "dyn t1", "dyn t2", "dns nr", "dns b1", "dns b2",
		},
	},

	// Apple
	{
		ID: "apple-rate", Means: "we ask too often",
		From:   "Apple: iCloud postmaster page",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsApple,
		Any: []string{"too many errors", "excessive volume", "bs02", "hcm1"},
	},
	{
		ID: "apple-blocked", Means: "our address is blocked",
		From:   "Apple: iCloud postmaster page",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsApple,
		Any: []string{"cs01", "cs02", "hm07", "hm08", "hme1", "rejected due to local policy"},
	},

	// GMX, web.de, mail.com and the 1&1 platform
	{
		ID: "gmx-full", Means: "the mailbox is full",
		From:   "postmaster.gmx.net: error messages",
		Reason: verdict.MailboxFull, Hosts: hostsGMX,
		Any: []string{"exceeded storage allocation", "quota exceeded"},
	},
	{
		ID: "gmx-rate", Means: "we ask too often",
		From:   "postmaster.gmx.net: error messages",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsGMX,
		Any: []string{"rate limit*", "too many"},
		Not: []string{"on the server", "auf dem server"},
	},
	{
		ID: "gmx-blocked", Means: "a policy against us, although the first line speaks of the mailbox",
		From:   "postmaster.gmx.net: error messages",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsGMX,
		Any: []string{
			"policy restrictions", "policy violations", "policy reasons", "block listed", "bad dns ptr",
			"no smtp service", "ip address", "nemesis esmtp service not available", "dialup", "spam*",
		},
	},
	{
		ID: "gmx-unknown", Means: "the mailbox does not exist",
		From:   "postmaster.gmx.net: error messages",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsGMX, Plain: true,
		Any:     []string{"mailbox unavailable"},
		Nowhere: []string{"$sender", "$dnsbl", "policy", "dns", "mx", "a record"},
	},
}
