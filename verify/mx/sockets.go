package mx

import (
	"net"
	"sync"
	"syscall"
	"time"
)

// A UDP socket is used for further queries for socketLife at most, and for
// socketQueries, and with it its port, which nobody should be able to foresee
// (RFC 5452 section 9.2). One that is kept could be found by a scan: of all
// 28,000 that Linux picks from that takes half a minute, at the 1,000 a second of
// which it tells (icmp_msgs_per_sec). One that serves more than a query a second
// is given up before that; and who knows it has the ids of few queries to guess.
const (
	socketLife    = 30 * time.Second
	socketQueries = 30
)

// openFiles is how many descriptors this process may have.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0
	}
	return limit.Cur
}

// idleLimit is how many sockets may wait, over all servers, where so many
// descriptors may be open: the dialogues and the doors need theirs.
func idleLimit(files uint64) int { return int(min(files/8, maxQueries)) }

// sockets are the UDP sockets to one server that wait for its next query; each
// serves one at a time. To open and close one costs the kernel more than the
// query does: without, a thousand cold verdicts at once take a fifth more time
// (BenchmarkColdMany).
type sockets struct {
	max int // how many may wait

	mu     sync.Mutex
	idle   []socket
	sweep  *time.Timer // set while any waits; it comes within socketLife
	closed bool
}

// socket is one connection to a server.
type socket struct {
	net.Conn
	since   time.Time // it was opened
	queries int       // it was used for
}

// spent reports that it may not be used again.
func (k socket) spent() bool {
	return k.queries >= socketQueries || time.Since(k.since) >= socketLife
}

// left is how long it may be used yet.
func (k socket) left() time.Duration { return socketLife - time.Since(k.since) }

// take returns a socket that waits; false where there is none. The caller puts
// it back or closes it.
func (s *sockets) take() (socket, bool) {
	var spent []socket
	defer func() { closeAll(spent) }() // when s.mu is free
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := len(s.idle); n > 0; n-- {
		k := s.idle[n-1]
		s.idle[n-1] = socket{}
		s.idle = s.idle[:n-1]
		if !k.spent() {
			return k, true
		}
		spent = append(spent, k)
	}
	return socket{}, false
}

// put lets a socket on which no reply is outstanding wait for the next query, or
// closes it where it is spent.
func (s *sockets) put(k socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.idle) >= s.max || k.spent() {
		_ = k.Close()
		return
	}
	s.idle = append(s.idle, k)
	if s.sweep == nil {
		s.sweep = time.AfterFunc(k.left(), s.expire)
	}
}

// expire closes those that are spent.
func (s *sockets) expire() {
	var spent []socket
	defer func() { closeAll(spent) }() // when s.mu is free
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, next := s.idle[:0], socketLife
	for _, k := range s.idle {
		if k.spent() {
			spent = append(spent, k)
		} else {
			kept = append(kept, k)
			next = min(next, k.left())
		}
	}
	clear(s.idle[len(kept):])
	s.idle, s.sweep = kept, nil
	if len(kept) > 0 {
		s.sweep = time.AfterFunc(next, s.expire)
	}
}

// drop closes all that wait: what one of them met, an address that this host no
// longer has say, the others may meet too.
func (s *sockets) drop() {
	s.mu.Lock()
	idle := s.idle
	s.idle = nil
	s.mu.Unlock()
	closeAll(idle)
}

// close closes all that wait, and those that are put back later.
func (s *sockets) close() {
	s.mu.Lock()
	s.closed = true
	if s.sweep != nil {
		s.sweep.Stop()
	}
	s.mu.Unlock()
	s.drop()
}

// closeAll is called without the lock: a thousand take milliseconds.
func closeAll(ks []socket) {
	for _, k := range ks {
		_ = k.Close()
	}
}
