package httpapi

import (
	"github.com/prometheus/client_golang/prometheus"

	"rcptgate/verify"
	"rcptgate/verify/pace"
)

// StoreStats are the numbers of the verdict store.
type StoreStats struct {
	Verdicts, Domains, Sites int
	Pending                  int // records waiting for the writer
	Dropped                  int // records it never saw
	Bytes                    int64
}

// Sources are asked at each scrape, once each; nil ones are left out. They
// must be safe for concurrent use and quick.
type Sources struct {
	Pace      func() pace.Snapshot
	Verify    func() verify.Snapshot
	Store     func() StoreStats
	AuditLost func() uint64
	Panics    func() uint64 // recovered by the policy engine; the others' are in their snapshots
	Health    func() []Trouble
	Unready   func() string
}

// Watch adds what the sources say to the metrics. It is called once, when the
// parts of the daemon stand.
func (m *Metrics) Watch(s Sources) { m.registry.MustRegister(newGauges(m, s)) }

// gauges reads the sources at a scrape.
type gauges struct {
	m     *Metrics
	s     Sources
	descs map[string]*prometheus.Desc
}

func newGauges(m *Metrics, s Sources) *gauges {
	g := &gauges{m: m, s: s, descs: map[string]*prometheus.Desc{}}
	for _, m := range []metric{
		breakersOpen, queued, sessions, lanes, waiting, flights, greylist,
		storeRecords, storeBytes, storePending, storeDropped, auditLost, trouble, ready, panicsTotal,
	} {
		g.descs[m.name] = prometheus.NewDesc(m.name, m.help, m.labels, nil)
	}
	return g
}

// Describe is for the registry.
func (g *gauges) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range g.descs {
		ch <- d
	}
}

// Collect is for the registry.
func (g *gauges) Collect(ch chan<- prometheus.Metric) {
	put := func(m metric, v float64, labels ...string) {
		kind := prometheus.GaugeValue
		if m.kind == "counter" {
			kind = prometheus.CounterValue
		}
		ch <- prometheus.MustNewConstMetric(g.descs[m.name], kind, v, labels...)
	}
	panics := g.m.panics.Load()
	if g.s.Panics != nil {
		panics += g.s.Panics()
	}
	if g.s.Pace != nil {
		p := g.s.Pace()
		panics += p.Panics
		pacing(put, p)
	}
	if g.s.Verify != nil {
		v := g.s.Verify()
		panics += uint64(v.Panics)
		put(waiting, float64(v.Waiting))
		put(flights, float64(v.Flights))
		put(greylist, float64(v.Greylist))
	}
	put(panicsTotal, float64(panics))
	if g.s.Store != nil {
		st := g.s.Store()
		put(storeRecords, float64(st.Verdicts), "verdict")
		put(storeRecords, float64(st.Domains), "domain")
		put(storeRecords, float64(st.Sites), "site")
		put(storeBytes, float64(st.Bytes))
		put(storePending, float64(st.Pending))
		put(storeDropped, float64(st.Dropped))
	}
	if g.s.AuditLost != nil {
		put(auditLost, float64(g.s.AuditLost()))
	}
	if g.s.Health != nil {
		in := map[Part]float64{}
		for _, t := range g.s.Health() {
			in[t.Part] = 1
		}
		for _, p := range Parts() {
			put(trouble, in[p], string(p))
		}
	}
	if g.s.Unready != nil {
		v := 1.0
		if g.s.Unready() != "" {
			v = 0
		}
		put(ready, v)
	}
}

func pacing(put func(metric, float64, ...string), s pace.Snapshot) {
	put(queued, float64(s.Queued))
	put(sessions, float64(s.Sessions-s.IdleSessions), "busy")
	put(sessions, float64(s.IdleSessions), "idle")
	put(lanes, float64(s.Lanes))
	type key struct{ scope, state string }
	n := map[key]float64{}
	for _, b := range s.Breakers {
		n[key{string(b.Scope), b.State}]++
	}
	for k, v := range n {
		put(breakersOpen, v, k.scope, k.state)
	}
}
