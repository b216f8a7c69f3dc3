package daemon

import (
	"time"

	"golang.org/x/sys/unix"

	"rcptgate/httpapi"
)

// newAPI makes the HTTP interface over the engines, and lets the metrics read
// them.
func (d *Daemon) newAPI() (*httpapi.API, error) {
	d.metrics.Watch(httpapi.Sources{
		Pace: d.pacer.Snapshot, Verify: d.engine.Snapshot, AuditLost: d.audit.Lost,
		Store:  func() httpapi.StoreStats { return httpapi.StoreStats(d.store.Stats()) },
		Panics: d.policy.Panics, Health: d.Health, Unready: d.Unfit,
	})
	return httpapi.New(httpapi.Options{
		Verifier: d.policy, Dialogue: d.audit.Dialogue, Metrics: d.metrics, Logger: d.logger,
		Health: d.Health, Unready: d.Unfit,
	})
}

// Health lists what is wrong; mail flows all the same.
func (d *Daemon) Health() []httpapi.Trouble {
	var all []httpapi.Trouble
	add := func(p httpapi.Part, why string) { all = append(all, httpapi.Trouble{Part: p, Why: why}) }
	if err := d.store.Healthy(); err != nil {
		add(httpapi.PartStore, err.Error())
	}
	if err := d.audit.Healthy(); err != nil {
		add(httpapi.PartAudit, err.Error())
	}
	if why := d.pacer.Trouble(); why != "" { // names the mail server
		all = append(all, httpapi.Trouble{
			Part: httpapi.PartBlind, Detail: why,
			Why: "this host could not open a connection within the last minute; the journal says why",
		})
	} else if d.pacer.Blind() {
		add(httpapi.PartBlind, "the last 5 different sites could not be connected to; one trial every 30 s")
	}
	resolver := d.current.Load().resolver
	if why := resolver.Trouble(); why != "" {
		all = append(all, httpapi.Trouble{
			Part: httpapi.PartDNS, Detail: why,
			Why: "this host could not open a socket to a name server; the admin socket says why",
		})
	} else if resolver.Blind() {
		add(httpapi.PartDNS, "no DNS query has been answered for 5 s")
	}
	if text := d.lastError.Load(); text != nil {
		all = append(all, httpapi.Trouble{
			Part: httpapi.PartConfig, Detail: *text,
			Why: "the last reload was refused, the old configuration is in force; see rcptgate config check",
		})
	}
	return all
}

// monotonicMicros is the clock that systemd compares reloads with.
func monotonicMicros() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano() / int64(time.Microsecond)
}
