package probe

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
)

// peer is a scripted server on one end of a net.Pipe.
type peer struct {
	t  testing.TB
	c  net.Conn
	br *bufio.Reader
}

func newPeer(t testing.TB, c net.Conn) *peer { return &peer{t, c, bufio.NewReader(c)} }

// say sends lines in one write, separated by "|".
func (p *peer) say(lines string) {
	p.raw(strings.ReplaceAll(lines, "|", "\r\n") + "\r\n")
}

func (p *peer) raw(s string) { _, _ = io.WriteString(p.c, s) }

// expect reads commands, separated by "|".
func (p *peer) expect(lines string) {
	p.t.Helper()
	for want := range strings.SplitSeq(lines, "|") {
		got, err := p.br.ReadString('\n')
		if err != nil {
			p.t.Errorf("want command %q, got %v", want, err)
			return
		}
		if got != want+"\r\n" {
			p.t.Errorf("want command %q, got %q", want, got)
		}
	}
}

// expectNone checks that the client hangs up without another command.
func (p *peer) expectNone() {
	p.t.Helper()
	if got, err := p.br.ReadString('\n'); err == nil || got != "" {
		p.t.Errorf("want no command, got %q", got)
	}
}

// hello greets with PIPELINING and what else is named.
func (p *peer) hello(ext ...string) {
	p.t.Helper()
	p.say("220 mx.test ESMTP")
	p.expect("EHLO out.test")
	p.say("250-mx.test|250-" + strings.Join(append(ext, "PIPELINING"), "|250-") + "|250 OK")
}

func (p *peer) bye() {
	p.t.Helper()
	p.expect("QUIT")
	p.say("221 bye")
	p.expectNone()
}

func (p *peer) startTLS() {
	p.c = tls.Server(p.c, &tls.Config{Certificates: []tls.Certificate{certificate(p.t)}})
	p.br = bufio.NewReader(p.c)
}

// world dials one scripted peer after the other.
type world struct {
	t     testing.TB
	peers []func(*peer)
	wg    sync.WaitGroup
	mu    sync.Mutex
	dials int
}

func (w *world) dial(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dials >= len(w.peers) {
		w.t.Errorf("unexpected connection %d", w.dials+1)
		return nil, errors.New("no such peer")
	}
	script := w.peers[w.dials]
	w.dials++
	c, s := net.Pipe()
	w.wg.Go(func() {
		defer s.Close()
		script(newPeer(w.t, s))
	})
	return c, nil
}

// probing runs f in a bubble with a prober that meets the peers in turn, all
// of which must be met and end.
func probing(t *testing.T, f func(t *testing.T, p *Prober), peers ...func(*peer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, peers: peers}
		f(t, New(Options{Dial: w.dial}))
		w.wg.Wait()
		if w.dials != len(peers) {
			t.Errorf("%d connections, want %d", w.dials, len(peers))
		}
	})
}

var (
	target = mx.Target{Host: mx.Host{Name: "mx.test", Preference: 10}, Addr: netip.MustParseAddr("192.0.2.25"), Preferred: true}
	source = Source{HELO: "out.test"}
)

func request(t testing.TB) *Request {
	return &Request{Target: target, Source: source, Sender: addr(t, "v@out.test")}
}

func addr(t testing.TB, s string) address.Address {
	t.Helper()
	a, err := address.Parse(s, address.External)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// open opens a session that must come about.
func open(t testing.TB, p *Prober) *Session {
	t.Helper()
	s, tr, last := p.Open(t.Context(), request(t))
	if s == nil {
		t.Fatalf("open: %+v, steps %+v", last, tr.Steps)
	}
	return s
}

func certificate(t testing.TB) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Error(err)
		return tls.Certificate{}
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.test"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0), DNSNames: []string{"mx.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Error(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
