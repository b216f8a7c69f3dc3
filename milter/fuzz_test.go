package milter

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"testing"
	"time"

	gomilter "github.com/emersion/go-milter"

	"rcptgate/policy"
)

// FuzzPacket parses one packet of any command.
func FuzzPacket(f *testing.F) {
	f.Add(byte('O'), []byte(offer6))
	f.Add(byte('C'), []byte("host\x006\x00\x19IPv6:2001:db8::1\x00"))
	f.Add(byte('D'), []byte("R{rcpt_addr}\x00a@b\x00{rcpt_mailer}\x00"))
	f.Add(byte('y'), []byte("550 5.1.1 50%% off\x00"))
	f.Fuzz(func(t *testing.T, cmd byte, data []byte) {
		if o, err := parseOffer(data); err == nil {
			got := agree(o, true)
			if got.actions&^o.actions != 0 || got.protocol&^o.protocol != 0 || got.version > o.version {
				t.Errorf("agreed on %+v, offered %+v", got, o)
			}
		}
		parseConnect(data)
		parseMacros(data)
		if validReply(data) && (bytes.ContainsAny(data, "\r\n") || bytes.IndexByte(data, 0) != len(data)-1) {
			t.Errorf("%q taken for a valid reply", data)
		}
		g := newGuard(nil, slog.New(slog.DiscardHandler), false, func() {})
		g.pending = 'R'
		if got := g.vet(nil, cmd, data); got[4] != 'c' && (got[4] != 'y' || !validReply(data)) {
			t.Errorf("%q left", got)
		}
	})
}

// FuzzSession plays an MTA that sends anything. Nothing forbidden comes back,
// nothing panics, and Handle returns.
func FuzzSession(f *testing.F) {
	frames := func(packets ...string) []byte {
		b := appendPacket(nil, 'O', []byte(offer6))
		for _, p := range packets {
			b = appendPacket(b, p[0], []byte(p[1:]))
		}
		return b
	}
	f.Add(frames("C[192.0.2.1]\x004\x00\x19192.0.2.1\x00", "M<a@b.org>\x00", "DR{rcpt_mailer}\x00smtp\x00", "R<unknown@b.org>\x00", "E", "Q"), false)
	f.Add(frames("M<>\x00", "DR{rcpt_mailer}\x00smtp\x00", "R<unknown%@b.org>\x00", "Lx\x00y\x00", "N", "Btext", "E", "A", "K", "T", "U"), true)
	f.Add([]byte("\x00\x00\x00\x00"), false)
	f.Fuzz(func(t *testing.T, data []byte, end bool) {
		st := Settings{DecideEnd: end, OnPartial: Keep}
		if end {
			st.OnPartial = DeleteSome
		}
		s := newServer(t, fuzzDecider{}, st)
		s.o.OnPanic = func() { t.Error("a panic was recovered") }
		conn := &script{in: bytes.NewReader(data)}
		s.Handle(t.Context(), conn)
		checkReplies(t, &conn.out, end)
	})
}

// fuzzDecider refuses with the recipient in its text, so that remote bytes
// reach the reply.
type fuzzDecider struct{}

func (fuzzDecider) Decide(_ context.Context, q policy.Query) policy.Decision {
	return policy.Decision{Action: policy.Reject, Code: 550, Enhanced: "5.1.1", Text: q.Recipient + " " + q.Sender}
}
func (fuzzDecider) EndMessage(string) {}

// script is a connection whose other end says all it has to say and hangs up.
type script struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *script) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *script) Close() error                     { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

func checkReplies(t *testing.T, conn io.Reader, end bool) {
	for {
		var head [4]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 || n > maxCommand+1 {
			t.Fatalf("reply of %d octets", n)
		}
		data := make([]byte, n)
		if _, err := io.ReadFull(conn, data); err != nil {
			t.Fatal("half a reply")
		}
		switch gomilter.ActionCode(data[0]) {
		case gomilter.ActContinue:
			if n != 1 {
				t.Errorf("continue with data %q", data)
			}
		case gomilter.ActReplyCode:
			if !validReply(data[1:]) {
				t.Errorf("reply %q", data)
			}
		case gomilter.ActionCode(gomilter.CodeOptNeg):
		case gomilter.ActionCode(gomilter.ActDelRcpt):
			if !end {
				t.Errorf("recipient removed: %q", data)
			}
		default:
			t.Errorf("forbidden reply %q", data)
		}
	}
}
