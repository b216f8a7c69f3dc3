package httpapi

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"rcptgate/audit"
	"rcptgate/policy"
	"rcptgate/verify"
	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// busy returns metrics to which everything has happened once.
func busy() *Metrics {
	m := NewMetrics(MetricsOptions{Version: "1"})
	m.Watch(Sources{
		Pace: func() pace.Snapshot {
			return pace.Snapshot{
				Queued: 7, Sessions: 5, IdleSessions: 2, Lanes: 3, Panics: 20,
				Breakers: []pace.BreakerState{{Scope: reply.ScopeSite, Name: "mx.secret.test", State: "open"}, {Scope: reply.ScopeSite, State: "open"}},
			}
		},
		Verify:    func() verify.Snapshot { return verify.Snapshot{Waiting: 4, Flights: 6, Greylist: 1, Panics: 300} },
		Store:     func() StoreStats { return StoreStats{1, 2, 3, 4, 5, 6} },
		AuditLost: func() uint64 { return 9 },
		Panics:    func() uint64 { return 4000 },
		Health:    func() []Trouble { return []Trouble{{Part: PartDNS, Why: "nobody answers"}} },
		Unready:   func() string { return "no name" },
	})
	for range 2 {
		m.Decision(&audit.Decision{
			Door: string(policy.DoorPolicy), Mode: "monitor", Rule: "default", Action: "accept", Would: "reject",
			Reason: verdict.MailboxNotFound, Wait: time.Second, Recipient: "joe@secret.test", Site: "mx.secret.test",
		})
	}
	m.Decision(&audit.Decision{Door: "policy", Mode: "enforce", Rule: "default", Action: "accept", Reason: verdict.Accepted})
	m.Dialogue(pace.Dialogue{Transcript: &probe.Transcript{
		Source: probe.Source{IP: netip.MustParseAddr("192.0.2.1")}, Took: time.Second,
		Steps: []probe.Step{
			{Stage: verdict.Connect, Reply: reply.Reply{Code: 220}},
			{Stage: verdict.Rcpt, Reply: reply.Reply{Code: 550}},
			{Stage: verdict.Rcpt, Failure: probe.Lost},
			{Stage: verdict.Rcpt, Command: "QUIT", Reply: reply.Reply{Code: 221}},
		},
	}})
	m.Dialogue(pace.Dialogue{Transcript: &probe.Transcript{Steps: []probe.Step{{Stage: verdict.Connect, Reply: reply.Reply{Code: 421}}}}})
	m.Dialogue(pace.Dialogue{Transcript: new(probe.Transcript)})
	m.Breaker(&audit.Breaker{Scope: "site", Name: "mx.secret.test", To: "open", Reason: verdict.ProbeBlocked})
	m.Breaker(&audit.Breaker{Scope: "site", To: "closed"})
	m.Reload(true)
	m.Reload(false)
	m.Panic()
	return m
}

func TestMetrics(t *testing.T) {
	m := busy()
	text := ask(m.handler(), "GET", "/metrics", "").Body.String()
	for _, line := range []string{
		`rcptgate_decisions_total{action="accept",door="policy",mode="monitor",reason="mailbox_not_found",rule="default",status="undeliverable",would="reject"} 2`,
		`rcptgate_decisions_total{action="accept",door="policy",mode="enforce",reason="accepted",rule="default",status="deliverable",would="accept"} 1`,
		`rcptgate_decision_wait_seconds_count{door="policy"} 3`,
		`rcptgate_decision_wait_seconds_count{door="milter"} 0`,
		`rcptgate_probes_total{outcome="lost",source="192.0.2.1",stage="rcpt"} 1`,
		`rcptgate_probes_total{outcome="4xx",source="any",stage="connect"} 1`,
		`rcptgate_probes_total{outcome="canceled",source="any",stage="connect"} 1`,
		`rcptgate_probe_rcpts_total{outcome="5xx",source="192.0.2.1"} 1`,
		`rcptgate_probe_rcpts_total{outcome="lost",source="192.0.2.1"} 1`,
		`rcptgate_breaker_openings_total{reason="probe_blocked",scope="site"} 1`,
		`rcptgate_breakers{scope="site",state="open"} 2`,
		`rcptgate_sessions{state="busy"} 3`,
		`rcptgate_sessions{state="idle"} 2`,
		`rcptgate_queued_addresses 7`,
		`rcptgate_waiting_askers 4`,
		`rcptgate_store_dropped_writes_total 5`,
		`rcptgate_audit_lost_total 9`,
		`rcptgate_trouble{part="dns"} 1`,
		`rcptgate_trouble{part="store"} 0`,
		`rcptgate_ready 0`,
		`rcptgate_config_last_reload_success 0`,
		`rcptgate_config_reloads_total{outcome="refused"} 1`,
		`rcptgate_panics_total 4321`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if strings.Contains(text, "secret") {
		t.Error("a domain, an address or an MX name is among the metrics")
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestLint(t *testing.T) {
	text := ask(busy().handler(), "GET", "/metrics", "").Body.String()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "rcptgate_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// TestMetricTable compares the table of the documentation with what is
// served: names, kinds, labels.
func TestMetricTable(t *testing.T) {
	families, err := busy().registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]MetricInfo{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "rcptgate_") {
			continue
		}
		i := MetricInfo{Name: f.GetName(), Kind: strings.ToLower(f.GetType().String()), Help: f.GetHelp()}
		for _, l := range f.GetMetric()[0].GetLabel() {
			i.Labels = append(i.Labels, l.GetName())
		}
		served[i.Name] = i
	}
	for _, want := range MetricTable() {
		got, ok := served[want.Name]
		slices.Sort(want.Labels)
		if !ok || got.Kind != want.Kind || got.Help != want.Help || !slices.Equal(got.Labels, want.Labels) {
			t.Errorf("table %+v, served %+v", want, got)
		}
		delete(served, want.Name)
	}
	for name := range served {
		t.Errorf("%s is not in the table", name)
	}
	if len(MetricNames()) != len(MetricTable()) {
		t.Error("MetricNames and MetricTable differ")
	}
}

// TestDecisionAllocates guards the hot path: a decision is counted without
// building label strings.
func TestDecisionAllocates(t *testing.T) {
	m := NewMetrics(MetricsOptions{})
	d := &audit.Decision{Door: "policy", Mode: "enforce", Rule: "default", Action: "accept", Reason: verdict.Accepted}
	m.Decision(d)
	if n := testing.AllocsPerRun(100, func() { m.Decision(d) }); n > 1 {
		t.Errorf("%v allocations", n)
	}
	if got := testutil.CollectAndCount(m.decisions); got != 1 {
		t.Errorf("%d children", got)
	}
}
