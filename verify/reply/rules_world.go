package reply

import (
	"slices"

	"rcptgate/verify/verdict"
)

// domainWorld: the domain, which may be what is missing.
var domainWorld = []string{
	"domain*", "dominio*", "domen*", "doman*", "domein*", "domaene*", "домен*", "域名", "网域", "網域", "ドメイン", "도메인",
	"alan adi",
}

// notOfMailboxWorld: neither the mailbox nor its domain.
var notOfMailboxWorld = slices.Concat(domainWorld, besideMailboxWorld)

// besideMailboxWorld: the message, the command, the server's parts.
var besideMailboxWorld = []string{
	"ip", wordIP, "host", "hote", "rechner", "ptr", "reverse", "обратн*", "dns", "fehler", "grund", "raison", "motif",
	"motivo", "razon", "virhe", "fel", "feil", "fejl", "fout", "hata", "hiba", "eroare", "erreur",
	"error desconocido", "erro desconhecido", "errore", "ошибк*", "エラー", "오류", "错误代码", "blad", "chyba", "nachricht*",
	"mensaje*", "mensagem*", "messaggio*", "wiadomos*", "сообщени*", "письм*", "befehl*", "kommando*", "commande*",
	"comando*", "команд*", "命令", "指令", "コマンド", "disponib*", "lista", "liste", "список", "名单", "zertifikat*",
	"certificat*", "certificad*", "certificaat", "certifikat*", "sertifika*", "varmenne", "tanusitvany",
	"сертификат*", "сертифікат*", "证书", "憑證", "証明書", "인증서", "datei*", "fichier*", "archivo*", "arquivo*", "bestand*",
	"plik*", "soubor*", "fajl*", "fisier*", "файл*", "文件", "ファイル", "파일", "dosya*", "verbindung*", "connexion*",
	"conexion*", "conexao", "conexiunea", "connession*", "verbinding*", "anslutning*", "forbindelse*", "yhteys",
	"polaczeni*", "spojeni*", "kapcsolat*", "baglanti*", "соединени*", "з'єднання", "зєднання", "连接", "連線", "接続",
	"연결", "anhang*", "piece jointe", "adjunto*", "anexo*", "allegat*", "bijlage*", "zalacznik*", "priloh*",
	"вложени*", "附件", "添付", "첨부", "meddeland*", "meddelels*", "melding*", "bericht*", "zprav*", "viesti*", "uzenet*",
	"mesaj*", "повідомлен*", "该邮件", "此邮件", "封邮件", "的邮件", "邮件被", "该郵件", "此郵件", "該郵件", "的郵件", "信件", "このメールは", "このメールを",
	"このメールが", "이메일을", "rechnername*", "vardnamn*", "hostnam*", "主机", "主機", "ホスト", "hostnaam", "nom dhote", "message",
	"messages", "dienst", "opdracht*", "$loginworld", "$aspectworld", "netz", "netze", "netzen", "netzwerk*",
	"reseau", "red", "rede", "rete", "netwerk", "sieci", "adresa site", "сети", "сеть", "网络", "ネットワーク", "dynamisch*",
	"dynamique*", "dinamic*", "betreff", "objet", "asunto", "assunto", "oggetto", "onderwerp", "тема", "主题", "主題",
	"件名", "leitung", "vertrag*", "sesion*", "sessao", "sessione", "jeton*", "dinamik", "dynamiczn*", "динамич*",
	"polecen*", "prikaz*", "komut*", "명령",
}

// doubtsWorld: the sender, we, leave to write, and what is so for now only,
// wherever it stands in the reply.
var doubtsWorld = []string{
	"$senderworld", "$usworld", "temporar*", "temporair*", "temporal*", "vorubergehend", "voruebergehend", "временно",
	"暂时", "一時", "berechtig*", "autoriz*", "permis*", "permess*", "사용할수", "uprawnie*", "право", "прав", "разрешен*",
	"权限", "權限", "許可", "権限", "拒否", "권한", "허용", "보낼", "สิทธิ์", "$manyworld", "$roomworld", "$outsideworld",
	"autorisation*", "lautorisation*", "lautorizzazion*", "derzeit", "momentan", "spater", "spaeter", "plus tard",
	"actuellement", "mas tarde", "mais tarde", "piu tardi", "al momento", "por el momento", "no momento", "pozniej",
	"позже", "позднее", "稍后", "稍後", "後ほど", "나중에", "nimmt keine", "akzeptiert keine", "naccepte pas", "no acepta",
	"nao aceita", "non accetta", "accepteert geen", "не принимает", "не приймає",
}

// serversWorld: a part of the server, which may be what is missing.
var serversWorld = []string{
	"server*", "palvelin", "szerver*", "sunucu*", "servidores", "сервера", "сервері", "сервером", "mailserver",
	"servidor", "serveur", "serwer", "сервер", "服务器", "伺服器", "サーバ", "서버", "datenbank*", "benutzerdaten*",
	"benutzerverzeichnis*", "nutzerverzeichnis*", "nutzerdaten*", "benutzerliste*", "benutzertabelle*",
	"empfangerliste*", "empfaengerliste*", "empfangertabelle*", "empfaengertabelle*", "postfachspeicher*",
	"kontodaten*", "gebruikerslijst*", "gebruikersbestand*", "database*", "base de datos", "base de donnees",
	"banco de dados", "база данных", "базы данных", "数据库", "データベース",
}

// worldRules: the same in other languages. Letters are compared without their
// accents.
var worldRules = []Rule{
	{
		ID: "full-world", Means: "the room of the mailbox is used up, and it may be shut for that",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxFull, At: AtRcpt,
		Any:     []string{"$overworld .. $roomworld", "$roomworld .. $overworld"},
		And:     []string{"$boxworld"},
		Not:     []string{"server", "serveur", "servidor", "сервер*", "nachricht*", "message*", "mensaje*"},
		Nowhere: []string{"$senderworld", "$usworld", "ip", wordIP},
	},
	{
		ID: "disabled-world", Means: "the mailbox is shut",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Any: []string{
			"$boxworld .. $shutworld", "$shutworld .. $boxworld", "@ .. $shutworld", "$shutworld @",
			"user* .. $shutworld", "recipient* .. $shutworld",
		},
		Not: slices.Concat(notOfMailboxWorld, serversWorld, []string{
			"$absentworld", "$contactworld .. $boxworld", "$contactworld .. @", "$youworld",
		}),
		Nowhere: slices.Concat(doubtsWorld, []string{"spam*", "спам*", "垃圾", "迷惑"}),
	},
	{
		ID: "ended-world", Means: "the mailbox is shut or taken away, in words that are said of much else",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxDisabled, At: AtRcpt, Digit: 5,
		Any: []string{"$boxworld .. $endedworld", "$endedworld $boxworld", "$endedworld .. 회원", "$endedworld .. 계정"},
		Not: slices.Concat(notOfMailboxWorld, serversWorld, []string{
			"$absentworld", "$youworld", "your account", "your mailbox",
		}),
		Nowhere: slices.Concat(doubtsWorld, []string{"spam*", "спам*", "垃圾", "迷惑", "sender*", "relay*"}),
	},
	{
		ID: "blocked-world", Means: "our address is refused",
		From:   "servers that answer in the language of their users",
		Reason: verdict.ProbeBlocked,
		Any: []string{
			"ip .. gesperrt", "ip adresse .. gesperrt", "ont ete bloques", "a ete bloque par", "su ip", "lista negra",
			"lista nera", "liste noire", "seu ip", "ip .. bloqueado", "vostro ip", "ваш ip", "ip адрес*",
			"черн* .. списк*", "черный список", "黑名单", "黑名單", "ブラックリスト", "拒否 .. ip", "$usworld .. $refusedworld",
			"$refusedworld .. $usworld", "czarn* .. list*", "zwarte lijst", "kara liste", "weisser liste",
			"weissen liste", "por ipv6", "tramite ipv6", "uber ipv6", "ueber ipv6", "par ipv6", "en ipv6", "ipv6 を",
			"通过ipv6", "ipv6를", "adresse ip", "direccion ip", "indirizzo ip", "endereco ip", "ip .. verboten",
		},
	},
	{
		ID: "rate-world", Means: "we ask too often",
		From:   "servers that answer in the language of their users",
		Reason: verdict.RateLimited,
		Any: []string{
			"$manyworld", "muito rapido", "zu schnell", "trop vite", "trop rapidement", "muy rapido",
			"troppo velocemente", "troppo in fretta", "te snel", "允许上限", "达到上限", "слишком част*", "频率", "过于频繁",
			"過於頻繁", "超过限制", "接続数",
		},
	},
	{
		ID: "unknown-user-world", Means: "the mailbox is not there, in words that leave no doubt",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, Plain: true,
		Any: []string{
			"empfanger unbekannt", "empfaenger unbekannt", "unbekannter empfanger", "unbekannter empfaenger",
			"benutzer unbekannt", "unbekannter benutzer", "existiert nicht", "utilisateur inconnu",
			"destinataire inconnu", "nexiste pas", "n existe pas", "usuario desconocido", "destinatario desconocido",
			"no existe", "usuario desconhecido", "destinatario desconhecido", "nao existe", "utente sconosciuto",
			"destinatario sconosciuto", "non esiste", "onbekende gebruiker", "gebruiker onbekend", "bestaat niet",
			"okand mottagare", "okand anvandare", "finns inte", "ukendt bruger", "ukendt modtager", "findes ikke",
			"ukjent bruker", "ukjent mottaker", "finnes ikke", "nie istnieje", "uzytkownik nieznany", "neexistuje",
			"nem letezik", "nu exista", "нет такого пользователя", "не существует", "用户不存在", "收件人不存在", "邮箱不存在", "無此用戶",
			"无此用户", "存在しません", "존재하지않",
		},
		And:     []string{"$whoworld"},
		Not:     slices.Concat(notOfMailboxWorld, serversWorld),
		Nowhere: doubtsWorld,
	},
	{
		ID: "unknown-words-world", Means: "the mailbox is not there",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any:     []string{"$absentworld", "destinataire .. invalide", "no hay .. usuario", "no hay .. buzon"},
		And:     []string{"$whoworld", "figura", "nell elenco", "dans lannuaire", "en el directorio", "no diretorio de"},
		Not:     slices.Concat(notOfMailboxWorld, serversWorld),
		Nowhere: doubtsWorld,
	},
	{
		ID: "unknown-address-world", Means: "the mailbox is not there, and only its address names it",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any:     []string{"$absentworld"},
		And:     []string{"@"},
		Not:     slices.Concat(notOfMailboxWorld, serversWorld, []string{"$contactworld"}),
		Nowhere: doubtsWorld,
	},
	{
		ID: "unknown-address-here-world", Means: "the same, and there is the server that says so",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any:     []string{"$absentworld .. $hereworld", "$hereworld .. $absentworld"},
		And:     []string{"@"},
		Not:     slices.Concat(notOfMailboxWorld, []string{"$contactworld"}),
		Nowhere: doubtsWorld,
	},
	{
		ID: "unknown-bad-world", Means: "the mailbox is invalid or wrong",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any: []string{
			"$boxworld .. $badworld", "$badworld $boxworld", "$boxworld がありません", "$boxworld はありません",
			"$badworld .. empfang*", "$badworld .. destinat*", "$badworld .. пользовател*", "$badworld .. 계정",
			"$badworld .. 사용자", "$badworld .. 수신자",
		},
		Not: slices.Concat(notOfMailboxWorld, serversWorld, []string{
			"your account", "your mailbox", "syntax*", "format*", "未知错误", "未知原因", "未知錯誤",
		}),
		Nowhere: slices.Concat(doubtsWorld, []string{"sender*", "relay*"}),
	},
	{
		ID: "left-world", Means: "whom the mailbox was for works there no more",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any:     []string{"$personworld .. $leftworld", "$leftworld .. $personworld"},
		Nowhere: []string{"$senderworld", "$usworld", "sender*", "relay*"},
		Not:     serversWorld,
	},
	{
		ID: "unknown-here-world", Means: "the mailbox is not there, and there is the server that says so",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any:     []string{"$absentworld .. $hereworld", "$hereworld .. $absentworld"},
		And:     []string{"$whoworld"},
		Not:     notOfMailboxWorld,
		Nowhere: doubtsWorld,
	},
	{
		ID: "unknown-in-domain-world", Means: "the mailbox is not in this domain",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes,
		Any:     []string{"$absentworld .. $heredomainworld", "$heredomainworld .. $absentworld"},
		And:     []string{"$boxworld"},
		Not:     slices.Concat(besideMailboxWorld, serversWorld),
		Nowhere: doubtsWorld,
	},
	{
		ID: "unknown-short-world", Means: "a name alone, and that it does not exist",
		From:   "servers that answer in the language of their users",
		Reason: verdict.MailboxNotFound, At: AtRcpt, Digit: 5, NotEnhanced: policyCodes, Words: 5,
		Any: []string{
			"existiert nicht", "nexiste pas", "no existe", "nao existe", "non esiste", "nie istnieje", "bestaat niet",
			"finns inte", "findes ikke", "finnes ikke", "neexistuje", "не существует", "不存在",
		},
		Not:     slices.Concat(notOfMailboxWorld, serversWorld, []string{"域", "网站"}),
		Nowhere: doubtsWorld,
	},
	{
		ID: "service-refused-world", Means: "the service is refused to us",
		From:   "Orange, La Poste",
		Reason: verdict.ProbeBlocked, At: AtRcpt, Digit: 5,
		Any: []string{"service refuse", "service refused"},
	},
	{
		ID: "sender-world", Means: "the sender is refused or unknown",
		From:   "servers that answer in the language of their users",
		Reason: verdict.SenderRefused,
		Any: []string{
			"$senderworld .. $absentworld", "$absentworld .. $senderworld", "$senderworld .. $refusedworld",
			"$refusedworld .. $senderworld",
		},
	},
	{
		ID: "recipient-policy-world", Means: "the recipient does not want it",
		From:   "servers that answer in the language of their users",
		Reason: verdict.RecipientPolicy, At: AtRcpt, Digit: 5,
		Any: []string{
			"$youworld", "nimmt keine", "naccepte pas", "naccepte plus", "no acepta", "nao aceita", "non accetta",
			"не принимает", "не приймає", "拒收", "拒绝接收", "拒绝接受", "受信拒否", "受信を拒否", "수신거부", "수신을거부",
		},
		And:     []string{"$whoworld", "@"},
		Nowhere: []string{"ip", wordIP, "spam*"},
	},
}
