package reply

import "rcptgate/verify/verdict"

// worldRules: the same in other languages. Letters are compared without their
// accents.
var worldRules = []Rule{
	{
		ID: "disabled-world", Means: "the mailbox is shut",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Any: []string{
			"gesperrt", "deaktiviert", "stillgelegt", "abgeschaltet", "desactive", "desactivee", "suspendu", "suspendue",
			"bloque", "compte .. bloque", "compte ferme", "resilie", "deshabilitada", "deshabilitado", "desactivada",
			"desactivado", "suspendida", "suspendido", "bloqueada", "bloqueado", "inhabilitada", "cancelada", "desativada",
			"desativado", "suspensa", "suspenso", "inativa", "inativo", "inatividade", "disabilitata", "disabilitato",
			"disattivata", "disattivato", "disatttivata", "sospesa", "sospeso", "bloccata", "bloccato", "non attiva",
			"non attivo", "заблокирован*", "отключен*", "деактивирован*", "удален*", "приостановлен*", "禁 用", "停 用", "冻 结",
			"凍 結", "注 销", "被 封", "無 効", "停 止", "geblokkeerd", "uitgeschakeld", "opgeheven", "zablokowan*", "nieaktywn*",
			"zawieszon*", "inaktiverat", "avstangd", "sparrad", "deaktiveret", "deaktivert", "zablokovan*", "deaktivovan*",
			"letiltva", "inaktiv", "dezactivat", "suspendat", "devre disi", "askiya alin*", "비 활 성", "정 지", "휴 면", "suljettu",
		},
		Not: []string{
			"ip", wordIP, "absender", "expediteur", "remitente", "remetente", "mittente", "spam*", "adresse ip",
			"direccion ip",
		},
	},
	{
		ID: "blocked-world", Means: "our address is refused",
		From:   "servers that answer in the language of their users",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"ip .. gesperrt", "ip adresse .. gesperrt", "ihre ip", "votre adresse ip", "adresse ip .. bloquee", "su ip",
			"ip .. lista negra", "lista negra", "lista nera", "liste noire", "seu ip", "ip bloqueado", "ip .. bloqueado",
			"vostro ip", "ваш ip", "ip адрес*", "черн* списк*", "черный список", "黑 名 单", "黑 名 單", "ブ ラ ッ ク リ ス ト",
			"拒 否 .. ip", "czarn* list*", "zwarte lijst", "kara liste", "adresse ip", "direccion ip", "indirizzo ip",
			"endereco ip", "ip .. verboten",
		},
	},
	{
		ID: "rate-world", Means: "we ask too often",
		From:   "servers that answer in the language of their users",
		Reason: verdict.RateLimited,
		Any: []string{
			"trop de connexions", "trop de", "zu viele", "zu viel", "demasiadas conexiones", "demasiadas", "demasiados",
			"muitas conexoes", "muitas", "troppe connessioni", "troppe", "troppi", "слишком много", "слишком част*", "频 率",
			"过 于 频 繁", "過 於 頻 繁", "太 多", "过 多", "超 过 限 制", "接 続 数", "zbyt wiele", "te veel", "for mange", "for manga",
			"prilis mnoho", "tul sok", "cok fazla",
		},
	},
	{ID: "unknown-user-world", Means: "the mailbox is not there", From: "servers that answer in the language of their users", Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Any: []string{
		// German
		"empfanger .. unbekannt", "empfaenger .. unbekannt", "unbekannter empfanger", "unbekannter empfaenger",
		"benutzer .. unbekannt", "unbekannter benutzer", "benutzer existiert nicht", "existiert nicht",
		"existiert hier nicht", "nicht vorhanden", "adresse unbekannt", "adresse ist unbekannt", "unbekannte adresse",
		"unbekannte empfanger*", "unbekannte email*", "nicht gefunden", "kein solcher", "kein benutzer", "kein postfach",
		"keine mailbox", "keine solche", "gibt es nicht", "ungultiger empfanger", "ungueltiger empfaenger",
		"ungultige empfanger*", "ungultige adresse", "teilnehmer .. unbekannt", "nicht bekannt",
		"nicht erreichbar unbekannt", "kennen wir nicht", "existiert nicht mehr",
		// French
		"utilisateur inconnu", "destinataire inconnu", "adresse inconnue", "adresse .. inconnue",
		"utilisateur .. inconnu", "destinataire .. inconnu", "nexiste pas", "n existe pas", "nexiste plus",
		"n existe plus", "inexistant", "inexistante", "destinataire invalide", "adresse invalide",
		"destinataire .. invalide", "boite .. inconnue", "compte inconnu", "pas de boite", "aucun utilisateur",
		"destinataire non trouve", "introuvable", "pas trouve", "destinataire incorrect",
		// Spanish
		"usuario desconocido", "usuario .. desconocido", "destinatario desconocido", "no existe", "no existen",
		"usuario inexistente", "inexistente", "no encontrado", "no encontrada", "usuario invalido", "usuario no valido",
		"destinatario invalido", "direccion invalida", "direccion desconocida", "buzon desconocido",
		"cuenta desconocida", "no se encuentra", "destinatario no valido", "direccion no valida", "no hay .. usuario",
		"no hay .. buzon", "ningun usuario", "usuario no registrado",
		// Portuguese
		"usuario desconhecido", "desconhecido", "desconhecida", "nao existe", "nao existente", "nao encontrado",
		"nao encontrada", "nao foi encontrad*", "destinatario desconhecido", "conta inexistente",
		"caixa postal inexistente", "usuario invalido", "destinatario invalido", "endereco invalido",
		"endereco inexistente", "utilizador desconhecido", "nao localizad*", "nao cadastrad*",
		// Italian
		"utente sconosciuto", "sconosciuto", "sconosciuta", "utente non", "non esiste", "non esistente",
		"casella inesistente", "inesistente", "destinatario errato", "destinatario non", "indirizzo errato",
		"indirizzo inesistente", "indirizzo sconosciuto", "non trovato", "non trovata", "utente inesistente",
		"casella non", "nessun utente", "indirizzo non valido", "destinatario invalido",
		// Dutch, Scandinavian, Finnish
		"onbekende gebruiker", "gebruiker onbekend", "geadresseerde onbekend", "onbekende geadresseerde",
		"ontvanger onbekend", "onbekende ontvanger", "bestaat niet", "niet gevonden", "onbekend adres", "adres onbekend",
		"okand mottagare", "mottagaren .. okand", "okand anvandare", "anvandaren finns inte", "finns inte", "finns ej",
		"hittades inte", "existerar inte", "ukendt bruger", "ukendt modtager", "findes ikke", "eksisterer ikke",
		"modtager ukendt", "bruger ukendt", "ukjent mottaker", "ukjent bruker", "finnes ikke", "mottaker ukjent",
		"tuntematon", "ei loydy", "ei ole olemassa",
		// Polish, Czech, Slovak, Hungarian, Romanian, Baltic
		"nie ma takiego", "nie ma takiej", "nie istnieje", "nieznany", "nieznana", "nieznan* uzytkownik*",
		"uzytkownik nieznany", "nie znaleziono", "nieprawidlowy adres", "nieprawidlowy odbiorca", "neexistuje",
		"neznamy", "neznama", "neznam*", "neznam* uzivatel*", "nenalezen*", "nenajden*", "ismeretlen", "nincs ilyen",
		"nem letezik", "nem talalhato", "necunoscut", "necunoscuta", "nu exista", "inexistent", "nezinomas",
		"neegzistuoja", "nav atrasts", "neeksiste", "ne postoji", "nepoznat", "ne obstaja", "nepostojeci",
		// Turkish, Greek
		"kullanici bulunamadi", "bulunamadi", "boyle bir", "mevcut degil", "gecersiz alici", "kullanici yok",
		"bilinmeyen kullanici", "αγνωστ*", "δεν υπαρχει", "δεν βρεθηκε",
		// Russian, Ukrainian
		"не найден*", "нет такого", "нет такой", "не существует", "неизвестен", "неизвестн*", "отсутствует",
		"не зарегистрирован*", "не знайден*", "не існує", "немає такого", "неверный адрес*", "неправильный адрес*",
		"недействительн* адрес*",
		"polzovatel ne", "net takogo",
		// Chinese
		"不 存 在", "无 此 用 户", "無 此 用 戶", "無 此 使 用 者", "没 有 此 用 户", "没 有 该 用 户", "查 无 此 人", "查 無 此 人", "无 效 的 收 件 人",
		"無 效 的 收 件", "收 件 人 无 效", "收 件 人 地 址 无 效", "未 找 到", "找 不 到", "用 户 未", "無 此", "查 无", "未 注 册", "地 址 错 误",
		"无 此 邮 箱", "无 此 帐 号", "无 此 账 号", "用 户 名 错 误", "无 效 用 户", "無 效 用 戶",
		// Japanese
		"存 在 し ま せ ん", "存 在 し な い", "見 つ か り ま せ ん", "見 つ か ら", "宛 先 不 明", "宛 先 が", "ユ ー ザ ー 不 明", "ユ ー ザ 不 明",
		"ユ ー ザ ー は い ま せ ん", "該 当 す る", "あ り ま せ ん", "不 明 な", "登 録 さ れ て い ま せ ん", "sonzai shimasen", "sonzai shinai",
		"arimasen", "atesaki fumei", "mitsukarimasen",
		// Korean, Thai, Vietnamese
		"존 재 하 지 않", "찾 을 수 없", "없 는 사 용 자", "없 는 계 정", "없 는 주 소", "없 는 메 일", "없 습 니 다", "khong ton tai", "ไ ม ่ พ บ",
		"ไ ม ่ ม ี",
	}, Not: []string{"sender", "expediteur", "absender", "remitente", "remetente", "mittente", "отправител*", "发 件 人", "domain", "domaine", "dominio", "域 名", wordIP, "ptr", "reverse", "dns"}},
}
