//go:build integration

package integration

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"rcptgate/internal/lab"
)

// Names and networks of the world. The mail that is checked leaves from
// sender.zone; every far host has an address of its own and listens on one
// port.
const (
	senderDomain = "sender.zone"
	probeDomain  = "probe." + senderDomain
	probeSender  = "verify@" + probeDomain
)

// world is what all cases share: the simulated Internet with its DNS, one
// daemon in enforce mode, three near ends that ask it, and the far ends.
type world struct {
	syslog *syslog
	lab    *lab.Internet
	dns    string // address of the simulated DNS
	port   int    // of every far host
	proxy  []*dns.Server

	gate      once[*daemon]
	postfix   once[*nearPostfix]
	sendmail  once[*sendmail]
	farMail   once[*postfix]
	farExim   once[*exim]
	daemonSeq int
}

// once makes a fixture when the first case needs it.
type once[T any] struct {
	sync.Once
	value T
}

func (o *once[T]) get(t *testing.T, make func() T) T {
	t.Helper()
	o.Do(func() { o.value = make() })
	return o.value
}

var (
	worldOnce sync.Once
	shared    *world
	worldErr  error
)

func theWorld(t testing.TB) *world {
	t.Helper()
	worldOnce.Do(func() { shared, worldErr = newWorld() })
	if worldErr != nil {
		t.Fatal("world:", worldErr)
	}
	return shared
}

func newWorld() (*world, error) {
	s, err := startSyslog()
	if err != nil {
		return nil, err
	}
	w := &world{syslog: s, lab: lab.New(lab.Options{})}
	if w.dns, w.port, err = w.lab.Listen(); err != nil {
		return nil, err
	}
	w.lab.Records("1.0.0.127.dnsbl.zone. 300 IN A 127.0.0.2") // the near end is listed there
	w.lab.Domain(senderDomain, lab.MX{Pref: 10, Host: hostname})
	w.lab.Records(hostname + ". 300 IN A 198.18.0.1")
	w.lab.Domain(probeDomain, lab.MX{Pref: 10, Host: hostname})
	return w, w.serveDNS()
}

// serveDNS puts the simulated DNS where the mail servers look for one: at port
// 53 of resolv.conf.
func (w *world) serveDNS() error {
	pass := dns.HandlerFunc(func(rw dns.ResponseWriter, q *dns.Msg) {
		c := &dns.Client{Net: rw.LocalAddr().Network()}
		a, _, err := c.Exchange(q, w.dns)
		if err != nil {
			a = new(dns.Msg).SetRcode(q, dns.RcodeServerFailure)
		}
		rw.WriteMsg(a) // the asker tries again
	})
	udp, err := net.ListenPacket("udp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:53")
	if err != nil {
		return err
	}
	w.proxy = []*dns.Server{{PacketConn: udp, Handler: pass}, {Listener: tcp, Handler: pass}}
	for _, s := range w.proxy {
		go s.ActivateAndServe() // until closeWorld shuts it down
	}
	return nil
}

func closeWorld() {
	if shared == nil {
		return
	}
	if d := shared.gate.value; d != nil {
		d.stop()
	}
	for _, s := range shared.proxy {
		s.Shutdown()
	}
	shared.lab.Close()
	shared.syslog.close()
}

// host registers the host mx.DOMAIN of the simulated Internet.
func (w *world) host(domain string, h lab.Host) { w.lab.Site(domain, h) }

// real makes a real server at addr the only MX of the domain.
func (w *world) real(domain, addr string) {
	w.lab.Records(fmt.Sprintf("mx.%s. 300 IN A %s", domain, addr))
	w.lab.Domain(domain, lab.MX{Pref: 10, Host: "mx." + domain})
}

// far is host:port of a far host.
func (w *world) far(addr string) string {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), uint16(w.port)).String()
}

// users makes an Exists function.
func users(names ...string) func(local, domain string) bool {
	return func(local, _ string) bool {
		for _, n := range names {
			if n == local {
				return true
			}
		}
		return false
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func uid(name string) int {
	for _, a := range accounts {
		if a.name == name {
			return a.id
		}
	}
	panic("no account " + name)
}

func appendFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
