package daemon

import (
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// BenchmarkEgressCut measures what an asker waits for an address that nobody
// knows while no MX can be connected to: wanted are 50 ms at the 99th
// percentile (docs/design.md, rule 12). The name server is near, as one beside
// a mail server is.
func BenchmarkEgressCut(b *testing.B) {
	const misses = 1000
	for b.Loop() {
		r := newRigAt(b, 0)
		fresh := func() string {
			r.fresh++
			d := nthDomain(r.fresh)
			r.Site(d, lab.Host{Dead: true})
			return "ada@" + d
		}
		d := r.daemon("", "")
		a := d.dial()
		for range 5 { // sites that fail make it known
			a.ask(fresh(), "DUNNO")
		}
		series := make([]float64, misses)
		for i := range series {
			series[i] = a.ask(fresh(), "DUNNO").Seconds()
		}
		if !d.pacer.Blind() {
			b.Fatal("the daemon does not know that it is blind")
		}
		p99 := lab.Percentile(series, 0.99)
		b.Logf("%d misses with the egress cut: p50 %v, p99 %v (wanted: p99 ≤ 50ms)", misses,
			time.Duration(lab.Percentile(series, 0.5)*1e9).Round(time.Microsecond), time.Duration(p99*1e9).Round(time.Microsecond))
		b.ReportMetric(p99*1e3, "p99-ms")
	}
	load(b)
}
