package mx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// ednsSize is the UDP payload that passes unfragmented nearly everywhere;
	// packetSize takes the packets of servers that send more all the same.
	ednsSize   = 1232
	packetSize = 4096
)

// errUnusable: the server replied, but not with anything to go by.
var errUnusable = errors.New("unusable reply")

// try asks one server once: over UDP, over TCP when that answer is cut, and
// without EDNS0 where the server does not know it (RFC 6891 section 7).
func (r *Resolver) try(ctx context.Context, s *server, name string, qtype uint16) (*dns.Msg, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	q := new(dns.Msg)
	q.SetQuestion(name, qtype)
	q.SetEdns0(ednsSize, false)
	r.sight.asked(name)
	m, err := r.exchange(ctx, "udp", s, q)
	if err == nil && rejectsEDNS(m.Rcode) {
		q.Extra = nil
		q.Id = dns.Id()
		m, err = r.exchange(ctx, "udp", s, q)
	}
	if err == nil && m.Truncated {
		q.Id = dns.Id()
		m, err = r.exchange(ctx, "tcp", s, q)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%w: cut, and over TCP: %w", errUnusable, err)
		case m.Truncated:
			return nil, fmt.Errorf("%w: cut over TCP", errUnusable)
		}
	}
	return m, err
}

func rejectsEDNS(rcode int) bool {
	return rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented || rcode == dns.RcodeBadVers
}

// exchange sends one query and reads its reply, for at most r.wait. A query over
// UDP takes a socket that waits for one, or a new one with a port that the kernel
// picks at random (RFC 5452 section 9.2).
func (r *Resolver) exchange(ctx context.Context, network string, s *server, q *dns.Msg) (*dns.Msg, error) {
	deadline := time.Now().Add(r.wait)
	if network == "udp" {
		if k, ok := s.sockets.take(); ok {
			m, err := r.converse(ctx, s, k, q, deadline)
			if err == nil || ctx.Err() != nil || errors.Is(err, errUnusable) || errors.Is(err, os.ErrDeadlineExceeded) {
				return m, err
			}
			q.Id = dns.Id() // the socket may be to blame, and a new one do
		}
	}
	c, err := r.dial(ctx, network, s.addr)
	if err != nil {
		return nil, err
	}
	return r.converse(ctx, s, socket{Conn: c, since: time.Now()}, q, deadline)
}

// converse has one query answered over a socket: it reads until the reply comes,
// for whatever does not match the question is somebody else's and decides
// nothing. The socket is let wait for further queries or closed.
func (r *Resolver) converse(
	ctx context.Context, s *server, k socket, q *dns.Msg, deadline time.Time,
) (m *dns.Msg, err error) {
	_, packets := k.Conn.(net.PacketConn)
	undisturbed := func() bool { return true }
	defer func() {
		if err != nil && packets && ctx.Err() == nil && !errors.Is(err, errUnusable) {
			s.sockets.drop()
		}
		if undisturbed() && err == nil && packets {
			s.sockets.put(k)
		} else {
			_ = k.Close()
		}
	}()
	if err := k.SetDeadline(deadline); err != nil {
		return nil, err
	}
	// Not before the deadline is set, which it may have to bring forward.
	undisturbed = context.AfterFunc(ctx, func() { _ = k.SetDeadline(time.Unix(1, 0)) })

	k.queries++
	co := &dns.Conn{Conn: k.Conn}
	if err := co.WriteMsg(q); err != nil {
		return nil, err
	}
	var buf []byte
	if packets {
		pooled := r.packets.Get().(*[packetSize]byte)
		defer r.packets.Put(pooled)
		buf = pooled[:]
	} else {
		buf = make([]byte, dns.MaxMsgSize)
	}
	for {
		n, err := co.Read(buf)
		if err != nil {
			return nil, err
		}
		m := new(dns.Msg)
		err = m.Unpack(buf[:n])
		if !matches(m, q) {
			continue
		}
		r.sight.answered()
		if err != nil && !m.Truncated { // where it was cut does not matter
			return nil, fmt.Errorf("%w: %w", errUnusable, err)
		}
		return m, nil
	}
}

// matches reports whether m is a reply to q: id, QR, opcode and the question,
// its name in any case. Servers that refuse a query may leave the question out
// (RFC 1035 section 4.1.1 leaves it open); such a reply can only say that.
func matches(m, q *dns.Msg) bool {
	if !m.Response || m.Id != q.Id || m.Opcode != q.Opcode {
		return false
	}
	switch len(m.Question) {
	case 0:
		return m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError
	case 1:
		got, want := m.Question[0], q.Question[0]
		return got.Qtype == want.Qtype && got.Qclass == want.Qclass && strings.EqualFold(got.Name, want.Name)
	}
	return false
}
