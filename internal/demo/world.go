package demo

import (
	"net/netip"
	"strings"
	"time"

	"rcptgate/internal/lab"
)

// recipient is one address of the campaign and what its far end is like.
type recipient struct{ address, far string }

// world registers the simulated internet of the demo and returns the
// recipients of the campaign, in the order of injection.
func world(n *lab.Internet) []recipient {
	users := func(names ...string) func(string, string) bool {
		return func(local, _ string) bool {
			for _, name := range names {
				if strings.EqualFold(local, name) {
					return true
				}
			}
			return false
		}
	}
	n.Domain("probe.lab.test") // the probe sender's domain: the canary
	n.Host("mx.truthful.test", lab.Host{Exists: users("ada", "grace"), StartTLS: "ok"})
	n.Domain("truthful.test", lab.MX{Pref: 10, Host: "mx.truthful.test"})
	n.Host("down.backup.test", lab.Host{Dead: true})
	n.Host("mx.backup.test", lab.Host{Exists: users("ada")})
	n.Domain("backup.test", lab.MX{Pref: 5, Host: "down.backup.test"}, lab.MX{Pref: 10, Host: "mx.backup.test"})
	n.Host("tenant-test.mail.protection.outlook.com", lab.Host{
		Exists:  users("ada"),
		Unknown: "550 5.4.1 Recipient address rejected: Access denied. AS(201806281)",
	})
	n.Domain("tenant.test", lab.MX{Pref: 0, Host: "tenant-test.mail.protection.outlook.com"})
	n.Host("mta5.am0.yahoodns.net", lab.Host{CatchAll: true})
	n.Domain("portal.test", lab.MX{Pref: 1, Host: "mta5.am0.yahoodns.net"})
	n.Site("catchall.test", lab.Host{CatchAll: true})
	n.Site("grey.test", lab.Host{Greylist: 5 * time.Minute, Exists: users("ada")})
	n.Site("full.test", lab.Host{Rcpt: func(string, *lab.Session) string {
		return "552 5.2.2 <ADDR>: mailbox is full"
	}})
	n.Site("blocked.test", lab.Host{Greeting: "554 5.7.1 your address is on a block list, see www.spamhaus.org"})
	n.Site("angry.test", lab.Host{Unknown: "550 5.7.1 service unavailable, client host [127.0.0.1] blocked using zen.spamhaus.org"})
	n.Site("blanket.test", lab.Host{Postmaster: "554 5.7.1 <ADDR>: Recipient address rejected: Access denied"})
	n.NullMX("nomail.test")
	n.Records("private.test. 300 IN MX 10 mx.private.test.", "mx.private.test. 300 IN A 10.0.0.25")
	n.Site("tarpit.test", lab.Host{Delay: map[string]time.Duration{"RCPT": time.Minute}})
	return []recipient{
		{"ada@truthful.test", "exists at a server that refuses unknown users"},
		{"nobody@truthful.test", "does not exist there"},
		{"grace@truthful.test", "exists there"},
		{"ada@backup.test", "exists; the first MX is down"},
		{"ada@tenant.test", "exists at a Microsoft 365 tenant"},
		{"gone@tenant.test", "unknown there: \"Access denied\" means it"},
		{"anyone@portal.test", "at a provider that accepts everything"},
		{"anyone@catchall.test", "at a domain that accepts everything"},
		{"ada@grey.test", "behind greylisting"},
		{"ada@full.test", "over quota"},
		{"ada@blocked.test", "the MX blocks us in its greeting"},
		{"ada@angry.test", "the MX blocks us at RCPT"},
		{"ada@blanket.test", "the MX refuses everybody, postmaster too"},
		{"ada@nomail.test", "the domain says that it takes no mail"},
		{"ada@nowhere.test", "the domain does not exist"},
		{"ada@private.test", "the MX points into a private network"},
		{"ada@tarpit.test", "the MX does not answer for a minute"},
	}
}

// allowed is the network of the simulated hosts.
var allowed = netip.MustParsePrefix("127.64.0.0/10")
