package mx

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const resolvConf = "/etc/resolv.conf"

// server is one name server.
type server struct {
	addr    string
	sockets sockets

	mu   sync.Mutex
	down time.Time // until then it is asked last
	ours bool      // down, as this host could not ask it: to try takes no time
}

// passOver notes that the server did not answer at all, or (ours) could not be
// asked.
func (s *server) passOver(ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down, s.ours = time.Now().Add(canaryPeriod), ours
}

func (s *server) state() (down, ours bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	down = time.Now().Before(s.down)
	return down, down && s.ours
}

// noServer stands for "no server has been asked yet" in order and ask.
const noServer = -1

// order returns the servers to try for one question, by index: in their given
// order, beginning behind the one asked before and ending with it, then those
// that could not be asked lately, and last those that were silent. One that
// could not be asked comes before the one asked before all the same: it may be
// there again, and a second opinion of it costs no wait. A server that is alone
// is there twice.
func (r *Resolver) order(after int) []int {
	n := len(r.servers)
	if n == 1 {
		return []int{0, 0}
	}
	var up, unasked, silent []int
	for i := range n {
		s := (after + 1 + i) % n
		switch down, ours := r.servers[s].state(); {
		case ours:
			unasked = append(unasked, s)
		case down:
			silent = append(silent, s)
		default:
			up = append(up, s)
		}
	}
	if last := len(up) - 1; after != noServer && last >= 0 && up[last] == after {
		up, unasked = up[:last], append(unasked, after)
	}
	return slices.Concat(up, unasked, silent)
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
