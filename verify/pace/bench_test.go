package pace

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
)

// tarpit opens nothing until its context ends.
type tarpit struct{}

func (tarpit) open(ctx context.Context, _ *probe.Request) (dialogue, *probe.Transcript, probe.Step) {
	<-ctx.Done()
	return nil, &probe.Transcript{}, probe.Step{Failure: probe.Canceled}
}

// BenchmarkQueue is what it costs to queue, ask for the ETA of and cancel one
// of 100,000 jobs at sites that all wait.
func BenchmarkQueue(b *testing.B) {
	for _, sites := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprintf("%d sites", sites), func(b *testing.B) {
			bk, err := provider.New(provider.Overrides{Pace: provider.DefaultLimits()})
			if err != nil {
				b.Fatal(err)
			}
			s := &Settings{Sources: []probe.Source{{HELO: "a.example.net"}}, Book: bk, MaxQueued: 1 << 30, QueueTimeout: 24 * time.Hour}
			p := newPacer(Options{Settings: func() *Settings { return s }}, tarpit{})
			if err := p.Start(); err != nil {
				b.Fatal(err)
			}
			jobs := make([]*Job, 100_000)
			for i := range jobs {
				jobs[i] = benchJob(b, i, sites)
			}
			before := heapInUse()
			for _, j := range jobs {
				p.Submit(j)
			}
			each := float64(heapInUse()-before) / float64(len(jobs))
			i := 0
			for b.Loop() {
				t, _ := p.Submit(jobs[i%len(jobs)])
				t.ETA()
				t.Cancel()
				i++
			}
			b.ReportMetric(each, "B/job")
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			if err := p.Stop(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse
}

func benchJob(b *testing.B, i, sites int) *Job {
	n := i % sites
	d, err := address.ParseDomain(fmt.Sprintf("d%d.test", n))
	if err != nil {
		b.Fatal(err)
	}
	a, err := address.Make(fmt.Sprintf("u%d", i), d)
	if err != nil {
		b.Fatal(err)
	}
	h := mx.Host{Name: fmt.Sprintf("mx.d%d.test", n)}
	return &Job{
		Rcpt: a, Tenant: fmt.Sprint(i % 7), Live: i%2 == 0,
		Route: mx.Route{
			Domain: d, Outcome: mx.Found, Site: mx.Site(h.Name), Hosts: []mx.Host{h},
			Targets: []mx.Target{{Host: h, Addr: netip.AddrFrom4([4]byte{127, byte(64 + n>>16), byte(n >> 8), byte(n)}), Preferred: true}},
		},
		Converse: func(context.Context, *Session) {}, Drop: func(Outcome) {},
	}
}
