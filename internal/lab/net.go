package lab

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// DNSAddr is the name server's address in memory.
const DNSAddr = "198.51.100.53:53"

// clientAddr is the source address of Dial.
var clientAddr = netip.MustParseAddr("198.51.100.1")

// Dial is the in-memory network: "udp" and "tcp" to DNSAddr speak DNS with TCP
// framing, and any address of a host speaks SMTP at any port. A dead or
// unknown address refuses after one round trip; a blackhole holds until ctx
// ends. The caller closes the connection.
func (n *Internet) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return n.DialFrom(ctx, clientAddr, network, addr)
}

// DialFrom is Dial from a source address, which the host sees.
func (n *Internet) DialFrom(ctx context.Context, src netip.Addr, network, addr string) (net.Conn, error) {
	if !src.IsValid() {
		src = clientAddr
	}
	dst, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	if addr == DNSAddr {
		return n.pipe(src, dst, func(c net.Conn) { n.serveDNS(&dns.Conn{Conn: c}) }), nil
	}
	n.mu.Lock()
	s := n.hosts[dst.Addr()]
	n.mu.Unlock()
	if s != nil && s.host.Blackhole {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.ErrDeadlineExceeded}
	}
	if n.opts.RTT > 0 {
		select {
		case <-ctx.Done():
			return nil, &net.OpError{Op: "dial", Net: network, Err: ctx.Err()}
		case <-time.After(n.opts.RTT):
		}
	}
	if s == nil || s.host.Dead {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	}
	return n.pipe(src, dst, func(c net.Conn) { s.serve(c, dst.Addr(), src) }), nil
}

// pipe starts serve on one end of a pipe and returns the other.
func (n *Internet) pipe(src netip.Addr, dst netip.AddrPort, serve func(net.Conn)) net.Conn {
	a, b := net.Pipe()
	n.wg.Go(func() { serve(b) })
	return &pipeConn{Conn: a, local: net.TCPAddrFromAddrPort(netip.AddrPortFrom(src, 40000)), remote: net.TCPAddrFromAddrPort(dst)}
}

type pipeConn struct {
	net.Conn
	local, remote net.Addr
}

func (c *pipeConn) LocalAddr() net.Addr  { return c.local }
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

// loopback is what Listen opened.
type loopback struct {
	net  *Internet
	port int
	udp  net.PacketConn

	mu        sync.Mutex
	listeners map[netip.Addr]net.Listener
}

// Listen serves the same world on loopback: DNS (UDP and TCP, same port) on
// 127.0.0.1, and each host on its own addresses at one port. Hosts registered
// later are served too. Close ends it.
func (n *Internet) Listen() (dnsAddr string, smtpPort int, err error) {
	tcp, udp, err := ListenDNS()
	if err != nil {
		return "", 0, err
	}
	// A port that is free on one loopback address is taken to be free on
	// the others; the first host's listener proves it below.
	probe, err := net.Listen("tcp", "127.64.255.254:0")
	if err != nil {
		return "", 0, errors.Join(err, tcp.Close(), udp.Close())
	}
	l := &loopback{net: n, port: probe.Addr().(*net.TCPAddr).Port, udp: udp, listeners: map[netip.Addr]net.Listener{}}
	l.listeners[netip.MustParseAddr("127.0.0.1")] = tcp
	l.listeners[netip.MustParseAddr("127.64.255.254")] = probe // keeps the port
	n.wg.Go(l.serveUDP)
	n.wg.Go(func() { l.accept(tcp, func(c net.Conn) { n.serveDNS(&dns.Conn{Conn: c}) }) })

	n.mu.Lock()
	n.loop = l
	hosts := make(map[netip.Addr]bool, len(n.hosts)) // dead ones are true
	for a, s := range n.hosts {
		hosts[a] = s.host.Dead
	}
	n.mu.Unlock()
	for a, dead := range hosts {
		if err := l.serve(a, dead); err != nil {
			n.Close()
			return "", 0, err
		}
	}
	return udp.LocalAddr().String(), l.port, nil
}

// ListenDNS opens the two sockets of a name server on loopback, TCP and UDP at
// one port. The caller closes both.
func ListenDNS() (net.Listener, *net.UDPConn, error) {
	const tries = 20 // somebody may have the same port for the other protocol
	var err error
	for range tries {
		var tcp net.Listener
		if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
		addr := tcp.Addr().(*net.TCPAddr)
		var udp *net.UDPConn
		if udp, err = net.ListenUDP("udp", &net.UDPAddr{IP: addr.IP, Port: addr.Port}); err == nil {
			// Bursts of a thousand queries are dropped with the default buffer.
			_ = udp.SetReadBuffer(8 << 20)
			return tcp, udp, nil
		}
		err = errors.Join(err, tcp.Close())
	}
	return nil, nil, err
}

// serve opens (or, for a dead host, closes) the listener of one address.
func (l *loopback) serve(a netip.Addr, dead bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln, open := l.listeners[a]
	if dead {
		if open {
			delete(l.listeners, a)
			return ln.Close()
		}
		return nil
	}
	if open {
		return nil
	}
	ln, err := net.Listen("tcp", netip.AddrPortFrom(a, uint16(l.port)).String())
	if err != nil {
		return fmt.Errorf("lab: listen for a simulated MX: %w", err)
	}
	l.listeners[a] = ln
	l.net.wg.Go(func() {
		l.accept(ln, func(c net.Conn) {
			l.net.mu.Lock()
			s := l.net.hosts[a]
			l.net.mu.Unlock()
			// The handshake cost nothing here: hold the greeting back for it.
			l.net.wait(l.net.opts.RTT)
			s.serve(c, a, c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap())
		})
	})
	return nil
}

func (l *loopback) accept(ln net.Listener, serve func(net.Conn)) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		l.net.mu.Lock()
		if l.net.closed {
			l.net.mu.Unlock()
			_ = c.Close()
			return
		}
		l.net.open[c] = true
		l.net.mu.Unlock()
		l.net.wg.Go(func() {
			serve(c)
			_ = c.Close()
			l.net.mu.Lock()
			delete(l.net.open, c)
			l.net.mu.Unlock()
		})
	}
}

func (l *loopback) serveUDP() {
	buf := make([]byte, 4096)
	for {
		size, peer, err := l.udp.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:size]) != nil {
			continue
		}
		l.net.wg.Go(func() {
			l.net.wait(l.net.opts.RTT)
			m := l.net.answer(q, false)
			if m == nil {
				return
			}
			limit := dns.MinMsgSize
			if o := q.IsEdns0(); o != nil {
				limit = int(o.UDPSize())
			}
			m.Truncate(limit)
			if b, err := m.Pack(); err == nil {
				_, _ = l.udp.WriteTo(b, peer)
			}
		})
	}
}

// Close ends what Listen began and waits for all sessions; connections made by
// Dial must have been closed by their clients.
func (n *Internet) Close() {
	n.mu.Lock()
	if !n.closed {
		n.closed = true
		close(n.done)
	}
	loop := n.loop
	n.loop = nil
	open := make([]net.Conn, 0, len(n.open))
	for c := range n.open {
		open = append(open, c)
	}
	n.mu.Unlock()
	if loop != nil {
		_ = loop.udp.Close()
		loop.mu.Lock()
		for _, ln := range loop.listeners {
			_ = ln.Close()
		}
		loop.mu.Unlock()
	}
	for _, c := range open {
		_ = c.Close()
	}
	n.wg.Wait()
}

// selfSigned makes the certificate that every host shows.
func selfSigned() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "lab"},
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Unix(1<<33, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, tpl, tpl, key.Public(), key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
