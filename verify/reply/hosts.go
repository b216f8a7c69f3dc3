package reply

// MX names of the providers whose replies have a meaning of their own.
var (
	hostsMicrosoft = []string{".protection.outlook.com", ".mx.microsoft", ".outlook.com", ".hotmail.com"}
	hostsGoogle    = []string{".google.com", ".googlemail.com", ".psmtp.com"}
	hostsYahoo     = []string{".yahoodns.net", ".yahoo.com", ".aol.com"}
	hostsApple     = []string{".icloud.com", ".me.com", ".mac.com", ".apple.com"}
	hostsGMX       = []string{".gmx.net", ".gmx.com", ".web.de", ".mail.com", ".kundenserver.de", ".1and1.com", ".ionos.com", ".ionos.de"}
	hostsOrange    = []string{".orange.fr", ".wanadoo.fr", ".laposte.net"}
	hostsFree      = []string{".free.fr"}
	hostsComcast   = []string{".comcast.net"}
	hostsCox       = []string{".cox.net", ".cloudfilter.net", ".charter.net", ".spectrum.net"}
	hostsQQ        = []string{".qq.com"}
	hostsNetEase   = []string{".netease.com", ".163.com", ".126.com"}
	hostsMailRu    = []string{".mail.ru"}
	hostsYandex    = []string{".yandex.ru", ".yandex.net", ".yandex.com"}
	hostsMimecast  = []string{".mimecast.com", ".mimecast.co.za", ".mimecast-offshore.com"}
	hostsProof     = []string{".pphosted.com", ".ppe-hosted.com", ".gslb.pphosted.com"}
	hostsGoDaddy   = []string{".secureserver.net"}
	hostsTelekom   = []string{".t-online.de"}
	hostsCisco     = []string{".iphmx.com"}
	hostsTrend     = []string{".trendmicro.com", ".trendmicro.eu", ".trendmicro.co.jp"}
	hostsZoho      = []string{".zoho.com", ".zoho.eu", ".zoho.in", ".zohomail.com"}
	hostsBarracuda = []string{".barracudanetworks.com"}
)
