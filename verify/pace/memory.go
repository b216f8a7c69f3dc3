package pace

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"rcptgate/verify/reply"
	"rcptgate/verify/verdict"
)

// savedBreaker is a breaker in the memory, with wall-clock times.
type savedBreaker struct {
	Source   netip.Addr       `json:"source"`
	Scope    reply.Scope      `json:"scope"`
	Name     string           `json:"name"`
	Site     string           `json:"site"`
	Reason   verdict.Reason   `json:"reason"`
	Since    time.Time        `json:"since"`
	Length   time.Duration    `json:"length"`
	Base     time.Duration    `json:"base"`
	Times    int              `json:"times"`
	Evidence verdict.Evidence `json:"evidence"`
}

// savedCounts are the hour counters of a limiter. The counters of a minute
// are not kept: a restart takes its share of one.
type savedCounts struct {
	Source   netip.Addr  `json:"source"`
	Kind     string      `json:"kind"`
	Name     string      `json:"name"`
	Invalids []time.Time `json:"invalids"`
	Randoms  []time.Time `json:"randoms,omitempty"`
}

const (
	breakerPrefix = "breaker "
	countsPrefix  = "counts "
)

func (k breakerKey) memory() string {
	return fmt.Sprintf("%s%s %s %s", breakerPrefix, k.scope, k.source, k.name)
}

func (k limiterKey) memory() string {
	return fmt.Sprintf("%s%s %s %s", countsPrefix, k.kind, k.source, k.name)
}

// keepBreaker writes the breaker to the memory, or deletes a closed one.
func (p *Pacer) keepBreaker(b *breaker) {
	if p.o.Memory == nil {
		return
	}
	if b.state == stateClosed {
		p.o.Memory.SavePace(b.key.memory(), nil)
		return
	}
	p.save(b.key.memory(), savedBreaker{
		Source: b.key.source, Scope: b.key.scope, Name: b.key.name, Site: b.site, Reason: b.reason,
		Since: p.wall(b.since), Length: b.until - b.since, Base: b.base, Times: b.times, Evidence: b.evidence,
	})
}

// keepCounts writes the hour counters of a limiter to the memory.
func (p *Pacer) keepCounts(l *limiter) {
	if p.o.Memory == nil {
		return
	}
	l.kept = true
	s := savedCounts{Source: l.key.source, Kind: l.key.kind, Name: l.key.name}
	s.Invalids = p.walls(&l.acc[invalids].window)
	s.Randoms = p.walls(&l.acc[randoms].window)
	p.save(l.key.memory(), s)
}

// forgetCounts deletes the counters of a limiter that is forgotten.
func (p *Pacer) forgetCounts(l *limiter) {
	if l.kept {
		p.o.Memory.SavePace(l.key.memory(), nil)
	}
}

func (p *Pacer) save(key string, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		p.note(slog.LevelError, "pace: cannot save", "key", key, "err", err)
		return
	}
	p.o.Memory.SavePace(key, data)
}

// load fills breakers and counters from the memory. What cannot be read is
// logged and left out. The caller holds the lock.
func (p *Pacer) load() error {
	if p.o.Memory == nil {
		return nil
	}
	all, err := p.o.Memory.LoadPace()
	if err != nil {
		return fmt.Errorf("load counters and breakers: %w", err)
	}
	for key, data := range all {
		switch {
		case strings.HasPrefix(key, breakerPrefix):
			err = p.loadBreaker(data)
		case strings.HasPrefix(key, countsPrefix):
			err = p.loadCounts(data)
		default:
			err = fmt.Errorf("unknown kind")
		}
		if err != nil {
			p.note(slog.LevelWarn, "pace: a stored value is left out", "key", key, "err", err)
		}
	}
	return nil
}

func (p *Pacer) loadBreaker(data []byte) error {
	var s savedBreaker
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if s.Name == "" || s.Length < 0 || s.Times < 1 {
		return fmt.Errorf("not a breaker")
	}
	b := &breaker{
		key: breakerKey{scopeKey{s.Source, s.Name}, s.Scope}, site: s.Site, state: stateOpen,
		reason: s.Reason, base: s.Base, times: s.Times, evidence: s.Evidence, since: p.tickOf(s.Since),
	}
	b.until = b.since + min(s.Length, 365*24*time.Hour)
	p.breakers[b.key] = b
	p.alarms.set(&b.alarm, b.until, b) // rings at once when that is past
	return nil
}

func (p *Pacer) loadCounts(data []byte) error {
	var s savedCounts
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if s.Kind == "" || s.Name == "" {
		return fmt.Errorf("not counters")
	}
	l := p.limiter(s.Kind, scopeKey{s.Source, s.Name})
	l.kept = true
	l.acc[invalids].stamps = p.ticks(s.Invalids)
	l.acc[randoms].stamps = p.ticks(s.Randoms)
	return nil
}

// walls are the stamps of a window on the wall clock of now.
func (p *Pacer) walls(w *window) []time.Time {
	w.prune(p.now)
	ts := make([]time.Time, len(w.stamps))
	for i, s := range w.stamps {
		ts[i] = p.wall(s)
	}
	return ts
}

func (p *Pacer) ticks(ts []time.Time) []tick {
	stamps := make([]tick, len(ts))
	for i, t := range ts {
		stamps[i] = p.tickOf(t)
		if i > 0 {
			stamps[i] = max(stamps[i], stamps[i-1])
		}
	}
	return stamps
}

// wall is a tick on the wall clock, as that goes now.
func (p *Pacer) wall(t tick) time.Time { return time.Now().Add(t - p.clockNow()).Round(0) }

// tickOf is a stored time; one in the future counts as now.
func (p *Pacer) tickOf(t time.Time) tick {
	return p.now - max(0, time.Now().Round(0).Sub(t))
}
