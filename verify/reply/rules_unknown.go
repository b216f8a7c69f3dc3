package reply

import (
	"slices"

	"rcptgate/verify/verdict"
)

// policyCodes are the codes of security and policy (RFC 3463: x.7.x). Beside
// them only the plainest words are believed to be about an absent mailbox.
var policyCodes = []string{"7.0-999"}

// plainUnknown says that a mailbox is not there, and cannot be said of a
// mailbox that is.
var plainUnknown = []string{
	"$mbox $missing", "unknown user", "unknown recipient", "unknown mailbox", "unknown account", "userunknown",
	"usernotfound", "mailboxnotfound", "no such email*", "no mailbox found", "no mail box here by that name",
	"no such user", "no such recipient", "no such mailbox", "no such account", "nonexistent user",
	"non existent user", "no mailbox here by that name", "account that you tried to reach does not exist",
	"tried to reach does no exist*",
}

// parts of a server: beside them a word for absent may be about the part.
var parts = []string{
	"server", "servers", "database*", "store", "path", "lookup", "backup", "secondary", "cluster*", "node",
	"replicat*",
}

// passing words say that it is so for now only.
var passing = []string{
	"temporar*", "again later", "try later", "try again", "at this time", "at the moment", "at present", "for now",
	"right now", "momentarily", "offline", "rebuil*", "pending", "maintenance", "upgrade*", "until", "primary",
	"backup mx", "secondary mx", "for the moment", "postponed", "outage", "looking into",
}

// permits are words of lists that the recipient keeps, and of leave to write:
// what is not found there is we.
var permits = []string{
	"whitelist*", "white list*", "allowlist*", "allow list", "permission*", "permitted", "strangers",
	"list of allowed", "approved list", "external", "externally", "internet $mails", "internet delivery",
	"from the internet", "challenge*", "migrat*", "may not send", "may not write", "outside", "outsiders", "posting",
}

// notOfMailbox: the sender, the command, the dialogue.
var notOfMailbox = []string{
	"$yours", "your email $missing", "your email is", "you are not", "youre not", "you are unknown", "youre unknown",
	"to you", "for you", "know you", "heard of you", "your list", "your address book", "authorization failed",
	"authorization unknown", "auth", "sasl*", "authentication", "password", "credentials", "login", "for smtp",
	"used for sending", "or ip", "of this connection", "unknown mailbox error", "unknown recipient error",
	"$unknownadj $who $otherthing", "reason unknown", "sending from", "send from", "sent mail to", "bounce to",
	"bounces", "srs", "verp", "$who command", "unknown command", "invalid command", "not relay*", "reply mailbox",
	"header*", "cache", "policy for", "record for", "route for . $who", "gateway user", "might be", "might not exist",
	"may be full", "may not exist", "or .. full", "or over quota", "or blocked", "rule imposed", "originating",
	"$otherthing $of $the $who", "$who $aspect", "$aspect $of . $who", "file*", "script", "program", "plugin",
	"database does not", "contacts", "members", "unknown persons", "unknown people", "unknown peers", "by another",
	"known to . $who", "unknown to . $who", "user pass*", "$otherthing that $does", "that holds", "that applies",
	"as you", "unknown error", "unknown reason", "unknown problem*", "unknown state",
}

// besideMailbox: what else may be absent or invalid where a mailbox is named not
// far from it.
var besideMailbox = []string{
	"path", "ip", wordIP, "name server", "nameserver", "dns", "hostname", "network", "routing", "exchanger*",
	"mx record*", "on this mx", "$otherthing $of . $who", "$otherthing address", "to a $otherthing",
	"to any $otherthing", "wrong $otherthing", "$domain . $absent", "$domain . $lacking", "$otherthing . $absent",
	"$part . $lacking", "domain that is", "address family", "your address", "address of", "queue", "command*",
	"parameter*", "option", "message id", "attachment*", "content", "url*", "link", "subject", "certificate", "mime",
	"charset", "encoding", "tls", "token", "tag", "envelope*", "orcpt", "client*", "you are using", "rate", "too many",
	"or undefined", "status . unknown", "state . unknown", "unknown origin*", "unknown source*", "cause",
	"$unknownadj $mails is", "$unknownadj $who error", "$absent $who error", "$unknownadj .. of $the $who",
	"$unknownadj .. for $the $who", "list of . recipients is", "not used for", "not valid for", "not configured $of",
	"not enabled $of", "not set up $of", "public", "monitored", "private", "has left a", "has left for", "opted",
	"invalid message", "wrong message", "no such message", "unknown message $of", "unknown message id",
	"unknown message type", "an unknown message", "$part . $absent", "has an $unknownadj",
}

// doubtful: with one of these anywhere in the reply, no mailbox is absent or shut.
var doubtful = slices.Concat(doubts, permits, passing)

// unknownRules: the mailbox is not there; the plainest words first.
var unknownRules = []Rule{
	{
		ID: "unknown-user", Means: "the mailbox is not there, in words that leave no doubt",
		From:   "RFC 3463: x.1.1; every MTA",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Plain: true,
		Any:     plainUnknown,
		Not:     slices.Concat(notOfMailbox, parts),
		Nowhere: doubtful,
	},
	{
		ID: "unknown-user-beside", Means: "the same words beside the name of a server, a database or another part",
		From:   "RFC 3463: x.1.1; every MTA",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Any:     plainUnknown,
		Not:     notOfMailbox,
		Nowhere: doubtful,
	},
	{
		ID: "unknown-user-advice", Means: "the mailbox is not there, and the address is to be looked at before another try",
		From:   "servers that give advice: the second try is that of the writer, not of the server",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: slices.Concat(plainUnknown, []string{
			"$mbox .. $missing", "$missing $mbox", "address couldnt be found", "address could not be found",
			"address wasnt found",
		}),
		And: []string{
			"check .. address*", "verify .. address*", "correct .. address*", "spelling", "misspel*", "typo", "typos",
			"typing error*", "mistyped", "double check*", "check .. name", "check .. recipient*",
			"verify .. recipient*",
		},
		Not: slices.Concat(notOfMailbox, []string{
			"error", "$domain $missing", "dns", "ip", wordIP, "host", "hostname", "server",
		}),
		Nowhere: slices.Concat(doubts, permits, []string{"temporar*", "offline", "maintenance", "again later"}),
	},
	{
		ID: "unknown-user-policy", Means: "the mailbox is not there, although the code says policy",
		From:   "Exim, Exchange and qmail behind filters that give one code to all refusals",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Enhanced: policyCodes,
		Any: []string{
			"$mbox .. does not exist", "$mbox .. doesnt exist", "$mbox .. no longer exists",
			"$mbox .. marked as invalid", "no mailbox here", "no mailbox by that name", "no account here",
			"no account by that name", "no mailbox of that name",
		},
		Not: slices.Concat(notOfMailbox, []string{
			"$domain", "$part", "store", "path", "lookup", "database*", "directory", "hostname", "list", "lists",
			"dns", "command", "record", "client", "group",
		}),
		Nowhere: slices.Concat(doubtful, []string{
			"allowed", "access", "policy", "authori*", "ip", "relay*", wordIP,
		}),
	},
	{
		ID: "unknown-user-table", Means: "the recipient is not in a table, although the code may say policy",
		From:   "qmail: validrcptto; Trend Micro: Invalid-Recipient; SecuMail: valid-address-filter",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Any: []string{
			"in my validrcptto", "recipient address rejected invalid recipient", "not in recipient list",
			"not in valid recipient*", "list of allowed recipients", "list of valid recipients",
			"list of known recipients", "list of local recipients", "not in route list", "valid address filter",
			"valid recipient filter", "valid user filter",
		},
		Not: []string{
			"unavailable", "not available", "be reached", "unreachable", "down", "your host", "your server",
			"your ip",
		},
		Nowhere: slices.Concat(doubts, passing),
	},
	{
		ID: "unknown-user-words", Means: "the mailbox is not there, in other words",
		From:   "RFC 3463: x.1.1; every MTA",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: []string{
			"recipient is not local", "handle mail for that", "handle mail for this user", "in name directory",
			"cant accept user", "not an active address", "not an active user", "not an active account",
			"not an active mailbox", "no recipient with", "no recipient by", "no user with", "no account with",
			"no such address", "no such person", "no such customer", "no such alias", "no such email*", "no such mail",
			"no such local", "no such name", "no such maildrop", "adr recip*", "recipient not ok", "user @ not ok",
			"not a known user", "not a valid user", "not a local user", "not a valid mailbox", "not a valid recipient",
			"not our customer", "not our user", "not one of our users", "no mailbox here", "no mailbox by that name",
			"no mailbox for", "no mailbox with that name", "no mail box here", "no mail box by that name",
			"no mail box for", "no mail box available", "not found in ldap*", "no mailbox available",
			"no mailbox found", "no local mailbox", "have a mailbox for", "have no mailbox", "no account by that name",
			"no account here", "no user of", "no account of", "no mailbox of", "no user called",
			"no redirect entry for . $who", "no forwarding entry for . $who", "no alias entry for . $who",
			"not an address of ours", "not one of our addresses", "no account for", "no user for", "no one called",
			"no matches for", "no match for", "user is not local", "no user by that name", "no user here",
			"no user named", "nobody here", "nobody by that name", "nobody with that", "nobody with this",
			"nobody at this", "no one here", "no one by that name", "no one with that", "no one at this",
			"by that name here", "by this name here", "not deliverable .. unknown", "unknown or illegal alias",
			"unknown local part", "unknown localpart", "user path no exist", "missing home directory",
			"mailing list not found", "not listed in public name", "unrouteable address", "unroutable address",
			"unrouteable recipient", "unroutable recipient", "undeliverable address", "bad destination mailbox",
			"bad destination email", "bad destination address", "does not like recipient", "recipient map",
			"in virtual users", "virtual users table", "there is no user", "there is no @", "there is no mailbox",
			"there is no account", "no entry for", "present in directory", "no longer on server",
			"no longer with the company", "no longer employed", "no longer an employee", "no longer works",
			"does not work here", "doesnt work here", "doesnt live here", "does not live here", "no longer here",
			"moved and left", "not a current", "mailbox unavailable or not local", "user invalid", "invalid user",
			"invalid recipient", "invalid recipients", "recipient invalid", "recipients invalid", "invalid mailbox",
			"mailbox invalid", "wrong recipient", "wrong recipients", "mailbox unallocated", "user is not known",
			"not known here", "user not local", "not local address", "recipient verification failed",
			"recipient verify failed", "failed recipient validation", "recipient verify failure", "@ is undeliverable",
			"cannot route to @", "deliver mail for @ anymore", "deliver mail for @ any more",
			"deliver mail to @ anymore", "deliver mail to @ any more", "not listed in domino", "not found in domino",
			"for one or more recipients @ 550 5 1 1", "in etc passwd", "no entry in . directory for . $who",
			"no forward path defined for . $who", "in . user table", "in . user database", "exists that user",
		},
		Not:     notOfMailbox,
		Nowhere: doubtful,
	},
	{
		ID: "unknown-callout", Means: "the server behind refused the recipient with a code of mailboxes",
		From:   "Exim: verify = recipient/callout",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: []string{
			"callout verification failed 550", "callout verification failed 551", "callout verification failed 553",
		},
		Not: notOfMailbox,
		Nowhere: slices.Concat(doubtful, []string{
			"access", "denied", "prohibited", "policy", "blocked", "thanks", "host", "server", "service",
			"connection", "relay*", "carry", "your", "you", "ip", wordIP, "from", "try", "550 5 7",
		}),
	},
	{
		ID: "unknown-unroutable", Means: "the server has no way to the mailbox",
		From:   "Exim: unrouteable addresses; MDaemon, Domino",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: []string{"$cannot route . $who", "$cannot route to . $who", "$cannot route mail to . $who"},
		Not: slices.Concat(notOfMailbox, []string{
			"$domain", "server", "ip", wordIP, "from", "relay*", "dns", "mx", "network", "next hop", "connector*",
			"down", "broken", "through us", "queue", "lookup", "store", "config*", "transport",
		}),
		Nowhere: doubtful,
	},
	{
		ID: "unknown-none", Means: "no mailbox has that name",
		From:   "RFC 3463: x.1.1; servers that say what they looked for",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: []string{
			"no $who found", "no $who was found", "no $who .. name", "no $who matches", "no $who matching",
			"no $who match", "no $who exists", "no $who exist", "no $who associated", "no $who registered",
			"no $who is registered", "no $who called", "no $who named", "no $who here", "no $who under",
			"no $who corresponds", "there is no $who", "there isnt a $who", "we have no $who", "no one by",
			"nobody goes by", "nobody of that", "nobody of this", "nobody has that name", "nobody has this name",
			"anybody with that", "anybody by that", "anyone by that", "anyone with that", "no $who by that $who",
			"no $who by this $who",
		},
		Not: slices.Concat(notOfMailbox, besideMailbox, []string{
			"no user name", "no username", "name given", "name specified", "name supplied", "no recipients",
			"no addresses", "no address associated", "no valid", "$otherthing name",
		}),
		Nowhere: doubtful,
	},
	{
		ID: "unknown-mailbox", Means: "a name of the mailbox and a word for absent, near each other",
		From:   "RFC 3463: x.1.1; every MTA",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: []string{
			"$who .. $absent", "$who $lacking", "$who is $lacking", "$who was $lacking", "$who has $lacking",
			"$unknownadj $who", "$unknownadj .. mailbox", "$unknownadj .. user", "$unknownadj .. account",
			"$unknownadj .. recipient", "bad recipient*", "bad receipient", "bad recepient", "bogus $who",
			"could not locate $who", "bad mailbox", "bad user", "bad account", "bad addressee", "bad alias",
			"bad email address", "$box has moved", "$box moved .. no forwarding", "left no forwarding",
			"has no forwarding address", "moved with no forwarding", "moved without .. forwarding",
			"moved no forwarding", "not found mailbox", "not found account", "not found recipient account",
			"not found user account", "former employee", "not user of", "unknown to us", "unknown here",
			"doesnt belong", "does not belong", "never heard", "no mailbox", "is not here", "left the company",
			"left the organi*", "$who doesnt have a .. $box", "$who does not have a .. $box", "$unknownadj .. userid",
			"for unknown users", "are unknown users", "for nonexistent users", "@ has been replaced by",
			"address has been replaced by @", "mailbox has been replaced by", "address has changed to @",
			"no longer the address of", "$unknownadj $the $who", "isnt a . $who", "isnt an . $who",
		},
		Not: slices.Concat(notOfMailbox, besideMailbox, []string{
			"another server", "another host", "new server", "other server", "moved .. $piece", "has moved to",
			"moved to another", "moved while", "moved during", "can reply", "can answer", "of yours",
			"return mailbox", "allowed to use", "address range", "address block", "address space",
			"active directory group",
		}),
		Nowhere: doubtful,
	},
}

// shortRules: words that leave no other subject where nothing else is said.
var shortRules = []Rule{
	{
		ID: "unknown-short", Means: "a name alone, and that it does not exist",
		From:   "field practice: local parts without their domain",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Words: 6,
		Any: []string{
			"not exist", "not exists", "doesnt exist", "not on this system", "not on this server", "not on this host",
			"not known at this site", "not known on this system", "not known on this server", "unknown at this site",
			"no such id",
		},
		Not: slices.Concat(notOfMailbox, []string{
			"domain", "host", "ptr", "dns", "server", "sender", "helo", "command", "ip", wordIP, "record", "path",
			"directory", "it", "item", "code", "rule", "message", "link", "url", "session", "certificate", "client",
			"network", "attachment", "key", "list", "zone", "service", "part", "version", "option", "job*", "task*",
			"process*", "ticket*", "queue*", "object*", "table*", "database*",
		}),
	},
}
