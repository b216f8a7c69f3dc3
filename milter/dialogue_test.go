package milter

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"rcptgate/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// decider answers by the local part of the recipient.
type decider struct {
	mu      sync.Mutex
	queries []policy.Query
	names   map[string]string // instance → small number
	ended   []string
}

func (d *decider) Decide(ctx context.Context, q policy.Query) policy.Decision {
	d.mu.Lock()
	if d.names == nil {
		d.names = map[string]string{}
	}
	if d.names[q.Instance] == "" {
		d.names[q.Instance] = strconv.Itoa(len(d.names) + 1)
	}
	q.Instance = d.names[q.Instance]
	d.queries = append(d.queries, q)
	d.mu.Unlock()
	local, _, _ := strings.Cut(strings.TrimLeft(q.Recipient, `<"`), "@")
	switch {
	case strings.HasPrefix(local, "unknown"):
		return policy.Decision{ID: "1", Action: policy.Reject, Code: 550, Enhanced: "5.1.1", Text: "no such mailbox " + local}
	case local == "later":
		return policy.Decision{ID: "2", Action: policy.Defer, Code: 450, Enhanced: "4.2.0", Text: "try later"}
	case local == "warned":
		return policy.Decision{ID: "3", Action: policy.Accept, Warning: true, Would: policy.Reject, Code: 550, Enhanced: "5.1.1", Text: "would"}
	case local == "percent":
		return policy.Decision{ID: "4", Action: policy.Reject, Code: 550, Enhanced: "5.1.1", Text: "100% of\r\n421 ü\x00"}
	case local == "class":
		return policy.Decision{ID: "5", Action: policy.Reject, Code: 550, Enhanced: "4.1.1", Text: "classes differ"}
	case local == "shutdown":
		return policy.Decision{ID: "6", Action: policy.Defer, Code: 421, Enhanced: "4.7.0", Text: "closing"}
	case local == "panic":
		panic("a mistake of ours")
	case local == "slow":
		<-ctx.Done()
	}
	return policy.Decision{ID: "0", Action: policy.Accept}
}

func (d *decider) EndMessage(instance string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = append(d.ended, instance)
}

// take returns what was asked since the last call, one line a query.
func (d *decider) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, q := range d.queries {
		line := fmt.Sprintf("? %s", q.Recipient)
		for _, kv := range [][2]string{
			{"form", strconv.Itoa(int(q.RecipientForm))},
			{"from", q.Sender},
			{"client", addrText(q)},
			{"sasl", q.SASLUsername},
			{"context", q.PolicyContext},
			{"instance", q.Instance},
			{"queue", q.QueueID},
		} {
			if kv[1] != "" {
				line += " " + kv[0] + "=" + kv[1]
			}
		}
		if q.NoReject {
			line += " noreject"
		}
		lines = append(lines, line)
	}
	d.queries = nil
	return lines
}

func addrText(q policy.Query) string {
	if !q.Client.IsValid() {
		return ""
	}
	return q.Client.String()
}

func newServer(t testing.TB, d Decider, st Settings) *Server {
	t.Helper()
	if st.Mailers == nil {
		st.Mailers = []string{"smtp", "esmtp"}
	}
	s, err := New(Options{Decider: d, Settings: func() Settings { return st }, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mta is the MTA's end of a connection, frame by frame.
type mta struct {
	net.Conn
	done chan struct{} // Handle has returned
}

// connect starts Handle on one end of a pipe and returns the other.
func connect(ctx context.Context, s *Server) *mta {
	ours, theirs := net.Pipe()
	m := &mta{theirs, make(chan struct{})}
	go func() {
		defer close(m.done)
		s.Handle(ctx, ours)
	}()
	return m
}

func (m *mta) send(t testing.TB, cmd byte, data string) {
	t.Helper()
	if _, err := m.Write(appendPacket(nil, cmd, []byte(data))); err != nil {
		t.Errorf("sending %q: %v", cmd, err)
	}
}

// read returns the next reply as a line of a dialogue.
func (m *mta) read() string {
	var head [4]byte
	if _, err := io.ReadFull(m, head[:]); err != nil {
		return "< end"
	}
	data := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(m, data); err != nil {
		return "< cut"
	}
	if data[0] == 'O' {
		return "< O " + hex.EncodeToString(data[1:min(13, len(data))]) + strings.ReplaceAll(fmt.Sprintf(" %q", data[min(13, len(data)):]), `"`, "")
	}
	return strings.TrimRight("< "+string(data[0])+" "+strings.ReplaceAll(string(data[1:]), "\x00", "|"), " ")
}

// close hangs up and waits until Handle has returned.
func (m *mta) close() {
	m.Conn.Close()
	<-m.done
}

// TestDialogue plays the MTA's side of testdata/dialogue/*.txt. "> M data" sends
// a packet, with | for NUL and \xx for an octet; every "<" line is a reply, read
// where the file has one; every "?" line is a query that the policy was asked.
// The first line holds decide and on_partial.
func TestDialogue(t *testing.T) {
	files, err := filepath.Glob("testdata/dialogue/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no dialogues", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(script)) })
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if d := cmp.Diff(string(script), got); d != "" {
				t.Errorf("-want +got (go test ./milter -update rewrites it):\n%s", d)
			}
		})
	}
}

func play(t *testing.T, script string) string {
	var st Settings
	lines := strings.Split(strings.TrimRight(script, "\n"), "\n")
	if _, err := fmt.Sscanf(lines[0], "# decide %s", &st.OnPartial); err != nil {
		t.Fatalf("first line %q: %v", lines[0], err)
	}
	st.DecideEnd = st.OnPartial != "rcpt"
	if !st.DecideEnd {
		st.OnPartial = Keep
	}
	d := &decider{}
	m := connect(t.Context(), newServer(t, d, st))
	var out bytes.Buffer
	for _, line := range lines {
		switch {
		case strings.HasPrefix(line, "?"):
			continue // written where they come
		case strings.HasPrefix(line, "<"):
			line = m.read()
		case strings.HasPrefix(line, "> "):
			m.send(t, line[2], unescape(t, strings.TrimPrefix(line[3:], " ")))
		}
		synctest.Wait()
		fmt.Fprintln(&out, line)
		for _, q := range d.take() {
			fmt.Fprintln(&out, q)
		}
	}
	m.close()
	return out.String()
}

// unescape reads | as NUL and \xx as an octet.
func unescape(t *testing.T, s string) string {
	s, err := strconv.Unquote(`"` + strings.NewReplacer("|", `\x00`, `"`, `\"`).Replace(s) + `"`)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
