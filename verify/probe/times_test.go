package probe

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

// TestTimes holds each wait against its bound, in the bubble's clock. The numbers
// are those of the contract, not of the code: connect 10 s, greeting, EHLO and
// MAIL 15 s, RCPT 45 s, QUIT 2 s, the dialogue 60 s.
func TestTimes(t *testing.T) {
	elapsed := func(f func()) time.Duration {
		at := time.Now()
		f()
		return time.Since(at)
	}
	check := func(what string, got, want time.Duration) {
		t.Helper()
		if got != want {
			t.Errorf("%s: waited %v, want %v", what, got, want)
		}
	}
	probing(t, func(t *testing.T, p *Prober) {
		ask := func(s *Session) func() { return func() { s.Ask(t.Context(), addr(t, "a@x.test")) } }
		check("greeting", elapsed(func() { p.Open(t.Context(), request(t)) }), 15*time.Second)
		check("EHLO", elapsed(func() { p.Open(t.Context(), request(t)) }), 15*time.Second)
		s := open(t, p)
		check("flight", elapsed(ask(s)), 45*time.Second)
		check("close after a failure", elapsed(func() { s.Close(t.Context()) }), 0)
		check("MAIL alone", elapsed(ask(open(t, p))), 15*time.Second)
		check("RCPT alone", elapsed(ask(open(t, p))), 45*time.Second)
		s = open(t, p)
		check("QUIT", elapsed(func() { s.Close(t.Context()) }), 2*time.Second)
		check("dialogue", elapsed(func() { ask(open(t, p))() }), 60*time.Second)
		r := request(t)
		r.Timeout = 20 * time.Second
		s, _, _ = p.Open(t.Context(), r)
		check("budget", elapsed(ask(s)), 20*time.Second)
		ctx, cancel := context.WithCancel(t.Context())
		s = open(t, p)
		time.AfterFunc(3*time.Second, cancel)
		check("cancel", elapsed(func() {
			if got := s.Ask(ctx, addr(t, "a@x.test")); got.Failure != Canceled {
				t.Errorf("got %+v", got)
			}
		}), 3*time.Second)
		check("close after cancel", elapsed(func() { s.Close(ctx) }), 0)
		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		check("deadline in Open", elapsed(func() {
			if _, _, last := p.Open(ctx, request(t)); last.Failure != TimedOut {
				t.Errorf("got %+v", last)
			}
		}), 3*time.Second)
	},
		func(p *peer) { p.expectNone() },
		func(p *peer) { p.say("220 x"); p.expect("EHLO out.test"); p.expectNone() },
		func(p *peer) { p.hello(); p.expect(flightA); p.expectNone() },
		func(p *peer) { helloAlone(p); p.expect("MAIL FROM:<v@out.test>"); p.expectNone() },
		func(p *peer) {
			helloAlone(p)
			p.expect("MAIL FROM:<v@out.test>")
			p.say("250 ok")
			p.expect("RCPT TO:<a@x.test>")
			p.expectNone()
		},
		func(p *peer) { p.hello(); p.expect("QUIT"); p.expectNone() },
		func(p *peer) { // each in its time, and too late all together
			time.Sleep(14 * time.Second)
			p.say("220 x")
			p.expect("EHLO out.test")
			time.Sleep(14 * time.Second)
			p.say("250-x|250 PIPELINING")
			p.expect(flightA)
			p.expectNone()
		},
		func(p *peer) { p.hello(); p.expect(flightA); p.expectNone() },
		func(p *peer) { p.hello(); p.expect(flightA); p.expectNone() },
		func(p *peer) { p.expectNone() },
	)
}

// helloAlone greets without PIPELINING.
func helloAlone(p *peer) {
	p.say("220 x")
	p.expect("EHLO out.test")
	p.say("250 x")
}

// TestDrip has a peer send one byte a second: no reply takes longer than its
// bound, however lively the line.
func TestDrip(t *testing.T) {
	probing(t, func(t *testing.T, p *Prober) {
		at := time.Now()
		_, _, last := p.Open(t.Context(), request(t))
		if last.Failure != TimedOut || time.Since(at) != 15*time.Second {
			t.Errorf("after %v: %+v", time.Since(at), last)
		}
	}, func(p *peer) {
		for range 100 {
			time.Sleep(time.Second)
			if _, err := p.c.Write([]byte("2")); err != nil {
				return
			}
		}
	})
}

// TestSessionCap: no more than 64 KiB are read from one connection.
func TestSessionCap(t *testing.T) {
	c := wire{in: make([]byte, 1<<20)}
	g := newGuard(&record{}, &c, time.Now().Add(time.Hour))
	if n, err := io.Copy(io.Discard, g.raw); n != 64<<10 || !errors.Is(err, errSessionCap) {
		t.Errorf("%d octets, then %v", n, err)
	}
}
