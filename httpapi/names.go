package httpapi

import "slices"

// metric is one row of the documentation.
type metric struct {
	name   string
	kind   string // counter | gauge | histogram
	labels []string
	help   string
}

// The metrics. Labels are from closed sets only, never an address, a domain
// or an MX name: those would grow without bound, and are nobody's business.
var (
	decisionsTotal = metric{"rcptgate_decisions_total", "counter", []string{"door", "mode", "rule", "action", "would", "status", "reason"}, "Decisions about recipients; would is what enforcing does."}
	waitSeconds    = metric{"rcptgate_decision_wait_seconds", "histogram", []string{"door"}, "Time from a query to its decision; in monitor mode to the record of it."}

	probesTotal     = metric{"rcptgate_probes_total", "counter", []string{"source", "stage", "outcome"}, "SMTP dialogues by own source address, last stage and what came back there: class of the reply, or the failure."}
	rcptsTotal      = metric{"rcptgate_probe_rcpts_total", "counter", []string{"source", "outcome"}, "Recipients asked, controls among them, by what came back."}
	dialogueSeconds = metric{"rcptgate_probe_seconds", "histogram", nil, "Length of SMTP dialogues, from connect to close."}
	breakerOpenings = metric{"rcptgate_breaker_openings_total", "counter", []string{"scope", "reason"}, "Breakers that opened."}
	breakersOpen    = metric{"rcptgate_breakers", "gauge", []string{"scope", "state"}, "Breakers that are not closed."}

	queued   = metric{"rcptgate_queued_addresses", "gauge", nil, "Addresses waiting for a dialogue."}
	sessions = metric{"rcptgate_sessions", "gauge", []string{"state"}, "Open SMTP sessions, busy or idle."}
	lanes    = metric{"rcptgate_lanes", "gauge", nil, "Sites with addresses waiting or sessions open."}
	waiting  = metric{"rcptgate_waiting_askers", "gauge", nil, "Askers waiting for a verdict."}
	flights  = metric{"rcptgate_flights", "gauge", nil, "Addresses being verified."}
	greylist = metric{"rcptgate_greylisted_addresses", "gauge", nil, "Greylisted addresses that will be asked again."}

	storeRecords = metric{"rcptgate_store_records", "gauge", []string{"kind"}, "Records in the store."}
	storeBytes   = metric{"rcptgate_store_bytes", "gauge", nil, "Size of the store's file."}
	storePending = metric{"rcptgate_store_pending_writes", "gauge", nil, "Records waiting for the store's writer."}
	storeDropped = metric{"rcptgate_store_dropped_writes_total", "counter", nil, "Records the store's writer never saw, because its queue was full or the disk failed."}
	auditLost    = metric{"rcptgate_audit_lost_total", "counter", nil, "Audit lines lost."}
	trouble      = metric{"rcptgate_trouble", "gauge", []string{"part"}, "Whether a part of the daemon is in trouble (1) or well (0)."}
	ready        = metric{"rcptgate_ready", "gauge", nil, "Whether addresses can be probed."}

	panicsTotal  = metric{"rcptgate_panics_total", "counter", nil, "Recovered panics: each is a bug."}
	reloadsTotal = metric{"rcptgate_config_reloads_total", "counter", []string{"outcome"}, "Reloads of the configuration."}
	reloadOK     = metric{"rcptgate_config_last_reload_success", "gauge", nil, "Whether the last reload was taken; 1 before the first."}
	reloadTime   = metric{"rcptgate_config_last_reload_success_timestamp_seconds", "gauge", nil, "When the configuration in force was loaded."}
	buildInfo    = metric{"rcptgate_build_info", "gauge", []string{"version", "goversion"}, "1, with what runs as labels."}
)

func metrics() []metric {
	return []metric{
		decisionsTotal, waitSeconds,
		probesTotal, rcptsTotal, dialogueSeconds, breakerOpenings, breakersOpen,
		queued, sessions, lanes, waiting, flights, greylist,
		storeRecords, storeBytes, storePending, storeDropped, auditLost, trouble, ready,
		panicsTotal, reloadsTotal, reloadOK, reloadTime, buildInfo,
	}
}

// MetricInfo is one metric as the documentation lists it.
type MetricInfo struct {
	Name, Kind string
	Labels     []string
	Help       string
}

// MetricTable returns our metrics in the order of the documentation. The
// metrics of Go and of the process (go_…, process_…) come beside them.
func MetricTable() []MetricInfo {
	var all []MetricInfo
	for _, m := range metrics() {
		all = append(all, MetricInfo{m.name, m.kind, slices.Clone(m.labels), m.help})
	}
	return all
}

// MetricNames returns the names of our metrics in the order of the
// documentation.
func MetricNames() []string {
	var all []string
	for _, m := range metrics() {
		all = append(all, m.name)
	}
	return all
}
