package daemon

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// The floor of a cold verdict in round trips: MX, A, connect, greeting, EHLO,
// MAIL and RCPT in one flight; a refusal has its control, one more.
const (
	floorAccepted = 6 * benchRTT
	floorRefused  = 7 * benchRTT
)

// BenchmarkCold is what an asker waits whose recipient nobody has asked about,
// at a domain nobody has asked about.
func BenchmarkCold(b *testing.B) {
	for _, c := range []struct {
		name, local, code, action, pace string
		floor                           time.Duration
	}{
		{"accepted", "ada", "250", "DUNNO", lifted, floorAccepted},
		{"refused", "nobody", "550", "550 5.1.1", lifted, floorRefused},
		{"refused, default pace", "nobody", "550", "550 5.1.1", "", floorRefused},
	} {
		b.Run(c.name, func(b *testing.B) {
			const asks = 7 // a run
			r := newRig(b)
			a := r.daemon(c.pace, "").dial()
			for b.Loop() {
				var floor, bare, seconds []float64
				for range benchRuns {
					x := median(asks, func() time.Duration { return a.ask(c.local+"@"+r.domain(), c.action) })
					y := median(asks, func() time.Duration { return r.bare(c.local+"@"+r.domain(), c.code) })
					floor, bare, seconds = append(floor, x/c.floor.Seconds()), append(bare, x/y), append(seconds, x)
				}
				load(b)
				b.Logf("p50 %.1f ms", 1000*lab.QuartilesOf(seconds).Median)
				report(b, "x-bare", lab.QuartilesOf(bare), "p50 to a bare prober (6 round trips)")
				report(b, "x-floor", lab.QuartilesOf(floor), fmt.Sprintf("p50 to %v (wanted: at most 1.15)", c.floor))
			}
		})
	}
}

// truthfulSites has the sites of the rig told to be truthful: no verdict of
// theirs has a control after it.
const truthfulSites = `
[site.".bench.test"]
truth = "truthful"
`

// BenchmarkColdMany is cold verdicts a second, of 1,000 domains for 1,000
// askers at once, to a bare prober that makes the same round trips for the same
// askers; and, as x-direct, to one that nobody asks: it has the addresses at
// hand. Daemon and prober are processes of their own, as they would be
// deployed. With 100 the round trips decide, with 1,000 the processors, which
// they share with the askers and the far end.
func BenchmarkColdMany(b *testing.B) {
	for _, askers := range []int{100, 1000} {
		b.Run(fmt.Sprint(askers), func(b *testing.B) { coldMany(b, askers) })
	}
}

func coldMany(b *testing.B, askers int) {
	r := newRig(b)
	_, socket := r.daemonProcess(lifted+truthfulSites, "")
	prober, bareSocket := r.proberProcess()
	hosts := make([]string, askers)
	clients, bareClients := make([]*asker, askers), make([]*asker, askers)
	for i := range hosts {
		hosts[i] = "mx." + r.domain()
		clients[i], bareClients[i] = dialAsker(b, socket), dialAsker(b, bareSocket)
	}
	// fresh makes addresses at domains with MX names of their own on those
	// servers.
	fresh := func() []string {
		out := make([]string, askers)
		for i := range out {
			r.fresh++
			d := nthDomain(r.fresh)
			r.Alias("mx."+d, hosts[i])
			r.Domain(d, lab.MX{Pref: 10, Host: "mx." + d})
			out[i] = "ada@" + d
		}
		return out
	}
	persecond := func(ask func(rcpts []string)) float64 {
		rcpts := fresh()
		// Sessions of the run before lie idle for a while: whichever side they
		// end in would pay for them.
		for r.Count("", "CONNECT", -1) > r.Count("", "CLOSE", -1) {
			time.Sleep(100 * time.Millisecond)
		}
		start := time.Now()
		ask(rcpts)
		return float64(askers) / time.Since(start).Seconds()
	}
	asked := func(clients []*asker) float64 {
		return persecond(func(rcpts []string) {
			var wg sync.WaitGroup
			for i, rcpt := range rcpts {
				wg.Go(func() { clients[i].ask(rcpt, "DUNNO") })
			}
			wg.Wait()
		})
	}
	for b.Loop() {
		var absolute, bare, direct []float64
		for range benchRuns {
			x := asked(clients)
			absolute = append(absolute, x)
			bare = append(bare, x/asked(bareClients))
			direct = append(direct, x/persecond(func(rcpts []string) { prober.probe(b, rcpts) }))
		}
		load(b)
		b.Logf("%.0f verdicts a second", lab.QuartilesOf(absolute).Median)
		report(b, "x-bare", lab.QuartilesOf(bare), "verdicts a second to a bare prober with the same askers (wanted: at least 0.8)")
		report(b, "x-direct", lab.QuartilesOf(direct), "verdicts a second to a bare prober without askers (wanted: at least 0.8)")
	}
}

// BenchmarkWarm is policy requests a second that the store answers, over a
// unix socket, with the audit log written, to a server that only parses and
// answers DUNNO.
func BenchmarkWarm(b *testing.B) {
	const conns, each, addresses = 10, 1000, 200
	r := newRig(b)
	d := r.daemon(lifted, "")
	warm := d.dial()
	domain := r.domain()
	r.Site(domain, lab.Host{CatchAll: true})
	for i := range addresses {
		warm.ask(fmt.Sprintf("u%d@%s", i, domain), "DUNNO")
	}
	trivial := serveTrivial(b)
	persecond := func(socket string) float64 {
		clients := make([]*asker, conns)
		for i := range clients {
			clients[i] = dialAsker(b, socket)
		}
		var wg sync.WaitGroup
		start := time.Now()
		for _, c := range clients {
			wg.Go(func() {
				for i := range each {
					c.ask(fmt.Sprintf("u%d@%s", i%addresses, domain), "DUNNO")
				}
			})
		}
		wg.Wait()
		return conns * each / time.Since(start).Seconds()
	}
	for b.Loop() {
		before := r.Count("", "CONNECT", -1)
		var absolute []float64
		q := lab.Ratios(benchRuns,
			func() float64 {
				x := persecond(d.socket)
				absolute = append(absolute, x)
				return x
			},
			func() float64 { return persecond(trivial) })
		if n := r.Count("", "CONNECT", -1) - before; n > 0 {
			b.Errorf("%d dialogues for warm requests", n)
		}
		load(b)
		b.Logf("%.0f requests a second, %d audit lines lost", lab.QuartilesOf(absolute).Median, d.audit.Lost())
		report(b, "x-trivial", q, "requests a second to a trivial server (wanted: at least 0.5)")
	}
}

// serveTrivial serves the yardstick of the policy protocol on a unix socket.
func serveTrivial(b *testing.B) (socket string) {
	socket = filepath.Join(b.TempDir(), "trivial.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { lab.TrivialPolicy(c, lab.Dunno) })
		}
	})
	b.Cleanup(func() { // the askers have hung up: they were made later
		_ = l.Close()
		wg.Wait()
	})
	return socket
}

// BenchmarkQueue is what others feel of 10,000 addresses that wait for one
// site: how fast known addresses are answered, and what a cold verdict
// elsewhere takes to the same in a daemon where nothing waits.
func BenchmarkQueue(b *testing.B) {
	const queued, known, asks = 10_000, 50, 7
	r := newRig(b)
	// An asker does not wait for what it will not get; the address stays.
	full, calm := r.daemon(`after_accept = "queue"`, ""), r.daemon("", "")
	slow, other := r.domain(), r.domain()
	r.Site(slow, lab.Host{Exists: func(local, _ string) bool { return local == "ada" || strings.HasPrefix(local, "user-") }})
	a, quiet := full.dial(), calm.dial()
	warm := []string{"ada@" + slow, "ada@" + other}
	for _, w := range warm {
		a.ask(w, "DUNNO")
	}
	var wg sync.WaitGroup
	for c := range 50 {
		x := full.dial()
		wg.Go(func() {
			for i := c; i < queued; i += 50 {
				x.ask(fmt.Sprintf("user-%d@%s", i, slow), "DUNNO")
			}
		})
	}
	wg.Wait()
	for b.Loop() {
		b.Logf("%d addresses wait", full.pacer.Snapshot().Queued)
		var cached [2][]float64
		q := lab.Ratios(benchRuns,
			func() float64 {
				for range known {
					for i, w := range warm {
						cached[i] = append(cached[i], a.ask(w, "DUNNO").Seconds())
					}
				}
				return median(asks, func() time.Duration { return a.ask("ada@"+r.domain(), "DUNNO") })
			},
			func() float64 {
				return median(asks, func() time.Duration { return quiet.ask("ada@"+r.domain(), "DUNNO") })
			})
		load(b)
		b.Logf("%d addresses wait", full.pacer.Snapshot().Queued)
		here, there := 1000*lab.Percentile(cached[0], 0.99), 1000*lab.Percentile(cached[1], 0.99)
		b.Logf("cached answers: p99 %.2f ms at that site, %.2f ms at another (wanted: at most 5)", here, there)
		b.ReportMetric(here, "ms-p99-site")
		b.ReportMetric(there, "ms-p99-other")
		report(b, "x-calm", q, "cold verdicts elsewhere to those without the queue (wanted: at most 1.2)")
	}
}
