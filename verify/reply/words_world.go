package reply

// worldClasses are the word classes of other languages, in the grammar of
// phrase.go. Letters are compared without their accents.
var worldClasses = map[string][]string{
	// whoWorld: names of a mailbox or its owner in other languages, and in English
	// where the rest of a sentence is not.
	"whoworld": {
		"@", "user*", "mailbox*", "recipient*", "account*", "address*", "email",
		"empfang*", "empfaeng*", "benutzer*", "postfach*", "postfaech*", "adress*", "addressat*", "teilnehmer*",
		"konto", "konten",
		"kunde*", "mailadress*", "emailadress*",
		"utilisateur*", "destinataire*", "boite*", "compte", "ladresse", "lutilisateur", "abonne*",
		"usuari*", "destinatari*", "cuenta", "cuentas", "buzon*", "direccion*", "casilla*", "correo",
		"utilizador*", "conta", "caixa*", "endereco*", "utent*", "casella", "indirizz*", "lindirizzo", "lutente",
		"gebruiker*", "geadresseerde*", "ontvanger*", "adres*", "inbox", "destin", "mottagar*", "anvandar*", "bruger*",
		"modtager*",
		"bruker*", "mottaker*", "postkasse*", "vastaanottaj*", "kayttaj*", "osoite*", "postilaatikko*",
		"uzytkownik*", "odbiorc*", "konta", "skrzynk*", "uzivatel*", "pouzivatel*", "prijemc*", "prijemca", "schrank*",
		"ucet*", "felhasznalo*", "cimzett*", "postafiok*", "emailcim*", "utilizator*", "destinatar*", "korisnik*",
		"uporabnik*", "primatelj*", "vartotoj*", "lietotaj*",
		"kullanici*", "alici*", "hesap*", "χρηστ*", "παραληπτ*", "διευθυνσ*",
		"пользовател*", "ящик*", "получател*", "адрес*", "аккаунт*", "учетн*", "абонент*", "користувач*", "скриньк*",
		"одержувач*", "polzovatel*", "yaschik",
		"用户", "用戶", "使用者", "收件人", "收件者", "邮箱", "郵箱", "信箱", "帐号", "账号", "帳號", "账户", "帐户", "地址", "此人",
		"ユーザ", "宛先", "アドレス", "メールボックス", "アカウント", "受信者", "yu za", "yuza", "yuuza", "atesaki", "adoresu", "akaunto",
		"사용자", "사용자를", "계정", "주소", "수신자", "수신인", "메일", "nguoi", "tai khoan", "dia chi", "hop thu", "ผู้ใช้", "ที่อยู่",
	},
	// absentWorld: what is said of a mailbox that is not there.
	"absentworld": {
		// German
		"unbekannter empfanger", "unbekannter empfaenger", "unbekannter benutzer", "benutzer existiert nicht",
		"existiert nicht", "existiert hier nicht", "nicht vorhanden", "adresse unbekannt", "adresse ist unbekannt",
		"unbekannte adresse", "unbekannte empfanger*", "unbekannte email*", "nicht gefunden", "kein solcher",
		"kein benutzer", "kein postfach", "keine mailbox", "keine solche", "gibt es nicht", "ungultiger empfanger",
		"ungueltiger empfaenger", "ungultige empfanger*", "ungultige adresse", "nicht bekannt", "kennen wir nicht",
		"existiert nicht mehr", "unbekannt", "unbekannter", "unbekannte", "gibt es hier nicht", "gibt es nicht mehr",
		"gibt es bei uns nicht", "gibt es dort nicht", "ist hier nicht bekannt", "kein konto",
		// French
		"utilisateur inconnu", "destinataire inconnu", "adresse inconnue", "nexiste pas", "n existe pas", "nexiste plus",
		"n existe plus", "inexistant", "inexistante", "destinataire invalide", "adresse invalide", "compte inconnu",
		"pas de boite", "aucun utilisateur", "destinataire non trouve", "introuvable", "pas trouve",
		"destinataire incorrect", "inconnu", "inconnue", "pas connu", "nexistent pas", "existe pas", "existe plus",
		"aucune boite",
		// Spanish
		"usuario desconocido", "destinatario desconocido", "no existe", "no existen", "usuario inexistente", "inexistente",
		"no encontrado", "no encontrada", "usuario invalido", "usuario no valido", "destinatario invalido",
		"direccion invalida", "direccion desconocida", "buzon desconocido", "cuenta desconocida", "no se encuentra",
		"destinatario no valido", "direccion no valida", "ningun usuario", "usuario no registrado", "desconocido",
		"desconocida", "no fue encontrad*", "ya no existe", "no esta registrad*",
		// Portuguese
		"usuario desconhecido", "desconhecido", "desconhecida", "nao existe", "nao existente", "nao encontrado",
		"nao encontrada", "nao foi encontrad*", "destinatario desconhecido", "conta inexistente",
		"caixa postal inexistente", "usuario invalido", "destinatario invalido", "endereco invalido",
		"endereco inexistente", "utilizador desconhecido", "nao localizad*", "nao cadastrad*", "nao existem",
		"nao foi localizad*", "invalido ou inexistente",
		// Italian
		"utente sconosciuto", "sconosciuto", "sconosciuta", "non esiste", "non esistente", "casella inesistente",
		"inesistente", "destinatario errato", "indirizzo errato", "indirizzo inesistente", "indirizzo sconosciuto",
		"non trovato", "non trovata", "utente inesistente", "nessun utente", "indirizzo non valido",
		"destinatario invalido", "non esist*", "utente non trovato", "utente non valido", "utente non registrato",
		"utente non riconosciuto", "utente non presente", "casella non valida", "destinatario non valido",
		"destinatario non riconosciuto", "destinatario non presente", "non e presente",
		// Dutch, Scandinavian, Finnish
		"onbekende gebruiker", "gebruiker onbekend", "geadresseerde onbekend", "onbekende geadresseerde",
		"ontvanger onbekend", "onbekende ontvanger", "bestaat niet", "niet gevonden", "onbekend adres", "adres onbekend",
		"okand mottagare", "okand anvandare", "anvandaren finns inte", "finns inte", "finns ej", "hittades inte",
		"existerar inte", "ukendt bruger", "ukendt modtager", "findes ikke", "eksisterer ikke", "modtager ukendt",
		"bruger ukendt", "ukjent mottaker", "ukjent bruker", "finnes ikke", "mottaker ukjent", "tuntematon", "ei loydy",
		"ei ole olemassa", "onbekend", "onbekende", "okand", "okant", "ukendt", "ukjent", "existerar ej",
		// Polish, Czech, Slovak, Hungarian, Romanian, Baltic
		"nie ma takiego", "nie ma takiej", "nie istnieje", "nieznany", "nieznana", "nieznany uzytkownik", "nieznany adres*",
		"uzytkownik nieznany", "nie znaleziono", "nieprawidlowy adres", "nieprawidlowy odbiorca", "neexistuje", "neznamy",
		"neznama", "neznam*", "nenalezen*", "nenajden*", "ismeretlen", "nincs ilyen", "nem letezik",
		"nem talalhato", "necunoscut", "necunoscuta", "nu exista", "inexistent", "nezinomas", "neegzistuoja",
		"nav atrasts", "neeksiste", "ne postoji", "nepoznat", "ne obstaja", "nepostojeci", "nie odnaleziono",
		"nie zostal znalezion*", "nebyl nalezen*", "nie existuje", "nepodarilo najit",
		// Turkish, Greek
		"kullanici bulunamadi", "bulunamadi", "boyle bir kullanici", "boyle bir hesap", "boyle bir adres",
		"boyle bir alici", "boyle bir posta", "mevcut degil", "gecersiz alici", "kullanici yok",
		"bilinmeyen kullanici", "bilinmeyen alici", "αγνωστ*", "δεν υπαρχει", "δεν βρεθηκε", "bulunmamaktadir",
		"kullanici yoktur",
		"hesap yok", "gecersiz kullanici",
		// Russian, Ukrainian
		"не найден*", "нет такого", "нет такой", "не существует", "неизвестен", "неизвестн*", "отсутствует",
		"не зарегистрирован*", "не знайден*", "не існує", "немає такого", "неверный адрес*", "неправильный адрес*",
		"недействительный адрес*", "polzovatel ne", "net takogo", "такого пользователя нет", "такого адреса нет",
		"такого ящика нет", "не знайдено", "не обслуживается", "не известен", "не известно",
		// Chinese
		"不存在", "无此用户", "無此用戶", "無此使用者", "没有此用户", "没有该用户", "查无此人", "查無此人", "无效的收件人", "無效的收件", "收件人无效", "收件人地址无效", "未找到",
		"找不到", "無此", "查无", "未注册", "地址错误", "无此邮箱", "无此帐号", "无此账号", "用户名错误", "无效用户", "無效用戶", "用户未找到", "用户未注册", "无此地址",
		"没有此邮箱", "没有这个用户", "没有该邮箱", "查无该用户", "不是有效",
		// Japanese
		"存在しません", "存在しない", "見つかりません", "見つから", "宛先不明", "宛先が見つか", "宛先が存在", "宛先が不明", "宛先が正しく", "宛先がない", "宛先が無い", "ユーザー不明",
		"ユーザ不明", "ユーザーはいません", "不明な", "登録されていません",
		"sonzai shimasen", "sonzai shinai", "atesaki fumei", "mitsukarimasen", "該当するユーザー", "該当するアドレス", "該当するメールアドレス",
		"ユーザーがありません", "メールボックスがありません", "アドレスはありません", "アドレスがありません", "宛先がありません", "登録がありません", "ユーザーはありません", "ga arimasen",
		"はいません", "がいません",
		// Korean, Thai, Vietnamese
		"존재하지않", "찾을수없", "khong ton tai", "ไม่พบ", "ไม่มีผู้ใช้", "ไม่มีบัญชี", "ไม่มีอีเมล", "ไม่มีที่อยู่", "존재하지",
		"사용자가없", "사용자없", "계정이없", "주소가없", "메일함이없", "없는사용자",
		"없는계정", "없는주소", "없는메일", "없는수신자", "등록되지않", "등록되어있지않",
	},
	// hereWorld: a server that is where the mailbox is not; elsewhere a server
	// that is named may be the one that is missing.
	"hereworld": {
		"auf diesem server", "auf dem server", "auf unserem server", "auf diesem mailserver", "auf dem mailserver",
		"an diesem server", "bei diesem server", "sur ce serveur", "sur le serveur", "sur notre serveur",
		"dans ce serveur", "en este servidor", "en el servidor", "en nuestro servidor", "de este servidor",
		"neste servidor", "nesse servidor", "nosso servidor", "no servidor", "deste servidor", "su questo server",
		"in questo server", "sul server", "sul nostro server", "op deze server", "op de server", "pa denna server",
		"pa servern", "pa denne server", "na tym serwerze", "na serwerze", "na tomto serveru", "na serveru",
		"na tomto serveri", "на этом сервере", "на сервере", "на данном сервере", "на нашем сервере", "на цьому сервері",
		"bu sunucuda", "pe acest server", "ezen a szerveren",
	},
	// senderWorld: the sender.
	"senderworld": {
		"absender*", "versender*", "expediteur*", "lexpediteur*", "emetteur*", "lemetteur*", "remitente*", "emisor",
		"remetente*", "mittente*", "nadawc*", "odesilatel*", "odosielatel*", "afzender*", "avsandar*", "afsender*",
		"avsender*", "lahettaj*", "felado*", "kuldo*", "expeditor*", "posiljatelj*", "posiljatel*", "gonderen*",
		"gonderici*", "αποστολε*", "отправител*", "відправник*", "发件", "寄件", "发信", "發信", "送信者", "送信元",
		"差出人", "보낸사람", "발신자", "발신인", "보내는사람", "nguoi gui",
	},
	// refusedWorld: what is done to us.
	"refusedworld": {
		"abgelehnt", "zuruckgewiesen", "zurueckgewiesen", "abgewiesen", "gesperrt", "blockiert", "verweigert", "verboten",
		"ungultig", "ungueltig", "unzulassig", "refuse", "refusee", "rejete", "rejetee", "bloque", "bloquee", "interdit*",
		"invalide", "rechazad*", "bloquead*", "denegad*", "invalid*", "no valido", "no permitid*", "rejeitad*", "recusad*",
		"negad*", "rifiutat*", "bloccat*", "negato", "non valido", "geweigerd", "geblokkeerd", "odrzucon*", "zablokowan*",
		"odmitnut*", "zablokovan*", "avvisad*", "afvist", "avvist", "reddedildi", "engellen*", "отклонен*", "заблокирован*",
		"запрещен*", "отвергнут*", "недействител*", "拒绝", "拒絕", "被拒", "禁止", "无效", "拒否", "거부", "차단",
	},
	// usWorld: our server, our address and the account that the mail comes from.
	"usworld": {
		"ihr konto", "ihre adresse", "ihr postfach", "ihre email", "ihre emailadresse", "votre compte", "votre adresse",
		"votre boite", "su cuenta", "tu cuenta", "su direccion", "sua conta", "seu endereco", "seu email", "suo account",
		"tuo account", "suo indirizzo", "uw account", "uw adres", "twoje konto", "twoj adres", "vas ucet", "vase adresa",
		"hesabiniz*", "adresiniz", "ваш адрес", "ваша учетн*", "ваш аккаунт", "ваш ящик", "您的帐号", "您的账号", "您的帳號",
		"您的账户", "您的地址",
		"您的邮箱", "あなたの",
		"ihre ip", "ihrer ip", "ihr server", "ihrem server", "ihres servers", "ihren server", "ihr mailserver",
		"ihres mailservers", "ihrem mailserver", "ihre domain", "votre ip", "votre adresse ip", "votre serveur",
		"votre domaine", "su ip", "su direccion ip", "su servidor", "su dominio", "tu servidor", "seu ip", "seu servidor",
		"seu dominio", "vostro ip", "vostro server", "vostro indirizzo ip", "tuo server", "suo server", "uw ip",
		"uw server",
		"twoj serwer", "twojego serwera", "twoje ip", "twoj adres ip", "vas server", "vasho servera", "din server",
		"sunucunuz*", "ip adresiniz", "ваш ip", "вашего ip", "ваш сервер", "вашего сервера", "вашему серверу", "ваш хост",
		"ваш домен", "您的ip", "你的ip", "您的服务器", "你的服务器", "您的域名", "发信ip", "发送ip", "贵公司", "送信元ip", "送信元サーバ", "貴サーバ", "귀하의",
	},
}
