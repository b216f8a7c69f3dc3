package mx

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const resolvConf = "/etc/resolv.conf"

// server is one name server.
type server struct {
	addr string

	mu   sync.Mutex
	down time.Time // until then it is asked last
}

// silent notes that the server did not answer at all, or could not be asked.
func (s *server) silent() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = time.Now().Add(canaryPeriod)
}

func (s *server) isDown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Before(s.down)
}

// noServer stands for "no server has been asked yet" in order and ask.
const noServer = -1

// order returns the servers to try for one question, by index: in their given
// order, beginning behind the one asked before and ending with it, those that
// were silent lately last. A server that is alone is there twice.
func (r *Resolver) order(after int) []int {
	n := len(r.servers)
	if n == 1 {
		return []int{0, 0}
	}
	var up, down []int
	for i := range n {
		s := (after + 1 + i) % n
		if r.servers[s].isDown() {
			down = append(down, s)
		} else {
			up = append(up, s)
		}
	}
	return append(up, down...)
}

// SystemServers reads the name servers, as IP:port, of a resolv.conf(5) file;
// path "" is /etc/resolv.conf.
func SystemServers(path string) ([]string, error) {
	f, err := os.Open(cmp.Or(path, resolvConf))
	if err != nil {
		return nil, fmt.Errorf("name servers of the system: %w", err)
	}
	defer f.Close()
	return parseResolvConf(f)
}

func parseResolvConf(f io.Reader) ([]string, error) {
	c, err := dns.ClientConfigFromReader(f)
	if err != nil {
		return nil, fmt.Errorf("name servers of the system: %w", err)
	}
	var servers []string
	for _, s := range c.Servers {
		ip, err := netip.ParseAddr(s)
		if err != nil {
			return nil, fmt.Errorf("name servers of the system: nameserver %q is no IP address", s)
		}
		servers = append(servers, netip.AddrPortFrom(ip, 53).String())
	}
	if len(servers) == 0 {
		// resolv.conf(5): without nameserver lines, the one on this machine.
		servers = []string{"127.0.0.1:53"}
	}
	return servers, nil
}
