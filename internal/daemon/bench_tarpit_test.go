package daemon

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// tarpitPace lets ten thousand sessions open at once.
const tarpitPace = `dialogue_timeout = "10m"
after_accept = "queue"` + lifted

// BenchmarkTarpits is the memory of a daemon with 10,000 sessions open at
// servers that do not answer RCPT, each at a site of its own. The daemon is a
// process of its own; nobody waits for its answers. What a session costs under
// TLS stands beside, with fewer of them: ten thousand handshakes take longer
// than the servers let a session wait.
func BenchmarkTarpits(b *testing.B) {
	for _, c := range []struct {
		name, startTLS string
		sessions       int
	}{{"plain text", "", 10_000}, {"TLS", "ok", 2000}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				tarpits(b, c.startTLS, c.sessions)
			}
		})
	}
}

func tarpits(b *testing.B, startTLS string, sessions int) {
	const askers, servers = 50, 100
	r := newRig(b)
	hosts := make([]string, servers)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("tarpit%d.bench.test", i)
		r.Host(hosts[i], lab.Host{StartTLS: startTLS, Delay: map[string]time.Duration{"RCPT": time.Hour}})
	}
	d, socket := r.daemonProcess(tarpitPace, `answer_budget = "1ms"`)
	start := time.Now()
	var wg sync.WaitGroup
	for c := range askers {
		a := dialAsker(b, socket)
		wg.Go(func() {
			for i := c; i < sessions; i += askers {
				d := fmt.Sprintf("d%d.bench.test", i)
				r.Alias("mx."+d, hosts[i%servers])
				r.Domain(d, lab.MX{Pref: 10, Host: "mx." + d})
				a.ask("ada@"+d, "DUNNO")
			}
		})
	}
	// A MAIL with a 250 is a session that waits for RCPT, for 45 s.
	peak, open := 0, 0
	for open < sessions && time.Since(start) < 40*time.Second {
		time.Sleep(100 * time.Millisecond)
		open = r.Count("", "MAIL", 2) - r.Count("", "CLOSE", -1)
		peak = max(peak, rssAnon(b, d.pid))
	}
	took := time.Since(start)
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		peak = max(peak, rssAnon(b, d.pid))
	}
	wg.Wait()
	if open < sessions {
		b.Errorf("%d sessions open", open)
	}
	load(b)
	b.Logf("%d sessions open after %.1f s: RssAnon %d MB at most, %.0f kB a session (wanted with 10,000: at most 500 MB)",
		open, took.Seconds(), peak, float64(peak)*1024/float64(sessions))
	b.ReportMetric(float64(peak), "MB-RssAnon")
	b.ReportMetric(float64(open), "sessions")
}
