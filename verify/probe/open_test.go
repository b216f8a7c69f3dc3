package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"rcptgate/verify/verdict"
)

func TestOpenFails(t *testing.T) {
	garbage := strings.Repeat("\xff\x00\x1b[2J", 50)
	for name, c := range map[string]struct {
		script  func(p *peer)
		stage   verdict.Stage
		code    int
		failure Failure
	}{
		"554 greeting":     {func(p *peer) { p.say("554 5.7.1 listed"); p.bye() }, verdict.Connect, 554, ""},
		"421 greeting":     {func(p *peer) { p.say("421 busy"); p.expectNone() }, verdict.Connect, 421, ""},
		"521 greeting":     {func(p *peer) { p.say("521 no mail"); p.expectNone() }, verdict.Connect, 521, ""},
		"250 greeting":     {func(p *peer) { p.say("250 hi"); p.expectNone() }, verdict.Connect, 0, Protocol},
		"HTTP":             {func(p *peer) { p.say("HTTP/1.1 400 Bad Request||"); p.expectNone() }, verdict.Connect, 0, Protocol},
		"garbage":          {func(p *peer) { p.raw(garbage + "\n"); p.expectNone() }, verdict.Connect, 0, Protocol},
		"closed":           {func(*peer) {}, verdict.Connect, 0, Lost},
		"cut":              {func(p *peer) { p.raw("220 x") }, verdict.Connect, 0, Protocol},
		"two greetings":    {func(p *peer) { p.say("220 x|220 y"); p.expectNone() }, verdict.EHLO, 0, Protocol},
		"one endless line": {func(p *peer) { endless(p, "220 x", "x") }, verdict.Connect, 0, Protocol},
		"endless greeting": {func(p *peer) { endless(p, "", "220-x\r\n") }, verdict.Connect, 0, Protocol},
		"endless EHLO":     {func(p *peer) { p.say("220 x"); p.expect("EHLO out.test"); endless(p, "", "250-x\r\n") }, verdict.EHLO, 0, Protocol},
		"huge EHLO": {func(p *peer) {
			p.say("220 x")
			p.expect("EHLO out.test")
			endless(p, "", "250-"+strings.Repeat("A", 1000)+"\r\n")
		}, verdict.EHLO, 0, Protocol},
		"closed at EHLO": {func(p *peer) { p.say("220 x"); p.expect("EHLO out.test") }, verdict.EHLO, 0, Lost},
		"451 to EHLO":    {func(p *peer) { p.say("220 x"); p.expect("EHLO out.test"); p.say("451 later"); p.bye() }, verdict.EHLO, 451, ""},
		"550 to EHLO":    {func(p *peer) { p.say("220 x"); p.expect("EHLO out.test"); p.say("550 you"); p.bye() }, verdict.EHLO, 550, ""},
		"421 to EHLO":    {func(p *peer) { p.say("220 x"); p.expect("EHLO out.test"); p.say("421 you"); p.expectNone() }, verdict.EHLO, 421, ""},
		"220 to EHLO":    {func(p *peer) { p.say("220 x"); p.expect("EHLO out.test"); p.say("220 x"); p.expectNone() }, verdict.EHLO, 0, Protocol},
		"HELO refused": {func(p *peer) {
			p.say("220 x")
			p.expect("EHLO out.test")
			p.say("504 what")
			p.expect("HELO out.test")
			p.say("550 no")
			p.bye()
		}, verdict.HELO, 550, ""},
		"HELO unanswered":   {func(p *peer) { p.say("220 x"); p.expect("EHLO out.test"); p.say("502 what"); p.expect("HELO out.test") }, verdict.HELO, 0, Lost},
		"contradictory":     {func(p *peer) { p.say("220-x|554 y"); p.expectNone() }, verdict.Connect, 0, Protocol},
		"silence":           {func(p *peer) { p.expectNone() }, verdict.Connect, 0, TimedOut},
		"refused, then mum": {func(p *peer) { p.say("550 no"); p.expect("QUIT"); p.expectNone() }, verdict.Connect, 550, ""},
	} {
		t.Run(name, func(t *testing.T) {
			probing(t, func(t *testing.T, p *Prober) {
				s, tr, last := p.Open(t.Context(), request(t))
				if s != nil {
					t.Fatal("opened")
				}
				if last.Stage != c.stage || last.Failure != c.failure || c.failure == "" && last.Reply.Code != c.code {
					t.Errorf("got %+v", last)
				}
				if tr.Connects != 1 || len(tr.Steps) == 0 {
					t.Errorf("transcript %+v", tr)
				}
				for _, s := range tr.Steps {
					if s.Detail != printable(s.Detail) {
						t.Errorf("detail %q", s.Detail)
					}
				}
			}, c.script)
		})
	}
}

// endless writes until the client hangs up.
func endless(p *peer, first, more string) {
	p.raw(first)
	total := 0
	for {
		n, err := p.c.Write([]byte(strings.Repeat(more, max(1, 4096/len(more)))))
		if total += n; err != nil {
			break
		}
	}
	if total > 64<<10 {
		p.t.Errorf("the client read %d octets", total)
	}
}

func TestHELOFallback(t *testing.T) {
	for _, refusal := range []string{"500 what", "501 what", "502 what", "503 what", "504-what|504 is that"} {
		probing(t, func(t *testing.T, p *Prober) {
			s := open(t, p)
			if got := s.Ask(t.Context(), addr(t, "jürgen@x.test")); got.Failure != NoSMTPUTF8 {
				t.Errorf("got %+v", got)
			}
			s.Close(t.Context())
		}, func(p *peer) {
			p.say("220-a|220-b|220 c")
			p.expect("EHLO out.test")
			p.say(refusal)
			p.expect("HELO out.test")
			p.say("250 hello")
			p.bye()
		})
	}
}

func TestDialErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	noRoute := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}
	late := &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}
	prohibited := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EACCES)}
	noIPv6 := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL), Addr: &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 25}}
	for _, c := range []struct {
		want Failure
		err  error
	}{
		{ConnectRefused, refused},
		{ConnectFailed, noRoute},
		{ConnectFailed, prohibited},
		{ConnectFailed, noIPv6},
		{ConnectTimeout, late},
	} {
		want, err := c.want, c.err
		p := New(Options{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return nil, err }})
		s, tr, last := p.Open(t.Context(), request(t))
		if s != nil || last.Failure != want || last.Stage != verdict.Connect || len(tr.Steps) != 1 {
			t.Errorf("want %s, got %+v", want, last)
		}
	}
	// What this host cannot do is no word about the far end.
	for _, errno := range []syscall.Errno{
		syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.EACCES, syscall.EPERM, syscall.EAGAIN,
	} {
		err := &net.OpError{Op: "dial", Err: os.NewSyscallError("bind", errno)}
		p := New(Options{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) { return nil, err }})
		if s, _, last := p.Open(t.Context(), request(t)); s != nil || last.Failure != LocalTrouble || !last.Ends() {
			t.Errorf("%v: got %+v", errno, last)
		}
	}
	probing(t, func(t *testing.T, _ *Prober) {
		hang := func(ctx context.Context, _ netip.Addr, _ netip.AddrPort) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p := New(Options{Dial: hang})
		at := time.Now()
		if _, _, last := p.Open(t.Context(), request(t)); last.Failure != ConnectTimeout || time.Since(at) != 10*time.Second {
			t.Errorf("after %v: %+v", time.Since(at), last)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errors.New("stop")) })
		if _, _, last := p.Open(ctx, request(t)); last.Failure != Canceled {
			t.Errorf("got %+v", last)
		}
		r := request(t)
		r.Source.HELO = "a b"
		if _, _, last := p.Open(t.Context(), r); last.Failure != LocalTrouble {
			t.Errorf("got %+v", last)
		}
	})
}

// TestDialFromForeignSource: an address that this host does not have is our own
// mistake. Nothing leaves the host.
func TestDialFromForeignSource(t *testing.T) {
	r := request(t)
	r.Target.Addr, r.Source.IP = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("203.0.113.5")
	if s, _, last := New(Options{}).Open(t.Context(), r); s != nil || last.Failure != LocalTrouble {
		t.Errorf("got %+v", last)
	}
}

// TestDialBindsSource connects on loopback from a chosen address.
func TestDialBindsSource(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		p := newPeer(t, c)
		p.hello()
		p.bye()
	}()
	at := netip.MustParseAddrPort(l.Addr().String())
	r := request(t)
	r.Target.Addr, r.Port = at.Addr(), int(at.Port())
	r.Source.IP = netip.MustParseAddr("127.0.0.9")
	s, tr, last := New(Options{}).Open(t.Context(), r)
	if s == nil {
		t.Fatalf("open: %+v", last)
	}
	if tr.LocalIP != r.Source.IP {
		t.Errorf("came from %v", tr.LocalIP)
	}
	s.Close(t.Context())
	<-done
}

func TestStartTLS(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		s := open(t, p)
		for range 3 {
			time.Sleep(time.Second)
			if got := s.Ask(t.Context(), addr(t, "a@x.test")); got.Reply.Code != 550 {
				t.Errorf("got %+v", got)
			}
		}
		if tr := s.Close(t.Context()); tr.TLS != "TLSv1.3" || tr.TLSError != "" || tr.Connects != 1 {
			t.Errorf("transcript %+v", tr)
		}
	}, func(p *peer) {
		p.hello("starttls")
		p.expect("STARTTLS")
		p.say("220 go")
		p.startTLS()
		p.expect("EHLO out.test")
		p.say("250-mx.test|250 PIPELINING")
		p.expect(flightA)
		p.say("250 ok|550 5.1.1 no")
		for range 2 {
			p.expect("RSET|" + flightA)
			p.say("250 ok|250 ok|550 5.1.1 no")
		}
		p.bye()
	})
}

// TestTLSBroken offers STARTTLS and fails: one new connection, plain.
func TestTLSBroken(t *testing.T) {
	for name, broken := range map[string]func(p *peer){
		"garbage":     func(p *peer) { p.say("220 go"); p.raw("\x16\x03\x01\xff\xffgarbage, and more of it"); p.expectRest() },
		"closed":      func(p *peer) { p.say("220 go") },
		"silence":     func(p *peer) { p.say("220 go"); p.expectRest() },
		"injection":   func(p *peer) { p.say("220 go|250-mx.test|250 PIPELINING"); p.expectNone() },
		"421":         func(p *peer) { p.say("421 no TLS today"); p.expectNone() },
		"lost":        func(*peer) {},
		"no reply":    func(p *peer) { p.say("what") },
		"closed late": func(p *peer) { p.say("220 go"); p.startTLS(); p.expect("EHLO out.test") },
		"dumb in TLS": func(p *peer) {
			p.say("220 go")
			p.startTLS()
			p.expect("EHLO out.test")
			p.say("ready")
			p.expectRest()
		},
	} {
		t.Run(name, func(t *testing.T) {
			probing(t, func(t *testing.T, p *Prober) {
				s := open(t, p)
				if got := s.Ask(t.Context(), addr(t, "a@x.test")); got.Reply.Code != 250 {
					t.Errorf("got %+v", got)
				}
				tr := s.Close(t.Context())
				if tr.TLS != "" || tr.TLSError == "" || tr.Connects != 2 {
					t.Errorf("transcript TLS %q, error %q, connects %d", tr.TLS, tr.TLSError, tr.Connects)
				}
			}, func(p *peer) {
				p.hello("STARTTLS")
				p.expect("STARTTLS")
				broken(p)
			}, func(p *peer) {
				p.hello("STARTTLS")
				p.expect(flightA)
				p.say("250 ok|250 ok")
				p.bye()
			})
		})
	}
}

func (p *peer) expectRest() {
	b := make([]byte, 1024)
	for {
		if _, err := p.c.Read(b); err != nil {
			return
		}
	}
}

// TestTLSRefused is asked on in plain text on the same connection.
func TestTLSRefused(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		s := open(t, p)
		got := s.Ask(t.Context(), addr(t, "a@x.test"))
		if got.Stage != verdict.Mail || got.Reply.Code != 530 {
			t.Errorf("got %+v", got)
		}
		if tr := s.Close(t.Context()); !strings.Contains(tr.TLSError, "454 not available") || tr.Connects != 1 {
			t.Errorf("transcript %+v", tr)
		}
	}, func(p *peer) {
		p.hello("STARTTLS")
		p.expect("STARTTLS")
		p.say("454 4.7.0 not available")
		p.expect(flightA)
		p.say("530 5.7.0 Must issue a STARTTLS command first|503 no")
		p.bye()
	})
}

func TestEHLORefusedInTLS(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		_, tr, last := p.Open(t.Context(), request(t))
		if last.Reply.Code != 550 || last.Stage != verdict.EHLO || tr.TLS != "TLSv1.3" {
			t.Errorf("got %+v", last)
		}
	}, func(p *peer) {
		p.hello("STARTTLS")
		p.expect("STARTTLS")
		p.say("220 go")
		p.startTLS()
		p.expect("EHLO out.test")
		p.say("550 5.7.1 go away")
		p.bye()
	})
}

// TestTLSBudget leaves no time for the second connection.
func TestTLSBudget(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		r := request(t)
		r.Timeout = 10 * time.Second
		at := time.Now()
		_, tr, last := p.Open(t.Context(), r)
		if last.Failure != TLSFailed || tr.TLSError == "" || time.Since(at) != r.Timeout {
			t.Errorf("after %v: %+v", time.Since(at), last)
		}
	}, func(p *peer) {
		p.hello("STARTTLS")
		p.expect("STARTTLS")
		p.say("220 go")
		p.expectRest()
	})
}
