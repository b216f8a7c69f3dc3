package milter

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/policy"
)

const offer6 = "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff"

// negotiate does what every MTA does first.
func (m *mta) negotiate(t testing.TB) {
	t.Helper()
	m.send(t, 'O', offer6)
	if got := m.read(); !strings.HasPrefix(got, "< O 00000002") {
		t.Fatalf("negotiation: %s", got)
	}
}

// rcpt sends a recipient as an MTA does and returns the reply.
func (m *mta) rcpt(t testing.TB, addr string) string {
	t.Helper()
	m.send(t, 'D', "R{rcpt_addr}\x00"+addr+"\x00{rcpt_mailer}\x00smtp\x00")
	m.send(t, 'R', "<"+addr+">\x00")
	return m.read()
}

// TestBroken sends what no MTA sends: the connection ends without a reply, and
// without a panic.
func TestBroken(t *testing.T) {
	frame := func(cmd byte, data string) string { return string(appendPacket(nil, cmd, []byte(data))) }
	for name, bytes := range map[string]string{
		"nothing":               "",
		"zero length":           "\x00\x00\x00\x00",
		"4 GiB":                 "\xff\xff\xff\xffM",
		"long command":          "\x00\x02\x00\x00M" + strings.Repeat("x", 1<<17),
		"half a length":         "\x00\x00",
		"half a packet":         "\x00\x00\x00\x09M<a@",
		"no negotiation":        frame('C', "host\x004\x00\x19192.0.2.1\x00"),
		"offer cut short":       frame('O', offer6[:8]),
		"offer of version 1":    frame('O', "\x00\x00\x00\x01"+offer6[4:]),
		"second negotiation":    frame('O', offer6) + frame('O', offer6),
		"connect without NUL":   frame('O', offer6) + frame('C', "host"),
		"connect no family":     frame('O', offer6) + frame('C', "host\x00"),
		"connect without port":  frame('O', offer6) + frame('C', "host\x004\x00"),
		"macros of nothing":     frame('O', offer6) + frame('D', ""),
		"mail without argument": frame('O', offer6) + frame('M', ""),
		"rcpt without argument": frame('O', offer6) + frame('M', "<>\x00") + frame('R', ""),
		"unknown command":       frame('O', offer6) + frame('?', ""),
		"HTTP":                  "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var panics atomic.Int32
				s := newServer(t, &decider{}, Settings{})
				s.o.OnPanic = func() { panics.Add(1) }
				m := connect(t.Context(), s)
				go func() {
					io.WriteString(m, bytes) // fails when the other end hangs up
				}()
				var lines []string
				for {
					line := m.read()
					lines = append(lines, line)
					if line == "< end" {
						break
					}
				}
				<-m.done
				for _, l := range lines[:len(lines)-1] {
					if !strings.HasPrefix(l, "< O ") && l != "< c" {
						t.Errorf("reply %q", l)
					}
				}
				if panics.Load() != 0 {
					t.Error("a panic was recovered")
				}
				m.Close()
			})
		})
	}
}

// TestFlood sends header lines and body without end: they are read and
// forgotten, and each is answered.
func TestFlood(t *testing.T) {
	s := newServer(t, &decider{}, Settings{})
	m := connect(t.Context(), s)
	m.negotiate(t)
	m.send(t, 'M', "<a@example.org>\x00")
	if got := m.read(); got != "< c" {
		t.Fatal(got)
	}
	chunk := strings.Repeat("x", 65535)
	for range 200 {
		m.send(t, 'L', "Subject\x00"+chunk+"\x00")
		m.send(t, 'B', chunk) // before the first reply is read
		for range 2 {
			if got := m.read(); got != "< c" {
				t.Fatal(got)
			}
		}
	}
	m.close()
}

// TestSilence is about who says nothing: two hours pass, half a packet does
// not.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := connect(t.Context(), newServer(t, &decider{}, Settings{}))
		m.negotiate(t)
		time.Sleep(7210 * time.Second)
		m.send(t, 'M', "<a@example.org>\x00")
		if got := m.read(); got != "< c" {
			t.Fatalf("after 7,210 s: %s", got)
		}
		time.Sleep(7210 * time.Second)
		if got := m.rcpt(t, "unknown@example.org"); got != "< y 550 5.1.1 no such mailbox unknown|" {
			t.Fatalf("after 7,210 s: %s", got)
		}
		start := time.Now()
		if _, err := m.Write([]byte{0, 0}); err != nil {
			t.Fatal(err)
		}
		if got := m.read(); got != "< end" {
			t.Fatal(got)
		}
		if d := time.Since(start); d != packetTimeout {
			t.Errorf("half a packet was waited for %s", d)
		}
		<-m.done

		// An MTA that does not read its reply.
		m = connect(t.Context(), newServer(t, &decider{}, Settings{}))
		m.send(t, 'O', offer6)
		<-m.done
		m.Close()
	})
}

// TestHangUp ends the decision of an MTA that is gone.
func TestHangUp(t *testing.T) {
	for _, end := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			d := &decider{}
			m := connect(t.Context(), newServer(t, d, Settings{DecideEnd: end}))
			m.negotiate(t)
			m.send(t, 'M', "<a@example.org>\x00")
			m.read()
			m.send(t, 'D', "R{rcpt_mailer}\x00smtp\x00")
			m.send(t, 'R', "<slow@example.org>\x00")
			if end {
				m.read()
				m.send(t, 'E', "")
			}
			synctest.Wait()
			if got := d.take(); len(got) != 1 {
				t.Fatalf("asked: %q", got)
			}
			m.close() // waits for Handle, which waits for the decision
			if len(d.ended) != 1 {
				t.Errorf("messages ended: %d, want 1", len(d.ended))
			}
		})
	}
}

// TestDrain ends a connection between messages, never inside one.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, &decider{}, Settings{})
		ctx, cancel := context.WithCancel(t.Context())
		idle, busy, ended := connect(ctx, s), connect(ctx, s), connect(ctx, s)
		for _, m := range []*mta{idle, busy, ended} {
			m.negotiate(t)
		}
		for _, m := range []*mta{busy, ended} {
			m.send(t, 'M', "<a@example.org>\x00")
			m.read()
		}
		ended.send(t, 'A', "")
		synctest.Wait()
		cancel()
		<-idle.done
		<-ended.done
		synctest.Wait()
		if got := busy.rcpt(t, "unknown@example.org"); got != "< y 550 5.1.1 no such mailbox unknown|" {
			t.Errorf("in a message while draining: %s", got)
		}
		busy.send(t, 'E', "")
		if got := busy.read(); got != "< c" {
			t.Errorf("end of message while draining: %s", got)
		}
		if got := busy.read(); got != "< end" {
			t.Errorf("after the message: %s", got)
		}
		<-busy.done
		late := connect(ctx, s)
		<-late.done
		for _, m := range []*mta{idle, busy, ended, late} {
			m.Close()
		}
	})
}

// TestVet is about replies that our own mistake, or the library's, would send.
func TestVet(t *testing.T) {
	for _, tc := range []struct {
		pending byte
		code    byte
		data    string
		want    string
	}{
		{'R', 'c', "", "c"},
		{'R', 'c', "junk", "c"},
		{'R', 'y', "550 5.1.1 no\x00", "y550 5.1.1 no\x00"},
		{'E', 'y', "450 4.2.1 no\x00", "y450 4.2.1 no\x00"},
		{'M', 'y', "550 5.1.1 no\x00", "c"},
		{'R', 'y', "550 5.1.1 no", "c"},
		{'R', 'y', "550 5.1.1 50% off\x00", "c"},
		{'R', 'y', "550 5.1.1 50%%% off\x00", "c"},
		{'R', 'y', "550 5.1.1 50%% off\x00", "y550 5.1.1 50%% off\x00"},
		{'R', 'y', "550 4.1.1 no\x00", "c"},
		{'R', 'y', "550 no\x00", "c"},
		{'R', 'y', "550-5.1.1 a\r\n550 5.1.1 b\x00", "c"},
		{'R', 'y', "421 4.7.0 closing\x00", "c"},
		{'R', 'y', "250 2.1.5 fine\x00", "c"},
		{'R', 'y', "550 5.1.1 a\x00b\x00", "c"},
		{'R', 'y', "550 5.1.1 \xc3\xbc\x00", "c"},
		{'R', 'y', "550 5.1234.1 no\x00", "c"},
		{'R', 'a', "", "c"},
		{'E', 'a', "", "c"},
		{'R', 'd', "", "c"},
		{'R', 'r', "", "c"},
		{'R', 't', "", "c"},
		{'R', 'p', "", "c"},
		{'R', 's', "", "c"},
		{'E', 'q', "held\x00", "c"},
		{'E', '-', "<a@b>\x00", ""},
		{'R', '-', "<a@b>\x00", "c"},
		{0, 'c', "", ""},
	} {
		g := newGuard(nil, slog.New(slog.DiscardHandler), false, func() {})
		g.pending = tc.pending
		got := string(g.vet(nil, tc.code, []byte(tc.data)))
		if got != "" {
			got = got[4:]
		}
		if got != tc.want {
			t.Errorf("%c%q to %q: got %q, want %q", tc.code, tc.data, tc.pending, got, tc.want)
		}
	}
}

// TestMany runs connections side by side.
func TestMany(t *testing.T) {
	s := newServer(t, &decider{}, Settings{})
	const conns = 50
	errs := make(chan error, conns)
	for i := range conns {
		go func() {
			m := connect(t.Context(), s)
			defer m.close()
			m.negotiate(t)
			for n := range 20 {
				m.send(t, 'M', "<a@example.org>\x00")
				m.read()
				want := fmt.Sprintf("< y 550 5.1.1 no such mailbox unknown%d-%d|", i, n)
				if got := m.rcpt(t, fmt.Sprintf("unknown%d-%d@example.org", i, n)); got != want {
					errs <- fmt.Errorf("got %q, want %q", got, want)
					return
				}
				m.send(t, 'A', "")
			}
			errs <- nil
		}()
	}
	for range conns {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// TestAside asks about more recipients of one message than are decided side by
// side.
func TestAside(t *testing.T) {
	s := newServer(t, &decider{}, Settings{DecideEnd: true})
	m := connect(t.Context(), s)
	m.negotiate(t)
	m.send(t, 'M', "<a@example.org>\x00")
	m.read()
	for i := range maxAside + 10 {
		if got := m.rcpt(t, fmt.Sprintf("unknown%d@example.org", i)); got != "< c" {
			t.Fatal(got)
		}
	}
	m.send(t, 'E', "")
	if got := m.read(); got != "< y 550 5.1.1 no such mailbox unknown0|" {
		t.Error(got)
	}
	m.close()
}

func TestEncodeText(t *testing.T) {
	r, err := encode(policy.Decision{Action: policy.Defer, Code: 450, Enhanced: "4.2.0", Text: strings.Repeat("%", 300)})
	if err != nil {
		t.Fatal(err)
	}
	if want := "450 4.2.0 " + strings.Repeat("%%", maxText) + "\x00"; string(r.data) != want {
		t.Errorf("got %q", r.data)
	}
	if _, err := encode(policy.Decision{Action: policy.Reject, Code: 450, Enhanced: "4.2.0", Text: "x"}); err == nil {
		t.Error("a refusal with a 4xx passed")
	}
	if _, err := encode(policy.Decision{Action: "hold"}); err == nil {
		t.Error("an unknown action passed")
	}
}

func TestNew(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("no options, no error")
	}
	if _, err := New(Options{Decider: &decider{}, Logger: slog.New(slog.DiscardHandler), Settings: func() Settings { return Settings{OnPartial: "drop"} }}); err == nil {
		t.Error("on_partial = drop, no error")
	}
}
