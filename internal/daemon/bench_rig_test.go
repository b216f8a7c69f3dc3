package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// The benchmarks hold the whole daemon, doors and files and all, against a
// simulated internet on loopback. What they claim is a ratio to a yardstick
// that is measured in turn with it, run by run; absolute figures stand beside.

const (
	benchRTT  = 20 * time.Millisecond
	benchRuns = 9
)

// lifted are the values that keep no probe waiting.
const lifted = `
max_sessions = 100000
connects_per_second = 1000000.0
max_queued = 1000000
[pace]
connections = 100000
connections_per_minute = 1000000
rcpts_per_session = 100000
invalid_per_session = 100000
invalid_per_hour = 1000000
probes_per_minute = 1000000
min_interval = "0s"
`

// benchConfig is the file of a daemon whose far end is a lab on loopback: DIR,
// DNS, port, the end of [probe] with what may follow it, the end of [policy].
const benchConfig = `hostname = "out1.lab.test"
[listen]
policy = ["unix:%[1]s/policy.sock"]
milter = []
http   = ""
admin  = ""
unix_group = ""
[dns]
servers = [%[2]q]
[store]
path     = "%[1]s"
key_file = "%[1]s/key"
[audit]
path = "%[1]s/audit.jsonl"
[policy]
mode = "enforce"
max_waiting = 100000
max_waiting_per_site = 100000
%[5]s
[probe]
sender   = "verify@probe.lab.test"
port     = %[3]d
allow_mx = ["127.64.0.0/10"]
allow_unfit_identity = true
%[4]s
`

// rig is one simulated internet on loopback.
type rig struct {
	*lab.Internet
	b     *testing.B
	dns   string
	port  int
	fresh int // domains made so far
}

func newRig(b *testing.B) *rig { return newRigAt(b, benchRTT) }

func newRigAt(b *testing.B, rtt time.Duration) *rig {
	r := &rig{Internet: lab.New(lab.Options{RTT: rtt, NoLog: true}), b: b}
	b.Cleanup(r.Close)
	r.Domain("probe.lab.test")
	var err error
	if r.dns, r.port, err = r.Listen(); err != nil {
		b.Fatal(err)
	}
	return r
}

// domain makes a domain that nobody has asked about, at a server of its own
// where ada exists.
func (r *rig) domain() string {
	r.fresh++
	d := nthDomain(r.fresh)
	r.Site(d, lab.Host{Exists: func(local, _ string) bool { return local == "ada" }})
	return d
}

func nthDomain(n int) string { return fmt.Sprintf("d%d.bench.test", n) }

// bare asks as the least program would and returns how long that took.
func (r *rig) bare(rcpt, want string) time.Duration {
	start := time.Now()
	code, err := lab.BareProbe(context.Background(), new(net.Dialer).DialContext, r.dns, r.port, rcpt)
	if err != nil || code != want {
		r.b.Fatal(code, err)
	}
	return time.Since(start)
}

// daemon starts one with further lines for [probe] and [policy].
func (r *rig) daemon(probe, policy string) *benchDaemon {
	b, dir := r.b, r.b.TempDir()
	cfg, err := Parse("bench.toml", fmt.Appendf(nil, benchConfig, dir, r.dns, r.port, probe, policy))
	if err != nil {
		b.Fatal(err)
	}
	d, err := New(Options{Config: cfg, Logger: slog.New(slog.DiscardHandler), Version: "bench"})
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, nil) }()
	b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		if n := d.audit.Lost(); n > 0 {
			b.Errorf("%d audit lines lost", n)
		}
	})
	return &benchDaemon{Daemon: d, b: b, socket: filepath.Join(dir, "policy.sock")}
}

// benchDaemon is a daemon that serves.
type benchDaemon struct {
	*Daemon
	b      *testing.B
	socket string
}

func (d *benchDaemon) dial() *asker { return dialAsker(d.b, d.socket) }

// asker is one smtpd: a connection to the policy door.
type asker struct {
	*lab.PolicyClient
	b *testing.B
	n int
}

func dialAsker(b *testing.B, socket string) *asker {
	c, err := net.Dial("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	a := &asker{PolicyClient: lab.NewPolicyClient(c), b: b}
	b.Cleanup(func() { _ = a.Close() })
	return a
}

// ask asks about one recipient of a message of its own and returns how long
// the answer took; it must begin with want. It may run beside the benchmark's
// goroutine.
func (a *asker) ask(rcpt, want string) time.Duration {
	a.n++
	instance := fmt.Sprintf("%p.%d", a, a.n)
	start := time.Now()
	action, err := a.Rcpt(instance, "127.0.0.1", "", "news@esp.test", rcpt)
	took := time.Since(start)
	if err != nil || !strings.HasPrefix(action, want) {
		a.b.Errorf("%s: %q, %v; want %s", rcpt, action, err, want)
	}
	return took
}

// median of n measurements, in seconds.
func median(n int, f func() time.Duration) float64 {
	series := make([]float64, n)
	for i := range series {
		series[i] = f().Seconds()
	}
	return lab.QuartilesOf(series).Median
}

// report prints a ratio and makes it the benchmark's metric.
func report(b *testing.B, unit string, q lab.Quartiles, what string) {
	b.Logf("%s: median %.3f, quartiles %.3f to %.3f (%d runs)", what, q.Median, q.Q1, q.Q3, benchRuns)
	b.ReportMetric(q.Median, unit)
	b.ReportMetric(q.Q1, unit+"-q1")
	b.ReportMetric(q.Q3, unit+"-q3")
}

// load prints how busy the machine was: CPU-bound figures vary with it.
func load(b *testing.B) {
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		b.Logf("load average of the machine: %s", strings.TrimSpace(string(text)))
	}
}
