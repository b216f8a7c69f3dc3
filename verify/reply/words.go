package reply

// wordClasses are the words that mean the same to the rules. They are
// literals in the grammar of phrase.go; accents and letter case do not matter.
var wordClasses = map[string][]string{
	// who: names of a mailbox or of the person it belongs to.
	"who": {
		"user", "username", "user name", "userid", "user id", "virtual user", "local user", "usr", "this user",
		"mailbox", "mailboxes", "mail box", "maildrop", "mail drop", "inbox", "mailbox name", "local mailbox",
		"destination mailbox", "recipient", "recipients", "recepient", "recipiant", "receipient", "receiver", "rcpt",
		"rcptto", "recipient address", "recipient addresses", "addressee", "account", "accounts", "mail account",
		"email account", "user account", "mailaccount", "address", "addresses", "email address", "email addresses",
		"mail address", "emailaddress", "mailaddress", "adress", "email adress", "addres", "destination address",
		"to address", "e mail address", "alias", "aliases", "local part", "localpart", "customer", "subscriber",
		"member", "employee", "person", "individual", "participant", "mailing list", "email name", "distribution list",
		"forwarding address", "mail user", "email user", "mailuser", "target address", "addr", "student", "email id",
		"emailid", "mail id", "users mailbox", "recipients mailbox", "@", "local address", "local recipient",
	},
	// box: what can be shut; narrower than who.
	"box": {
		"user", "users", "mailbox", "mail box", "inbox", "mailaddress", "account", "email account", "mail account",
		"user account", "recipient", "recipients mailbox", "recipient account", "mbox", "recipients account",
		"recipients email account", "alias", "mailaccount", "emailaccount", "addressee", "username", "users account",
		"users mailbox", "customer", "subscriber", "the person",
	},
	// absent: what is said of a mailbox that is not there.
	"absent": {
		"unknown", "uknown", "unkown", "unknow", "is unknown", "not known", "isnt known", "unknown to", "not found",
		"wasnt found", "isnt found", "cannot be found", "cant be found", "couldnt be found", "could not be found",
		"not be located", "cannot be located", "couldnt be located", "not located", "can not be found", "cannot find",
		"not be found", "doesnt exist", "does not exist", "doesn t exist", "dont exist", "do not exist", "didnt exist",
		"did not exist", "not exist", "not exists", "isnt exist", "doesnot exist", "doest exist", "no exist",
		"dosnt exist", "exists not", "dont exists", "no longer exists", "no longer exist", "doesnt exists",
		"does not exists", "does no exist", "never existed", "not existing", "not existent", "not existant",
		"dose not exist", "no longer on server", "no longer on this server", "no longer valid", "no longer available",
		"no longer here", "no longer with", "no longer at", "no longer works", "no longer working",
		"no longer employed", "no longer a member of the organi*", "no longer part of", "no longer a customer",
		"no longer a user", "no longer recognized", "not valid", "isnt valid", "is invalid", "invalid", "not a valid",
		"isnt a valid", "is not valid", "not correct", "incorrect", "is wrong", "is bad", "not a known", "isnt a known",
		"nonexistent", "non existent", "nonexistant", "non existant", "non existing", "nonexisting", "inexistent",
		"inexistant", "unexistent", "unexist", "not exsit", "not listed", "isnt listed", "not registered",
		"isnt registered", "unregistered", "not recognized", "not recognised", "unrecognized", "unrecognised",
		"not in our database", "not in the directory", "not in directory", "not in our directory",
		"not in my validrcptto list", "not in validrcptto", "not present", "not defined", "undefined", "unallocated",
		"not allocated", "not assigned", "not created", "not configured", "is not one of our", "not one of ours",
		"isnt one of ours", "is not our", "isnt our", "not our", "isnt here", "not here", "has left",
		"left the company", "not on this server", "not on this system", "not on this host", "not at this",
		"not hosted here", "isnt hosted here", "not locally", "not a local", "non local", "nonlocal", "not ok",
		"not existing here", "not available here", "not available on this", "not available at this", "not served here",
		"has no mailbox", "has no account", "has no such", "has no email", "doesnt have a mailbox",
		"does not have a mailbox", "doesnt have an account", "does not have an account", "no mailbox", "no such",
		"unroutable", "unrouteable", "undeliverable address", "not in our", "not in the", "not in my", "not in this",
		"not in local", "not in database", "not in ldap", "not on our", "not on the", "not on this", "not on my",
		"not an existing", "not part of", "never created", "never set up", "not been created", "not been set up",
		"not set up", "not provisioned", "not been provisioned", "not been registered", "never registered",
		"not appear in our", "not appear in the", "not among our", "not among the", "ceased to exist", "unheard of",
		"not mapped to", "be resolved to a mailbox", "not resolve to a mailbox", "not resolve to any",
		"not mail enabled", "not served by", "doesnt have mailbox", "not have mailbox", "not have a mailbox",
		"not have an account", "not have account", "no longer on system", "no longer on this system",
		"no longer on our", "no longer known", "is a nonexistent", "unverifiable", "not deliverable here",
		"not any more", "never heard of", "not a member of domain", "not a member of this domain",
		"not a member of our domain", "not a member of the domain", "not local to this", "not local to our",
		"never provisioned", "isnt on this server", "isnt on this system", "isnt on this host", "isnt on our server",
		"isnt on our servers", "isnt on our system", "isnt on our systems", "not in active directory",
		"no longer has an account", "no longer has a mailbox", "isnt recognized", "isnt recognised",
	},
	// mbox and missing: the plainest of who and absent.
	"mbox": {
		"user", "mailbox", "recipient", "account", "addressee", "email address", "recipient address", "mail account",
		"email account", "user account", "alias", "username", "local part", "recipients", "@", "mail box", "email",
		"inbox", "mailbox name", "maildrop", "destination mailbox", "recepient", "receipient", "rcpt",
	},
	"missing": {
		"unknown", "is unknown", "not known", "is not known", "isnt known", "not found", "was not found",
		"is not found", "could not be found", "couldnt be found", "cannot be found", "does not exist", "doesnt exist",
		"do not exist", "dont exist", "no longer exists", "does no exist*", "does not exists", "doesnt exists",
		"dosnt exist", "not exist", "not exists", "nonexistent", "non existent", "is not existing", "are unknown",
	},
	// piece: what belongs to a server when it stands after the name of a mailbox.
	"piece": {
		"server", "servers", "service", "services", "cluster", "node", "map", "table", "file", "gateway", "lookup",
		"lookup server", "backend", "back end", "database", "databases", "store", "path", "directory", "router",
		"format",
	},
	// part: what a server consists of.
	"part": {
		"mailbox server", "mail server", "user server", "users server", "home server", "mailbox host", "mail host",
		"mail store", "mailbox store", "message store", "user store", "mailbox path", "mail path", "storage path",
		"mailbox database", "user database", "users database", "recipient database", "account database", "ldap server",
		"directory server", "member list", "members list", "verification service", "lookup service",
		"filtering service", "delivery service", "storage server", "backend server", "backup mx", "primary mx",
		"secondary mx", "mailserver", "ldap",
	},
	// unknownAdj: what stands before a name of a mailbox that is not there.
	"unknownadj": {
		"unknown", "unkown", "uknown", "no such", "no known", "not a known", "not a valid", "not valid", "not our",
		"not a local", "nonexistent", "non existent", "nonexistant", "non existing", "nonexisting", "invalid", "wrong",
		"illegal", "undefined", "unrecognized", "unrecognised", "not a", "incorrect", "not one of our",
		"unknown or illegal", "unknown or invalid", "invalid or unknown", "bad or unknown", "unknown or bad",
		"unroutable", "unrouteable", "not an", "not any", "no existing", "unregistered", "bad destination", "no valid",
		"no matching", "cannot find", "cant find", "could not find", "couldnt find", "can not find", "cannot locate",
		"unable to find", "unable to locate", "didnt find", "did not find", "failed to find", "no mailbox for",
		"no mailbox", "not authorized on this server", "inexistent", "is not a", "no local", "do not have a",
		"dont have a", "do not have", "does not have", "no record of", "no entry for", "does not know", "dont know",
		"do not know", "not known", "not a real", "not my",
	},
	// lacking: what means an absent mailbox only where it stands beside its name.
	"lacking": {
		"absent", "not there", "not used", "gone", "gone away", "bogus", "fictitious", "unresolvable",
		"unassigned", "imaginary", "not ours", "not one of us",
	},
	// otherThing: what has a user and is not its mailbox: "the server of this user".
	"otherthing": {
		"server", "servers", "domain", "host", "policy", "session", "certificate", "database", "connection", "path",
		"store", "key", "header", "headers", "route", "exchanger", "login", "password", "gateway", "service", "backend",
		"node", "attachment", "rule", "table", "driver", "map",
	},
	// yours: what belongs to the client, and so has no place beside an absent mailbox.
	"yours": {
		"your account", "your user account", "your mail account", "your email account", "your mailbox",
		"your email address", "your mail address", "your ip", "your host", "your hostname", "your server",
		"your mail server", "your mailserver", "your mta", "your system", "your network", "your domain", "your isp",
		"your user name", "your username", "your user id", "your userid", "your subscription", "your license", "your licence", "your hosting",
	},
	// client and does: a statement about us.
	"client": {
		"your ip", "your ip address", "your host", "your hostname", "your server", "your mail server",
		"your mailserver", "your email server", "your network", "your domain", "your mta", "your system", "your isp",
		"your provider", "sending host", "sending server", "connecting host", "client host", "remote host",
	},
	"does": {
		"is", "isnt", "was", "wasnt", "are", "has", "hasnt", "had", "does", "doesnt", "did", "didnt", "cannot", "cant",
		"could", "may", "must", "should", "sent", "sends", "wrote", "tried", "appears", "seems", "failed", "fails",
	},
	// the, whose: what may stand before a name, and of: what ties one thing to another.
	"the":   {"the", "this", "that", "any"},
	"of":    {"of", "for", "to", "in"},
	"whose": {"users", "customer", "customers", "subscribers", "account", "accounts", "his", "her", "their"},
	// mails: what is sent.
	"mails": {"mail", "mails", "email", "emails", "message", "messages"},
	// aspect: what a mailbox or its address has, and may lack while it is there.
	"aspect": {
		"agent", "transport", "filter", "filters", "preferences", "settings", "index", "extension", "token",
		"responder", "signature", "picture", "encoding", "prefix", "suffix", "hash", "key",
		"configuration", "config", "type", "company", "provider", "organization", "organisation",
		"format", "state", "permissions", "mailer", "router", "uid", "ticket", "rule",
		"profile",
	},
	// gone: what is said of a mailbox that is shut. What is said of clients and
	// messages too ("blocked", "rejected") is not among it.
	"gone": {
		"disabled", "deactivated", "de activated", "desactivated", "disactivated", "inactive", "inactivated",
		"not active", "isnt active", "not currently active", "not activated", "no longer active", "non active", "suspended", "suspend",
		"locked", "locked out", "temporary locked", "frozen", "terminated", "expired", "dormant", "discontinued",
		"deleted", "cancelled", "canceled", "retired", "archived", "administratively disabled", "temporarily disabled",
		"temporarily suspended", "temporarily locked", "temporarily inactive", "currently suspended",
		"currently disabled", "permanently disabled", "not enabled", "isnt enabled", "no longer in use", "not in use",
		"no longer used", "abandoned", "decommissioned", "obsolete", "shut down", "due to inactivity", "for inactivity",
		"because of inactivity", "inactivity", "no longer monitored", "no longer being monitored", "deprovisioned",
		"lapsed", "has lapsed", "deregistered", "de registered", "unsubscribed",
	},
	// shut: the same, but only side by side with the mailbox.
	"shut": {
		"closed", "restricted", "blocked", "removed", "revoked", "banned", "dead", "is closed", "is restricted",
		"is blocked", "is removed", "is banned", "has been closed", "has been removed", "has been blocked",
		"was closed", "was removed", "has been restricted", "hangup", "hung up", "is now disabled", "no longer accepts",
		"has been retired", "is dead", "unavailable due to inactivity", "is barred", "barred", "unused", "withdrawn",
		"has been withdrawn", "was withdrawn", "turned off", "is turned off", "has been turned off", "was turned off",
		"switched off", "is switched off", "was switched off", "has been switched off", "has been revoked",
		"was revoked", "permanently closed", "is permanently closed", "no longer maintained", "is no longer maintained",
		"out of use", "is out of use", "out of service", "is out of service", "not yet activated",
		"is not yet activated", "no longer receives", "can no longer receive", "no longer in service",
		"is no longer in service", "temporarily limited", "is temporarily limited", "has been limited",
		"has been temporarily limited", "purged", "has been purged", "was purged", "marked for deletion",
		"is marked for deletion", "scheduled for deletion", "is scheduled for deletion", "pending deletion",
		"is pending deletion", "in bad standing", "is in bad standing",
	},
	// full: what is said of a mailbox without room.
	"full": {
		"full", "is full", "overfull", "over full", "over quota", "overquota", "over its quota", "over the quota",
		"over their quota", "over allocated quota", "out of quota", "out of space", "out of storage", "exceeded quota",
		"exceeds quota", "exceeds allowed size", "exceeded storage", "exceeded the", "too large", "too big",
		"over limit", "over size", "oversize", "over disk quota", "quota exceeded", "quota full", "size limit",
		"storage limit", "insufficient disk space", "insufficient space", "insufficient storage", "not enough space",
		"not enough room", "not enough storage", "no space", "no more space", "does not have enough space",
		"space not enough", "limit exceeded", "limit reached", "over its storage limit", "over the storage limit",
		"over the limit", "over its limit", "over maximum", "exceeds its", "exceeded its", "has exceeded", "overloaded",
		"overflow*", "storage full", "full disk", "temporarily full",
	},
	// dnsbl: names of lists and of the pages on which they explain themselves.
	"dnsbl": {
		"spamhaus*", "sorbs", "spamcop*", "barracudacentral", "uceprotect*", "abusix*", "invaluement*", "spamrats",
		"mailspike*", "senderscore*", "senderbase*", "dnsbl*", "rbl", "rbls", "dnswl", "njabl*", "cbl", "xbl", "sbl",
		"pbl", "dbl", "psbl", "surriel", "backscatterer", "blackholes", "spameatingmonkey", "surbl", "uribl*",
		"truncate gbudb", "gbudb", "nixspam", "manitu", "zen spamhaus", "wpbl", "dsbl", "ordb", "ahbl", "cloudmark",
		"csi cloudmark", "hostkarma", "talosintelligence", "talos", "trustedsource", "ipcheck proofpoint",
		"prs proofpoint", "blacklist*", "blocklist*", "black listed", "block listed", "blackhole*", "denylist*",
		"black list", "block list", "deny list", "in a black list", "badip", "csi mimecast", "zen mimecast", "mxrate",
		"proofpoint dynamic reputation", "mail abuse org", "spam database", "spam list", "dynamic list",
		"realtime block*", "policyd weight", "rbls org", "apews", "brbl", "barracuda reputation", "dnsrbl",
		"ubl unsubscore", "ipbl", "relays org", "relays ordb", "relays osirusoft", "relays mail abuse", "ers",
		"sperrliste*", "blockliste*", "mail abuse", "trend micro email reputation", "senderbase org",
		"network reputation service",
	},
	// namesUs: our address or a list is named, so another host would say the same.
	"namesus": {
		wordIP, "your ip*", "ip", "ips", "ip address", "client host", "connecting host", "sending host", "spamhaus*",
		"sorbs", "spamcop*", "barracudacentral", "uceprotect*", "abusix*", "dnsbl*", "rbl", "blacklist*", "blocklist*",
		"black list", "block list", "denylist*", "listed", "reputation", "your server", "your host", "your network",
	},
	// us: the client, its address, its name.
	"us": {
		"your ip", "ip", "ips", "ip address", "ip addresses", "this ip", "sending ip", "source ip", "client ip",
		"client host", "client", "clients ip", "your host", "connecting host", "connecting ip", "connecting", "host",
		"your server", "your mail server", "your network", "your domain", "your mta", "mta", "sending mta",
		"sending server", "sending host", "remote host", "server ip", "your address", "your location", "your country",
		"your isp", "your hostname", "your computer", "your system", "your mailserver", "originating ip", "ipaddress",
		"smtp client", "% ", "mail server", "subnet", "netblock", "hosts", "network", "country", "dynamic ip",
		"your email server", "sender ip", "senders ip", "senders server", "ip range", wordIP,
	},
	// refused: what is done to us.
	"refused": {
		"blocked", "block", "is blocked", "been blocked", "denied", "refused", "rejected", "banned", "barred",
		"blacklisted", "listed", "not allowed", "not welcome", "not permitted", "not accepted", "forbidden",
		"prohibited", "disallowed", "quarantined", "suspicious", "not authorized", "unacceptable", "bad reputation",
		"poor reputation", "low reputation", "suspect", "untrusted", "not trusted", "unauthorized", "restricted",
		"not acceptable", "in blacklist", "abusive", "black listed", "throttled", "locally blocked", "blackholed",
		"unwelcome",
	},
	// sender: the probe sender.
	"sender": {
		"sender", "senders", "sender address", "sender email", "senders address", "sender domain", "senders domain",
		"sender email address", "envelope sender", "envelope from", "mail from", "mailfrom", "mail from address",
		"from address", "return path", "return address", "reverse path", "from domain", "your sender", "mfrom",
		"sending address", "sending domain", "envelope address", "envelope domain", "sending email", "sending user",
		"domain of sender", "domain of sender address", "originator", "from user", "return email", "returnpath",
		"author address", "sending domains", "response address", "reply address", "reply to address", "replyto address",
		"from account", "from mailbox", "originator account", "originating account", "senders email address",
		"senders email", "bounce address", "sender name", "sender id",
	},
	// refusedSender: what is said of the sender.
	"refusedsender": {
		"rejected", "reject", "denied", "refused", "blocked", "blacklisted", "banned", "not allowed", "not accepted",
		"invalid", "not valid", "is invalid", "not exist", "does not exist", "doesnt exist", "must exist",
		"must resolve", "does not resolve", "doesnt resolve", "not found", "unknown", "unverified", "not verified",
		"verify failed", "verification failed", "could not be verified", "cannot be verified", "couldnt be verified",
		"not permitted", "prohibited", "forbidden", "unresolvable", "unroutable", "unrouteable", "bad", "undeliverable",
		"not deliverable", "syntax", "has no", "is not known", "must contain a domain", "not authorized",
		"unauthorized", "incorrect", "wrong", "is unacceptable", "unacceptable", "not acceptable", "required",
		"is required", "missing", "disallowed", "isnt allowed", "not welcome", "check failed", "failed", "malformed",
		"cannot receive", "unable to verify", "unverifiable", "not registered", "nonexistent", "lookup failed",
		"not resolvable", "is empty", "does not accept mail", "locally blacklisted", "listed", "is not allowed",
		"isnt accepted", "suspicious", "not configured", "unconfigured", "not local", "not be confirmed",
		"not confirmed", "be looked up", "be resolved", "mail exchanger", "not appear to be", "isnt valid", "forged",
		"spoofed", "mismatch", "is restricted",
	},
	// tooMany and things: rates and counts.
	"toomany": {
		"too many", "too much", "too frequent", "too often", "too fast", "too quickly", "excessive", "exceeded",
		"exceeds", "exceed", "exceeding", "reached", "over the limit", "limit exceeded", "limit reached", "maximum",
		"limit", "limited", "limits", "max", "unusual rate", "throttled", "throttling", "quota", "allowance",
	},
	"things": {
		"connections", "connection", "concurrent", "simultaneous", "sessions", "recipients", "messages", "mails",
		"emails", "requests", "transactions", "rcpt", "rcpts", "rate", "errors", "commands", "attempts", "sending",
		"smtp sessions", "invalid recipients", "unknown recipients", "userid unknowns", "unknowns", "bad recipients",
		"unknown users", "invalid users", "volume", "per hour", "per day", "per minute", "per connection",
		"per session", "hourly", "daily", "per second", "mail from", "traffic", "threads", "deliveries",
		"simultaneously", "non existent", "nonexistent", "bad commands", "failures", "hits", "bad addresses",
		"invalid addresses", "user unknown", "unknown addresses", "tries", "mail",
	},
	"often": {
		"too often", "too fast", "too quickly", "too frequently", "too rapidly",
	},
	// later: a delay is named.
	"later": {
		"in a few minutes", "in few minutes", "minutes", "seconds", "min", "mins", "sec", "secs", "minute", "an hour",
		"hour", "one hour",
	},
	// wanting: something is demanded.
	"needed": {
		"required", "is required", "needed", "is needed", "necessary", "must", "mandatory", "first", "requires",
		"require", "must be used", "obligatory", "please", "enforced", "needs", "only",
	},
	// some: what makes a refusal of all mail one of some mail, from some, or for some time.
	"some": {
		"from", "of", "over", "with", "without", "during", "through", "before", "on", "you", "that", "which", "when",
		"by", "via", "larger", "bigger", "above", "sent", "where", "this hour", "this minute", "this moment",
		"for other", "for others", "containing", "at this", "at present", "until", "because", "in the clear",
		"in clear text", "in plain", "in html", "now", "unless", "except", "under", "your", "as long", "today", "yet",
	},
	// cannot: what stands before what could not be done.
	"cannot": {
		"cannot", "cant", "can not", "could not", "couldnt", "unable to", "not able to", "wasnt able to", "impossible to",
		"dont know how to", "do not know how to",
	},
	// fault: faults of a dialogue, not of a recipient.
	"fault": {
		"syntax", "protocol", "nonmail", "non mail", "bad commands", "unrecognized", "unrecognised", "unknown commands",
		"unknown command", "invalid commands", "noop", "noops", "rset", "rsets", "unauthenticated commands",
	},
	"domain": {
		"domain", "domains", "host", "recipient domain", "recipients domain",
		"destination domain", "mail domain", "domain name", "destination host", "email domain", "destination system",
	},
}
