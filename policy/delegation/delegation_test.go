package delegation

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"rcptgate/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// decider answers what the local part of the recipient names.
type decider struct {
	mu    sync.Mutex
	asked []string
	delay time.Duration
}

func (d *decider) Decide(_ context.Context, q policy.Query) policy.Decision {
	d.mu.Lock()
	d.asked = append(d.asked, fmt.Sprintf("sender=%q recipient=%q client=%s sasl=%q context=%q instance=%q queue_id=%q stress=%v",
		q.Sender, q.Recipient, q.Client, q.SASLUsername, q.PolicyContext, q.Instance, q.QueueID, q.Stress))
	d.mu.Unlock()
	if d.delay > 0 {
		time.Sleep(d.delay)
	}
	word, _, _ := strings.Cut(q.Recipient, "@")
	return map[string]policy.Decision{
		"reject":   {Action: policy.Reject, Code: 550, Enhanced: "5.1.1", Text: "example.org says that this mailbox does not exist"},
		"defer":    {Action: policy.Defer, Code: 450, Enhanced: "4.7.1", Text: "try again later"},
		"warn":     {Action: policy.Accept, Warning: true, Would: policy.Reject, Code: 550, Enhanced: "5.1.1", Text: "no such mailbox"},
		"hostile":  {Action: policy.Reject, Code: 550, Enhanced: "5.7.1", Text: "a\r\naction=OK\n\n\x00\x80b"},
		"code421":  {Action: policy.Defer, Code: 421, Enhanced: "4.7.1", Text: "bye"},
		"delete":   {Action: policy.Delete, Code: 550, Enhanced: "5.7.1", Text: "gone"},
		"textless": {Action: policy.Reject, Code: 550, Enhanced: "5.1.1"},
	}[word]
}

func (d *decider) queries() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.asked
	d.asked = nil
	return out
}

// served starts a handler on one end of a pipe and returns the other, with what
// the handler logs and the decider. done is closed when Handle has returned.
func served(t *testing.T, ctx context.Context) (conn net.Conn, d *decider, journal *bytes.Buffer, done chan struct{}) {
	t.Helper()
	d, journal, done = &decider{}, &bytes.Buffer{}, make(chan struct{})
	h, err := New(Options{Decider: d, Logger: slog.New(slog.NewTextHandler(journal, nil))})
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	go func() {
		defer close(done)
		h.Handle(ctx, server)
	}()
	t.Cleanup(func() {
		client.Close()
		<-done
	})
	return client, d, journal, done
}

// TestDialogues plays the files of testdata/dialogues: "C:" lines are sent, "S:"
// lines must come, "Q:" is what policy must have been asked, and "S!" means that
// the connection is closed without a reply and the journal says why.
func TestDialogues(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			play(t, string(data))
		})
	}
}

func play(t *testing.T, script string) {
	conn, d, journal, done := served(t, t.Context())
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	var send strings.Builder
	var asked []string
	flush := func() {
		// The peer may close before it has read all.
		if _, err := io.WriteString(conn, send.String()); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			t.Error(err)
		}
		send.Reset()
	}
	for i, line := range strings.Split(strings.TrimSuffix(script, "\n"), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "#":
		case "C:":
			send.WriteString(rest + "\n")
		case "Q:":
			asked = append(asked, rest)
		case "S:":
			flush()
			if got, err := r.ReadString('\n'); err != nil || got != rest+"\n" {
				t.Fatalf("line %d: got %q, %v, want %q", i+1, got, err, rest)
			}
		case "S!":
			flush()
			if got, err := r.ReadString('\n'); err != io.EOF || got != "" {
				t.Fatalf("line %d: got %q, %v, want the end", i+1, got, err)
			}
			<-done
			if !strings.Contains(journal.String(), rest) {
				t.Errorf("journal %s, want %s", journal, rest)
			}
		default:
			t.Fatalf("line %d: %q", i+1, line)
		}
	}
	if got := d.queries(); strings.Join(got, "\n") != strings.Join(asked, "\n") {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(asked, "\n"))
	}
}

const full = "request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=reject@example.org\n\n"

// TestBreaches sends what cannot be parsed: no reply, a word in the journal.
func TestBreaches(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ send, journal string }{
		"oversize line":        {"sender=" + strings.Repeat("x", maxLine-6) + "\n", "line longer than 8192 bytes"},
		"10 MB and no newline": {strings.Repeat("x", 10<<20), "line longer than 8192 bytes"},
		"NUL":                  {"sender=a\x00b\n", "NUL byte"},
		"too many attributes":  {strings.Repeat("a=b\n", maxAttributes+1), "more than 200 attributes"},
		"too many bytes":       {strings.Repeat("a="+strings.Repeat("b", 8000)+"\n", 9), "64 KiB"},
		"binary":               {"\x16\x03\x01\x02\x00\n", "NUL byte"},
		"HTTP":                 {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "line without name=value"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, d, journal, done := served(t, t.Context())
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = io.WriteString(conn, c.send) }) // fails when the peer closes
			if got, err := io.ReadAll(conn); err != nil || len(got) > 0 {
				t.Errorf("got %q, %v", got, err)
			}
			<-done
			wg.Wait()
			if s := journal.String(); !strings.Contains(s, c.journal) || len(s) > 1000 || len(d.queries()) > 0 {
				t.Errorf("journal %s", s)
			}
		})
	}
}

func TestLimitsAreReached(t *testing.T) {
	t.Parallel()
	conn, d, _, _ := served(t, t.Context())
	req := "sender=" + strings.Repeat("x", maxLine-7) + "\n" + strings.Repeat("a=b\n", maxAttributes-4) + full
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := io.WriteString(conn, req); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(conn).ReadString('\n')
	wg.Wait()
	if err != nil || !strings.HasPrefix(line, "action=550") || len(d.queries()) != 1 {
		t.Errorf("%q %v", line, err)
	}
}

func ask(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.WriteString(conn, full); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 200)
	n, err := conn.Read(buf)
	if err != nil || string(buf[:n]) != "action=550 5.1.1 example.org says that this mailbox does not exist\n\n" {
		t.Fatalf("%q %v", buf[:n], err)
	}
}

func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, _, journal, done := served(t, t.Context())
		for _, pause := range []time.Duration{0, time.Second, 1000 * time.Second, time.Minute, 1090 * time.Second, 0} {
			time.Sleep(pause)
			ask(t, conn)
		}
		start := time.Now()
		<-done
		if idle := time.Since(start); idle < 1100*time.Second || idle > 1200*time.Second {
			t.Errorf("closed after %v of silence", idle)
		}
		if journal.Len() > 0 {
			t.Errorf("journal %s", journal)
		}
	})
}

func TestHalfARequest(t *testing.T) {
	t.Parallel()
	for name, half := range map[string]string{"a line": "request=smtpd_access_policy\n", "half a line": "requ"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // and silence
				conn, _, journal, done := served(t, t.Context())
				ask(t, conn)
				time.Sleep(time.Minute)
				if _, err := io.WriteString(conn, half); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				<-done
				if d := time.Since(start); d != requestTimeout {
					t.Errorf("closed after %v", d)
				}
				if !strings.Contains(journal.String(), "request not complete in time") {
					t.Errorf("journal %s", journal)
				}
			})
			synctest.Test(t, func(t *testing.T) { // and the end
				conn, _, journal, done := served(t, t.Context())
				if _, err := io.WriteString(conn, half); err != nil {
					t.Fatal(err)
				}
				conn.Close()
				<-done
				if !strings.Contains(journal.String(), "closed without a reply") {
					t.Errorf("journal %s", journal)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) { // a byte every second is no way out
		conn, _, _, done := served(t, t.Context())
		start := time.Now()
		for range 100 {
			if _, err := io.WriteString(conn, "r"); err != nil {
				break
			}
			time.Sleep(time.Second)
		}
		<-done
		if d := time.Since(start); d > requestTimeout+2*time.Second {
			t.Errorf("a slow writer was served for %v", d)
		}
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		idle, _, _, idleDone := served(t, ctx)
		busy, d, journal, busyDone := served(t, ctx)
		d.delay = 5 * time.Second
		ask(t, idle)
		var wg sync.WaitGroup
		wg.Go(func() { ask(t, busy) })
		time.Sleep(time.Second)
		start := time.Now()
		cancel()
		<-idleDone
		if d := time.Since(start); d > time.Second {
			t.Errorf("an idle connection drained after %v", d)
		}
		wg.Wait() // the answer under way came
		<-busyDone
		if d := time.Since(start); d < 4*time.Second || d > 5*time.Second {
			t.Errorf("a busy connection drained after %v", d)
		}
		if journal.Len() > 0 {
			t.Errorf("journal %s", journal)
		}
	})
}

func TestPeerThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		conn, _, journal, done := served(t, t.Context())
		if _, err := io.WriteString(conn, full); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		<-done
		if d := time.Since(start); d < writeTimeout || d > writeTimeout+slack || journal.Len() == 0 {
			t.Errorf("closed after %v, journal %s", d, journal)
		}
	})
}

// TestManyConnections is bounded by the goroutines that the race detector allows.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	const many = 3000
	d := &decider{}
	h, err := New(Options{Decider: d})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	conns := make([]net.Conn, many)
	for i := range conns {
		var server net.Conn
		conns[i], server = net.Pipe()
		wg.Go(func() { h.Handle(t.Context(), server) })
	}
	for range 2 {
		for _, c := range conns {
			ask(t, c)
		}
	}
	for _, c := range conns {
		c.Close()
	}
	wg.Wait()
}

// stream is a connection that holds all its input, in reads of any size.
type stream struct {
	net.Conn
	r   io.Reader
	out bytes.Buffer
}

func (s *stream) Read(p []byte) (int, error)         { return s.r.Read(p) }
func (s *stream) Write(p []byte) (int, error)        { return s.out.Write(p) }
func (s *stream) Close() error                       { return nil }
func (s *stream) SetReadDeadline(time.Time) error    { return nil }
func (s *stream) SetWriteDeadline(t time.Time) error { return nil }
func (s *stream) RemoteAddr() net.Addr               { return &net.UnixAddr{} }

var replies = regexp.MustCompile(`^(action=(DUNNO|[45]5[0-9] [ -~]{1,410}|WARN [ -~]{1,450})\n\n)*$`)

// FuzzConnection checks that whatever a peer writes, however it is cut, only
// whole replies leave, and the same ones.
func FuzzConnection(f *testing.F) {
	f.Add([]byte(full + full))
	f.Add([]byte("request=smtpd_access_policy\nprotocol_state=RCPT\nrecipient=hostile@x\nrecipient=b\n\nx"))
	f.Add([]byte("a=" + strings.Repeat("b", 9000) + "\n\n"))
	f.Add([]byte("\n\n=\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var first string
		for i, r := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in)), iotest.HalfReader(bytes.NewReader(in))} {
			d := &decider{}
			h, err := New(Options{Decider: d})
			if err != nil {
				t.Fatal(err)
			}
			s := &stream{r: r}
			h.Handle(t.Context(), s)
			out := s.out.String()
			if !replies.MatchString(out) {
				t.Fatalf("%q answered %q", in, out)
			}
			got := strings.Join(d.queries(), "\n") + "\n" + out
			if i == 0 {
				first = got
			} else if got != first {
				t.Fatalf("%q cut otherwise:\n%s\nnot\n%s", in, got, first)
			}
		}
	})
}

func BenchmarkParseEncode(b *testing.B) {
	data, err := os.ReadFile("testdata/dialogues/usual.txt")
	if err != nil {
		b.Fatal(err)
	}
	var lines [][]byte
	for line := range strings.Lines(string(data)) {
		if text, ok := strings.CutPrefix(line, "C: "); ok {
			lines = append(lines, []byte(strings.TrimSuffix(text, "\n")))
		} else if strings.HasPrefix(line, "C:") {
			break
		}
	}
	d := policy.Decision{Action: policy.Reject, Code: 550, Enhanced: "5.1.1", Text: "example.org says that this mailbox does not exist"}
	var m message
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		m.reset()
		for _, l := range lines {
			if err := m.add(l); err != nil {
				b.Fatal(err)
			}
		}
		if _, ok, err := m.query(); !ok || err != nil {
			b.Fatal(ok, err)
		}
		out = appendReply(out[:0], d)
	}
}
