package reply

import "rcptgate/verify/verdict"

// greylistRules: come back later. They stand before the blocks because a
// greylisting server likes to name the client.
var greylistRules = []Rule{
	{
		ID: "greylisted", Means: "greylisting says so itself",
		From:   "postgrey, policyd, Exim, rspamd, milter-greylist",
		Reason: verdict.Greylisted, At: AtRcpt,
		Any: []string{
			"greylist*", "graylist*", "grey list*", "gray list*", "greylst*", "postgrey", "graulist*", "greypass", "grey",
			"gray", "tripl*", "triplet", "sqlgrey", "liste grise",
		},
		Not: []string{"$toomany .. connections", "$dnsbl"},
	},
	{
		ID: "greylisted-early", Means: "greylisting of the client, before any recipient is named",
		From:   "postscreen, OpenBSD spamd",
		Reason: verdict.Greylisted, Scope: ScopeHost, At: Early, Digit: 4,
		Any: []string{"greylist*", "graylist*", "grey list*", "gray list*", "postgrey"},
	},
	{
		ID: "greylisted-delay", Means: "a delay is named, and nothing else",
		From:   "field practice: greylisting texts of ISPs",
		Reason: verdict.Greylisted, At: AtRcpt, Digit: 4,
		Any: []string{
			"try again .. $later", "retry .. $later", "come back .. $later", "deferred for .. $later", "try later .. $later",
			"wait .. $later", "later .. $later", "again after .. $later", "resend .. $later", "deferred .. $later",
			"first contact", "first time sender", "first time correspond*", "unknown sender recipient pair", "recipient pair",
			"new sender", "try again in ten minutes", "not yet known sender",
		},
		Not: []string{
			"$toomany .. $things", "$things .. $toomany", "$us .. $refused", "rate", "$dnsbl", "$box .. full", "rate limit*",
			"spam*", "limit", "limits", "overload*", "internal error", "system error", "lookup failure", "throttl*",
		},
	},
}

// blockRules: our address, our name, our authentication, our content. None of
// it says anything about the recipient.
var blockRules = []Rule{
	{
		ID: "command-fault", Means: "a command that is unknown, or comes at the wrong time: a fault in the dialogue",
		From:   "RFC 5321 section 4.2.2: 500, 502, 503",
		Reason: verdict.Unclassified, Codes: []int{500, 502, 503},
		Any: []string{
			"command*", "first", "already", "sequence", "not yet given", "not advertised", "unimplemented", "not implemented",
			"unrecognized", "unrecognised", "nested", "out of order", "must precede", "helo or ehlo required",
			"ehlo or helo required", "need mail", "need rcpt", "need helo", "no sender", "no valid recipient*", "not supported",
		},
		Not: []string{
			"authenticat*", "auth .. first", "log in", "login", "tls", "starttls", "ssl", "secure", "encrypt*", "blocked",
			"banned", "too many", "spam*", "$dnsbl", "relay*", "$mbox $missing",
		},
	},
	{
		ID: "command-syntax", Means: "how a command is to be written: a fault in the dialogue",
		From:   "RFC 5321 section 4.2.2: 501, 555; Postfix, Haraka, James",
		Reason: verdict.Unclassified, Codes: []int{500, 501, 503, 504, 555},
		Any: []string{
			"syntax mail", "syntax rcpt", "syntax data", "mail from must have", "rcpt to must have", "mail requires",
			"rcpt requires", "unexpected argument*", "no parameters", "unrecognized parameter*", "syntax error in command", "parameters not", "parameter not",
			"before recipient", "before rcpt",
		},
	},
	{
		ID: "no-route-for-now", Means: "a connection behind the server failed for now",
		From:   "RFC 3463: x.4.1 to x.4.5; Exchange Online NDR list: 4.4.3xx",
		Reason: verdict.TemporaryFailure, At: AtRcpt, Digit: 4,
		Enhanced: []string{"4.1-4", "4.300-330"},
		Any: []string{
			"connection refused", "connection timed out", "connection dropped", "connection reset", "connection closed",
			"connection lost", "connection failed", "could not connect", "cannot connect", "unable to connect", "no answer",
			"not responding", "could not complete",
		},
		Not: []string{"$dnsbl", "reputation", "your ip", wordIP},
	},
	{
		ID: "hello-domain", Means: "a 501 names a domain as invalid: it is the argument of EHLO, not the recipient's domain",
		From:   "RFC 5321 section 4.2.2: 501; Exchange: 501 5.5.4 at EHLO",
		Reason: verdict.ProbeBlocked, Codes: []int{501, 504},
		Any: []string{"invalid domain*", "domain .. invalid", "invalid host*", "bad domain*", "domain name invalid"},
		Not: []string{"$sender", "recipient*", "rcpt", "@", "malformed", "missing"},
	},
	{
		ID: "check-failed-for-now", Means: "a check of ours could not be made: nothing was found against us",
		From:   "RFC 7372: x.7.24; Postfix and Exim: lookups that fail for now",
		Reason: verdict.TemporaryFailure, Digit: 4,
		Any: []string{
			"temporary error validating", "temporary error .. dns", "temporary .. validation", "temporary spf",
			"temporary dkim", "temporary dmarc", "server configuration error", "could not complete sender verify",
			"temporary lookup failure", "spf temperror", "temporary dns", "dns timeout",
		},
	},
	{
		ID: "check-failed-code", Means: "SPF could not be looked up",
		From:   "RFC 7372: x.7.24",
		Reason: verdict.TemporaryFailure, Digit: 4,
		Enhanced: []string{"7.24"},
	},
	{
		ID: "account-blocked", Means: "the account of the recipient is blocked: not we",
		From:   "La Poste, mail.ru and others",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Any: []string{
			"mailbox .. blocked", "recipient account .. blocked", "recipients account .. blocked", "account .. blocked",
			"user .. is blocked", "blocked user", "blocked account", "account is locked", "mailbox is locked",
		},
		Not: []string{
			"$namesus", "$sender", "spam*", "your", "policy", "sent to", "message blocked", "blocked by", "by the user",
			"content", "temporar*", "migrat*", "by another", "again",
		},
	},
	{
		ID: "sender-listed", Means: "the domain of the sender is on a list",
		From:   "Spamhaus DBL and SURBL users",
		Reason: verdict.ProbeBlocked,
		Any:    []string{"$dnsbl .. $sender", "$sender .. $dnsbl"},
		Not: []string{
			"badmailfrom", "domain is blacklisted", "address is blacklisted", "sender is blacklisted", "sender blacklisted",
			"sender domain is blacklisted",
		},
	},
	{
		ID: "listed", Means: "our address is on a list",
		From:   "DNS lists: Spamhaus, SpamCop, UCEPROTECT, Barracuda, Abusix and others",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"$dnsbl", "listed at", "listed in", "listed on", "listed by", "is listed", "been listed", "on our list",
			"delist*",
		},
		Not: []string{
			"$sender .. blacklisted", "$sender .. blocked", "$sender .. listed", "user .. listed in", "not listed in",
			"is not listed", "$who .. is not listed", "isnt listed", "mailbox .. listed", "whitelist*", "sender blacklisted",
			"not listed", "not on our list",
		},
	},
	{
		ID: "spf-sender", Means: "our name is not allowed to send for the sender domain",
		From:   "RFC 7208; RFC 7372",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"spf", "dmarc", "dkim", "sender policy framework", "openspf", "sender id failed", "domainkeys",
			"not authenticated by", "unauthenticated email", "unauthenticated mail", "sender is unauthenticated",
			"authentication results", "authentication checks", "arc failed", "not a designated sender",
			"not permitted sender", "not designated", "not designate",
		},
		Not: []string{"temporary .. validation", "temporary spf", "temporary dmarc", "temporary dkim"},
	},
	{
		ID: "auth-failed-code", Means: "SPF, DKIM, DMARC or reverse DNS failed",
		From:     "RFC 7372: x.7.20 to x.7.26",
		Reason:   verdict.ProbeBlocked,
		Enhanced: []string{"7.20-26", "7.30-32"},
		Not:      []string{"temporary", "requiretls"},
	},
	{
		ID: "client-rejected", Means: "the client is refused",
		From:   "Postfix: Client host rejected",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"client host rejected", "client rejected", "client host .. blocked", "client .. blocked", "client host .. denied",
			"client host .. listed", "$us .. blocked using", "blocked using", "unverified client host",
			"client address rejected", "client ip .. rejected", "your client .. rejected",
		},
		Not: []string{"sender address blocked using", "$sender .. blocked using", "server configuration error", "too many"},
	},
	{
		ID: "our-address-refused", Means: "our address, host or network is refused",
		From:   "field practice: all MTAs",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"your ip .. $refused", "ip address .. $refused", "ip addresses .. $refused", "% .. blocked", "% .. banned",
			"% .. denied", "% .. is not allowed", "% .. not allowed", "% .. refused", "blocked .. ip", "blocked .. %",
			"ip .. blocked", "ip .. blacklisted", "ip .. banned", "ip .. denied", "ip .. $refused", "banned .. ip",
			"blocking .. %", "denied .. %", "refused .. %", "bad ip", "from your ip", "from your network", "from your host",
			"your network .. $refused", "your server .. $refused", "your host .. $refused", "your mail server .. $refused",
			"your isp .. $refused", "your location", "from this ip", "from unknown hosts", "client address", "from your isp", "your mta .. $refused",
			"rejected .. your ip", "server .. blocked", "forbidden by your ip", "access forbidden", "block for spam",
			"sending host .. $refused", "remote host .. $refused", "your subnet", "host is locally blocked", "your country",
			"country .. $refused", "country not allowed", "geographic*", "geoip", "geo blocked", "blocked country",
			"dynamic ip*", "dynamic address*", "dynamic host*", "dialup", "dial up", "dial in", "from your provider*",
			"% .. deny", "residential ip*", "generic hostname",
			"generic rdns", "generic reverse", "dynamically assigned", "home user*", "consumer ip", "reject .. dynamic",
			"invalid ip",
		},
		Not: []string{
			"$things .. limit", "rate limit*", "connection rate", "too many", "too much", "frequency", "relay*",
			"$box .. disabled", "limit exceeded", "exceeded the", "relaying denied", "throttl*", "you must authenticate",
			"$sender .. rejected ip", "too fast", "spf",
		},
	},
	{
		ID: "reputation", Means: "our reputation is bad",
		From:   "Cisco, Barracuda, Proofpoint, ISPs",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"reputation", "unsolicited", "spammer*", "spam source", "spamming", "senderbase", "sbrs", "user complaints",
			"spam complaints", "complaint*", "sending spam", "for spam", "spam host", "spam sender", "known spam*", "spam ip",
			"suspicious activity", "abuse", "abusive", "unwanted mail", "unwanted messages", "junk mail", "ube", "uce",
			"bulk mail", "bulk email", "much spam", "many spam*", "spamtrap*", "spam trap*", "harvest*", "dictionary attack*",
			"directory harvest*", "namespace mining", "list bombing", "botnet", "infected", "virus", "malware", "compromised",
			"trojan", "hijacked", "unexpected volume", "open relay", "open prox*", "openrelay", "directly to our", "ip youre using",
		},
		Not: []string{
			"rate of unsolicited", "unusual rate", "excessive unknown", "user account .. compromised", "too many recipients",
		},
	},
	{
		ID: "spam", Means: "the message, which we never sent, passes for spam: a block in other words",
		From:   "content filters that answer at RCPT",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"spam", "antispam*", "anti spam*", "spamassassin", "spam message", "spam detected", "spamlike", "spam like",
			"looks like spam", "classified as", "flagged as", "message blocked", "mail blocked", "email blocked",
			"message has been blocked", "blocked by filter*", "blocked by policy", "content rejected", "rejected by content",
			"content filter*", "content policy", "message content", "message refused by", "message filtered", "filtered",
			"ers customized block", "blocked by recipients", "blocked for", "blocked by rbl", "is blocked", "was blocked",
			"been blocked", "blocked by",
		},
		Not: []string{"$sender .. blocked", "too many", "over quota"},
	},
	{
		ID: "no-reverse-name", Means: "our address has no name, or a wrong one",
		From:   "Postfix: reject_unknown_client_hostname; RFC 7372: x.7.25",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"reverse dns", "reverse hostname", "ptr", "rdns", "cannot find your hostname",
			"cannot find your reverse hostname", "cannot resolve your", "unable to resolve your", "cant resolve your",
			"could not resolve your", "reverse lookup", "no reverse", "ip of your", "reverse name", "reverse mapping", "fcrdns", "fix reverse",
			"forward confirmed", "ip name lookup", "ip name possibly forged", "no dns name", "no hostname", "hostname lookup",
			"in addr arpa", "fqrdns", "has no name", "matching .. record", "dns a record", "hostname mismatch", "invalid dns",
			"mismatches client ip", "your hostname", "hostname .. $absent", "host name .. $absent",
			"connecting server .. $absent", "server name .. $absent", "dns names", "does not resolve to", "unresolvable ip", "reverse resolution",
			"dns lookup failed for your",
		},
		Not: []string{"relaying denied"},
	},
	{
		ID: "helo", Means: "our HELO name is refused",
		From:   "RFC 5321 section 4.1.4; Postfix: Helo command rejected",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"helo command rejected", "helo", "ehlo", "need fully qualified hostname", "fully qualified host name",
			"fully qualified hostname", "invalid greeting", "your greeting", "heloname", "hello domain", "hello name",
			"localhost as helo",
		},
		Not: []string{
			"send helo", "send ehlo", "say helo", "say ehlo", "send hello", "polite people", "helo first", "ehlo first",
			"before mail", "need helo", "expected helo", "wheres your", "issue helo", "issue ehlo",
			"server configuration error", "temporary", "duplicate helo", "helo required", "hello first", "missing helo",
			"no helo", "helo ehlo first", "ehlo helo first", "lookup failure", "must say", "without helo", "needs helo",
			"requires helo", "please say", "helo or ehlo required", "ehlo required", "ehlo or helo required",
		},
	},
	{
		ID: "connection-refused", Means: "no connection is wanted from us",
		From:   "Exim, Exchange, ISPs",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"connection refused", "connection rejected", "connection denied", "connections not accepted",
			"connections .. not allowed", "connections will not be accepted", "not accepting connections",
			"refusing connection*", "you are not allowed to connect", "not allowed to connect", "no smtp service here",
			"administratively denied", "your access to", "your access .. rejected", "your access .. denied",
			"access to this mail system", "access to this system", "access deny list", "go away", "you are banned",
			"you are blocked", "you have been blocked", "not welcome", "network .. denied", "access from .. denied",
			"host network not allowed", "access denied .. ip", "mail .. refused from", "we do not accept mail from your",
			"not accept .. from your", "do not accept mail from %", "local blacklist", "sender is blocked", "firewall",
			"host rejected", "host is rejected", "locally blocked", "blocklisting", "cannot accept mail from this",
			"protection policy", "poor karma", "bad karma", "policy violation .. host", "from this network", "host access",
			"mode normal", "will not accept delivery", "host is not allowed", "your domain .. blacklisted", "no access from",
		},
		Not: []string{
			"$toomany .. $things", "$toomany .. connections", "connections .. $toomany", "rate", "timed out", "not relay*",
			"mail store", "relaying", "relay", "could not complete", "server at other end",
		},
	},
	{
		ID: "policy-about-us", Means: "a local policy against the message or client, without more words",
		From:   "Apple, Exim ACLs, Exchange",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"due to local policy", "local policy violation", "for policy reasons", "policy reasons", "security policy",
			"site policy", "policy rejection on", "domain policy .. rejected", "xgemail*", "command rejected", "dns_rbl",
			"acl dns", "rejected .. rules", "rules reject", "our policy", "policies", "rejected by policy", "denied by policy", "by policy",
			"due to policy", "policy violation", "refused by policy",
		},
		Not: []string{
			"recipient address rejected", "policy rejection", "server configuration error", "recipients policy", "relay*",
			"size of policies", "policy of the recipient", "recipient policy", "mail from .. rejected",
		},
	},
}
