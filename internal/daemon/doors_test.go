package daemon

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
)

// send writes what a client sends, as far as the daemon takes it, and returns
// all that comes back until the daemon hangs up, and how much it took. A
// daemon that neither answers nor hangs up for three hours is wrong.
func send(t *testing.T, c net.Conn, data func(w io.Writer) error) (answer string, took int64) {
	t.Helper()
	written := make(chan int64, 1)
	go func() {
		count := &counter{w: c}
		_ = data(count) // ends when the daemon hangs up
		written <- count.n
	}()
	_ = c.SetReadDeadline(time.Now().Add(3 * time.Hour))
	b, err := io.ReadAll(c)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("neither an answer nor an end")
	}
	_ = c.Close()
	return string(b), <-written
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// text writes a text once and then waits for the other end.
func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// endless writes one text until the other end hangs up, at most limit bytes.
func endless(s string, limit int) func(io.Writer) error {
	return func(w io.Writer) error {
		for sent := 0; sent < limit; sent += len(s) {
			if _, err := io.WriteString(w, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// TestPolicyDoorAbused sends to the policy socket what no Postfix sends. The
// connection ends without a reply, and everybody else is served.
func TestPolicyDoorAbused(t *testing.T) {
	const begin = "request=smtpd_access_policy\nprotocol_state=RCPT\n"
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Site("abuse.test", lab.Host{Exists: exists("ada")})
		asked := w.Count("", "RCPT", -1)
		for _, c := range []struct {
			name   string
			data   func(io.Writer) error
			answer string
			most   int64 // that is read; zero: all
		}{
			{"nothing", text(""), "", 0},
			{"oversize line", text(begin + "sender=" + strings.Repeat("x", 9000) + "\n\n"), "", 0},
			{"no equals sign", text(begin + "recipient nobody@abuse.test\n\n"), "", 0},
			{"NUL", text(begin + "recipient=nobody@abuse.test\x00\n\n"), "", 0},
			{"10 MB without newline", endless(strings.Repeat("x", 4096), 10<<20), "", 64 << 10},
			{"10 MB of lines", endless("name=value\n", 10<<20), "", 128 << 10},
			{"half a request and silence", text(begin + "recipient=nobody@abu"), "", 0},
			{"HTTP", text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "", 0},
			{"SMTP", text("EHLO there\r\nMAIL FROM:<a@b>\r\n"), "", 0},
			{"another request", text("request=something_else\nprotocol_state=RCPT\nrecipient=nobody@abuse.test\n\n"), "", 0},
			{"unknown state", text("request=smtpd_access_policy\nprotocol_state=NONSENSE\nrecipient=nobody@abuse.test\n\n"), "action=DUNNO\n\n", 0},
			{"VRFY", text("request=smtpd_access_policy\nprotocol_state=VRFY\nrecipient=nobody@abuse.test\n\n"), "action=DUNNO\n\n", 0},
			{"missing recipient", text(begin + "sender=news@esp.test\nclient_address=127.0.0.1\n\n"), "action=DUNNO\n\n", 0},
			{"empty recipient", text(begin + "recipient=\nclient_address=127.0.0.1\n\n"), "action=DUNNO\n\n", 0},
			{"client address that is none", text(begin + "recipient=nobody@abuse.test\nclient_address=999.1.1.1\n\n"), "action=DUNNO\n\n", 0},
		} {
			answer, took := send(t, w.dial("policy"), c.data)
			if answer != c.answer {
				t.Errorf("%s: answered %q, want %q", c.name, answer, c.answer)
			}
			if c.most > 0 && took > c.most {
				t.Errorf("%s: %d bytes were read", c.name, took)
			}
			w.wellBehaved()
		}
		if n := w.Count("mx.abuse.test", "RCPT", -1) - asked; n != 0 {
			t.Errorf("%d recipients asked", n)
		}
	})
}

// packet is one of the milter protocol.
func packet(cmd byte, data string) string {
	n := len(data) + 1
	return string([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), cmd}) + data
}

// offer is what Postfix offers first.
var offer = packet('O', "\x00\x00\x00\x06\x00\x00\x01\xff\x00\x1f\xff\xff")

// TestMilterDoorAbused sends to the milter socket what no MTA sends.
func TestMilterDoorAbused(t *testing.T) {
	rcpt := packet('D', "R{rcpt_addr}\x00nobody@abuse.test\x00{rcpt_mailer}\x00esmtp\x00") + packet('R', "<nobody@abuse.test>\x00")
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Site("abuse.test", lab.Host{Exists: exists("ada")})
		for _, c := range []struct {
			name string
			data func(io.Writer) error
			most int64
		}{
			{"nothing for two hours", text(""), 0},
			{"zero length", text("\x00\x00\x00\x00"), 0},
			{"zero length later", text(offer + "\x00\x00\x00\x00"), 0},
			{"4 GiB length", endless("\xff\xff\xff\xff", 10<<20), 64 << 10},
			{"4 GiB length later", func(wr io.Writer) error {
				if _, err := io.WriteString(wr, offer+"\xff\xff\xff\xffM"); err != nil {
					return err
				}
				return endless(strings.Repeat("x", 4096), 10<<20)(wr)
			}, 256 << 10},
			{"truncated connect", text(offer + packet('C', "host\x004\x00")), 0},
			{"connect without NUL", text(offer + packet('C', "host")), 0},
			{"half a packet and silence", text(offer + "\x00\x00\x00\x20M<news"), 0},
			{"recipient before the offer", text(rcpt), 0},
			{"recipient before the sender", text(offer + rcpt), 0},
			{"end before the beginning", text(offer + packet('E', "") + packet('A', "") + packet('E', "")), 0},
			{"everything twice", text(offer + offer), 0},
			{"flood of macros", endless(packet('D', "R"+strings.Repeat("{rcpt_addr}\x00nobody@abuse.test\x00", 1000)), 10<<20), 256 << 10},
			{"flood of sessions", func(wr io.Writer) error {
				if _, err := io.WriteString(wr, offer); err != nil {
					return err
				}
				return endless(strings.Repeat(packet('K', ""), 100), 1<<20)(wr)
			}, 0},
			{"flood of senders", func(wr io.Writer) error {
				if _, err := io.WriteString(wr, offer); err != nil {
					return err
				}
				return endless(packet('M', "<news@esp.test>\x00"), 256<<10)(wr)
			}, 0},
			{"HTTP", text("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0},
		} {
			answer, took := send(t, w.dial("milter"), c.data)
			for rest := answer; rest != ""; { // packet by packet
				n := int(rest[2])<<8 | int(rest[3])
				if cmd := rest[4]; cmd != 'O' && cmd != 'c' {
					t.Errorf("%s: answered %q", c.name, answer[:min(len(answer), 200)])
					break
				}
				rest = rest[4+n:]
			}
			if c.most > 0 && took > c.most {
				t.Errorf("%s: %d bytes were read", c.name, took)
			}
			w.wellBehaved()
		}
		if n := w.Count("mx.abuse.test", "RCPT", -1); n != 0 {
			t.Errorf("%d recipients asked", n)
		}
	})
}

// TestMilterFloods keeps to the protocol and sends too much of it: header
// lines and a body without end, and recipients by the thousand.
func TestMilterFloods(t *testing.T) {
	inWorld(t, worldOptions{policy: "max_refusals = 3"}, func(t *testing.T, w *world) {
		w.NullMX("nomail.test")
		c, err := lab.NewMilterClient(w.dial("milter"))
		w.must(err)
		_, err = c.Connect("127.0.0.1")
		w.must(err)
		_, err = c.Mail("news@esp.test", "")
		w.must(err)
		refused := 0
		for i := range 2000 {
			answer, err := c.Rcpt(fmt.Sprintf("u%d@nomail.test", i), "esmtp")
			w.must(err)
			if strings.HasPrefix(answer, "y 5") {
				refused++
			} else if answer != "c" {
				t.Fatalf("recipient %d: %q", i, answer)
			}
		}
		if refused != 3 {
			t.Errorf("%d refused, want max_refusals", refused)
		}
		chunk := []byte(strings.Repeat("x", 65535))
		for range 200 {
			if answer, err := c.Call('B', chunk); err != nil || answer != "c" {
				t.Fatalf("body: %q, %v", answer, err)
			}
		}
		if answer, err := c.End(); err != nil || answer != "c" {
			t.Fatalf("end: %q, %v", answer, err)
		}
		w.must(c.Close())
		w.wellBehaved()
	})
}

// TestManyConnections opens 10,000 connections to each of the mail servers'
// doors, that say nothing, or half a request; the next request is served.
func TestManyConnections(t *testing.T) {
	const many = 10_000
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		before := heap()
		conns := make([]net.Conn, 0, 2*many)
		for i := range many {
			p, m := w.dial("policy"), w.dial("milter")
			conns = append(conns, p, m)
			if i%2 == 0 {
				_, err := io.WriteString(p, "request=smtpd_access_policy\nprotocol_state=RCPT\nrecip")
				w.must(err)
				_, err = io.WriteString(m, offer[:6])
				w.must(err)
			}
		}
		synctest.Wait()
		each := (heap() - before) / (2 * many)
		t.Logf("%d bytes of heap a connection, with both ends of the pipe", each)
		if each > 64<<10 {
			t.Errorf("%d bytes a connection", each)
		}
		w.wellBehaved()
		for _, c := range conns {
			w.must(c.Close())
		}
		w.wellBehaved()
	})
}

// heap is what is in use after a collection.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// TestWebAbused asks the HTTP doors for what they do not give.
func TestWebAbused(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		for _, c := range []struct {
			door, name string
			data       func(io.Writer) error
			status     string
			most       int64
		}{
			{"http", "verify without a token", text("POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 27\r\n\r\n{\"address\":\"ada@abuse.test\"}"), "404", 0},
			{"http", "silence", text(""), "", 0},
			{"http", "half a header and silence", text("GET /healthz HTTP/1.1\r\nHo"), "400", 0},
			{"http", "header without end", endless("X: "+strings.Repeat("x", 4093)+"\r\n", 10<<20), "400", 64 << 10},
			{"admin", "body without end", func(wr io.Writer) error {
				if _, err := io.WriteString(wr, "POST /v1/verify HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"); err != nil {
					return err
				}
				return endless("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 10<<20)(wr)
			}, "4", 1 << 20},
			{"admin", "body that does not come", text("POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"), "400", 0},
			{"admin", "no JSON", text("POST /v1/verify HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"), "400", 0},
		} {
			answer, took := send(t, w.dial(c.door), c.data)
			_, status, _ := strings.Cut(answer, " ")
			if !strings.HasPrefix(status, c.status) || (c.status == "" && answer != "") {
				t.Errorf("%s: answered %q, want %s", c.name, answer, c.status)
			}
			if c.most > 0 && took > c.most {
				t.Errorf("%s: %d bytes were read", c.name, took)
			}
			w.wellBehaved()
		}
	})
}
