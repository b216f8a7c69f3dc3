package daemon

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"rcptgate/internal/lab"
)

// The world of the campaign. The share of each provider is that of its MX
// among domains, where one was published (Tranco list, 2019); the rest is
// shared evenly by the others. What a provider says at RCPT is what is known
// of it; unknown wordings are those of its software.
//
// A local part that begins with "user." or "full." exists (the latter is over
// quota where a server says so), all others are unknown; at a domain that
// begins with "all-" everybody exists.

// farProvider is one provider of the world.
type farProvider struct {
	name    string
	share   float64 // per cent of the recipients; 0: an even part of the rest
	domain  string  // of a consumer provider; "": customers with domains of their own
	mx      string  // %d: each customer has a name of his own
	all     float64 // share of its customers where everybody exists
	host    lab.Host
	perSite int // recipients at a customer, on average; 0: 4
}

func userExists(local, domain string) bool {
	return strings.HasPrefix(local, "user.") || strings.HasPrefix(local, "full.") || strings.HasPrefix(domain, "all-")
}

// truthful is a server that refuses unknown users with these words.
func truthful(unknown string) lab.Host { return lab.Host{Exists: userExists, Unknown: unknown} }

// over makes a host answer recipients that are over quota with these words.
func over(h lab.Host, words string) lab.Host {
	h.Rcpt = func(addr string, _ *lab.Session) string {
		if strings.HasPrefix(addr, "full.") {
			return words
		}
		return ""
	}
	return h
}

const postfixUnknown = "550 5.1.1 <ADDR>: Recipient address rejected: User unknown in virtual mailbox table"

// farProviders are the large ones.
func farProviders() []farProvider {
	acceptsAll := lab.Host{CatchAll: true}
	return []farProvider{
		{name: "google", share: 10, domain: "gmail.com", mx: "gmail-smtp-in.l.google.com", host: over(truthful("550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n550-5.1.1 double-checking the recipient's email address for typos or\r\n550 5.1.1 unnecessary spaces. - gsmtp"), "452 4.2.2 The recipient's inbox is out of storage space.")},
		{name: "google workspace", share: 7, mx: "aspmx.l.google.com", all: 0.1, host: truthful("550-5.1.1 The email account that you tried to reach does not exist. Please try\r\n550 5.1.1 double-checking the recipient's email address. - gsmtp")},
		{name: "microsoft 365", share: 6, mx: "tenant%d.mail.protection.outlook.com", all: 0.2, host: truthful("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)")},
		{name: "yandex", share: 5, domain: "yandex.ru", mx: "mx.yandex.ru", host: truthful("550 5.7.1 No such user!")},
		{name: "spamexperts", share: 0.75, mx: "mx.antispamcloud.com", all: 0.1, host: lab.Host{Exists: userExists, Unknown: "550 5.1.1 unknown user", Delay: map[string]time.Duration{"RCPT": 20 * time.Second}}},
		{name: "mimecast", share: 0.69, mx: "eu-smtp-inbound-1.mimecast.com", all: 0.3, host: truthful("550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550")},
		{name: "proofpoint", share: 0.56, mx: "mx%d.pphosted.com", all: 0.2, host: truthful("550 5.1.1 <ADDR>... User unknown")},
		{name: "barracuda", share: 0.29, mx: "d%d.ess.barracudanetworks.com", all: 0.5, host: truthful("550 permanent failure for one or more recipients (ADDR:550 5.1.1 <ADDR>: user unknown)")},
		{name: "outlook.com", domain: "outlook.com", mx: "outlook-com.olc.protection.outlook.com", host: truthful("550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)")},
		{name: "yahoo", domain: "yahoo.com", mx: "mta5.am0.yahoodns.net", host: acceptsAll},
		{name: "apple", domain: "icloud.com", mx: "mx01.mail.icloud.com", host: over(truthful("550 5.1.1 <ADDR>: user does not exist"), "552 5.2.2 <ADDR>: user is over quota")},
		{name: "mail.ru", domain: "mail.ru", mx: "mxs.mail.ru", host: acceptsAll},
		{name: "gmx", domain: "gmx.de", mx: "mx00.gmx.net", host: truthful("550-Requested action not taken: mailbox unavailable\r\n550 For explanation visit https://postmaster.gmx.net/en/error-messages?c=mu")},
		{name: "t-online", domain: "t-online.de", mx: "mx00.t-online.de", host: lab.Host{Greeting: "554 IP=198.51.100.1 - A problem occurred. (Ask your postmaster for help or to contact tosa@rx.t-online.de to clarify.) (NOWL)"}},
		{name: "orange", domain: "orange.fr", mx: "smtp-in.orange.fr", host: over(truthful("550 5.1.1 Adresse d au moins un destinataire invalide. Invalid recipient. OFR_416"), "552 5.1.1 Boite du destinataire pleine. Recipient overquota. OFR_417")},
		{name: "comcast", domain: "comcast.net", mx: "mx1.comcast.net", host: truthful("550 5.1.1 Not our Customer")},
		{name: "qq", domain: "qq.com", mx: "mx1.qq.com", host: truthful("550 Mailbox not found")},
		{name: "netease", domain: "163.com", mx: "163mx01.mxmail.netease.com", host: truthful("550 User not found: ADDR")},
		{name: "docomo", domain: "docomo.ne.jp", mx: "mfsmax.docomo.ne.jp", host: acceptsAll},
		{name: "zoho", mx: "mx.zoho.com", all: 0.1, host: truthful("550 5.1.1 User does not exist - <ADDR>")},
		{name: "fastmail", mx: "in1-smtp.messagingengine.com", all: 0.3, host: truthful("550 5.1.1 <ADDR>: Recipient address rejected: User unknown in virtual alias table")},
		{name: "cisco", mx: "mx1.hc%d.iphmx.com", all: 0.1, perSite: 40, host: lab.Host{Exists: userExists, Unknown: "550 #5.1.0 Address rejected.", HarvestLimit: 25, HarvestReply: "250 2.1.5 ok"}},
		{name: "godaddy", mx: "smtp.secureserver.net", all: 0.1, host: truthful("550 5.1.1 <ADDR> Recipient not found")},
		{name: "ovh", mx: "mx1.mail.ovh.net", all: 0.1, host: truthful(postfixUnknown)},
		{name: "rackspace", mx: "mx1.emailsrvr.com", all: 0.1, host: truthful("550 5.1.1 <ADDR>: Recipient address rejected: User unknown")},
		{name: "trend micro", mx: "in.hes%d.trendmicro.com", all: 0.2, host: truthful("554 5.7.1 <ADDR>: Recipient address rejected: Invalid-Recipient")},
	}
}

// ownServer is a kind of server that a domain runs itself.
type ownServer struct {
	name   string
	weight int
	all    bool
	host   lab.Host
	dead   bool // of two MXs the first one is down
	large  bool // hundreds of recipients, a fifth invalid, so that its limits are met
}

func ownServers() []ownServer {
	plain := truthful(postfixUnknown)
	with := func(change func(*lab.Host)) lab.Host {
		h := plain
		change(&h)
		return h
	}
	const blocked = "550 5.7.1 Service unavailable; client host [198.51.100.1] blocked using zen.spamhaus.org"
	return []ownServer{
		{name: "postfix", weight: 40, host: over(plain, "452 4.2.2 <ADDR>: Mailbox full")},
		{name: "exim", weight: 8, host: truthful("550 No Such User Here")},
		{name: "catch-all", weight: 14, all: true, host: plain},
		{name: "exchange that accepts any", weight: 4, host: lab.Host{CatchAll: true}},
		{name: "greylisting", weight: 8, host: with(func(h *lab.Host) { h.Greylist = 5 * time.Minute })},
		{name: "postmaster unknown", weight: 5, host: with(func(h *lab.Host) { h.Postmaster = postfixUnknown })},
		{name: "postmaster refused", weight: 2, host: with(func(h *lab.Host) { h.Postmaster = "550 5.7.1 <ADDR>: Recipient address rejected: Access denied" })},
		{name: "blocks in its greeting", weight: 3, host: with(func(h *lab.Host) { h.Greeting = "554 5.7.1 198.51.100.1 is listed, see www.spamhaus.org" })},
		{name: "blocks at RCPT", weight: 2, host: with(func(h *lab.Host) { h.Rcpt = func(string, *lab.Session) string { return blocked } })},
		{name: "refuses our sender", weight: 1, host: with(func(h *lab.Host) {
			h.Mail = func(string, *lab.Session) string { return "550 5.1.8 Sender address rejected: Domain not found" }
		})},
		{name: "tarpit", weight: 1, host: with(func(h *lab.Host) { h.Delay = map[string]time.Duration{"RCPT": 2 * time.Minute} })},
		{name: "black hole", weight: 1, host: lab.Host{Blackhole: true}},
		{name: "dead", weight: 1, host: lab.Host{Dead: true}},
		{name: "first MX dead", weight: 2, host: plain, dead: true},
		{name: "hangs up after two", weight: 1, host: with(func(h *lab.Host) { h.MaxRcpts = 2 })},
		{name: "rate limit", weight: 1, large: true, host: with(func(h *lab.Host) { h.RcptsPerHour = 20 })},
		{name: "harvest limit that says so", weight: 2, large: true, host: with(func(h *lab.Host) { h.HarvestLimit = 3 })},
		{name: "harvest limit that accepts all", weight: 1, large: true, host: with(func(h *lab.Host) { h.HarvestLimit, h.HarvestReply = 3, "250 2.1.5 ok" })},
		{name: "harvest limit that refuses all", weight: 2, large: true, host: with(func(h *lab.Host) {
			h.HarvestLimit, h.HarvestReply = 3, "550 5.1.1 <ADDR>: Recipient address rejected: User unknown"
		})},
	}
}

// farRecipient is one of the campaign.
type farRecipient struct {
	addr  string
	group string // provider or kind of server
	bad   bool   // nobody would get the mail
	knows bool   // and the far end would say so at RCPT, or the DNS
}

// campaignWorld registers the world and returns the recipients in the order of
// injection: 3 in 100 are invalid, one in five of those at a domain that is
// gone or takes no mail.
func campaignWorld(n *lab.Internet, size int) []farRecipient {
	w := &campaignBuilder{Internet: n, rnd: rand.New(rand.NewPCG(20, 26))}
	providers := farProviders()
	rest, even := 100-39.0, 0 // self-hosted: 39 %
	for _, p := range providers {
		if rest -= p.share; p.share == 0 {
			even++
		}
	}
	for _, p := range providers {
		if p.share == 0 {
			p.share = rest / float64(even)
		}
		w.provider(p, int(float64(size)*p.share/100))
	}
	w.selfHosted(size - len(w.out))
	w.rnd.Shuffle(len(w.out), func(i, j int) { w.out[i], w.out[j] = w.out[j], w.out[i] })
	return w.out
}

type campaignBuilder struct {
	*lab.Internet
	rnd   *rand.Rand
	out   []farRecipient
	sites int
}

// provider adds the recipients of a provider.
func (w *campaignBuilder) provider(p farProvider, size int) {
	if p.domain != "" {
		w.Host(p.mx, p.host)
		w.Domain(p.domain, lab.MX{Pref: 10, Host: p.mx})
		w.people(p.name, p.domain, !p.host.CatchAll, 0.026, size)
		return
	}
	if !strings.Contains(p.mx, "%d") {
		w.Host(p.mx, p.host)
	}
	for size > 0 {
		w.sites++
		domain := fmt.Sprintf("c%d.test", w.sites)
		all := w.rnd.Float64() < p.all
		if all {
			domain = "all-" + domain
		}
		mx := p.mx
		if strings.Contains(mx, "%d") {
			mx = fmt.Sprintf(mx, w.sites)
			w.Host(mx, p.host)
		}
		w.Domain(domain, lab.MX{Pref: 10, Host: mx})
		average := 4
		if p.perSite > 0 {
			average = p.perSite
		}
		here := min(size, 1+w.rnd.IntN(2*average-1))
		w.people(p.name, domain, !all, 0.026, here)
		size -= here
	}
}

// selfHosted adds the recipients of domains with servers of their own.
func (w *campaignBuilder) selfHosted(size int) {
	kinds := ownServers()
	weights := 0
	for _, k := range kinds {
		weights += k.weight
	}
	for _, k := range kinds {
		left := size * k.weight / weights
		for left > 0 {
			w.sites++
			domain := fmt.Sprintf("s%d.test", w.sites)
			if k.all {
				domain = "all-" + domain
			}
			w.Site(domain, k.host)
			if k.dead {
				w.Host("first."+domain, lab.Host{Dead: true})
				w.Domain(domain, lab.MX{Pref: 5, Host: "first." + domain}, lab.MX{Pref: 10, Host: "mx." + domain})
			}
			average, bad := 4, 0.026
			if k.large {
				average, bad = 300, 0.2
			}
			here := min(left, 1+w.rnd.IntN(2*average-1))
			w.people(k.name, domain, !k.all && !k.host.CatchAll, bad, here)
			left -= here
		}
	}
}

// people adds recipients at one domain, of which a share is bad.
func (w *campaignBuilder) people(group, domain string, knows bool, bad float64, size int) {
	for range size {
		i := len(w.out)
		r := farRecipient{addr: fmt.Sprintf("user.%d@%s", i, domain), group: group}
		switch x := w.rnd.Float64(); {
		case x < 0.003:
			r.addr, r.bad, r.knows = fmt.Sprintf("user.%d@gone%d.test", i, i), true, true
		case x < 0.006:
			r.addr, r.bad, r.knows = fmt.Sprintf("user.%d@nomail%d.test", i, i), true, true
			w.NullMX(fmt.Sprintf("nomail%d.test", i))
		case x < bad:
			r.addr, r.bad, r.knows = fmt.Sprintf("gone.%d@%s", i, domain), true, knows
		case x < bad+0.003:
			r.addr = fmt.Sprintf("full.%d@%s", i, domain)
		}
		w.out = append(w.out, r)
	}
}
