package reply

import "rcptgate/verify/verdict"

// notOfMailboxWorld: the sender, the message, a part of the server, and what
// is so for now only.
var notOfMailboxWorld = []string{
	"sender", "expediteur", "absender", "remitente", "remetente", "mittente", "отправител*", "发件人", "寄件人", "送信者",
	"domain", "domaine", "dominio", "域名", "ip", wordIP, "ptr", "reverse", "dns", "fehler", "erreur", "error desconocido",
	"erro desconhecido", "errore", "ошибк*", "エラー", "blad", "chyba", "nachricht*", "mensaje*", "mensagem*", "messaggio*",
	"сообщени*", "письм*", "hostname", "server",
	"datenbank*", "benutzerdaten*", "database*", "base de datos", "base de donnees", "banco de dados", "база данных", "базы данных",
	"数据库", "データベース", "servidor", "serveur", "temporar*", "temporair*", "temporal*", "vorubergehend", "voruebergehend",
	"временно", "berechtig*", "autoriz*", "permis*", "permess*",
}

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
			"non attivo", "заблокирован*", "отключен*", "деактивирован*", "удален*", "приостановлен*", "禁用", "停用", "冻结",
			"凍結", "注销", "被封", "無効", "停止", "geblokkeerd", "uitgeschakeld", "opgeheven", "zablokowan*", "nieaktywn*",
			"zawieszon*", "inaktiverat", "avstangd", "sparrad", "deaktiveret", "deaktivert", "zablokovan*", "deaktivovan*",
			"letiltva", "inaktiv", "dezactivat", "suspendat", "devre disi", "askiya alin*", "비활성", "정지", "휴면", "suljettu",
		},
		And: []string{"$whoworld"},
		Not: []string{
			"ip", wordIP, "nachricht*", "mensaje*", "mensagem*", "messaggio*", "сообщени*", "письм*", "absender", "expediteur", "remitente", "remetente", "mittente", "spam*", "adresse ip",
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
			"vostro ip", "ваш ip", "ip адрес*", "черн* списк*", "черный список", "黑名单", "黑名單", "ブラックリスト",
			"拒否 .. ip", "czarn* list*", "zwarte lijst", "kara liste", "adresse ip", "direccion ip", "indirizzo ip",
			"endereco ip", "ip .. verboten",
		},
	},
	{
		ID: "rate-world", Means: "we ask too often",
		From:   "servers that answer in the language of their users",
		Reason: verdict.RateLimited,
		Any: []string{
			"trop de connexions", "trop de", "zu viele", "zu viel", "demasiadas conexiones", "demasiadas", "demasiados",
			"muitas conexoes", "muitas", "troppe connessioni", "troppe", "troppi", "слишком много", "слишком част*", "频率",
			"过于频繁", "過於頻繁", "太多", "过多", "超过限制", "接続数", "zbyt wiele", "te veel", "for mange", "for manga",
			"prilis mnoho", "tul sok", "cok fazla",
		},
	},
	{
		ID: "unknown-user-world", Means: "the mailbox is not there, in words that leave no doubt",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Plain: true,
		Any: []string{
			"empfanger unbekannt", "empfaenger unbekannt", "unbekannter empfanger", "unbekannter empfaenger",
			"benutzer unbekannt", "unbekannter benutzer", "existiert nicht", "utilisateur inconnu", "destinataire inconnu",
			"nexiste pas", "n existe pas", "usuario desconocido", "destinatario desconocido", "no existe",
			"usuario desconhecido", "destinatario desconhecido", "nao existe", "utente sconosciuto",
			"destinatario sconosciuto", "non esiste", "onbekende gebruiker", "gebruiker onbekend", "bestaat niet",
			"okand mottagare", "okand anvandare", "finns inte", "ukendt bruger", "ukendt modtager", "findes ikke",
			"ukjent bruker", "ukjent mottaker", "finnes ikke", "nie istnieje", "uzytkownik nieznany", "neexistuje",
			"nem letezik", "nu exista", "нет такого пользователя", "не существует", "用户不存在", "收件人不存在", "邮箱不存在",
			"無此用戶", "无此用户", "存在しません", "존재하지않",
		},
		And: []string{"$whoworld"},
		Not: notOfMailboxWorld,
	},
	{
		ID: "unknown-words-world", Means: "the mailbox is not there",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: []string{
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
			"不存在", "无此用户", "無此用戶", "無此使用者", "没有此用户", "没有该用户", "查无此人", "查無此人", "无效的收件人",
			"無效的收件", "收件人无效", "收件人地址无效", "未找到", "找不到", "用户未", "無此", "查无", "未注册", "地址错误",
			"无此邮箱", "无此帐号", "无此账号", "用户名错误", "无效用户", "無效用戶",
			// Japanese
			"存在しません", "存在しない", "見つかりません", "見つから", "宛先不明", "宛先が", "ユーザー不明", "ユーザ不明",
			"ユーザーはいません", "該当する", "ありません", "不明な", "登録されていません", "sonzai shimasen", "sonzai shinai",
			"arimasen", "atesaki fumei", "mitsukarimasen",
			// Korean, Thai, Vietnamese
			"존재하지않", "찾을수없", "없는사용자", "없는계정", "없는주소", "없는메일", "없습니다", "khong ton tai", "ไม่พบ",
			"ไม่มี",
		},
		And: []string{"$whoworld"},
		Not: notOfMailboxWorld,
	},
}
