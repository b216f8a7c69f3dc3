package reply

import "rcptgate/verify/verdict"

// senderRules: the probe sender.
var senderRules = []Rule{
	{
		ID: "sender-list-policy", Means: "only some senders may write to this recipient",
		From:   "Exchange: restricted groups; list managers",
		Reason: verdict.RecipientPolicy, At: AtRcpt,
		Any: []string{
			"sender not authenticated for group", "not authorized to send to", "not authorised to send to",
			"not allowed to send to", "not permitted to send to", "not allowed to post", "not authorized to post",
			"sender not allowed .. list", "authenticated senders", "sender .. not authorized .. group",
			"only accepts mail from", "only accept mail from", "accepts mail only from", "restricted group", "restricted to",
			"members only", "only members", "not on .. whitelist", "not whitelisted", "not in .. whitelist", "closed list",
			"moderated", "allowed senders", "approved senders", "permission to send", "resolver rst*", "permission to email",
			"not subscribed", "non members", "nonmembers", "not allowed to write", "not permitted to write",
			"does not accept mail from unknown", "does not accept mail from people", "not authorized by recipient",
			"only accepts messages", "only accept messages",
			"not permitted to send", "not permitted to post", "not allowed to email",
		},
		Not: []string{"ip", wordIP, "your server", "relay*", "spf"},
	},
	{
		ID: "sender-temporary", Means: "the sender could not be looked up just now",
		From:   "Postfix, Exim: temporary lookup failure of the sender",
		Reason: verdict.SenderRefused, Digit: 4,
		Any: []string{"$sender .. $refusedsender", "sender verify", "sender callout", "$sender .. lookup"},
	},
	{
		ID: "sender", Means: "the sender address or domain is refused",
		From:   "RFC 5321 section 3.3; Postfix: Sender address rejected; Exim: sender verify",
		Reason: verdict.SenderRefused,
		Any: []string{
			"$sender .. $refusedsender", "$refusedsender $sender", "your address .. $refusedsender",
			"your domain .. $refusedsender", "your email address .. $refusedsender", "sender verify", "sender verification",
			"badmailfrom",
			"bad mail from", "bad sender", "invalid sender", "unknown sender", "unauthorized sender", "banned sender",
			"blocked sender", "rejected sender", "sender rejected", "refuse* .. sender", "reject* .. sender",
			"denied .. sender", "sender denied", "null sender", "<> .. not", "from <>", "empty sender",
			"empty envelope sender", "null reverse path", "empty return path", "bounces are not accepted",
			"bounce messages .. not", "no bounces", "sender callout", "sender callback", "verify the sender", "verify sender",
			"verify your sender", "verify your address", "validate sender", "sender validation", "senders domain",
			"sender domain .. dns", "mail from domain", "domain of sender", "postmaster verification failed",
			"envelope blocked", "envelope sender .. rejected", "sender blocked", "sender blacklisted", "forged sender",
			"spoof*", "forged", "impersonat*", "unroutable sender address", "sender is not", "sender must", "sender not",
			"return path does not", "check sender", "invalid from", "from domain", "your sender address", "mail from",
			"mail rejected from", "not allowed to send as", "domain .. your email address", "sender unknown", "from address",
			"sender unauthorized", "outbound sender", "address of sender", "domain may not exist", "sender id", "callback",
			"emetteur invalide", "expediteur .. inconnu", "expediteur invalide", "expediteur .. refuse",
			"absender .. abgelehnt", "absender .. ungultig", "absender .. unbekannt", "absender .. existiert",
			"remitente .. invalido", "remitente .. no", "remitente .. rechazado", "remetente .. invalido", "remetente .. nao",
			"remetente .. bloqueado", "remetente .. rejeitado", "mittente .. non", "mittente .. rifiutato",
			"mittente sconosciuto", "отправител*", "发 件 人", "寄 件 者", "寄 件 人", "送 信 者", "送 信 元", "nadawc*", "afzender",
			"avsandare", "afsender", "odesilatel*",
		},
		Not: []string{
			"does not accept mail from unknown", "already given", "sender already", "mail from first", "bad sequence",
			"already specified", "need mail",
			"sender ok", "before rcpt", "mail from command", "unknown sender recipient pair", "rcpt before", "without mail",
			"mail first", "need mail from", "nested mail", "sender recipient pair", "not relay", "relay*",
			"not accept mail from authenticated", "does not accept mail from outside", "does not accept mail from external",
			"user .. does not accept mail from", "recipient does not accept mail from", "multiple mail", "has mail",
			"mail from issued", "sender specified", "you cannot send", "duplicate", "nested", "two mail",
		},
	},
	{
		ID: "sender-code", Means: "the sender address or domain is refused",
		From:     "RFC 3463: x.1.7, x.1.8; RFC 7505: x.7.27",
		Reason:   verdict.SenderRefused,
		Enhanced: []string{"1.7-8", "7.27"},
	},
}
