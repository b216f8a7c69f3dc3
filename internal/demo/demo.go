// Package demo plays the main job on one machine: a simulated mail internet on
// loopback, the real daemon with a real configuration file, and the injection
// of a small campaign through both doors. It shows what happened and why.
package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rcptgate/internal/daemon"
	"rcptgate/internal/lab"
)

// limit bounds the whole demo.
const limit = 55 * time.Second

const config = `hostname = "out1.lab.test"

[listen]
policy = ["unix:%[1]s/policy.sock"]
milter = ["unix:%[1]s/milter.sock"]
http   = ""
admin  = ""
unix_group = ""

[dns]
servers = [%[2]q]

[probe]
sender   = "verify@probe.lab.test"
port     = %[3]d
allow_mx = [%[4]q]
# the names of this demo are reserved ones (RFC 2606)
allow_unfit_identity = true
dialogue_timeout = "12s"    # the demo does not wait a minute for its tarpit

[store]
path     = "%[1]s"
key_file = "%[1]s/key"

[policy]
mode = "monitor"            # as shipped: nothing is refused, everything is recorded

[[policy.rule]]
name = "invoices"
sasl_username = ["billing"]
action = "verify"
mode = "enforce"            # this one stream is enforced

[audit]
path = "%[1]s/audit.jsonl"
`

// Run plays the demo and writes its story to out. It needs no root and no
// network, takes less than a minute, and leaves nothing behind.
func Run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "rcptgate-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	defer os.RemoveAll(dir)

	internet := lab.New(lab.Options{RTT: 20 * time.Millisecond})
	defer internet.Close()
	campaign := world(internet)
	dnsAddr, port, err := internet.Listen()
	if err != nil {
		return fmt.Errorf("start the simulated internet: %w", err)
	}
	file := filepath.Join(dir, "rcptgate.toml")
	text := fmt.Sprintf(config, dir, dnsAddr, port, allowed.String())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return err
	}
	d, err := daemon.New(daemon.Options{ConfigPath: file, Logger: slog.New(slog.DiscardHandler), Version: "demo"})
	if err != nil {
		return err
	}
	served, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- d.Run(served, nil) }()

	p := &printer{w: out}
	p.title("a simulated mail internet and the real daemon, with this configuration")
	p.indent(text)
	answers, err := inject(ctx, d, campaign)
	stop() // drains: the records of monitor mode are written before it ends
	err = errors.Join(err, <-ended)
	if err != nil {
		return err
	}
	record, err := os.ReadFile(filepath.Join(dir, "audit.jsonl"))
	if err != nil {
		return err
	}
	story(p, campaign, answers, record)
	p.farEnd(internet)
	p.title("how to go on")
	p.line("README.md has five minutes with Postfix and with Sendmail; config.example.toml explains every key;")
	p.line("docs/verdicts.md says what each reason means. Begin in monitor mode, as this campaign did.")
	return p.err
}

// answer is what the doors said about one recipient.
type answer struct{ policy, milter string }

// inject plays the campaign as a newsletter through the policy door (monitor
// mode) and then as invoices through the milter door (enforced).
func inject(ctx context.Context, d *daemon.Daemon, campaign []recipient) ([]answer, error) {
	answers := make([]answer, len(campaign))
	conn, err := dial(ctx, d.Addrs("policy")[0])
	if err != nil {
		return nil, err
	}
	pc := lab.NewPolicyClient(conn)
	defer pc.Close()
	for i, r := range campaign {
		answers[i].policy, err = pc.Rcpt(fmt.Sprintf("demo.news.%d", i), "127.0.0.1", "news", "news@esp.test", r.address)
		if err != nil {
			return nil, fmt.Errorf("policy door: %w", err)
		}
	}
	conn, err = dial(ctx, d.Addrs("milter")[0])
	if err != nil {
		return nil, err
	}
	mc, err := lab.NewMilterClient(conn)
	if err != nil {
		return nil, fmt.Errorf("milter door: %w", err)
	}
	defer mc.Close()
	if _, err := mc.Connect("127.0.0.1"); err != nil {
		return nil, fmt.Errorf("milter door: %w", err)
	}
	for i, r := range campaign {
		if _, err := mc.Mail("billing@esp.test", "billing"); err != nil {
			return nil, fmt.Errorf("milter door: %w", err)
		}
		if answers[i].milter, err = mc.Rcpt(r.address, "esmtp"); err != nil {
			return nil, fmt.Errorf("milter door: %w", err)
		}
		if err := mc.Abort(); err != nil {
			return nil, fmt.Errorf("milter door: %w", err)
		}
	}
	return answers, nil
}

func dial(ctx context.Context, a net.Addr) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, a.Network(), a.String())
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(limit))
}

// event is what the story needs of an audit line.
type event struct {
	Event, Door, Mode, Recipient, Status, Reason, Action, Would, MX string
	ProbeID                                                         string `json:"probe_id"`
	SMTPReply                                                       string `json:"smtp_reply"`
	Addresses, Replies                                              []string
	raw                                                             string
}

func parse(record []byte) []event {
	var events []event
	sc := bufio.NewScanner(bytes.NewReader(record))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var e event
		if json.Unmarshal(sc.Bytes(), &e) == nil {
			e.raw = sc.Text()
			events = append(events, e)
		}
	}
	return events
}

func story(p *printer, campaign []recipient, answers []answer, record []byte) {
	events := parse(record)
	find := func(kind, door, address string) (event, bool) {
		i := slices.IndexFunc(events, func(e event) bool {
			return e.Event == kind && (door == "" || e.Door == door) &&
				(e.Recipient == address || slices.Contains(e.Addresses, address))
		})
		if i < 0 {
			return event{}, false
		}
		return events[i], true
	}

	p.title("three conversations")
	for _, a := range []string{"nobody@truthful.test", "ada@blanket.test", "ada@angry.test"} {
		if e, ok := find("probe", "", a); ok {
			p.line("%s, at %s:", a, e.MX)
			for _, r := range e.Replies {
				p.line("    %s", r)
			}
		}
	}

	p.title("the campaign: what the far end is like, the verdict, what the doors said")
	total, saved, refused := 0, 0, 0
	for i, r := range campaign {
		// The newsletter came first: its record has the answer of the MX,
		// the invoices' one what was known by then.
		e, ok := find("decision", "policy", r.address)
		if !ok {
			continue
		}
		total++
		p.line("%-22s %s", r.address, r.far)
		p.line("    verdict  %s (%s)", e.Status, e.Reason)
		p.line("    policy   %s", answers[i].policy)
		p.line("    milter   %s", milterWords(answers[i].milter))
		if e.Would == "reject" {
			saved++
		}
		if strings.HasPrefix(answers[i].milter, "y 5") {
			refused++
		}
	}

	p.title("three audit lines")
	for _, kind := range []string{"decision", "probe", "breaker"} {
		if i := slices.IndexFunc(events, func(e event) bool { return e.Event == kind }); i >= 0 {
			p.line("%s", events[i].raw)
		}
	}

	p.title("what enforcing saves")
	p.line("the newsletter was in monitor mode: nothing refused; %d of %d recipients would have been, each a bounce saved", saved, total)
	p.line("the invoices were enforced: %d of %d recipients refused before the message was queued", refused, total)
}

func milterWords(s string) string {
	if s == "c" {
		return "continue"
	}
	return strings.TrimPrefix(s, "y ")
}

// printer writes the story and keeps the first error.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *printer) title(text string) { p.line("\n== %s ==\n", text) }

func (p *printer) indent(text string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		p.line("    %s", line)
	}
}

// farEnd says what the simulated servers counted.
func (p *printer) farEnd(n *lab.Internet) {
	p.title("what the far end saw")
	p.line("%d connections, %d recipients asked, %d of them refused; %d DNS queries; commands: %s",
		n.Count("", "CONNECT", -1), n.Count("", "RCPT", -1), n.Count("", "RCPT", 5), n.Queries(),
		strings.Join(slices.DeleteFunc(n.Verbs(), func(v string) bool { return v == "CONNECT" || v == "CLOSE" }), " "))
	p.line("no message was sent: a probe stops after RCPT TO")
}
