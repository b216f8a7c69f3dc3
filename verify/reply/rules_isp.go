package reply

import "rcptgate/verify/verdict"

// ispRules are the meanings that access providers and the free mail services
// of one country give to their words; they stand with those of the providers,
// in the same order.
var ispRules = []Rule{
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
		ID: "orange-connections", Means: "too many connections",
		From:   "Orange: OFR004_104, OFR005_104; La Poste: the same numbers",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsOrange,
		Any: []string{
			"ofr004 104", "ofr004 105", "ofr005 104", "ofr005 105", "lpn004 104", "lpn004 105", "lpn005 104",
			"lpn005 105", "ofr 109", "ofr004 109",
		},
	},
	{
		ID: "orange-busy", Means: "the service is closed to everybody for now",
		From:   "Orange: OFR005, OFR003_109",
		Reason: verdict.TemporaryFailure, Digit: 4, Home: hostsOrange,
		Any: []string{"ofr005*", "lpn005*", "ofr003 109", "lpn003 109"},
	},
	{
		ID: "orange-rate", Means: "too many connections",
		From:   "Orange: OFR004_104",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Hosts: hostsOrange,
		Any: []string{"trop de connexions"},
	},
	{
		ID: "orange-sender", Means: "the sender is refused",
		From:   "Orange: OFR004_405",
		Reason: verdict.SenderRefused, Scope: ScopeProvider, Home: hostsOrange,
		Any: []string{"ofr004 405", "ofr004 406", "lpn004 405", "lpn004 406"},
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
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsComcast,
		Any: []string{"rl0000*", "too many recent messages"},
	},
	{
		ID: "comcast-blocked", Means: "our address is blocked",
		From:   "Comcast postmaster: BL error codes",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsComcast,
		Any: []string{"bl0000*", "dm0000*", "comcast block for spam"},
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
			"cxcnct", "cxmxrt", "too many", "aup in 13*", "aup in 14*", "aup i 13*", "aup i 14*", "aup o 13*",
			"aup o 14*", "aup o 1550", "aup i 1550",
		},
	},
	{
		ID: "cox-blocked", Means: "our address is blocked",
		From:   "Cox: error codes",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsCox,
		Any: []string{"cxbl", "cdrbl", "cxsndr", "cxdns", "cxsmtp", "aup*", "dns check failure"},
	},
	{
		ID: "godaddy-sender", Means: "the sender is none, an IP address, or in a domain that does not exist",
		From:   "GoDaddy: SMTP bounce codes",
		Reason: verdict.SenderRefused, Scope: ScopeProvider, Home: hostsGoDaddy,
		Any: []string{"ib501", "ib502", "ib506"},
	},
	{
		ID: "godaddy-rate", Means: "we ask too often",
		From:   "GoDaddy: SMTP bounce codes",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsGoDaddy,
		Any: []string{"ib607", "ib504", "ib510", "ib705", "ib007", "ib609", "ib610", "ib605"},
	},
	{
		ID: "godaddy-blocked", Means: "our address is blocked, also for asking for too many invalid recipients",
		From:   "GoDaddy: SMTP bounce codes",
		Reason: verdict.ProbeBlocked, Scope: ScopeProvider, Home: hostsGoDaddy,
		Any: []string{
			"ib112", "ib113", "ib108", "ib103", "ib104", "ib105", "ib106", "ib110", "ib111", "ib212", "ib213", "ib302",
			"ib303", "ib304", "ib305", "ib306", "ib307", "ib310", "ib507", "ib508", "ib511",
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
		Any: []string{
			"hl rep", "hl irc", "hl mep", "wm bli", "wm blu", "dt rbl", "dt spm", "dt ads", "dt sum", "ip cel",
			"ir cip", "ddn isp", "hl itc",
		},
		Nowhere: []string{"too many .. connections"},
	},
	{
		ID: "netease-rate", Means: "we ask too often",
		From:   "NetEase: error codes HL, RP, MI",
		Reason: verdict.RateLimited, Scope: ScopeProvider, Home: hostsNetEase,
		Any: []string{
			"hl icc", "hl ifc", "rp orq", "rp rcl", "mi cel", "rp cel", "rp drc", "rp trc", "mi dmc", "mi sfq",
			"rp qrc", "mi nhd", "mi stc", "mi ccl", "rp ccl",
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
		Any: []string{"invalid mailbox .. account is disabled", "is unavailable account is disabled", "user is terminated"},
	},
	{
		ID: "mailru-full", Means: "the mailbox is full",
		From:   "mail.ru: invalid mailbox texts",
		Reason: verdict.MailboxFull, Hosts: hostsMailRu,
		Any: []string{"mailbox is full", "is unavailable .. full"},
	},
	{
		ID: "mailru-unknown", Means: "the mailbox does not exist",
		From:   "mail.ru: invalid mailbox texts",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Home: hostsMailRu, Plain: true,
		Any:     []string{"message was not accepted invalid mailbox"},
		Nowhere: []string{"$full", "disabled"},
	},
	{
		ID: "yandex-unknown", Means: "the mailbox does not exist, although the code says policy",
		From:   "Yandex MX: 550 5.7.1 No such user!",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Hosts: hostsYandex, Plain: true,
		Any: []string{"no such user"},
	},
}
