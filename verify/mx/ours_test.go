package mx

import (
	"bytes"
	"context"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// lacking stands between a resolver and its servers: sockets fail to open, or to
// write a question that holds a name, with an error of this host.
type lacking struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu    sync.Mutex
	open  error
	write error
	name  string // such as "example"
}

func (l *lacking) set(open, write error, name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open, l.write, l.name = open, write, name
}

func (l *lacking) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open != nil {
		return nil, l.open
	}
	c, err := l.dial(ctx, network, addr)
	if err != nil || l.write == nil {
		return c, err
	}
	return &muted{c, l.write, l.name}, nil
}

type muted struct {
	net.Conn
	err  error
	name string
}

func (m *muted) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(m.name)) {
		return 0, m.err
	}
	return m.Conn.Write(b)
}

func sysError(call string, errno syscall.Errno) error {
	return &net.OpError{Op: call, Err: os.NewSyscallError(call, errno)}
}

// TestOurTrouble: what a router, a packet filter or the lack of IPv6 causes is
// the network's, whatever number it has.
func TestOurTrouble(t *testing.T) {
	t.Parallel()
	v4 := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 25}
	v6 := &net.UDPAddr{IP: net.ParseIP("2001:db8::1"), Port: 53}
	for _, c := range []struct {
		call string
		no   syscall.Errno
		to   net.Addr
		want bool
	}{
		{"socket", syscall.EMFILE, v4, true},
		{"socket", syscall.ENFILE, v6, true},
		{"write", syscall.ENOBUFS, v4, true},
		{"write", syscall.ENOMEM, v4, true},
		{"connect", syscall.EADDRINUSE, v6, true},
		{"connect", syscall.EAGAIN, v4, true},
		{"socket", syscall.EACCES, v4, true},
		{"socket", syscall.EPERM, v6, true},
		{"bind", syscall.EACCES, v4, true},
		{"connect", syscall.EACCES, v6, false}, // a router prohibits it
		{"connect", syscall.EPERM, v4, false},
		{"read", syscall.EACCES, v6, false},
		{"write", syscall.EPERM, v4, false},
		{"bind", syscall.EADDRNOTAVAIL, v6, true},
		{"connect", syscall.EADDRNOTAVAIL, v4, true}, // all ports are taken
		{"connect", syscall.EADDRNOTAVAIL, v6, false},
		{"connect", syscall.EADDRNOTAVAIL, nil, false},
		{"connect", syscall.ECONNREFUSED, v4, false},
	} {
		err := &net.OpError{Op: "dial", Addr: c.to, Err: os.NewSyscallError(c.call, c.no)}
		if got := OurTrouble(err); got != c.want {
			t.Errorf("%v: %v", err, got)
		}
	}
	for _, err := range []error{nil, os.ErrDeadlineExceeded, syscall.EACCES} {
		if OurTrouble(err) {
			t.Errorf("%v is ours", err)
		}
	}
}

// TestUnasked: what fails because this host has no socket says nothing of the
// domain; neither does what is remembered of it.
func TestUnasked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		open, write error
		of          string
	}{
		{"no descriptor", sysError("socket", syscall.EMFILE), nil, ""},
		{"no address", sysError("bind", syscall.EADDRNOTAVAIL), nil, ""},
		{"no memory for the question", nil, sysError("write", syscall.ENOBUFS), "none"},
		{"no memory for the canary", nil, sysError("write", syscall.ENOBUFS), "canary"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(zone("canary.test. 300 IN MX 10 m.canary.test."))
				l := &lacking{dial: p.dial}
				r := newTest(t, Options{Servers: p.addrs(), Dial: l.Dial, Canary: domain(t, "canary.test")})
				l.set(c.open, c.write, c.of)
				got := r.Lookup(t.Context(), domain(t, "none.test"))
				if got.Outcome != Unasked || r.Trouble() == "" {
					t.Errorf("%s %q, trouble %q", got.Outcome, got.Detail, r.Trouble())
				}
				l.set(nil, nil, "")
				for range 12 {
					if got := r.Lookup(t.Context(), domain(t, "none.test")).Outcome; got != Unasked && got != NXDomain {
						t.Errorf("%s, out of memory", got)
					}
					time.Sleep(5 * time.Second)
				}
				if got := r.Lookup(t.Context(), domain(t, "none.test")); got.Outcome != NXDomain || r.Trouble() != "" {
					t.Errorf("a minute later: %s %q, trouble %q", got.Outcome, got.Detail, r.Trouble())
				}
				p.end(r)
			})
		})
	}
}

// TestNetworkTroubleIsNotOurs, nor is what a server says.
func TestNetworkTroubleIsNotOurs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPiped(rcode(dns.RcodeServerFailure))
		l := &lacking{dial: p.dial}
		r := newTest(t, Options{Servers: p.addrs(), Dial: l.Dial})
		for i, err := range []error{
			nil, sysError("connect", syscall.EACCES), sysError("connect", syscall.ENETUNREACH), sysError("connect", syscall.ECONNREFUSED), os.ErrDeadlineExceeded,
		} {
			l.set(err, nil, "")
			got := r.Lookup(t.Context(), domain(t, strings.Repeat("x", i+1)+".test"))
			if got.Outcome != Failed || r.Trouble() != "" {
				t.Errorf("%v: %s %q, trouble %q", err, got.Outcome, got.Detail, r.Trouble())
			}
		}
		p.end(r)
	})
}

// silence never answers.
func silence(*dns.Msg, bool, int) []*dns.Msg { return nil }

// TestOneServerCannotBeAsked: it is passed over as a silent one, and what the
// other says is that one's word.
func TestOneServerCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		other script
		want  Outcome
	}{
		{"SERVFAIL", rcode(dns.RcodeServerFailure), Failed},
		{"silence", silence, Failed},
		{"a refused connection", nil, Failed},
		{"NXDOMAIN", zone("canary.test. 300 IN MX 10 m.canary.test."), NXDomain},
		{"an MX", zone("d1.test. 1 IN MX 1 m.d1.test.", "d2.test. 1 IN MX 1 m.d1.test.", "m.d1.test. 1 IN A 127.64.0.1"), Found},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(zone(), c.other)
				var tried atomic.Int32
				dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr == p.addrs()[0] {
						tried.Add(1)
						return nil, sysError("bind", syscall.EADDRNOTAVAIL)
					}
					return p.dial(ctx, network, addr)
				}
				r := newTest(t, Options{Servers: p.addrs(), Dial: dial, Canary: domain(t, "canary.test")})
				got := r.Lookup(t.Context(), domain(t, "d1.test"))
				if got.Outcome != c.want || r.Trouble() == "" {
					t.Errorf("%s %q, trouble %q", got.Outcome, got.Detail, r.Trouble())
				}
				once := tried.Load()
				if got := r.Lookup(t.Context(), domain(t, "d2.test")); got.Outcome != c.want {
					t.Errorf("the next domain: %s %q", got.Outcome, got.Detail)
				}
				if c.want == Found && tried.Load() != once {
					t.Errorf("tried %d times, then %d", once, tried.Load())
				}
				p.end(r)
			})
		})
	}
}

// TestOtherServerCannotBeAsked: what the first one did of itself stands, whatever
// hinders this host from asking the second.
func TestOtherServerCannotBeAsked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		first  script
		detail string
	}{
		{"SERVFAIL", rcode(dns.RcodeServerFailure), "SERVFAIL from 192.0.2.1:53"},
		{"silence", silence, "no reply from 192.0.2.1:53"},
		{"a refused connection", nil, "no reply (connection refused) from 192.0.2.1:53"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(c.first, zone())
				r := newTest(t, Options{Servers: p.addrs(), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if addr == p.addrs()[1] {
						return nil, sysError("bind", syscall.EADDRNOTAVAIL)
					}
					return p.dial(ctx, network, addr)
				}})
				for _, name := range []string{"d1.test", "d2.test"} {
					if got := r.Lookup(t.Context(), domain(t, name)); got.Outcome != Failed || got.Detail != c.detail {
						t.Errorf("%s: %s %q", name, got.Outcome, got.Detail)
					}
				}
				p.end(r)
			})
		})
	}
}

// TestSecondOpinionAfterTrouble: a server that could not be asked a moment ago is
// asked to confirm all the same, for the first one may be wrong.
func TestSecondOpinionAfterTrouble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const canary = "canary.test. 300 IN MX 10 m.canary.test."
		p := newPiped(zone(canary), zone(canary, "d.test. 300 IN MX 1 m.d.test.", "m.d.test. 300 IN A 127.64.0.1"))
		var hindered atomic.Bool
		r := newTest(t, Options{Servers: p.addrs(), Canary: domain(t, "canary.test"), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == p.addrs()[1] && hindered.Load() {
				return nil, sysError("socket", syscall.EMFILE)
			}
			return p.dial(ctx, network, addr)
		}})
		hindered.Store(true)
		if got := r.Lookup(t.Context(), domain(t, "none.test")); got.Outcome != NXDomain {
			t.Errorf("without the second server: %s %q", got.Outcome, got.Detail)
		}
		hindered.Store(false)
		if got := r.Lookup(t.Context(), domain(t, "d.test")); len(got.Hosts) != 1 {
			t.Errorf("with it: %s %q", got.Outcome, got.Detail)
		}
		p.end(r)
	})
}

// TestWhoFailed: a route fails as our own only where no server's failure, of any
// host of it, was heard.
func TestWhoFailed(t *testing.T) {
	t.Parallel()
	mxs := zone("d.test. 300 IN MX 10 m1.d.test.", "d.test. 300 IN MX 10 m2.d.test.", "canary.test. 300 IN A 192.0.2.1")
	failing := func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		if q.Question[0].Qtype == dns.TypeMX {
			return mxs(q, tcp, n)
		}
		return rcode(dns.RcodeServerFailure)(q, tcp, n)
	}
	noIPv4 := func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		if q.Question[0].Qtype == dns.TypeAAAA {
			return rcode(dns.RcodeServerFailure)(q, tcp, n)
		}
		return mxs(q, tcp, n)
	}
	truncated := func(q *dns.Msg, _ bool, _ int) []*dns.Msg {
		m := reply(q, dns.RcodeSuccess)
		m.Truncated = true
		return []*dns.Msg{m}
	}
	for _, c := range []struct {
		name    string
		servers []script
		of      string
		mute    string // ENOBUFS for questions with this
		want    Outcome
	}{
		{"one host of ours, the other does not exist", []script{mxs}, "d.test", "m2", Unasked},
		{"one host of ours, the other SERVFAIL", []script{failing}, "d.test", "m2", Failed},
		{"IPv4 of ours, IPv6 does not exist", []script{mxs}, "d.test", "\x02m1\x01d\x04test\x00\x00\x01", Unasked},
		{"IPv4 of ours, IPv6 SERVFAIL", []script{noIPv4}, "d.test", "\x01d\x04test\x00\x00\x01", Failed},
		{"no socket for the rest of a reply", []script{truncated}, "d.test", "", Unasked},
		{"nor at the second server", []script{truncated, truncated}, "d.test", "", Unasked},
		{"a second server's SERVFAIL", []script{truncated, rcode(dns.RcodeServerFailure)}, "d.test", "", Failed},
		{"after a first server's SERVFAIL", []script{rcode(dns.RcodeServerFailure), truncated}, "d.test", "", Failed},
		{"a canary of ours", []script{mxs}, "none.test", "canary", Unasked},
		{"one of two canary questions of ours", []script{only("d.test.", rcode(dns.RcodeNameError))}, "d.test", "\x06canary\x04test\x00\x00\x01", Failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				p := newPiped(c.servers...)
				l := &lacking{dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
					if network == "tcp" {
						return nil, sysError("socket", syscall.EMFILE)
					}
					return p.dial(ctx, network, addr)
				}}
				if c.mute != "" {
					l.set(nil, sysError("write", syscall.ENOBUFS), c.mute)
				}
				r := newTest(t, Options{Servers: p.addrs(), Dial: l.Dial, Canary: domain(t, "canary.test")})
				if got := r.Lookup(t.Context(), domain(t, c.of)); got.Outcome != c.want {
					t.Errorf("%s %q, want %s", got.Outcome, got.Detail, c.want)
				}
				p.end(r)
			})
		})
	}
}
