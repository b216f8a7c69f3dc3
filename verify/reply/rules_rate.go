package reply

import "rcptgate/verify/verdict"

// rateRules: too many, too often.
var rateRules = []Rule{
	{
		ID: "recipients-per-message", Means: "too many recipients in one transaction; a 552 is to be taken for 452",
		From:   "RFC 5321 section 4.5.3.1.10",
		Reason: verdict.RateLimited,
		Any: []string{
			"too many recipients", "max rcpt*", "maximum recipients", "recipients limit", "recipient limit", "rcpt limit",
			"too many rcpt*", "max of .. recipients", "only .. recipients", "recipients per", "number of recipients",
			"recipients exceeded", "one recipient", "recipient at a time",
		},
		Not: []string{"no recipients"},
	},
	{
		ID: "limit", Means: "a limit of ours is passed",
		From:   "qmail patches, Exchange",
		Reason: verdict.RateLimited,
		Any: []string{
			"exceeded your .. limits", "exceeded your .. limit", "messaging limits", "messaging limit", "permitted limits",
			"your limit",
		},
		Not: []string{"mailbox", "size"},
	},
	{
		ID: "rate", Means: "we ask too often, or have too much open",
		From:   "all MTAs; Postfix anvil, Exim ratelimit, Exchange",
		Reason: verdict.RateLimited,
		Any: []string{
			"too many .. $things", "too much .. $things", "excessive .. $things", "exceeded .. $things",
			"exceeds .. $things",
			"exceeding .. $things", "maximum .. $things", "max .. $things", "$things .. exceeded", "$things .. exceeds",
			"$things .. limit reached", "$things .. limit", "$things .. limits", "$things .. limited", "limit .. $things",
			"limited .. $things", "limits .. $things", "$things .. $often", "rate limit*", "ratelimit*", "rate control",
			"rate exceeded", "throttl*", "unusual rate", "send* $often", "sending $often", "mail $often", "messages $often",
			"slow down", "frequency", "flood*", "traffic limit*", "sending limit*", "unusual traffic", "anvil",
			"rate too high", "high rate", "reached .. $things", "too many .. users", "too much mail", "too many unknown",
			"too many invalid", "too many bad", "too many failed", "too many non", "connecting $often", "connect* $often",
			"recipients .. too many", "quota for .. connections", "too fast", "too rapidly", "too frequent*", "concurrency",
			"too many concurrent", "too many consecutive", "hourly limit", "daily limit", "hourly quota", "daily quota",
			"burst", "per hour", "per minute", "too many", "sent quota", "sending quota", "smtp relay limit*",
			"relay limit*",
			"relay sending limit", "greedy", "over rate", "rate is too", "message rate", "connection rate", "mail rate",
			"resource forest", "more than .. connections", "send quota", "overlimit", "thread limit",
		},
		Not: []string{
			"mailbox .. quota", "too much mail data", "user .. quota", "hop count", "too many hops", "hops",
			"received headers", "message size",
			"size limit", "storage limit", "too many messages in .. mailbox", "$box .. too many messages", "mailbox limit",
			"account limit", "inbox .. limit", "disk quota", "storage", "space", "quota exceeded", "over quota",
			"overquota",
			"quota violation", "mailbox size", "messages in your mailbox", "mailbox is full", "mailbox full",
		},
	},
	{
		ID: "sending-quota", Means: "our allowance for a day or an hour is used up",
		From:   "Google relay, Exchange, hosting providers",
		Reason: verdict.RateLimited,
		Any: []string{
			"daily .. quota", "hourly .. quota", "sending quota", "daily .. limit", "hourly .. limit", "hourly",
			"sending allowance", "sending limit*", "daily limit",
		},
		Not: []string{"mailbox"},
	},
	{
		ID: "system-busy-early", Means: "the server is too busy for anybody: no address, list or rate of ours is named",
		From:   "RFC 5321 section 3.8; sendmail load limits, Exchange back pressure",
		Reason: verdict.TemporaryFailure, At: Early, Digit: 4,
		Enhanced: []string{"4.5", "3.2"},
		Any:      []string{"too busy", "overload*", "server busy", "are busy", "congestion"},
		Not:      []string{"$namesus"},
	},
	{
		ID: "system-busy", Means: "the server is too busy for us now",
		From:   "sendmail load limits, Exchange back pressure",
		Reason: verdict.RateLimited, Digit: 4,
		Enhanced: []string{"4.5", "3.2"},
		Any:      []string{"too busy", "overload*", "server busy", "are busy", "congestion"},
	},
}

// quotaRules: the mailbox exists and has no room.
var quotaRules = []Rule{
	{
		ID: "system-full-code", Means: "the code says that the server has no room",
		From:     "RFC 3463: x.3.1; sendmail",
		Reason:   verdict.TemporaryFailure,
		Enhanced: []string{"3.1"},
		Any:      []string{"disk space", "no space", "insufficient space", "storage", "disk quota"},
		Not:      []string{"mailbox", "user", "over quota"},
	},
	{
		ID: "system-full", Means: "the server has no room, not the mailbox",
		From:   "RFC 3463: x.3.1; Postfix: Insufficient system storage",
		Reason: verdict.TemporaryFailure,
		Any: []string{
			"system storage", "mail system full", "system full", "disk full", "no space left", "out of disk space",
			"server is out of space", "server .. disk space", "queue file", "spool .. full", "system .. out of",
			"server full", "queue is full", "queue full", "system disk", "insufficient system", "out of memory",
			"system resources", "server disk", "insufficient disk space",
		},
		Not: []string{"mailbox", "user", "quota", "@ .. insufficient disk space"},
	},
	{
		ID: "mailbox-full", Means: "the mailbox is over its quota",
		From:   "RFC 3463: x.2.2; Dovecot, Courier maildrop, Exchange, Gmail",
		Reason: verdict.MailboxFull, At: AtRcpt,
		Any: []string{
			"mailbox full", "mailbox is full", "inbox full", "inbox is full", "overquota", "over quota", "quota exceeded",
			"quota exceed", "exceeded quota", "exceeds quota", "exceeding quota", "exceed .. quota", "exceeds .. quota",
			"exceeded .. quota", "quota .. exceeded", "quota .. full", "out of quota", "quota violation",
			"too many messages in .. mailbox", "too many messages on the server", "insufficient mailbox",
			"mailbox space", "@ .. insufficient disk space",
			"insufficient disk space", "its storage limit", "over .. quota", "overdrawn quota", "quota limit",
			"quota reached", "reached .. quota", "quota is full", "insufficient quota", "storage allocation",
			"over its storage limit", "storage limit", "storage space", "out of storage", "storage quota",
			"storage exceeded",
			"storage full", "$box .. $full", "$full .. $box", "mail box full", "mailfolder is full", "mailbox size",
			"mailbox quota", "mail quota", "disk quota", "user quota", "account quota", "not enough storage",
			"not enough space", "space not enough", "no space", "full mailbox", "full inbox", "message store full",
			"space limit", "maildir over*", "maildir .. full", "mail folder .. full", "size limit .. mailbox",
			"too much mail data", "mailbox limit", "no room", "mbox .. full", "bigger than .. quota", "extended quota",
			"box full", "boite .. pleine", "boite pleine", "pleine", "quota depasse*", "espace .. insuffisant",
			"boite .. saturee", "postfach .. voll", "postfach voll", "ist voll", "speicherplatz", "uberfullt", "kontingent",
			"buzon lleno", "casilla llena", "casilla .. llena", "esta llena", "esta lleno", "buzon .. lleno",
			"cuota excedida", "excedido .. cuota", "cuota .. excedida", "sin espacio", "espacio insuficiente",
			"caixa postal cheia", "caixa .. cheia", "esta cheia", "cota excedida", "excedeu .. cota", "quota excedida",
			"caixa de correio cheia", "sem espaco", "casella piena", "casella .. piena", "e piena", "spazio esaurito",
			"spazio insufficiente", "quota superata", "переполнен*", "превышен* .. квот*", "ящик полон", "квота",
			"нет места",
			"邮箱已满", "邮箱满", "已满", "空间不足", "空间已满", "容量", "超过 .. 容量", "信箱已满", "信箱已滿", "已滿", "空間不足",
			"容量を超", "いっぱい", "満杯", "quota przekroczon*", "przekroczon* .. limit*", "skrzynka .. pelna", "pelna",
			"skrzynka przepelniona", "vol", "is vol", "full upp", "fuld", "postboks full", "plna", "schranka .. plna",
			"megtelt", "doldu", "kotasi asildi", "kota asimi", "plina", "γεματο", "용량", "kapasitesi doldu",
		},
		Not: []string{
			"recipients limit", "connections", "daily .. quota", "sending quota", "smtp relay", "too many recipients",
			"system storage", "mail system full", "queue quota",
		},
	},
	{
		ID: "mailbox-full-code", Means: "the mailbox is over its quota",
		From:   "RFC 3463: x.2.2",
		Reason: verdict.MailboxFull, At: AtRcpt,
		Enhanced: []string{"2.2"},
	},
	{
		ID: "message-too-big", Means: "a message is too big: nothing about the mailbox",
		From:   "RFC 1870; RFC 3463: x.3.4, x.2.3",
		Reason: verdict.RecipientPolicy, At: AtRcpt,
		Any: []string{
			"message size", "message too large", "message too big", "size exceeds", "message length", "exceeds .. size",
			"exceeded .. size", "maximum size", "size limit",
		},
	},
}
