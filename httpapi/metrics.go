package httpapi

import (
	"cmp"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"rcptgate/audit"
	"rcptgate/policy"
	"rcptgate/verify/pace"
	"rcptgate/verify/verdict"
)

// MetricsOptions of NewMetrics.
type MetricsOptions struct {
	Version string // of the daemon
}

// Metrics counts what happens, in a registry of its own. All methods are safe
// for concurrent use and never block.
type Metrics struct {
	registry *prometheus.Registry

	decisions   *prometheus.CounterVec
	decision    sync.Map // decisionLabels → prometheus.Counter: a look-up costs less than six labels
	waits       map[policy.Door]prometheus.Observer
	probes      *prometheus.CounterVec
	rcpts       *prometheus.CounterVec
	dialogue    prometheus.Histogram
	openings    *prometheus.CounterVec
	panics      atomic.Uint64 // that Panic was told of
	reloadOK    prometheus.Gauge
	reloadTime  prometheus.Gauge
	reloadTries *prometheus.CounterVec
}

type decisionLabels struct {
	door, mode, rule, action, would string
	reason                          verdict.Reason
}

// waitBuckets in seconds: from a store read to the longest answer budget.
var waitBuckets = []float64{.0005, .001, .005, .025, .1, .25, .5, 1, 2, 4, 8, 15, 30, 60}

// NewMetrics returns metrics that stand at zero.
func NewMetrics(o MetricsOptions) *Metrics {
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		decisions:   counters(decisionsTotal),
		waits:       map[policy.Door]prometheus.Observer{},
		probes:      counters(probesTotal),
		rcpts:       counters(rcptsTotal),
		dialogue:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: dialogueSeconds.name, Help: dialogueSeconds.help, Buckets: waitBuckets}),
		openings:    counters(breakerOpenings),
		reloadOK:    prometheus.NewGauge(prometheus.GaugeOpts{Name: reloadOK.name, Help: reloadOK.help}),
		reloadTime:  prometheus.NewGauge(prometheus.GaugeOpts{Name: reloadTime.name, Help: reloadTime.help}),
		reloadTries: counters(reloadsTotal),
	}
	wait := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: waitSeconds.name, Help: waitSeconds.help, Buckets: waitBuckets}, waitSeconds.labels)
	for _, d := range []policy.Door{policy.DoorPolicy, policy.DoorMilter, policy.DoorAPI, policy.DoorCLI} {
		m.waits[d] = wait.WithLabelValues(string(d))
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: buildInfo.name, Help: buildInfo.help}, buildInfo.labels)
	build.WithLabelValues(o.Version, runtime.Version()).Set(1)
	for _, result := range []bool{true, false} {
		m.reloadTries.WithLabelValues(outcome(result))
	}
	m.reloadOK.Set(1)
	m.reloadTime.SetToCurrentTime()
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.decisions, wait, m.probes, m.rcpts, m.dialogue, m.openings, m.reloadOK, m.reloadTime, m.reloadTries, build,
	)
	return m
}

func counters(d metric) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.name, Help: d.help}, d.labels)
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
}

// Decision counts a decision and what its asker waited.
func (m *Metrics) Decision(d *audit.Decision) {
	l := decisionLabels{d.Door, d.Mode, d.Rule, d.Action, d.Would, d.Reason}
	if l.would == "" {
		l.would = l.action
	}
	c, ok := m.decision.Load(l)
	if !ok {
		c, _ = m.decision.LoadOrStore(l, m.decisions.WithLabelValues(l.door, l.mode, l.rule, l.action, l.would,
			string(l.reason.Status()), string(l.reason)))
	}
	c.(prometheus.Counter).Inc()
	if w, ok := m.waits[policy.Door(d.Door)]; ok {
		w.Observe(d.Wait.Seconds())
	}
}

// Dialogue counts a finished dialogue and what was said to its recipients.
func (m *Metrics) Dialogue(d pace.Dialogue) {
	source := "any"
	if ip := d.Transcript.Source.IP; ip.IsValid() {
		source = ip.String()
	}
	stage, outcome := verdict.Connect, "canceled" // where nothing was said
	for _, s := range d.Transcript.Steps {
		if s.Command == "QUIT" {
			continue
		}
		stage, outcome = s.Stage, cmp.Or(string(s.Failure), class(s.Reply.Code))
		if s.Stage == verdict.Rcpt {
			m.rcpts.WithLabelValues(source, outcome).Inc()
		}
	}
	m.probes.WithLabelValues(source, string(stage), outcome).Inc()
	m.dialogue.Observe(d.Transcript.Took.Seconds())
}

// class folds a reply code into its first digit.
func class(code int) string {
	switch code / 100 {
	case 2:
		return "2xx"
	case 3:
		return "3xx"
	case 4:
		return "4xx"
	}
	return "5xx"
}

// Breaker counts a breaker that opened.
func (m *Metrics) Breaker(b *audit.Breaker) {
	if b.To == "open" {
		m.openings.WithLabelValues(b.Scope, string(b.Reason)).Inc()
	}
}

// Reload notes a reload of the configuration and whether it was taken.
func (m *Metrics) Reload(ok bool) {
	m.reloadTries.WithLabelValues(outcome(ok)).Inc()
	if !ok {
		m.reloadOK.Set(0)
		return
	}
	m.reloadOK.Set(1)
	m.reloadTime.SetToCurrentTime()
}

func outcome(ok bool) string {
	if ok {
		return "taken"
	}
	return "refused"
}

// Panic counts a recovered panic of a part that counts none itself.
func (m *Metrics) Panic() { m.panics.Add(1) }
