package reply

import "rcptgate/verify/verdict"

// rateRules: too many, too often.
var rateRules = []Rule{
	{
		ID: "recipients-per-message", Means: "too many recipients in one transaction; a 552 is to be taken for 452",
		From:   "RFC 5321 section 4.5.3.1.10",
		Reason: verdict.RateLimited,
		Any: []string{
			"too many recipients", "max rcpt*", "maximum recipients", "recipients limit", "recipient limit",
			"rcpt limit", "too many rcpt*", "max of .. recipients", "only .. recipients", "recipients per",
			"number of recipients", "recipients exceeded", "no more recipients", "one recipient", "recipient at a time",
		},
		Not: []string{"no recipients"},
	},
	{
		ID: "limit", Means: "a limit of ours is passed",
		From:   "qmail patches, Exchange",
		Reason: verdict.RateLimited,
		Any: []string{
			"exceeded your .. limits", "exceeded your .. limit", "messaging limits", "messaging limit",
			"permitted limits", "your limit",
		},
		Not: []string{"mailbox", "size"},
	},
	{
		ID: "rate", Means: "we ask too often, or have too much open",
		From:   "all MTAs; Postfix anvil, Exim ratelimit, Exchange",
		Reason: verdict.RateLimited, NotEnhanced: []string{"1.7"},
		Any: []string{
			"too much .. $things", "excessive .. $things", "exceeded .. $things", "exceeds .. $things",
			"exceeding .. $things", "maximum .. $things", "max .. $things", "$things .. exceeded",
			"$things .. exceeds", "$things .. limit", "$things .. limits", "$things .. limited", "limit .. $things",
			"limited .. $things", "limits .. $things", "$things .. $often", "rate limit*", "ratelimit*",
			"rate control", "throttl*", "unusual rate", "send* $often", "slow down", "slower", "frequency", "flood*",
			"traffic limit*", "sending limit*", "unusual traffic", "anvil", "rate too high", "high rate",
			"reached .. $things", "connect* $often", "quota for .. connections", "too fast", "too rapidly",
			"too frequent*", "concurrency", "hourly quota", "daily quota", "burst", "per hour", "per minute",
			"too many", "sent quota", "sending quota", "relay limit*", "greedy", "over rate", "transfer quota",
			"rate is too", "message rate", "connection rate", "mail rate", "resource forest",
			"more than .. connections", "send quota", "overlimit", "thread limit", "threshold exceeded",
			"session limit*", "sessions limit*", "reconnect to fast",
		},
		Not: []string{
			"timeout exceeded", "too much mail data", "size", "space", "received headers", "quota violation",
			"$box .. quota", "mailbox .. limit", "inbox .. limit", "account limit", "too many messages in .. mailbox",
			"$box .. too many messages", "too many messages on this", "too many messages in this $box",
			"messages in your mailbox",
		},
		Nowhere: []string{
			"recursive", "hop count", "hops", "storage", "disk quota", "quota exceeded", "over quota", "overquota",
			"mailbox . full",
		},
	},
	{
		ID: "sending-quota", Means: "our allowance for a day or an hour is used up",
		From:   "Google relay, Exchange, hosting providers; Policyd, iRedAPD",
		Reason: verdict.RateLimited,
		Any: []string{
			"daily .. quota", "sending quota", "submission quota", "daily .. limit", "hourly", "sending allowance",
			"sending limit*", "message count quota", "cumulative size quota", "throttling quota",
			"message quota exceeded", "recipient count quota", "quota for sender", "quota for the sender",
			"quota of the sender", "sender quota", "senders quota",
		},
		Not: []string{"mailbox"},
	},
	{
		ID: "system-busy-early", Means: "the server is too busy for anybody: no address, list or rate of ours is named",
		From:   "RFC 5321 section 3.8; sendmail load limits, Exchange back pressure",
		Reason: verdict.TemporaryFailure, At: Early, Digit: 4,
		Enhanced: []string{"4.5", "3.2"},
		Any:      []string{"too busy", "overload*", "server busy", "are busy", "congestion"},
		Nowhere:  []string{"$namesus"},
	},
	{
		ID: "system-busy", Means: "the server is too busy for us now",
		From:   "sendmail load limits, Exchange back pressure",
		Reason: verdict.RateLimited, Digit: 4,
		Enhanced: []string{"4.5", "3.2"},
		Any:      []string{"too busy", "overload*", "server busy", "are busy", "congestion"},
		Not:      []string{"ports are busy"},
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
		Nowhere:  []string{"mailbox", "user", "over quota"},
	},
	{
		ID: "system-full", Means: "the server has no room, not the mailbox",
		From:   "RFC 3463: x.3.1; Postfix: Insufficient system storage",
		Reason: verdict.TemporaryFailure,
		Any: []string{
			"system storage", "system full", "disk full", "no space left", "out of disk space",
			"server is out of space", "server .. disk space", "queue file", "spool .. full", "system .. out of",
			"server full", "queue is full", "queue full", "system disk", "insufficient system", "out of memory",
			"system resources", "server disk", "insufficient disk space",
		},
		Not: []string{"mailbox", "user", "quota", "@ .. insufficient disk space", "no space left for"},
	},
	{
		ID: "mailbox-full", Means: "the mailbox is over its quota",
		From:   "RFC 3463: x.2.2; Dovecot, Courier maildrop, Exchange, Gmail",
		Reason: verdict.MailboxFull, At: AtRcpt,
		Any: []string{
			"overquota", "quota exceed", "exceeding .. quota", "diskspace quota", "userdisk quota",
			"domaindisk quota", "exceed maximum allowed storage", "space has been used up", "not enough disk space",
			"not sufficient disk space", "does not have enough space", "mail file size exceeds", "exceed .. quota",
			"exceeds .. quota", "exceeded .. quota", "quota .. exceeded", "quota .. full", "out of quota",
			"quota violation", "too many messages in .. mailbox", "too many messages on the server",
			"too many messages on this", "too many messages in this $box", "insufficient mailbox", "mailbox space",
			"insufficient disk space", "over .. quota", "overdrawn quota", "quota is over", "over quote",
			"quota used up", "space has used up", "space is used up", "quota limit", "quota reached",
			"reached .. quota", "insufficient quota", "storage allocation", "storage limit", "storage space",
			"out of storage", "storage quota", "storage exceeded", "storage full", "$box .. $full", "$full .. $box",
			"mailfolder is full", "mailbox size", "mailbox quota", "mail quota", "disk quota", "user quota",
			"account quota", "not enough storage", "not enough space", "space not enough", "no space",
			"message store full", "space limit", "maildir over*", "maildir .. full", "mail folder .. full",
			"too much mail data", "mailbox limit", "no room", "bigger than .. quota", "extended quota", "box full",
			"pleine", "quota depasse*", "espace .. insuffisant", "boite .. saturee", "postfach .. voll", "ist voll",
			"speicherplatz", "uberfullt", "kontingent", "casilla .. llena", "esta llena", "esta lleno",
			"buzon .. lleno", "excedido .. cuota", "cuota .. excedida", "sin espacio", "espacio insuficiente",
			"caixa .. cheia", "esta cheia", "cota excedida", "excedeu .. cota", "quota excedida", "sem espaco",
			"casella .. piena", "e piena", "spazio esaurito", "spazio insufficiente", "quota superata", "переполнен*",
			"превышен* .. квот*", "ящик полон", "квота", "нет места", "邮箱满", "已满", "空间不足", "容量", "已滿", "空間不足", "いっぱい",
			"満杯", "quota przekroczon*", "przekroczon* .. limit*", "pelna", "skrzynka przepelniona", "vol", "full upp",
			"fuld", "postboks full", "plna", "megtelt", "doldu", "kotasi asildi", "kota asimi", "plina", "γεματο",
			"용량", "enough free space", "no free space", "storage .. exhausted", "space .. exhausted",
			"quota exhausted", "allotted space", "allotted storage",
		},
		Not: []string{
			"connections", "daily .. quota", "sending quota", "queue quota", "transfer quota", "submission quota",
			"smtp relay", "message too large", "message too big", "or may not exist", "or .. full",
		},
	},
	{
		ID: "mailbox-full-code", Means: "the mailbox is over its quota",
		From:   "RFC 3463: x.2.2",
		Reason: verdict.MailboxFull, At: AtRcpt,
		Enhanced: []string{"2.2"},
		Nowhere:  []string{"temporary failure", "temporary error", "temporary problem"},
	},
	{
		ID: "message-too-big", Means: "a message is too big: nothing about the mailbox",
		From:   "RFC 1870; RFC 3463: x.3.4, x.2.3",
		Reason: verdict.RecipientPolicy, At: AtRcpt,
		Any: []string{
			"message size", "size value too big", "message too large", "message too big", "size exceeds",
			"message length", "exceeds .. size", "exceeded .. size", "maximum size", "size limit",
		},
	},
}
