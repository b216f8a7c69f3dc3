package reply

import (
	"slices"

	"rcptgate/verify/verdict"
)

// syntaxWords say that an address cannot be.
var syntaxWords = []string{
	"syntax error in address", "syntax error .. recipient", "malformed address", "malformed recipient*",
	"malformed mailbox", "malformed local part", "malformed domain", "$who .. malformed", "invalid syntax .. $who",
	"$who .. invalid syntax", "address format", "mailbox syntax", "must contain a domain", "$who .. illegal character*",
	"$who .. invalid character*", "$who .. bad character*", "illegal character* .. $who", "invalid character* .. $who",
	"bad character* .. $who", "$who .. special characters", "special characters .. $who", "address .. syntax",
	"empty address", "local part too long", "domain missing", "must have a local part",
	"need fully qualified recipient", "recipient .. fully qualified", "$who must be fully qualified",
	"syntax error in parameters malformed", "missing domain", "missing or malformed", "recipient .. syntax",
	"unbalanced", "no domain in", "unparseable address", "unparsable address", "parse error .. $who", "double dot",
	"consecutive dots", "or expected after", "missing at end of address", "not a valid rfc*", "local part is empty",
	"local part is missing", "local part is not valid", "local part is too", "unqualified recipient", "null recipient",
	"empty recipient", "forbidden character*", "well formed", "user address required", "valid address is required",
	"valid address required", "$cannot parse .. address", "$cannot parse .. local part", "$cannot parse .. rcpt",
	"$cannot parse @", "rcpt syntax", "brackets nested", "$cannot normalize .. $who", "$cannot normalise .. $who",
	"malformed destination", "must specify a domain", "invalid local part", "local part is invalid",
	"local part invalid", "syntactically .. $who", "address too long", "address is too long", "mailbox name too long",
	"mailbox name is too long", "rcpt to syntax error", "syntax error in rcpt", "rcpt to .. empty", "rcpt is empty",
	"nested brackets", "$who is not rfc*", "$who not rfc*", "$who violates rfc*", "$who does not conform to rfc*",
	"$who doesnt conform to rfc*", "wrong format .. address", "invalid format .. address", "bad format .. address",
	"restricted character* .. $who", "$who .. restricted character*", "syntax illegal for $who",
	"syntax illegal for a $who", "improper recipient address", "non printable character* .. $who",
	"$who .. non printable character*", "no at sign", "missing at sign", "without at sign", "$who has no domain",
	"$cannot parse . recipient",
}

// noMX say that a domain has no mail host.
var noMX = []string{
	"find a mail exchanger", "find any mail exchanger", "no mx", "no mail exchanger*", "no valid mx", "mx record not",
	"dns a mx record", "no a or mx",
}

// doubts are words of rates, of trouble, of the sender and of what we are or
// do. Where one of them stands anywhere in a reply, no word for absent or shut
// is believed.
var doubts = []string{
	"many", "come back", "tomorrow", "limit", "limits", "backend", "back end", "lookup error", "lookup failed",
	"check failed", "database error", "error reading", "timeout", "timed out", "loop", "loops", "internal error",
	"server error", "spam*", "virus", "reputation", "captcha", "determine whether", "disclose whether", "say whether",
	"tell whether", "know whether", "establish whether", "not connect", "cannot connect", "cant connect",
	"couldnt connect", "unable to connect", "been failing", "decide whether", "several $who", "several $unknownadj",
	"numerous", "probing", "$who attempts", "quota", "quotas", "$sender", "$senderworld", "$usworld",
	"$client . $does", "$cannot look*",
}

// mailboxRules: the words that name the user or mailbox as shut or absent.
var mailboxRules = []Rule{
	{
		ID: "disabled", Means: "the mailbox is shut",
		From:   "RFC 3463: x.2.1; RFC 5248: x.7.13; Gmail, Exchange, ISPs",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Any: []string{
			"$box .. $gone", "$gone $box", "$who $gone", "$who is $gone", "$who has been $gone", "$gone $who",
			"$box $shut", "$box @ $shut", "$shut $box", "no longer accepts mail", "no longer accepting mail",
			"not currently accepting", "not receiving mail", "disabled or discontinued", "never logged on*",
			"dormant", "due to inactivity", "receiving disabled", "$who is now $gone", "$who are $gone",
			"$who was $gone", "$who has $gone", "address has been closed", "no recipient activity",
			"no activity since", "noactivity", "not been used for", "not been used since", "not been accessed",
			"not logged on", "hasnt logged in", "never logged in", "hasnt entered during", "hasnt entered for",
			"hasnt entered since", "no active subscription", "subscription .. $gone", "subscription .. has ended",
			"not .. being accepted for this mailbox", "not .. accepted for this mailbox",
			"mail service is not enabled for", "owner has closed it", "@ is no longer in service",
			"not accepting . $mails", "accept $mails any more", "accept $mails anymore", "receive $mails any more",
			"receive $mails anymore", "$box .. cannot receive $mails", "$whose subscription ended",
			"$mails . not enabled for", "owner has closed . $box", "owner of . $box has closed", "address . closed",
			"address . no longer in service", "unmonitored $box", "mailbox . not used for", "account . not used for",
			"mailbox .. is closed", "account .. is closed", "mailbox .. has been closed",
			"account .. has been closed", "not logged in",
		},
		Not: slices.Concat(notOfMailbox, []string{
			"$absent", "$unknownadj", "$domain account", "$box $of this domain", "$domain .. has been $gone", "$part",
			"$otherthing . $gone", "$otherthing . no longer", "$otherthing is not", "$otherthing not",
			"system is not", "logon", "validation", "verification", "vrfy", "expn", "command", "sending", "outgoing",
			"outbound", "sends", "certificate", "session", "connection*", "blocked by", "ip", wordIP, "client",
			"network", "mail system for", "message is", "message deleted", "has disabled", "repair*", "filter*",
			"imap", "pop3", "access for", "forwarding is", "token", "window for", "tag", "used as",
			"accepting . $mails $some", "accepts $mails $some", "receiving mail $some", "$mails anymore $some",
			"$mails any more $some", "closed it to", "closed it for", "limited in", "limited to", "unsubscribed from",
			"removed from . list", "barred you", "banned you", "blocked you", "before you send", "forwarded $mails",
			"text $mails", "$mails .. purged", "$mails to .. deletion", "your email has", "your email was",
			"your email $gone", "delivery to", "delivery for", "your address", "smtp", "to send",
		}),
		Nowhere: slices.Concat(doubts, permits, []string{
			"temporar* .. again", "temporar* .. later", "again later", "maintenance", "upgrade*", "until", "offline",
			"relay*",
		}),
	},
	{
		ID: "disabled-ended", Means: "the mailbox is taken away, in words that are said of much else",
		From:   "servers that name the mailbox and then what became of it",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Any: []string{
			"$box .. has been removed", "$box .. was removed", "$box .. been closed", "$box .. was closed",
			"$box .. is closed", "$box .. has closed", "$box .. has been withdrawn", "$box .. been turned off",
			"$box .. been switched off",
		},
		Not: slices.Concat(notOfMailbox, besideMailbox, []string{
			"$box for this domain", "$box of this domain", "connection", "session", "channel", "port", "message",
			"messages", "list", "lists", "$absent", "$part", "recipient domain", "smtp account*", "smtp user*",
			"closed it to", "closed it for",
		}),
		Nowhere: slices.Concat(doubtful, []string{"relay*", "policy"}),
	},
	{
		ID: "disabled-code", Means: "the account is shut",
		From:   "RFC 5248: x.7.13; 525",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Enhanced: []string{"7.13"},
	},
	{
		ID: "domain-unknown", Means: "the domain, not the mailbox, is unknown there or takes no mail",
		From:   "RFC 3463: x.1.2; RFC 7505: 556 and x.1.10",
		Reason: verdict.DomainRefused, At: AtRcpt, Digit: 5,
		Any: []string{
			"$domain .. not known", "$domain .. isnt known", "$domain .. not exist", "$domain .. does not exist",
			"$domain .. doesnt exist", "$domain .. not found", "$domain .. unknown", "unknown domain", "unknown host",
			"no such domain", "no such host", "$who .. invalid domain", "invalid domain .. $who",
			"$who .. invalid host*", "invalid host* .. $who", "nonexistent domain", "non existent domain",
			"nonexistentdomain", "domain .. disabled", "domain .. suspended", "domain .. expired", "domain .. inactive",
			"domain .. not active", "$domain .. not hosted", "$domain .. not configured", "domain .. not registered",
			"$domain isnt", "$domain is invalid", "$domain invalid", "null mx", "nullmx",
			"domain .. does not accept mail", "domain .. doesnt accept mail", "domain .. accepts no mail",
			"unrouteable mail domain", "unrouteable domain", "unroutable domain", "unroutable mail domain",
			"bad destination system", "bad destination host", "all relevant mx records", "lowest numbered mx",
			"domain lookup failed", "host does not accept mail", "domain .. no longer available",
			"domain .. not reachable", "recipient domain must exist", "$domain .. does not receive",
			"domain .. deleted", "domain retired", "domain is retired", "domain .. no longer in use", "domain obsolete",
			"domain is obsolete", "no mail hosts", "unable to route", "domaine inconnu", "domaine .. existe",
			"domaine .. nexiste*", "domaine introuvable", "domain nicht gefunden", "domain .. existiert nicht",
			"dominio .. no existe", "dominio desconocido", "dominio .. non", "dominio inexistente",
			"dominio .. nao existe", "dominio sconosciuto", "unbekannte domain", "unbekannte domane", "домен .. не",
			"домена", "域 名 不 存 在", "ド メ イ ン", "domena .. nie", "onbekend domein", "name or service not known",
			"indicated no smtp service", "domain .. does not accept email", "domain .. doesnt accept email",
			"domain closed", "domain is closed", "domain .. been removed", "non existing domain", "nonexisting domain",
			"dead domain", "all host address lookups failed", "illegal host domain name",
		},
		Not: []string{
			"domain mailbox", "domain user", "$yours", wordIP, "you send from", "you come from", "sending from",
			"client", "helo", "reverse", "route .. $box", "at this host", "on this host", "sending host",
			"connecting host", "remote host", "connect to", "getaddrinfo", "lmtp", "next hop", "accept $mails $some",
			"closed to", "closed for", "attachment*", "access list", "allowed list", "user .. does not exist",
			"account .. does not exist", "mailbox .. does not exist", "$who .. does not exist on", "$who not found",
			"recipient .. not found in", "email address .. domain", "recipient does not accept",
			"user does not accept", "no mailbox",
		},
		Nowhere: slices.Concat(doubts, []string{
			"whitelist*", "allowlist*", "allow list", "temporar*", "user unknown", "no such user", "user not found",
			"no such recipient", "mailbox does not exist", "no such mailbox", "recipient unknown",
		}),
	},
	{
		ID: "domain-without-mx", Means: "the domain has no mail host",
		From:   "RFC 3463: x.1.2, x.4.4; RFC 7505",
		Reason: verdict.DomainRefused, At: AtRcpt, Digit: 5,
		Enhanced: []string{"1.2", "1.10", "4.1-4"},
		Any:      noMX,
	},
	{
		ID: "no-mx-of-ours", Means: "a domain has no mail host: the sender's, for we are talking to a mail host of the recipient's",
		From:   "Haraka, Courier: checks of the sender domain",
		Reason: verdict.SenderRefused, At: AtRcpt, Digit: 5, Any: noMX,
		Not: []string{"recipient*", "rcpt"},
	},
	{
		ID: "syntax", Means: "the address is one that nobody can have",
		From:   "RFC 5321 section 4.1.2; RFC 3463: x.1.3",
		Reason: verdict.InvalidSyntax, At: AtRcpt, Digit: 5, Any: syntaxWords,
		Not: []string{
			"$sender", "header*", "command", "orcpt", "notify", "envid", "message is", "not rfc .. message",
			"after data", "message id", "option", "parameter", "reply", "response", wordIP, "ip address", "dns",
			"your address", "your email address", "your server", "address of your", "address of the", "message to",
			"mail to", "messages to", "to answer", "parse argument", "your name", "envelope", "bounces", "domain of",
			"in body",
		},
		Nowhere: []string{"user unknown", "no such user", "does not exist", "not found", "unknown user"},
	},
	{
		ID: "syntax-argument", Means: "the code says that the argument cannot be read, and the words name the address",
		From:   "RFC 5321 section 4.2.2: 500, 501; Haraka, Mimecast, Courier",
		Reason: verdict.InvalidSyntax, At: AtRcpt, Digit: 5, Codes: []int{500, 501},
		NotEnhanced: []string{"1.1", "1.6"},
		Any: []string{
			"invalid address", "invalid rcpt", "invalid recipient address", "invalid email address",
			"invalid mail address", "bad rcpt", "bad address", "address invalid", "address is invalid",
			"address not valid", "address is not valid", "path too long", "path is too long",
		},
		Not: []string{
			"$sender", "command", "parameter*", "option", "header*", "helo", "ehlo", "domain", "host", "hostname", "ip",
			wordIP, "verif*", "for others", "address type", "address lookup", "address list", "address for", "file",
			"source path", "search path", "$yours", "your address",
		},
		Nowhere: []string{
			"unknown", "not found", "does not exist", "doesnt exist", "no such", "come back", "denied", "refused",
			"relay*", "policy",
		},
	},
	{
		ID: "syntax-code", Means: "the code says that the address cannot be, and so do the words",
		From:   "RFC 3463: x.1.3",
		Reason: verdict.InvalidSyntax, At: AtRcpt, Digit: 5,
		Enhanced: []string{"1.3"},
		Any: []string{
			"bad $who", "wrong $who", "invalid $who", "illegal $who", "incorrect $who", "$who .. invalid",
			"$who .. not valid", "$who .. illegal", "$who .. wrong", "$who .. bad", "$who .. incorrect", "$who .. syntax",
			"$who .. format", "syntax .. $who",
		},
		Not:     []string{"$yours", "header*", "address of"},
		Nowhere: syntaxDoubts,
	},
	{
		ID: "syntax-code-bare", Means: "the code says that the address cannot be, and next to nothing is said",
		From:   "RFC 3463: x.1.3",
		Reason: verdict.InvalidSyntax, At: AtRcpt, Digit: 5, Words: 2,
		Enhanced: []string{"1.3"},
		Nowhere:  slices.Concat(syntaxDoubts, []string{"later", "unknown"}),
	},
}

// syntaxDoubts: with one of these in the reply, the code is not believed.
var syntaxDoubts = []string{
	"accepted", "allowed", "relay*", "policy", "denied", "blocked", "$sender", "temporar*", "user unknown",
	"unknown user", "no such", "does not exist", "doesnt exist", "not found", "unknown recipient", "$absentworld",
}

// domainRules and codeRules decide by code where the words do not.
var domainRules = []Rule{
	{
		ID: "domain-code", Means: "the domain is unknown there or takes no mail",
		From:   "RFC 3463: x.1.2; RFC 7505: x.1.10; RFC 7504: 556",
		Reason: verdict.DomainRefused, At: AtRcpt, Digit: 5,
		Enhanced: []string{"1.2", "1.10"},
		Nowhere: []string{
			"your host", "your domain", "your name", "return domain", "answer to", "helo", "user reject*", "denied",
			"policy", "blocked", "spam*", "$sender", "temporar*", "later", "not allowed", "not authorized",
		},
	},
	{
		ID: "domain-route-code", Means: "there is no way to the domain",
		From:   "RFC 3463: x.4.4; Exchange NDR list: 5.4.310",
		Reason: verdict.DomainRefused, At: AtRcpt, Digit: 5,
		Enhanced: []string{"4.4", "4.310"},
		Any:      []string{"$domain", "route"},
		Nowhere:  []string{"temporar*", "later", "$sender", "loop", "next hop", "connector*", "through us"},
	},
	{
		ID: "domain-code-556", Means: "the domain takes no mail",
		From:   "RFC 7504 section 3: 556; 521 at RCPT is the word of blocks as well and says nothing",
		Reason: verdict.DomainRefused, At: AtRcpt, Codes: []int{556},
		Nowhere: []string{
			"$sender", "your domain", "ip", wordIP, "rcpts", "number of", "size", "smtp", "data", "remote", "too many",
			"protocol", "mailbox", "user", "address unavailable", "address not available", "account",
		},
	},
}

// codeDoubts: with one of these in the reply, a code of an unknown user is not
// believed where the words do not say it too.
var codeDoubts = []string{
	"later", "message", "mail", "access", "policy", "authoriz*", "unauthorized", "prohibited", "allowed", "accepted",
	"not accepting", "blocked", "restrict*", "private", "only", "unwelcome", "subscribers", "group", "rule", "rules",
	"filter*", "$yours", "client", "connection", "server", "network", "hostname", "dns", "tls", "certificate*",
	"parameter*", "relay*", "agent", "transport", "queue", "busy", "load", "down", "disk", "storage", "too big",
	"domain .. not", "web form", "ldap failure", "answered",
}

// reasons: a refusal with one of these has a reason that is none of the code's.
var reasons = []string{
	"your", "ask", "owner", "because", "during", "while", "today", "on", "wait", "quarantine*", "closed", "country",
	"encrypt*", "unverified", "$domain", "mb", "kb", "bytes", "size", "use", "port", "pay*", "hour*", "call*", "key",
	"vacation*", "holiday*", "invoice*", "overdue", "need*", "must", "without", "too", "first", "no", "unless", "at",
	"to you", "virus*", "contract*", "bill*", "hold",
}

// disabledDoubts: the same for the code of a mailbox that is shut.
var disabledDoubts = []string{
	"temporar*", "try again", "later", "policy", "receiving mail", "outside", "internal", "external", "until",
	"maintenance", "upgrade*", "message", "refused", "denied", "rejected", "spam*", "authoriz*", "unavailable",
	"not available", "niedostepn*", "colleagues", "members", "reserved", "repair*", "dismounted", "internals",
	"encrypt*",
}

var codeRules = []Rule{
	{
		ID: "unknown-user-code", Means: "the code says unknown user, and the words do not contradict it",
		From:   "RFC 3463: x.1.1, x.1.6",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Enhanced: []string{"1.1", "1.6"},
		Any: []string{
			"$absent .. $who", "$unknownadj .. $who", "$who .. not present", "$who .. isnt present", "$who .. wrong",
			"$who .. undeliverable", "$who .. not deliverable", "$who doesnt work", "$who does not work",
			"$cannot find", "not known to us", "not found in", "not in the directory", "no longer with us",
			"$who has left", "has left us", "has left the company", "has left the firm", "has left the organi*",
			"has left the building", "know no", "u unknown", "$who isnt configured", "$who not configured",
			"$who .. isnt hosted", "$who .. not hosted", "rejected account unavailable", "5 1 1 unknown",
		},
		Not:     slices.Concat(notOfMailbox, besideMailbox, []string{"your", "you are"}),
		Nowhere: slices.Concat(doubtful, codeDoubts, []string{"denied"}),
	},
	{
		ID: "unknown-user-code-short", Means: "the code says unknown user, and the words refuse the mailbox without a reason",
		From:   "RFC 3463: x.1.1, x.1.6; Postfix access maps, Exim",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Words: 6,
		Enhanced: []string{"1.1", "1.6"},
		Any: []string{
			"$who .. rejected", "rejected .. $who", "rejecting $who", "$who .. unavailable", "$who not available",
			"$who is not available", "$who isnt available", "not possible .. $who", "$cannot deliver .. $who",
			"failed to deliver .. $who", "requested action not taken",
		},
		Nowhere: slices.Concat(doubtful, notOfMailbox, besideMailbox, codeDoubts, reasons, []string{"denied"}),
	},
	{
		ID: "unknown-user-code-refused", Means: "the code says unknown user, and the words refuse the mailbox, no more",
		From:   "RFC 3463: x.1.1, x.1.6; chkuser, Exim",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Words: 4,
		Enhanced: []string{"1.1", "1.6"},
		Any: []string{
			"recipient refused", "recipient denied", "recipient address denied", "recipient was refused",
			"address refused", "address was refused", "@ refused", "mailbox refused",
		},
		Nowhere: slices.Concat(doubtful, notOfMailbox, besideMailbox, codeDoubts, reasons),
	},
	{
		ID: "unknown-user-code-bare", Means: "the code says unknown user, and next to nothing is said besides",
		From:   "RFC 3463: x.1.1, x.1.6",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Words: 2,
		Enhanced: []string{"1.1", "1.6"},
		Nowhere:  slices.Concat(doubtful, notOfMailbox, codeDoubts, []string{"denied"}),
	},
	{
		ID: "disabled-code-words", Means: "the code says disabled, and a word of it stands beside the mailbox",
		From:   "RFC 3463: x.2.1",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Enhanced: []string{"2.1"},
		Any:      []string{"$box .. $gone", "$gone .. $box", "$box .. $shut"},
		Nowhere:  slices.Concat(doubts, disabledDoubts),
		Not:      notOfMailbox,
	},
	{
		ID: "disabled-code-bare", Means: "the code says disabled, and next to nothing is said but the mailbox",
		From:   "RFC 3463: x.2.1",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5, Words: 3,
		Enhanced: []string{"2.1"},
		Any:      []string{"$box"},
		Nowhere:  slices.Concat(notOfMailbox, disabledDoubts, []string{"busy", "in use", "protected"}),
	},
	{
		ID: "server-code", Means: "the server has trouble of its own",
		From:   "RFC 3463: x.3.1, x.3.5, x.4.1 to x.4.7",
		Reason: verdict.TemporaryFailure, At: AtRcpt, Digit: 5,
		Enhanced: []string{"3.1-2", "3.5", "4.2-7"},
		Nowhere:  []string{"rejected", "denied"},
	},
	{
		ID: "access-denied", Means: "access is denied, to us as far as one can tell",
		From:   "sendmail access map; field practice",
		Reason: verdict.ProbeBlocked, At: AtRcpt, Digit: 5,
		Any: []string{"access denied", "access refused", "access forbidden", "access is denied", "access not allowed"},
		Not: []string{
			"recipient address rejected", "recipient rejected", "$who .. access denied",
			"unavailable or access denied",
		},
	},
	{
		ID: "names-us", Means: "our address, name or network is spoken of, and nothing else is",
		From:   "field practice: what names the client is about the client",
		Reason: verdict.ProbeBlocked, At: AtRcpt, Digit: 5,
		Any: []string{
			"your ip*", "your server", "your mail server", "your mailserver", "your network", "your host",
			"your hostname", "your mta", "your isp", "ip", "ips", "this host", "$usworld", "client host",
			"connecting server", "sending server", "sending host", "sender score", "senderscore", "host %",
		},
		Not: []string{"contact your", "ask your"},
	},
	{
		ID: "names-sender", Means: "the sender is spoken of, and nothing else is",
		From:   "field practice: what names the sender is about the sender",
		Reason: verdict.SenderRefused, At: AtRcpt, Digit: 5,
		Any: []string{
			"sender", "senders", "mailfrom", "mail from", "envelope from", "return path", "reverse path",
			"$senderworld",
		},
	},
	{
		ID: "blocked-short", Means: "blocked, and nothing is said of whom: not the mailbox as far as one can tell",
		From:   "field practice: filters that say one word",
		Reason: verdict.ProbeBlocked, At: AtRcpt, Digit: 5, Words: 3,
		Any: []string{"blocked", "banned", "blacklisted", "blocklisted"},
		Not: []string{"$who", "recipient*"},
	},
	{
		ID: "policy-code", Means: "the recipient's side refuses by policy",
		From:   "RFC 3463: x.7.2",
		Reason: verdict.RecipientPolicy, At: AtRcpt, Digit: 5,
		Enhanced: []string{"7.2"},
	},
}
