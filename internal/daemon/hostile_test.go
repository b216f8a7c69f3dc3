package daemon

import (
	"bufio"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// stages are the points of a dialogue at which an MX can misbehave.
var stages = []string{"CONNECT", "EHLO", "MAIL", "RCPT"}

// misbehaving is an MX that is polite up to a stage. There it does as it
// likes; sent counts what the prober took of it.
func misbehaving(stage string, do func(c io.Writer), sent *atomic.Int64) lab.Host {
	return lab.Host{Script: func(c net.Conn) {
		out := writerFunc(func(p []byte) (int, error) {
			n, err := c.Write(p)
			sent.Add(int64(n))
			return n, err
		})
		if stage == "CONNECT" {
			do(out)
			return
		}
		br := bufio.NewReader(c)
		reply := "220 mx.far.test ESMTP"
		for {
			if _, err := io.WriteString(c, reply+"\r\n"); err != nil {
				return
			}
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			verb, _, _ := strings.Cut(strings.TrimSpace(line), " ")
			switch {
			case verb == stage:
				do(out)
				return
			case verb == "EHLO":
				reply = "250-mx.far.test\r\n250 ENHANCEDSTATUSCODES"
			default:
				reply = "250 2.0.0 ok"
			}
		}
	}}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// drip writes one text again and again, a little at a time.
func drip(s string, every time.Duration) func(io.Writer) {
	return func(c io.Writer) {
		for {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
			time.Sleep(every) // of the bubble
		}
	}
}

func say(s string) func(io.Writer) { return func(c io.Writer) { _, _ = io.WriteString(c, s) } }

// TestRepliesThatAreNone lets an MX say at each stage what is no reply: it
// never becomes a verdict about the recipient, it is not read without end, and
// others are served meanwhile.
func TestRepliesThatAreNone(t *testing.T) {
	for _, c := range []struct {
		name    string
		do      func(io.Writer)
		reasons []string // what the verdict may be
	}{
		{"endless line", drip(strings.Repeat("5", 1000), 0), []string{"protocol_error"}},
		{"endless reply", drip("550-5.1.1 User unknown\r\n", 0), []string{"protocol_error"}},
		{"endless reply of long lines", drip("550-5.1.1 "+strings.Repeat("x", 400)+"\r\n", 0), []string{"protocol_error"}},
		{"endless replies", drip("220 ok\r\n250 ok\r\n", 0), []string{"protocol_error"}},
		{"a byte every ten seconds", drip("5", 10*time.Second), []string{"timeout", "protocol_error"}},
		{"a line every ten seconds", drip("550-5.1.1 User unknown\r\n", 10*time.Second), []string{"timeout"}},
		{"NUL", say("550 5.1.1 User \x00unknown\r\n"), []string{"protocol_error"}},
		{"contradictory codes", say("250-ok\r\n550 5.1.1 User unknown\r\n"), []string{"protocol_error"}},
		{"code of six hundred", say("650 5.1.1 User unknown\r\n"), []string{"protocol_error"}},
		{"code of one hundred", say("150 5.1.1 User unknown\r\n"), []string{"protocol_error"}},
		{"no code", say("User unknown\r\n"), []string{"protocol_error"}},
		{"an empty line", say("\r\n"), []string{"protocol_error"}},
		{"a line that is cut", say("550 5.1.1 User unkn"), []string{"protocol_error", "temporary_failure", "unreachable"}},
		{"nothing", func(io.Writer) {}, []string{"temporary_failure", "unreachable"}},
	} {
		for _, stage := range stages {
			t.Run(c.name+" at "+stage, func(t *testing.T) {
				inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
					var sent atomic.Int64
					w.Site("far.test", misbehaving(stage, c.do, &sent))
					if got := w.rcpt("nobody@far.test"); got != "DUNNO" {
						t.Errorf("policy door: %q", got)
					}
					w.wellBehaved()
					v := w.check("nobody@far.test")
					if v.Status != "unknown" || !slices.Contains(c.reasons, v.Reason) {
						t.Errorf("verdict %+v, want one of %v", v, c.reasons)
					}
					// A session is bounded, and it is tried a few times at most.
					if n := sent.Load(); n > 4*(64<<10+4<<10) {
						t.Errorf("%d bytes were read", n)
					}
					if got := w.milterRcpt("nobody@far.test"); got != "c" {
						t.Errorf("milter door: %q", got)
					}
				})
			})
		}
	}
}
