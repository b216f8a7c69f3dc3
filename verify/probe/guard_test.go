package probe

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"rcptgate/verify/verdict"
)

// forbidden are words that may never reach a server.
var forbidden = []string{"DATA", "BDAT", "VRFY", "EXPN", "AUTH", "ETRN", "TURN", "HELP", "LHLO", "BURL", "XCLIENT"}

func TestForbiddenCommands(t *testing.T) {
	for _, verb := range forbidden {
		for _, p := range []string{
			verb + "\r\n", strings.ToLower(verb) + " x\r\n", "RSET\r\n" + verb + "\r\n",
			"MAIL FROM:<a@b>\n" + verb + "\r\n", "MAIL FROM:<a@b>\r" + verb + "\r\n", " " + verb + "\r\n", verb, "RSET\x00" + verb + "\r\n",
		} {
			var c wire
			g := newGuard(&record{}, &c, time.Now().Add(time.Hour))
			g.waiting = nil
			if _, err := g.Write([]byte(p)); err == nil || c.sent.Len() > 0 || !c.closed {
				t.Errorf("%q: error %v, sent %q, closed %v", p, err, c.sent.String(), c.closed)
			}
			if last := g.rec.last(); last.Failure != Protocol {
				t.Errorf("%q: step %+v", p, last)
			}
			if _, err := g.Write([]byte("NOOP\r\n")); err == nil {
				t.Error("a write after the end")
			}
		}
	}
	var c wire
	g := newGuard(&record{}, &c, time.Now().Add(time.Hour))
	if _, err := g.Write([]byte("EHLO x\r\n")); err == nil || c.sent.Len() > 0 {
		t.Error("a command before the greeting")
	}
}

func TestGuardIsAConn(t *testing.T) {
	var c wire
	g := newGuard(&record{}, &c, time.Now().Add(time.Hour))
	var conn net.Conn = g
	for _, f := range []func(time.Time) error{conn.SetDeadline, conn.SetReadDeadline, conn.SetWriteDeadline} {
		for _, at := range []time.Time{{}, time.Now().Add(2 * time.Hour)} {
			if err := f(at); err != nil || !c.deadline.Equal(g.budget) {
				t.Errorf("deadline %v, want the budget %v (%v)", c.deadline, g.budget, err)
			}
		}
	}
	if conn.LocalAddr() != nil || conn.RemoteAddr() != nil || conn.Close() != nil || c.closed {
		t.Error("not the addresses of the connection, or closed by the library")
	}
	if _, err := conn.Read(nil); err == nil {
		t.Error("read at the end of the connection")
	}
}

// pause, in what a wire answers, holds the rest back until something is sent.
const pause = '~'

// wire is a connection that answers from a script, at most size octets at a
// time, and records what is sent. Waiting at a pause is a time-out.
type wire struct {
	in       []byte
	size     int
	sent     bytes.Buffer
	read     int
	closed   bool
	deadline time.Time
}

func (w *wire) Read(p []byte) (int, error) {
	switch {
	case w.closed || len(w.in) == 0:
		return 0, io.EOF
	case w.in[0] == pause:
		return 0, os.ErrDeadlineExceeded
	}
	if w.size > 0 {
		p = p[:min(len(p), w.size)]
	}
	if i := bytes.IndexByte(w.in, pause); i >= 0 {
		p = p[:min(len(p), i)]
	}
	n := copy(p, w.in)
	w.in = w.in[n:]
	w.read += n
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	if w.closed {
		return 0, net.ErrClosed
	}
	if len(w.in) > 0 && w.in[0] == pause {
		w.in = w.in[1:]
	}
	return w.sent.Write(p)
}

func (w *wire) Close() error                     { w.closed = true; return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(t time.Time) error    { w.deadline = t; return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// FuzzSession answers a dialogue with arbitrary bytes: no panic, no forbidden
// verb, bounded reading, and no answer before its command.
func FuzzSession(f *testing.F) {
	const hello = "220 x\r\n~250-x\r\n250 PIPELINING\r\n~"
	for _, s := range []string{
		"", "220 x\r\n~", hello, hello + "250 ok\r\n550 5.1.1 no\r\n~250 ok\r\n250 ok\r\n250 ok\r\n~221 bye\r\n",
		"220 x\n~500 what\n~250 hello\n~250 ok\n~252 ok\n~", "220 x\r\n~250-x\r\n250 STARTTLS\r\n~220 go\r\n~\x15\x03\x01\x00\x02\x02\x28",
		"220 x\r\n~250-x\r\n250 STARTTLS\r\n~454 no\r\n~250 ok\r\n~250 ok\r\n~",
		"220-x\r\n554 y\r\n", "HTTP/1.1 400\r\n", hello + "250 ok\r\n421 bye\r\n", hello + "250 ok\r\n250 ok\r\n250 ok\r\n",
		"220 x\r\n~" + strings.Repeat("250-x\r\n", 200), "220 " + strings.Repeat("x", 3000),
		hello + "250 DATA\r\n354 go ahead\r\n~250 ok\r\n354 go ahead\r\n354 go ahead\r\n",
		hello + "250 ok\r\n250 ok\r\n421 4.4.2 bye\r\n", hello + "250 ok\r\n550 n\x00\r\n", hello + "250 ok\r\n550 5.1.1 cut",
	} {
		f.Add([]byte(s), 0)
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		var wires []*wire
		p := New(Options{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
			w := &wire{in: in, size: size}
			wires = append(wires, w)
			return w, nil
		}})
		s, tr, last := p.Open(t.Context(), request(t))
		if s != nil {
			for _, a := range []string{"a@x.test", "b@x.test"} {
				step := s.Ask(t.Context(), addr(t, a))
				if step.Failure == NoFailure && step.Stage == verdict.Rcpt && step.Command != "RCPT TO:<"+a+">" {
					t.Errorf("the answer for %s is %+v", a, step)
				}
				if step.Ends() && s.Usable() {
					t.Errorf("usable after %+v", step)
				}
			}
			tr = s.Close(t.Context())
		} else if !last.Ends() && last.Reply.Code < 400 {
			t.Errorf("not opened after %+v", last)
		}
		if len(wires) != tr.Connects || tr.Connects > 2 {
			t.Errorf("%d connections, transcript says %d", len(wires), tr.Connects)
		}
		for _, w := range wires {
			if !w.closed || w.read > 64<<10 {
				t.Errorf("closed %v after %d octets", w.closed, w.read)
			}
			onlyPermitted(t, w.sent.Bytes())
		}
	})
}

// onlyPermitted checks every line of plain text that was sent.
func onlyPermitted(t *testing.T, sent []byte) {
	t.Helper()
	for len(sent) > 0 && sent[0] != 0x16 { // a TLS record
		line, rest, ok := strings.Cut(string(sent), "\r\n")
		verb, _, _ := strings.Cut(line, " ")
		switch verb {
		case "EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "RSET", "QUIT":
		default:
			t.Errorf("sent %q", line)
		}
		if !ok || strings.ContainsAny(line, "\r\n\x00") {
			t.Errorf("sent half a line: %q", line)
		}
		sent = []byte(rest)
	}
}

// FuzzCommands tries to get a forbidden line past the guard.
func FuzzCommands(f *testing.F) {
	for _, s := range []string{"RSET\r\n", "rset\r\nDATA\r\n", "MAIL FROM:<a>\r\nRCPT TO:<b\nDATA\r\n>\r\n", "\r\n", "EHLO\tx\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		lines, err := commands(p)
		if err != nil {
			return
		}
		var back strings.Builder
		for _, l := range lines {
			back.WriteString(l.text + "\r\n")
			verb, _, _ := strings.Cut(l.text, " ")
			if _, ok := stages[strings.ToUpper(verb)]; !ok || strings.ContainsAny(l.text, "\r\n\x00") {
				t.Errorf("passes %q", l.text)
			}
		}
		if back.String() != string(p) {
			t.Errorf("%q became %q", p, back.String())
		}
	})
}
