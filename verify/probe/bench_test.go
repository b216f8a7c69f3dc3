package probe

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"
)

// serve is the least server with PIPELINING.
func serve(c net.Conn) {
	defer c.Close()
	br, bw := bufio.NewReader(c), bufio.NewWriter(c)
	_, _ = bw.WriteString("220 x\r\n")
	for {
		if br.Buffered() == 0 && bw.Flush() != nil {
			return
		}
		line, err := br.ReadSlice('\n')
		if err != nil {
			return
		}
		switch line[0] {
		case 'E':
			_, _ = bw.WriteString("250-x\r\n250 PIPELINING\r\n")
		case 'Q':
			_, _ = bw.WriteString("221 bye\r\n")
		default:
			_, _ = bw.WriteString("250 2.1.0 ok\r\n")
		}
	}
}

func pipeDial(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
	c, s := net.Pipe()
	go serve(s)
	return c, nil
}

// BenchmarkAsk is one pipelined transaction on an open session, over net.Pipe;
// a session that has reached its bound is replaced.
func BenchmarkAsk(b *testing.B) {
	p := New(Options{Dial: pipeDial})
	a := addr(b, "a@x.test")
	s := open(b, p)
	b.ReportAllocs()
	for b.Loop() {
		if !s.Usable() {
			s.Close(b.Context())
			s = open(b, p)
		}
		if got := s.Ask(b.Context(), a); got.Reply.Code != 250 {
			b.Fatalf("%+v", got)
		}
	}
	s.Close(b.Context())
}

// BenchmarkDialogue is a whole dialogue: greeting, EHLO, one address, QUIT.
func BenchmarkDialogue(b *testing.B) {
	p := New(Options{Dial: pipeDial})
	a := addr(b, "a@x.test")
	b.ReportAllocs()
	for b.Loop() {
		s := open(b, p)
		s.Ask(b.Context(), a)
		s.Close(b.Context())
	}
}

// TestSessionMemory bounds what an open session costs while its peer stalls:
// ten thousand must fit in half a gigabyte, stacks and garbage included.
func TestSessionMemory(t *testing.T) {
	const sessions, bound = 200, 16 << 10
	for stage, ext := range map[string]string{"greeted": "250 PIPELINING\r\n", "large EHLO": strings.Repeat("250-"+strings.Repeat("x", 60)+"\r\n", 20) + "250 PIPELINING\r\n"} {
		var before, after runtime.MemStats
		var open []*Session
		greet := "220 x\r\n~250-x\r\n" + ext + "~"
		p := New(Options{Dial: func(context.Context, netip.Addr, netip.AddrPort) (net.Conn, error) {
			return &wire{in: []byte(greet)}, nil
		}})
		r := request(t)
		r.Timeout = time.Hour
		runtime.GC()
		runtime.ReadMemStats(&before)
		for range sessions {
			s, _, last := p.Open(t.Context(), r)
			if s == nil {
				t.Fatalf("%+v", last)
			}
			open = append(open, s)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / sessions
		t.Logf("%s: %d bytes a session", stage, each)
		if each > bound {
			t.Errorf("%s: %d bytes a session, want at most %d", stage, each, bound)
		}
		for _, s := range open {
			s.Close(t.Context())
		}
	}
}
