package reply

import "rcptgate/verify/verdict"

// syntaxWords say that an address cannot be.
var syntaxWords = []string{"address syntax", "bad address syntax", "syntax error in address", "syntax error .. recipient", "malformed address", "malformed", "malformed recipient*", "invalid address format", "invalid address syntax", "invalid syntax", "address format", "syntactically invalid", "recipient address syntax", "mailbox syntax", "must contain a domain", "invalid characters", "illegal character*", "invalid character*", "bad character*", "special characters", "address .. syntax", "empty address", "unqualified address", "local part too long", "not rfc", "rfc .. address", "domain missing", "need fully qualified address", "need fully qualified recipient", "fully qualified address", "not fully qualified", "syntax error in parameters", "missing domain", "missing or malformed", "domain literal*", "address literal*", "recipient .. syntax", "unbalanced", "no domain in", "unparseable", "unparsable", "cannot parse", "parse error", "double dot", "consecutive dots"}

// mailboxRules: the words that name the user or mailbox as shut or absent.
var mailboxRules = []Rule{
	{
		ID: "disabled", Means: "the mailbox is shut", From: "RFC 3463: x.2.1; RFC 5248: x.7.13; Gmail, Exchange, ISPs",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Any: []string{
			"$box $gone", "$box .. $gone", "$gone $box", "$who $gone", "$who is $gone", "$who has been $gone", "$gone $who",
			"$box $shut", "$box @ $shut", "$shut $box", "not accepting mail", "not accepting messages", "no longer accepts mail", "no longer accepting mail",
			"not currently accepting", "not receiving mail", "disabled or discontinued", "dormant", "due to inactivity",
		},
		Not: []string{
			"user unknown", "unknown user", "no such", "does not exist", "doesnt exist", "not exist", "not found", "no longer exists", "nonexistent", "unknown", "invalid recipient",
			"$domain $gone", "$domain is $gone", "$domain has been $gone", "$domain .. has been $gone", "vrfy", "expn", "command", "relay*", "your account", "your mailbox", "certificate", "session", "connection closed", "blocked by", "message is",
		},
	},
	{ID: "disabled-code", Means: "the account is shut", From: "RFC 5248: x.7.13; 525", Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5, Enhanced: []string{"7.13"}},
	{ID: "domain-unknown", Means: "the domain, not the mailbox, is unknown there or takes no mail", From: "RFC 3463: x.1.2; RFC 7505: 556 and x.1.10", Reason: verdict.DomainRefused, At: AtRcpt, Digit: 5, Any: []string{"$domain unknown", "$domain is unknown", "$domain not found", "$domain not known", "$domain does not exist", "$domain doesnt exist", "$domain .. not exist", "$domain .. does not exist", "$domain .. doesnt exist", "$domain .. not found", "$domain .. unknown", "unknown domain", "unknown host", "no such domain", "no such host", "invalid domain", "invalid host*", "nonexistent domain", "non existent domain", "nonexistentdomain", "$domain .. disabled", "$domain .. suspended", "$domain .. expired", "$domain .. inactive", "$domain .. not active", "$domain .. not hosted", "$domain .. not configured", "$domain isnt", "$domain is invalid", "$domain invalid", "null mx", "nullmx", "does not accept mail", "doesnt accept mail", "accepts no mail", "unrouteable mail domain", "unrouteable domain", "unroutable domain", "unroutable mail domain", "bad destination system", "bad destination host", "no mx record*", "no mail exchanger", "no valid mx", "mx record not", "no mx", "dns a mx record", "all relevant mx records", "lowest numbered mx", "host unknown", "hostname unknown", "domain lookup failed", "$domain .. does not receive", "domain .. deleted", "no mail hosts", "unable to route", "domaine inconnu", "domaine .. existe", "domain nicht gefunden", "domain .. existiert nicht", "dominio .. no existe", "dominio desconocido", "dominio .. non", "dominio inexistente", "dominio .. nao existe", "dominio sconosciuto", "unbekannte domain", "unbekannte domane", "домен .. не", "домена", "域 名 不 存 在", "ド メ イ ン", "domena .. nie", "onbekend domein"}, Not: []string{"client host", "your host", "sending host", "connecting host", "remote host", "your domain", "user unknown", "no such user", "mailbox not found", "$sender .. not exist", "user .. does not exist", "account .. does not exist", "mailbox .. does not exist", "user not found", "no such recipient", "recipient does not accept", "user does not accept", "mailbox does not exist", "no mailbox", "recipient .. not found in", "email address .. domain", "no such mailbox", "$who .. does not exist on", "$who not found", "recipient unknown"}},
	{ID: "syntax", Means: "the address is one that nobody can have", From: "RFC 5321 section 4.1.2; RFC 3463: x.1.3", Reason: verdict.InvalidSyntax, At: AtRcpt, Digit: 5, Any: syntaxWords, Not: []string{"user unknown", "no such user", "does not exist", "not found", "sender .. syntax", "header*", "command", "message is", "not rfc .. message", "unknown user"}},
	{ID: "syntax-code", Means: "the address is one that nobody can have", From: "RFC 3463: x.1.3", Reason: verdict.InvalidSyntax, At: AtRcpt, Digit: 5, Enhanced: []string{"1.3"}, Not: []string{"user unknown", "unknown user", "no such", "does not exist", "doesnt exist", "not found", "unknown recipient"}},
	{
		ID: "unknown-user", Means: "the mailbox is not there, in words that leave no doubt", From: "RFC 3463: x.1.1; every MTA",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Any: []string{
			"user unknown", "unknown user", "userunknown", "no such user", "no such recipient", "no such mailbox", "no such account", "no such address", "no such person", "no such customer", "no such alias", "no such email*", "no such mail", "no such local", "no such name", "no such maildrop",
			"recipientnotfound", "recipnotfound", "exrecipnotfound", "adr recip*", "recipient not ok", "user @ not ok",
			"not a known user", "not a valid user", "not a local user", "not a valid mailbox", "not a valid recipient", "not our customer", "not our user", "not one of our users",
			"no mailbox here", "no mailbox by that name", "no mailbox for", "no mailbox with that name", "no mail box available", "no mailbox available", "no mailbox found", "no local mailbox", "have a mailbox for", "have no mailbox", "no account by that name", "no account here", "no user by that name", "no user here", "no user named",
			"nobody here", "nobody by that name", "nobody with that", "nobody at this", "no one here", "no one by that name", "no one with that", "no one at this", "by that name here", "by this name here", "not deliverable .. unknown",
			"unknown or illegal alias", "unknown local part", "unknown localpart", "user path no exist", "missing home directory", "mailing list not found", "mailing list expansion problem", "not listed in public name",
			"unrouteable address", "unroutable address", "unrouteable recipient", "unroutable recipient", "undeliverable address", "bad destination mailbox", "bad destination email", "bad destination address", "does not like recipient", "in my validrcptto", "not in recipient map", "recipient map",
			"no entry for", "present in directory", "no longer on server", "no longer with the company", "no longer employed", "no longer an employee", "no longer works", "does not work here", "doesnt work here", "doesnt live here", "does not live here", "no longer here", "moved and left", "not a current",
			"mailbox unavailable or not local", "user invalid", "invalid user", "invalid recipient", "invalid recipients", "recipient invalid", "recipients invalid", "invalid mailbox", "mailbox invalid", "mailbox unallocated", "user is not known", "user not local", "not local address", "callout verification failed", "recipient verification failed", "recipient verify failed",
		},
		Not: []string{"$sender .. $refusedsender", "unknown command", "not relay*"},
	},
	{
		ID: "unknown-mailbox", Means: "a name of the mailbox and a word for absent, near each other", From: "RFC 3463: x.1.1; every MTA",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5,
		Any: []string{
			"$who $absent", "$who is $absent", "$who was $absent", "$who are $absent", "$who you $absent", "$who .. $absent", "$unknownadj $who", "$unknownadj .. mailbox", "$unknownadj .. user", "$unknownadj .. account", "$unknownadj .. recipient",
			"verification failed", "not exist", "does not exist", "doesnt exist", "unknown to us", "unknown here", "doesnt belong", "does not belong", "never heard", "no mailbox", "no valid recipient", "is not here", "left the company",
		},
		Not: []string{
			"$sender", "ip", "ips", "ip address", wordIP, "name server", "nameserver", "$domain $absent", "credentials", "unknown error", "unknown reason", "unknown command", "invalid command", "valid commands", "command", "parameter", "option",
			"message id", "header*", "attachment*", "file", "content", "url", "urls", "link", "subject", "certificate", "password", "mime", "charset", "dns", "hostname", "client", "tls", "rate", "too many", "your account", "your mailbox", "your address", "access denied .. your",
		},
	},
}

// worldRules: the same in other languages. Letters are compared without their
// accents.
var worldRules = []Rule{
	{ID: "disabled-world", Means: "the mailbox is shut", From: "servers that answer in the language of their users", Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5, Any: []string{
		"gesperrt", "deaktiviert", "stillgelegt", "abgeschaltet", "desactive", "desactivee", "suspendu", "suspendue", "bloque", "compte .. bloque", "compte ferme", "resilie", "deshabilitada", "deshabilitado", "desactivada", "desactivado", "suspendida", "suspendido", "bloqueada", "bloqueado", "inhabilitada", "cancelada", "desativada", "desativado", "suspensa", "suspenso", "inativa", "inativo", "inatividade", "disabilitata", "disabilitato", "disattivata", "disattivato", "disatttivata", "sospesa", "sospeso", "bloccata", "bloccato", "non attiva", "non attivo",
		"заблокирован*", "отключен*", "деактивирован*", "удален*", "приостановлен*", "禁 用", "停 用", "冻 结", "凍 結", "注 销", "被 封", "無 効", "停 止", "geblokkeerd", "uitgeschakeld", "opgeheven", "zablokowan*", "nieaktywn*", "zawieszon*", "inaktiverat", "avstangd", "sparrad", "deaktiveret", "deaktivert", "zablokovan*", "deaktivovan*", "letiltva", "inaktiv", "dezactivat", "suspendat", "devre disi", "askiya alin*", "비 활 성", "정 지", "휴 면", "suljettu",
	}, Not: []string{"ip", wordIP, "absender", "expediteur", "remitente", "remetente", "mittente", "spam*", "adresse ip", "direccion ip"}},
	{ID: "blocked-world", Means: "our address is refused", From: "servers that answer in the language of their users", Reason: verdict.ProbeBlocked, Any: []string{
		"ip .. gesperrt", "ip adresse .. gesperrt", "ihre ip", "votre adresse ip", "adresse ip .. bloquee", "su ip", "ip .. lista negra", "lista negra", "lista nera", "liste noire", "seu ip", "ip bloqueado", "ip .. bloqueado", "vostro ip", "ваш ip", "ip адрес*", "черн* списк*", "черный список", "黑 名 单", "黑 名 單", "ブ ラ ッ ク リ ス ト", "拒 否 .. ip", "czarn* list*", "zwarte lijst", "kara liste", "adresse ip", "direccion ip", "indirizzo ip", "endereco ip", "ip .. verboten",
	}},
	{ID: "rate-world", Means: "we ask too often", From: "servers that answer in the language of their users", Reason: verdict.RateLimited, Any: []string{
		"trop de connexions", "trop de", "zu viele", "zu viel", "demasiadas conexiones", "demasiadas", "demasiados", "muitas conexoes", "muitas", "troppe connessioni", "troppe", "troppi", "слишком много", "слишком част*", "频 率", "过 于 频 繁", "過 於 頻 繁", "太 多", "过 多", "超 过 限 制", "接 続 数", "zbyt wiele", "te veel", "for mange", "for manga", "prilis mnoho", "tul sok", "cok fazla",
	}},
	{ID: "unknown-user-world", Means: "the mailbox is not there", From: "servers that answer in the language of their users", Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Any: []string{
		// German
		"empfanger .. unbekannt", "empfaenger .. unbekannt", "unbekannter empfanger", "unbekannter empfaenger", "benutzer .. unbekannt", "unbekannter benutzer", "benutzer existiert nicht", "existiert nicht", "existiert hier nicht", "nicht vorhanden", "adresse unbekannt", "adresse ist unbekannt", "unbekannte adresse", "unbekannte empfanger*", "unbekannte email*", "nicht gefunden", "kein solcher", "kein benutzer", "kein postfach", "keine mailbox", "keine solche", "gibt es nicht", "ungultiger empfanger", "ungueltiger empfaenger", "ungultige empfanger*", "ungultige adresse", "teilnehmer .. unbekannt", "nicht bekannt", "nicht erreichbar unbekannt", "kennen wir nicht", "existiert nicht mehr",
		// French
		"utilisateur inconnu", "destinataire inconnu", "adresse inconnue", "adresse .. inconnue", "utilisateur .. inconnu", "destinataire .. inconnu", "nexiste pas", "n existe pas", "nexiste plus", "n existe plus", "inexistant", "inexistante", "destinataire invalide", "adresse invalide", "destinataire .. invalide", "boite .. inconnue", "compte inconnu", "pas de boite", "aucun utilisateur", "destinataire non trouve", "introuvable", "pas trouve", "destinataire incorrect",
		// Spanish
		"usuario desconocido", "usuario .. desconocido", "destinatario desconocido", "no existe", "no existen", "usuario inexistente", "inexistente", "no encontrado", "no encontrada", "usuario invalido", "usuario no valido", "destinatario invalido", "direccion invalida", "direccion desconocida", "buzon desconocido", "cuenta desconocida", "no se encuentra", "destinatario no valido", "direccion no valida", "no hay .. usuario", "no hay .. buzon", "ningun usuario", "usuario no registrado",
		// Portuguese
		"usuario desconhecido", "desconhecido", "desconhecida", "nao existe", "nao existente", "nao encontrado", "nao encontrada", "nao foi encontrad*", "destinatario desconhecido", "conta inexistente", "caixa postal inexistente", "usuario invalido", "destinatario invalido", "endereco invalido", "endereco inexistente", "utilizador desconhecido", "nao localizad*", "nao cadastrad*",
		// Italian
		"utente sconosciuto", "sconosciuto", "sconosciuta", "utente non", "non esiste", "non esistente", "casella inesistente", "inesistente", "destinatario errato", "destinatario non", "indirizzo errato", "indirizzo inesistente", "indirizzo sconosciuto", "non trovato", "non trovata", "utente inesistente", "casella non", "nessun utente", "indirizzo non valido", "destinatario invalido",
		// Dutch, Scandinavian, Finnish
		"onbekende gebruiker", "gebruiker onbekend", "geadresseerde onbekend", "onbekende geadresseerde", "ontvanger onbekend", "onbekende ontvanger", "bestaat niet", "niet gevonden", "onbekend adres", "adres onbekend", "okand mottagare", "mottagaren .. okand", "okand anvandare", "anvandaren finns inte", "finns inte", "finns ej", "hittades inte", "existerar inte", "ukendt bruger", "ukendt modtager", "findes ikke", "eksisterer ikke", "modtager ukendt", "bruger ukendt", "ukjent mottaker", "ukjent bruker", "finnes ikke", "mottaker ukjent", "tuntematon", "ei loydy", "ei ole olemassa",
		// Polish, Czech, Slovak, Hungarian, Romanian, Baltic
		"nie ma takiego", "nie ma takiej", "nie istnieje", "nieznany", "nieznana", "nieznan* uzytkownik*", "uzytkownik nieznany", "nie znaleziono", "nieprawidlowy adres", "nieprawidlowy odbiorca", "neexistuje", "neznamy", "neznama", "neznam*", "neznam* uzivatel*", "nenalezen*", "nenajden*", "ismeretlen", "nincs ilyen", "nem letezik", "nem talalhato", "necunoscut", "necunoscuta", "nu exista", "inexistent", "nezinomas", "neegzistuoja", "nav atrasts", "neeksiste", "ne postoji", "nepoznat", "ne obstaja", "nepostojeci",
		// Turkish, Greek
		"kullanici bulunamadi", "bulunamadi", "boyle bir", "mevcut degil", "gecersiz alici", "kullanici yok", "bilinmeyen kullanici", "αγνωστ*", "δεν υπαρχει", "δεν βρεθηκε",
		// Russian, Ukrainian
		"не найден*", "нет такого", "нет такой", "не существует", "неизвестен", "неизвестн*", "отсутствует", "не зарегистрирован*", "не знайден*", "не існує", "немає такого", "неверный адрес*", "неправильный адрес*", "недействительн* адрес*",
		"polzovatel ne", "net takogo",
		// Chinese
		"不 存 在", "无 此 用 户", "無 此 用 戶", "無 此 使 用 者", "没 有 此 用 户", "没 有 该 用 户", "查 无 此 人", "查 無 此 人", "无 效 的 收 件 人", "無 效 的 收 件", "收 件 人 无 效", "收 件 人 地 址 无 效", "未 找 到", "找 不 到", "用 户 未", "無 此", "查 无", "未 注 册", "地 址 错 误", "无 此 邮 箱", "无 此 帐 号", "无 此 账 号", "用 户 名 错 误", "无 效 用 户", "無 效 用 戶",
		// Japanese
		"存 在 し ま せ ん", "存 在 し な い", "見 つ か り ま せ ん", "見 つ か ら", "宛 先 不 明", "宛 先 が", "ユ ー ザ ー 不 明", "ユ ー ザ 不 明", "ユ ー ザ ー は い ま せ ん", "該 当 す る", "あ り ま せ ん", "不 明 な", "登 録 さ れ て い ま せ ん", "sonzai shimasen", "sonzai shinai", "arimasen", "atesaki fumei", "mitsukarimasen",
		// Korean, Thai, Vietnamese
		"존 재 하 지 않", "찾 을 수 없", "없 는 사 용 자", "없 는 계 정", "없 는 주 소", "없 는 메 일", "없 습 니 다", "khong ton tai", "ไ ม ่ พ บ", "ไ ม ่ ม ี",
	}, Not: []string{"sender", "expediteur", "absender", "remitente", "remetente", "mittente", "отправител*", "发 件 人", "domain", "domaine", "dominio", "域 名", wordIP, "ptr", "reverse", "dns"}},
}

// domainRules and codeRules decide by code where the words do not.
var domainRules = []Rule{
	{ID: "domain-code", Means: "the domain is unknown there or takes no mail", From: "RFC 3463: x.1.2; RFC 7505: x.1.10; RFC 7504: 556", Reason: verdict.DomainRefused, At: AtRcpt, Digit: 5, Enhanced: []string{"1.2", "1.10"}},
	{ID: "domain-code-556", Means: "the domain takes no mail", From: "RFC 7504 section 3: 556", Reason: verdict.DomainRefused, At: AtRcpt, Codes: []int{556, 521}},
}

var codeRules = []Rule{
	{ID: "unknown-user-code", Means: "the code says unknown user, and the words are of a mailbox", From: "RFC 3463: x.1.1, x.1.6", Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Enhanced: []string{"1.1", "1.6"}, Any: []string{"$who", "sorry", "rejected", "undeliverable"}, Not: []string{"temporar*", "try again", "later", "$sender"}, Vague: true},
	{ID: "disabled-code-words", Means: "the code says disabled, and the words are of a mailbox", From: "RFC 3463: x.2.1", Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5, Enhanced: []string{"2.1"}, Any: []string{"$box"}, Not: []string{"temporar*", "try again", "later", "policy", "unavailable"}},
	{ID: "server-code", Means: "the server has trouble of its own", From: "RFC 3463: x.3.1, x.3.5, x.4.1 to x.4.7", Reason: verdict.TemporaryFailure, At: AtRcpt, Digit: 5, Enhanced: []string{"3.1-2", "3.5", "4.2-7"}, Not: []string{"rejected", "denied"}},
	{ID: "policy-code", Means: "the recipient's side refuses by policy", From: "RFC 3463: x.7.2", Reason: verdict.RecipientPolicy, At: AtRcpt, Digit: 5, Enhanced: []string{"7.2"}},
}
