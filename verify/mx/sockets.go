package mx

import (
	"net"
	"sync"
	"time"
)

// socketLife is how long a UDP socket is used for further queries, and with it
// its port, which nobody should be able to foresee (RFC 5452 section 9.2). One
// that is kept could be found by a scan: of all 28,000 that Linux picks from that
// takes as long, at the 1,000 a second of which it tells (icmp_msgs_per_sec).
const socketLife = 30 * time.Second

// sockets are the UDP sockets to one server that wait for its next query; each
// serves one at a time. To open and close one costs the kernel more than the
// query does, a fifth of what cold verdicts cost where many are wanted at once
// (BenchmarkColdMany).
type sockets struct {
	max int // how many may wait

	mu     sync.Mutex
	idle   []socket
	sweep  *time.Timer // set while any waits
	closed bool
}

// socket is one connection to a server.
type socket struct {
	net.Conn
	since time.Time // it was opened
}

func (k socket) old() bool { return time.Since(k.since) >= socketLife }

// take returns a socket that waits; false where there is none. The caller puts
// it back or closes it.
func (s *sockets) take() (socket, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := len(s.idle); n > 0; n-- {
		k := s.idle[n-1]
		s.idle[n-1] = socket{}
		s.idle = s.idle[:n-1]
		if !k.old() {
			return k, true
		}
		_ = k.Close()
	}
	return socket{}, false
}

// put lets a socket on which no reply is outstanding wait for the next query, or
// closes it where it has been open for long enough.
func (s *sockets) put(k socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle) >= s.max || k.old() {
		_ = k.Close()
		return
	}
	s.idle = append(s.idle, k)
	if s.sweep == nil {
		s.sweep = time.AfterFunc(socketLife, s.expire)
	}
}

// expire closes those that have been open for long enough.
func (s *sockets) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.idle[:0]
	for _, k := range s.idle {
		if k.old() {
			_ = k.Close()
		} else {
			kept = append(kept, k)
		}
	}
	clear(s.idle[len(kept):])
	s.idle, s.sweep = kept, nil
	if len(kept) > 0 {
		s.sweep = time.AfterFunc(socketLife, s.expire)
	}
}

// drop closes all that wait: what one of them met, an address that this host no
// longer has say, the others may meet too.
func (s *sockets) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropLocked()
}

func (s *sockets) dropLocked() {
	for _, k := range s.idle {
		_ = k.Close()
	}
	clear(s.idle)
	s.idle = s.idle[:0]
}

// close closes all that wait, and those that are put back later.
func (s *sockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.dropLocked()
	if s.sweep != nil {
		s.sweep.Stop()
	}
}
