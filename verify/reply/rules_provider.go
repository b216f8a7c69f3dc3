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
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Any: []string{
			"sc 001", "sc 003", "sc 004", "dy 001", "dy 002", "ou 001", "ou 002", "s3140", "s3150", "s8001", "s8002",
			"block list", "banned sending ip", "banned sender", "s775", "s843", "s3113", "s3114", "weren t sent",
			"werent sent",
		},
		Not: []string{"rp 001", "rp 002", "rp 003", "exceeded the rate limit", "exceeded the connection limit"},
	},
	{
		ID: "ms-rate", Means: "we ask too often",
		From:   "Outlook.com postmaster pages; Exchange Online NDR list",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Any: []string{
			"rp 001", "rp 002", "rp 003", "s3115", "server busy", "too many connections", "exceeded .. connections",
			"exceeded permitted limits", "as780090",
		},
	},
	{
		ID: "ms-blocked-code", Means: "our address is blocked",
		From:   "Exchange Online NDR list",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Enhanced: []string{"7.502-515", "7.606-651", "7.850-899", "7.25-26"},
	},
	{
		ID: "ms-rate-code", Means: "we ask too often",
		From:   "Exchange Online NDR list",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsMicrosoft,
		Enhanced: []string{"7.500-501", "7.652", "5.3"},
	},
	{
		ID: "ms-no-such-recipient", Means: "the recipient is not in the tenant's directory (DBEB)",
		From:   "Microsoft Learn: Directory-Based Edge Blocking, 5.4.1",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsMicrosoft, Plain: true,
		Enhanced: []string{"4.1"},
		Any:      []string{"recipient address rejected", "access denied"},
	},
	{
		ID: "ms-mailbox-unavailable", Means: "the mailbox does not exist",
		From:   "Outlook.com consumer MX: 550 5.5.0 with an S20… tag",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsMicrosoft, Plain: true,
		Enhanced: []string{"5.0", "1.1"},
		Any:      []string{"mailbox unavailable"},
	},
	{
		ID: "ms-no-such-recipient-tag", Means: "the recipient is not in the tenant's directory (DBEB), known by its AS tag where the host is not",
		From:   "Microsoft Learn: Directory-Based Edge Blocking, 5.4.1",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Codes:    []int{550},
		Enhanced: []string{"4.1"},
		Any:      []string{"recipient address rejected access denied"},
	},
	{
		ID: "ms-mailbox-unavailable-tag", Means: "the mailbox does not exist, known by the tag where the host is not",
		From:   "Outlook.com consumer MX: 550 5.5.0 with an S20… tag",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Any: []string{"mailbox unavailable s20*"},
	},
	{
		ID: "ms-recipient-not-found", Means: "no mailbox of the organization has this address",
		From:   "Exchange NDR list: 5.1.1 and 5.1.10, RESOLVER.ADR",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsMicrosoft, Plain: true,
		Any: []string{"recipientnotfound", "recipnotfound", "exrecipnotfound"},
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
		Any: []string{"receiving mail at a rate", "receiving mail too quickly", "receivingrate*"},
	},
	{
		ID: "google-rate", Means: "unusual rate of mail from us",
		From:   "Google: email sender guidelines, 4.7.28",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsGoogle,
		Enhanced: []string{"7.28"},
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
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsYahoo,
		Any: []string{"excessive unknown recipients", "vs1 ip", "max message per connection"},
	},
	{
		ID: "yahoo-blocked", Means: "our address is deferred or blocked for its reputation",
		From:   "Yahoo sender hub: TSS, TS, IPTS, BL",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsYahoo,
		Any: []string{
			"tss*", "ts01", "ts02", "ts03", "ts04", "ipts*", "bl21", "bl23", "temporarily deferred", "permanently deferred",
			"tssbl*",
		},
	},

	{
		ID: "aol-blocked", Means: "our address is blocked",
		From:   "AOL postmaster pages: codes in brackets",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsYahoo,
		Any: []string{
			"con b1", "con b2", "hvu b1", "hvu b2", "rly b1", "rly b2", "rly bd", "rly bl", "rly nw", "rly ov", "rly sn",
			"dyn t1", "dyn t2", "dns nr", "dns b1", "dns b2",
		},
	},

	// Apple
	{
		ID: "apple-rate", Means: "we ask too often",
		From:   "Apple: iCloud postmaster page",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsApple,
		Any: []string{"too many errors", "excessive volume", "bs02", "hcm1"},
	},
	{
		ID: "apple-blocked", Means: "our address is blocked",
		From:   "Apple: iCloud postmaster page",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsApple,
		Any: []string{"cs01", "cs02", "hm07", "hm08", "hme1", "local policy"},
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
	},
	{
		ID: "gmx-blocked", Means: "a policy against us, although the first line speaks of the mailbox",
		From:   "postmaster.gmx.net: error messages",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsGMX,
		Any: []string{
			"policy restrictions", "policy violations", "policy reasons", "block listed", "bad dns ptr", "no smtp service",
			"ip address", "nemesis esmtp service not available", "dialup", "spam*",
		},
	},
	{
		ID: "gmx-unknown", Means: "the mailbox does not exist",
		From:   "postmaster.gmx.net: error messages",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsGMX, Plain: true,
		Any: []string{"mailbox unavailable"},
	},

	// Orange, La Poste
	{
		ID: "orange-full", Means: "the mailbox is full",
		From:   "Orange: OFR417; La Poste: LPN417",
		Reason: verdict.MailboxFull, Home: hostsOrange,
		Any: []string{"ofr 417", "ofr417", "lpn 417", "lpn417", "lpn007 417", "ofr007 417"},
	},
	{
		ID: "orange-unknown", Means: "the mailbox does not exist",
		From:   "Orange: OFR416; La Poste: LPN416",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsOrange, Plain: true,
		Any: []string{"ofr 416", "ofr416", "lpn 416", "lpn416", "lpn007 416"},
	},
	{
		ID: "orange-disabled", Means: "the mailbox is shut",
		From:   "La Poste: LPN426",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5, Home: hostsOrange,
		Any: []string{"ofr 426", "ofr007 426", "lpn007 426", "lpn 426"},
	},
	{
		ID: "orange-busy", Means: "the service is closed to everybody for now",
		From:   "Orange: OFR005",
		Reason: verdict.TemporaryFailure, Digit: 4, Home: hostsOrange,
		Any: []string{"ofr005*", "lpn005*"},
	},
	{
		ID: "orange-rate", Means: "too many connections",
		From:   "Orange: OFR004_104",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsOrange,
		Any: []string{
			"ofr004 104", "ofr004 105", "lpn004 104", "lpn004 105", "trop de connexions", "ofr 109", "ofr004 109",
		},
	},
	{
		ID: "orange-sender", Means: "the sender is refused",
		From:   "Orange: OFR004_405",
		Reason: verdict.SenderRefused, Scope: ScopeProvider, Home: hostsOrange,
		Any: []string{"ofr004 405", "lpn004 405"},
	},
	{
		ID: "orange-blocked", Means: "our address or name is refused",
		From:   "Orange: OFR006, OFR_999",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsOrange,
		Any: []string{
			"ofr001*", "ofr003*", "ofr006*", "lpn001*", "lpn003*", "lpn006*", "ofr 999", "lpn 999", "ofr004 405",
			"ofr005*", "lpn005*", "ofr 506", "lpn 506",
		},
	},
	{
		ID: "free-blocked", Means: "our address is blocked for a day at most",
		From:   "Free: postmaster pages",
		Reason: verdict.ProbeBlocked, Scope: ScopeSite, Hosts: hostsFree,
		Any: []string{"spam detected", "too many spam*", "blocked", "blacklisted"},
	},

	// North America
	{
		ID: "comcast-full", Means: "the mailbox is full",
		From:   "Comcast postmaster: error codes",
		Reason: verdict.MailboxFull, Hosts: hostsComcast,
		Any: []string{"quota"},
	},
	{
		ID: "comcast-rate", Means: "we ask too often",
		From:   "Comcast postmaster: RL error codes",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsComcast,
		Any: []string{"rl0*", "too many"},
	},
	{
		ID: "comcast-blocked", Means: "our address is blocked",
		From:   "Comcast postmaster: BL error codes",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsComcast,
		Any: []string{"bl0*", "dm0*", "comcast block for spam"},
	},
	{
		ID: "comcast-unknown", Means: "not a customer",
		From:   "Comcast postmaster: error codes",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsComcast, Plain: true,
		Any: []string{"not our customer", "mailbox unallocated"},
	},
	{
		ID: "cox-rate", Means: "we ask too often, or for too many addresses that do not exist",
		From:   "Cox, Spectrum: error codes",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsCox,
		Any: []string{
			"cxcnct", "cxmxrt", "too many", "too many invalid recipients", "in 1350", "in 1360", "in 1370", "in 1380",
			"in 1390", "in 1400", "in 1410", "in 1420", "in 1430", "in 1440", "in 1450", "in 1460", "in 1470", "in 1480",
			"in 1490",
		},
	},
	{
		ID: "cox-blocked", Means: "our address is blocked",
		From:   "Cox: error codes",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Hosts: hostsCox,
		Any: []string{"cxbl", "cdrbl", "cxsndr", "cxdns", "aup*"},
	},
	{
		ID: "godaddy-rate", Means: "we ask too often",
		From:   "GoDaddy: SMTP bounce codes",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsGoDaddy,
		Any: []string{"ib607", "ib504", "ib705", "ib401", "ib609", "ib610", "ib501", "ib502", "ib605"},
	},
	{
		ID: "godaddy-blocked", Means: "our address is blocked, also for asking for too many invalid recipients",
		From:   "GoDaddy: SMTP bounce codes",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsGoDaddy,
		Any: []string{
			"ib112", "ib113", "ib108", "ib506", "ib007", "ib101", "ib103", "ib104", "ib105", "ib106", "ib110", "ib111",
			"ib212", "ib213", "ib302", "ib303", "ib304", "ib305", "ib306", "ib307", "ib310", "ib507", "ib508", "ib510",
			"ib511",
		},
	},

	// China, Russia
	{
		ID: "qq-rate", Means: "we ask too often",
		From:   "QQ mail help: frequency limited",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsQQ,
		Any: []string{"frequency limited", "frequency is limited", "domain frequency", "ip frequency", "sender frequency"},
	},
	{
		ID: "qq-ambiguous", Means: "unknown, shut, or we ask too fast: QQ uses one text for all",
		From:   "QQ mail help",
		Reason: verdict.Unclassified, At: AtRcpt, Digit: 5, Hosts: hostsQQ,
		Any: []string{"mailbox unavailable or access denied"},
	},
	{
		ID: "netease-blocked", Means: "our address is refused for its reputation",
		From:   "NetEase: error codes HL, RP, DT, MI",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsNetEase,
		Any: []string{"hl rep", "hl irc", "dt spm", "dt ads", "dt sum", "ip cel", "ir cip", "ddn isp", "hl itc"},
		Not: []string{"too many .. connections"},
	},
	{
		ID: "netease-rate", Means: "we ask too often",
		From:   "NetEase: error codes HL, RP, MI",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsNetEase,
		Any: []string{
			"hl icc", "hl ifc", "rp orq", "rp rcl", "mi cel", "rp cel", "rp drc", "rp trc", "mi dmc", "mi sfq", "rp qrc",
			"mi nhd", "mi stc",
		},
	},
	{
		ID: "netease-unknown", Means: "the mailbox does not exist",
		From:   "NetEase: error codes RP:USN, RC:NE",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsNetEase, Plain: true,
		Any: []string{"rp usn", "rc ne", "mr nad"},
	},
	{
		ID: "mailru-disabled", Means: "the account is shut",
		From:   "mail.ru: invalid mailbox texts",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5, Home: hostsMailRu,
		Any: []string{"invalid mailbox .. account is disabled", "is unavailable account is disabled", "is terminated"},
	},
	{
		ID: "mailru-full", Means: "the mailbox is full",
		From:   "mail.ru: invalid mailbox texts",
		Reason: verdict.MailboxFull, Hosts: hostsMailRu,
		Any: []string{"mailbox is full", "user mailbox is full", "is unavailable .. full"},
	},
	{
		ID: "mailru-unknown", Means: "the mailbox does not exist",
		From:   "mail.ru: invalid mailbox texts",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsMailRu, Plain: true,
		Any: []string{"message was not accepted invalid mailbox"},
		Not: []string{"$full", "disabled"},
	},
	{
		ID: "yandex-unknown", Means: "the mailbox does not exist, although the code says policy",
		From:   "Yandex MX: 550 5.7.1 No such user!",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsYandex, Plain: true,
		Any: []string{"no such user"},
	},
}
