package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/httpapi"
	"rcptgate/internal/lab"
)

// worldConfig is the file of a daemon whose whole network is in memory.
const worldConfig = `hostname = "out1.lab.test"
%[1]s
[listen]
policy = ["fd:policy"]
milter = ["fd:milter"]
http   = "fd:http"
admin  = "fd:admin"
unix_group = ""
[dns]
servers = ["198.51.100.53:53"]
[store]
path     = "%[2]s"
key_file = "%[2]s/key"
[audit]
path = "%[3]s"
%[4]s
[policy]
mode = %[5]q
%[6]s
[probe]
sender   = %[7]q
allow_mx = ["127.64.0.0/10"]
allow_unfit_identity = %[8]t
%[9]s
`

// worldOptions say how a world differs from the usual one.
type worldOptions struct {
	mode      string // default "enforce"
	audit     string // path; default a file in the world's directory
	auditKeys string // further keys of [audit]
	policy    string // further keys of [policy] and tables after it
	probe     string // further keys of [probe] and tables after it
	sender    string // of probes; default verify@probe.lab.test
	noSender  bool
	fit       bool // the identity must do by itself: no allow_unfit_identity
	mistakes  bool // the audit log may lose lines, and the stop may fail
	edit      func(config string) string
}

// world is a simulated internet with the whole daemon in front of it, in a
// synctest bubble: hours pass in no time, and what is still running at the end
// fails the test.
type world struct {
	*lab.Internet
	*Daemon
	t       *testing.T
	dir     string
	doors   map[string]*pipeListener
	journal journal
	states  notes // that systemd was told
	reload  chan struct{}
	cancel  context.CancelFunc
	ended   chan error
	fresh   int // names made so far
	// What this host lacks, so that it cannot open a socket to a mail server, or
	// to a name server; nil: nothing.
	noSocket, noSocketDNS atomic.Pointer[net.OpError]
}

// inWorld starts a world, runs f in it, and stops it.
func inWorld(t *testing.T, o worldOptions, f func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, o)
		w.start()
		f(t, w)
		if err := w.stop(); err != nil && !o.mistakes {
			t.Errorf("stop: %v", err)
		}
		w.Internet.Close()
		w.verify(o)
	})
}

func newWorld(t *testing.T, o worldOptions) *world {
	t.Helper()
	w := &world{Internet: lab.New(lab.Options{RTT: 20 * time.Millisecond}), t: t, dir: t.TempDir()}
	w.Domain("probe.lab.test")
	w.write(o)
	return w
}

// write writes the configuration.
func (w *world) write(o worldOptions) {
	if o.sender == "" && !o.noSender {
		o.sender = "verify@probe.lab.test"
	}
	text := fmt.Sprintf(worldConfig, "", w.dir, cmp.Or(o.audit, w.path("audit.jsonl")), o.auditKeys,
		cmp.Or(o.mode, "enforce"), o.policy, o.sender, !o.fit, o.probe)
	if o.edit != nil {
		text = o.edit(text)
	}
	w.must(os.WriteFile(w.path("rcptgate.toml"), []byte(text), 0o600))
}

// rewrite changes the configuration file.
func (w *world) rewrite(pairs ...string) {
	w.t.Helper()
	text, err := os.ReadFile(w.path("rcptgate.toml"))
	w.must(err)
	next := strings.NewReplacer(pairs...).Replace(string(text))
	if next == string(text) {
		w.t.Fatalf("%q changes nothing", pairs)
	}
	w.must(os.WriteFile(w.path("rcptgate.toml"), []byte(next), 0o600))
}

// make acquires a daemon on the world's files.
func (w *world) make() (*Daemon, error) {
	w.doors = map[string]*pipeListener{}
	listeners := map[string][]net.Listener{}
	for _, name := range []string{"policy", "milter", "http", "admin"} {
		w.doors[name] = newPipeListener(name)
		listeners[name] = []net.Listener{w.doors[name]}
	}
	return New(Options{
		ConfigPath: w.path("rcptgate.toml"), Version: "test",
		Logger:    slog.New(slog.NewTextHandler(&w.journal, &slog.HandlerOptions{Level: slog.LevelInfo})),
		Listeners: listeners, Notify: w.states.add,
		Network: Network{
			ResolvConf: w.path("resolv.conf"),
			DialDNS: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if err := w.noSocketDNS.Load(); err != nil {
					return nil, err
				}
				return w.Dial(ctx, network, addr)
			},
			DialMX: func(ctx context.Context, src netip.Addr, dst netip.AddrPort) (net.Conn, error) {
				if err := w.noSocket.Load(); err != nil {
					return nil, err
				}
				return w.DialFrom(ctx, src, "tcp", dst.String())
			},
			OwnAddrs: func() ([]net.Addr, error) {
				return []net.Addr{&net.IPNet{IP: net.IPv4(127, 64, 255, 1), Mask: net.CIDRMask(8, 32)}}, nil
			},
		},
	})
}

// start makes a daemon and lets it serve.
func (w *world) start() {
	w.t.Helper()
	d, err := w.make()
	w.must(err)
	w.Daemon = d
	w.run()
}

func (w *world) run() {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.reload, w.ended = cancel, make(chan struct{}), make(chan error, 1)
	go func() { w.ended <- w.Run(ctx, w.reload) }()
	synctest.Wait()
}

// stop ends the daemon as SIGTERM does.
func (w *world) stop() error {
	w.cancel()
	return <-w.ended
}

// verify looks at what must hold after every story.
func (w *world) verify(o worldOptions) {
	w.t.Helper()
	for _, verb := range w.Verbs() {
		if !slices.Contains([]string{"CONNECT", "EHLO", "HELO", "STARTTLS", "MAIL", "RCPT", "RSET", "NOOP", "QUIT", "CLOSE"}, verb) {
			w.t.Errorf("%s was sent", verb)
		}
	}
	text := w.journal.String()
	if strings.Contains(text, "panic") {
		w.t.Errorf("the journal tells of a panic")
	}
	if n := w.audit.Lost(); n > 0 && !o.mistakes {
		w.t.Errorf("%d audit lines lost", n)
	}
	if w.t.Failed() {
		w.t.Logf("the journal:\n%s", text)
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

// dial connects to a door.
func (w *world) dial(door string) net.Conn {
	w.t.Helper()
	c, err := w.doors[door].dial()
	w.must(err)
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// rcpt asks the policy door about one recipient, for a message of its own.
func (w *world) rcpt(rcpt string) string {
	w.t.Helper()
	w.fresh++
	return w.rcptOf(fmt.Sprintf("message.%d", w.fresh), "news@esp.test", rcpt)
}

func (w *world) rcptOf(instance, sender, rcpt string) string {
	w.t.Helper()
	c := lab.NewPolicyClient(w.dial("policy"))
	defer c.Close()
	action, err := c.Rcpt(instance, "127.0.0.1", "", sender, rcpt)
	if err != nil {
		w.t.Errorf("policy door, %s: %v", rcpt, err)
	} else if !policyAnswer.MatchString(action) {
		w.t.Errorf("policy door, %s: %q may not be said (docs/design.md, rule 11)", rcpt, action)
	}
	return action
}

// What the doors may say at all.
var (
	policyAnswer = regexp.MustCompile(`^(DUNNO|WARN [ -~]+|(45[0-9] 4|55[0-9] 5)\.[0-9]\.[0-9]+ [ -~]+)$`)
	milterAnswer = regexp.MustCompile(`^(c|y (45[0-9] 4|55[0-9] 5)\.[0-9]\.[0-9]+ [ -~]+)$`)
)

// milterRcpt asks the milter door about one recipient, on a connection of its
// own.
func (w *world) milterRcpt(rcpt string) string {
	w.t.Helper()
	c, err := lab.NewMilterClient(w.dial("milter"))
	w.must(err)
	defer c.Close()
	_, err = c.Connect("127.0.0.1")
	w.must(err)
	_, err = c.Mail("news@esp.test", "")
	w.must(err)
	answer, err := c.Rcpt(rcpt, "esmtp")
	w.must(err)
	if !milterAnswer.MatchString(answer) {
		w.t.Errorf("milter door, %s: %q may not be said (docs/design.md, rule 11)", rcpt, answer)
	}
	return answer
}

// verdict is what the admin socket says of an address.
type worldVerdict struct {
	Status, Reason, Origin, Served string
	Evidence                       struct{ Text string }
}

func (w *world) check(addr string) (v worldVerdict) {
	w.t.Helper()
	code, body := w.http("admin", "POST", "/v1/verify", fmt.Sprintf(`{"address":%q}`, addr))
	if err := json.Unmarshal([]byte(body), &v); err != nil || code != http.StatusOK {
		w.t.Errorf("verify %s: %d %s", addr, code, body)
	}
	return v
}

// http asks one of the HTTP doors.
func (w *world) http(door, method, path, body string) (code int, text string) {
	w.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(context.Context, string, string) (net.Conn, error) { return w.doors[door].dial() },
	}}
	req, err := http.NewRequestWithContext(w.t.Context(), method, "http://rcptgate"+path, strings.NewReader(body))
	w.must(err)
	res, err := client.Do(req)
	if err != nil {
		w.t.Errorf("%s %s: %v", method, path, err)
		return 0, ""
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	w.must(err)
	return res.StatusCode, string(b)
}

// troubles are the parts that /healthz names.
func (w *world) troubles() (parts []httpapi.Part, text string) {
	w.t.Helper()
	code, text := w.http("http", "GET", "/healthz", "")
	var body struct{ Troubles []httpapi.Trouble }
	w.must(json.Unmarshal([]byte(text), &body))
	for _, t := range body.Troubles {
		parts = append(parts, t.Part)
	}
	if (code == http.StatusOK) != (len(parts) == 0) {
		w.t.Errorf("healthz: %d with %s", code, text)
	}
	return parts, text
}

// metric returns the line of a metric.
func (w *world) metric(name string) string {
	w.t.Helper()
	_, text := w.http("http", "GET", "/metrics", "")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	w.t.Errorf("no metric %s", name)
	return ""
}

// wellBehaved asks through each door about people of a domain that nobody has
// asked about, and wants the right answers: whatever went before, others are
// served.
func (w *world) wellBehaved() {
	w.t.Helper()
	w.fresh++
	domain := fmt.Sprintf("well%d.test", w.fresh)
	w.Site(domain, lab.Host{Exists: exists("ada")})
	for rcpt, want := range map[string]string{"ada@" + domain: "DUNNO", "nobody@" + domain: "550 5.1.1"} {
		if got := w.rcpt(rcpt); !strings.HasPrefix(got, want) {
			w.t.Errorf("policy door, %s: %q, want %s", rcpt, got, want)
		}
	}
	for rcpt, want := range map[string]string{"ada@" + domain: "c", "nobody2@" + domain: "y 550 5.1.1"} {
		if got := w.milterRcpt(rcpt); !strings.HasPrefix(got, want) {
			w.t.Errorf("milter door, %s: %q, want %s", rcpt, got, want)
		}
	}
	if v := w.check("ada@" + domain); v.Reason != "accepted" {
		w.t.Errorf("admin socket: %+v", v)
	}
	if n := w.metric("rcptgate_panics_total"); n != "0" {
		w.t.Errorf("%s panics", n)
	}
}

func exists(names ...string) func(local, domain string) bool {
	return func(local, _ string) bool { return slices.Contains(names, local) }
}

// events reads the audit log of a daemon that has stopped, or of one whose
// lines have been written.
func (w *world) events() []map[string]any {
	w.t.Helper()
	time.Sleep(time.Second) // of the bubble: the writer lingers
	data, err := os.ReadFile(w.path("audit.jsonl"))
	w.must(err)
	var all []map[string]any
	for line := range bytes.Lines(data) {
		var e map[string]any
		w.must(json.Unmarshal(line, &e))
		all = append(all, e)
	}
	return all
}

// decided returns the last decision about a recipient.
func (w *world) decided(rcpt string) map[string]any {
	w.t.Helper()
	events := w.events()
	for _, e := range slices.Backward(events) {
		if e["event"] == "decision" && e["recipient"] == rcpt {
			return e
		}
	}
	w.t.Errorf("no decision about %s", rcpt)
	return nil
}
