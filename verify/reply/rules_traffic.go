package reply

import "rcptgate/verify/verdict"

// trafficRules: TLS, authentication, relaying, and failures of the server that
// its words would hide behind other rules.
var trafficRules = []Rule{
	{
		ID: "out-of-order", Means: "a command at the wrong time: a fault in the dialogue, nothing about the mailbox",
		From:   "RFC 5321 section 4.2.2: 503",
		Reason: verdict.Unclassified,
		Any: []string{
			"bad sequence", "command unrecognized", "unrecognized command", "command not recognized", "unknown command",
			"command not implemented", "command rejected by", "unrecognized parameter", "unsupported parameter",
			"invalid parameter", "send hello first", "say helo", "say ehlo", "polite people", "helo first", "ehlo first",
			"need mail", "need rcpt", "mail first", "rcpt first", "already given", "already have mail", "multiple mail",
			"out of sequence", "out of order", "no recipients", "no valid recipients", "need recipient", "need mail command",
			"send helo", "send ehlo", "sender already", "mail from first", "expected helo", "pipelining",
			"synchronization error", "protocol error", "protocol violation", "nested mail", "duplicate", "unknown option",
			"unimplemented", "parameter not", "need valid", "not implemented", "syntax error in command", "line too long",
			"command syntax",
		},
		Not: []string{"authenticat*", "starttls", "auth", "protocol violation .. ip", "blocked", "too many"},
	},
	{
		ID: "server-trouble", Means: "the server has trouble of its own",
		From:   "RFC 3463: x.3.x, x.4.x; Postfix, Exim, qmail",
		Reason: verdict.TemporaryFailure,
		Any: []string{
			"internal error", "internal server error", "internal system error", "system error", "server configuration error",
			"configuration error", "lookup failure", "lookup error", "temporary error", "temporary failure",
			"temporary problem", "temporary local problem", "local problem", "timed out", "timeout", "time out",
			"temporarily unavailable", "temporarily unable", "temporarily rejected", "temporary system problem",
			"temporary reason", "temporary lookup", "temporarily deferred", "database error", "database failure",
			"database .. unavailable", "backend .. unavailable", "backend .. failed", "ldap .. unavailable", "ldap .. failed",
			"ldap error", "mysql", "sql error", "i o error", "mail loop", "loops back", "loop detected",
			"cannot accept your message due to", "resources unavailable", "resources temporarily", "insufficient resources",
			"license expired", "service shutting down", "shutting down", "out of memory", "resource shortage", "cannot open",
			"unable to open", "mail store", "no answer", "not responding", "no response", "unreachable", "cannot reach",
			"hardware", "could not complete recipient verify", "address verification in progress", "verification in progress",
			"temporary .. validation", "temporary spf", "name server", "nameserver", "dns error", "dns failure",
			"server error", "server failure", "system failure", "local error", "processing error", "temporary .. error",
			"mailbox busy", "mailbox is busy", "mailbox locked by", "mailbox temporarily", "in maintenance", "maintenance",
			"under maintenance", "temp failure", "tempfail*", "unable to connect", "connection failed", "connection error",
			"unable to process", "software error", "please try again later",
		},
		Not: []string{
			"$box $gone", "user unknown", "no such user", "$box .. temporary locked", "account temporarily",
			"temporarily suspended", "$domain .. not found", "name server host not found",
		},
	},
	{
		ID: "tls", Means: "TLS is demanded",
		From:   "RFC 3207 section 4: 530; RFC 5248: x.7.10",
		Reason: verdict.TLSRequired,
		Any: []string{
			"starttls .. $needed", "tls .. $needed", "ssl .. $needed", "$needed .. starttls", "$needed .. tls",
			"$needed .. encrypt*", "encryption .. $needed", "encrypted .. $needed", "use starttls", "use tls", "without tls",
			"without encryption", "issue a starttls", "tls only", "encryption needed", "secure connection", "tls not used",
			"requires tls", "not encrypted", "unencrypted", "tls version", "insecure connection", "plaintext connection",
			"tls negotiat*", "no encryption", "starttls before", "starttls command first", "tls is not", "verschlusselt*",
			"chiffrement", "not secure", "a tls session",
		},
		Not: []string{"tls not available due", "not available"},
	},
	{
		ID: "tls-code", Means: "TLS is demanded",
		From:     "RFC 5248: x.7.10; 538",
		Reason:   verdict.TLSRequired,
		Enhanced: []string{"7.10-11"},
	},
	{
		ID: "relay-plain", Means: "the server does not relay for us, whatever it advises besides",
		From:   "sendmail, Postfix, Exim",
		Reason: verdict.RelayDenied,
		Any: []string{
			"not permitted to relay", "not allowed to relay", "not authorized to relay", "relaying denied",
			"relay access denied", "dont relay", "do not relay", "doesnt relay", "does not relay",
		},
	},
	{
		ID: "relay", Means: "the server does not relay for this domain",
		From:   "sendmail, Postfix: Relay access denied; qmail: rcpthosts; RFC 3463 x.7.1",
		Reason: verdict.RelayDenied,
		Any: []string{
			"relay access denied", "relay denied", "relay not permitted", "relay .. prohibited", "relay .. rejected",
			"relay .. denied", "relay .. refused", "relay .. not allowed", "relay .. not permitted", "not relay",
			"unable to relay", "cannot relay", "cant relay", "wont relay", "relaying .. denied", "relaying", "relayed",
			"no relay*", "as a relay", "a relay", "accepted domains", "isnt handled", "not handled", "to relay", "rcpthosts",
			"not a gateway", "relay for", "relay access", "relay mail", "relay this", "relay attempt", "open relay",
			"relay rejected", "relay prohibited", "relay disallowed", "relay forbidden", "relay error", "relay to",
			"mail relay", "we do not accept mail for", "do not handle mail for", "doesnt handle mail for",
			"does not handle mail for", "not handle mail", "accepted domain", "not accepting email for domain",
			"not accepting mail for domain", "not accept mail for", "dont accept mail for", "not authorized to relay",
			"not configured .. domain", "not responsible for", "domain is not allowed", "specified domain",
			"domain not allowed", "domain isnt allowed", "domain .. not in my list", "domain isnt in my list",
			"not local host", "non local domain", "not a local domain", "nonlocal", "not our domain",
			"not one of our domains", "not a domain we", "relais", "pas autorise .. relais", "kein relay", "reenvio",
			"retransmis*", "релей", "пересылк*", "転 送", "中 继", "转 发", "not allowed .. relay", "mx pointing to",
			"mx .. pointing", "unknown virtual domain", "domain not local", "domain is not local",
			"this server does not serve", "no mx .. for us", "not listed as a domain", "not hosting",
			"not permitted to relay",
		},
		Not: []string{
			"authenticat*", "open relay database", "user unknown", "in relay recipient table", "relay recipient table",
			"smtp auth", "relay limit*", "relay sending limit", "smtp relay",
		},
	},
	{
		ID: "auth", Means: "authentication is demanded or failed",
		From:   "RFC 4954 section 6: 530, 535",
		Reason: verdict.AuthRequired,
		Any: []string{
			"authentication .. $needed", "authentication required", "authenticate", "smtp auth", "auth required",
			"auth failed", "auth failure", "authentication mechanism", "auth .. $needed", "$needed .. auth",
			"login .. $needed", "must login", "log in", "log on", "not logged in", "credentials", "authentication failed",
			"authentication failure", "authentication unsuccessful", "not authenticated", "unauthenticated",
			"username and password", "username or password", "authenticated", "authentication credentials",
			"authentification", "autenticacion", "autenticacao", "autenticazione", "anmeldung", "authentifizierung",
			"requires authentication", "must check for new mail", "check for new mail", "pop before", "smtp authentication",
			"authenticating", "auth first", "auth command", "requires auth", "submission", "anonymous*", "認 証", "认 证", "验 证",
			"авторизац*", "аутентификац*",
		},
		Not: []string{"resolver rst*", "user authentication .. mailbox", "from authenticated senders"},
	},
	{
		ID: "auth-code", Means: "authentication is demanded or failed",
		From:   "RFC 4954: 530, 535, 534",
		Reason: verdict.AuthRequired, Codes: []int{530, 534, 535},
	},
	{
		ID: "utf8", Means: "the address needs SMTPUTF8",
		From:   "RFC 6531 section 3.5: x.6.7",
		Reason: verdict.SMTPUTF8Unsupported, At: AtRcpt,
		Any: []string{"smtputf8", "non ascii", "utf8smtp", "internationalized", "utf 8"},
	},
	{
		ID: "utf8-code", Means: "the address needs SMTPUTF8",
		From:   "RFC 6531 section 3.5: x.6.7",
		Reason: verdict.SMTPUTF8Unsupported, At: AtRcpt,
		Enhanced: []string{"6.7"},
	},
}

// policyRules: the recipient's side refuses, and does not say whether the
// mailbox exists.
var policyRules = []Rule{
	{
		ID: "recipient-policy", Means: "the recipient, or its administrator, does not want it",
		From:   "Postfix access maps; Exchange restrictions; list managers",
		Reason: verdict.RecipientPolicy, At: AtRcpt, Digit: 5,
		Any: []string{
			"recipient address rejected access denied", "recipient address rejected policy*", "policy rejection",
			"delivery not authorized", "not authorized", "not authorised", "administrative prohibition",
			"administratively prohibited", "prohibited by administrator", "by the administrator", "by administrator",
			"by your administrator", "by the domain owner", "from outside", "rejected by recipient",
			"rejected by the recipient", "rejected by user", "rejected by this user", "user reject", "user rejected",
			"recipient rejected the", "recipient refused", "refused by recipient", "recipient does not accept",
			"recipient doesnt accept", "user does not accept", "does not accept mail from", "does not accept mails from",
			"not accept .. outside", "not accept .. external", "external senders", "external mail", "internal use only",
			"internal only", "internal mail only", "recipients policy", "recipient policy", "policy error",
			"policy restriction*", "not want your mail", "doesnt want your", "does not want", "blocked by recipient",
			"by recipient request", "policy of the recipient", "not allowed to receive", "not permitted to receive",
			"cannot receive external", "restricted recipient", "recipient restricted", "recipient not allowed",
			"recipient is not allowed", "receiving .. not allowed", "moderat*", "mailing list .. closed",
			"refused the message", "message rejected by", "has blocked you", "not allowed to receive mail", "send only",
			"does not receive", "outgoing only", "noreply", "no reply", "unattended", "not monitored",
		},
		Not: []string{
			"$box .. $gone", "no user", "no mailbox", "$who .. not exist", "user unknown", "no such user", "$who unknown",
			"invalid recipient", "nonlocal", "does not exist", "doesnt exist",
		},
	},
}
