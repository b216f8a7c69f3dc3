package pace

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strconv"
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

// savedCounts are the hour counters of a limiter.
type savedCounts struct {
	Source   netip.Addr  `json:"source"`
	Kind     string      `json:"kind"`
	Name     string      `json:"name"`
	Invalids []time.Time `json:"invalids"`
	Randoms  []time.Time `json:"randoms,omitempty"`
}

// savedMinute are the minute counters of a limiter: all that counted At, as if
// it had happened then. They change with each connection and RCPT, so they are
// kept short. What a killed process did in its last 200 ms (saveDelay, and the
// batch of the store) is not among them: nobody waits for the disk.
type savedMinute struct {
	Source   netip.Addr `json:"source"`
	Kind     string     `json:"kind"`
	Name     string     `json:"name"`
	At       time.Time  `json:"at"`
	Connects int        `json:"connects"`
	Probes   int        `json:"probes"`
	// Asking is of how many RCPTs the answer was not there. Who is killed
	// meanwhile does not know it: each counts as invalid.
	Asking int `json:"asking,omitempty"`
}

// maxMinute bounds what is believed of a stored number.
const maxMinute = 100_000

// keptFor is how long the memory keeps a counter, and a breaker after it was open:
// for longer than forgetAfter, within which a refused trial keeps away for twice
// as long.
const keptFor = 2 * forgetAfter

// maxLength bounds how long a breaker is open, and what is believed of that.
const maxLength = 365 * 24 * time.Hour

const (
	breakerPrefix = "breaker "
	countsPrefix  = "counts "
	minutePrefix  = "minute "
)

func (k breakerKey) memory() string {
	return fmt.Sprintf("%s%s %s %s", breakerPrefix, k.scope, k.source, k.name)
}

func (k limiterKey) memory(prefix string) string {
	return prefix + k.kind + " " + k.source.String() + " " + k.name
}

// keepBreaker writes the breaker to the memory, or deletes a closed one.
func (p *Pacer) keepBreaker(b *breaker) {
	if p.o.Memory == nil {
		return
	}
	if b.state == stateClosed {
		p.o.Memory.SavePace(b.key.memory(), nil, 0)
		return
	}
	p.save(b.key.memory(), savedBreaker{
		Source: b.key.source, Scope: b.key.scope, Name: b.key.name, Site: b.site, Reason: b.reason,
		Since: p.wall(b.since), Length: b.until - b.since, Base: b.base, Times: b.times, Evidence: b.evidence.Masked(),
	}, max(0, b.until-p.now)+keptFor)
}

// saveDelay is how long changed counters wait to be written: a dialogue changes
// those of its site and of its MX address half a dozen times.
const saveDelay = 50 * time.Millisecond

// saver writes to the memory what was touched.
type saver struct {
	alarm
	limiters []*limiter
}

// ring writes.
func (s *saver) ring(p *Pacer) { p.keepCounts() }

// touch has the counters of a limiter written to the memory soon; hour: those
// of an hour, too.
func (p *Pacer) touch(l *limiter, hour bool) {
	if p.o.Memory == nil {
		return
	}
	if len(p.unsaved.limiters) == 0 {
		p.alarms.set(&p.unsaved.alarm, p.now+saveDelay, &p.unsaved)
	}
	if !l.unsaved {
		l.unsaved = true
		p.unsaved.limiters = append(p.unsaved.limiters, l)
	}
	l.unsavedHour = l.unsavedHour || hour
}

// keepCounts writes to the memory what was touched.
func (p *Pacer) keepCounts() {
	for _, l := range p.unsaved.limiters {
		if l.unsaved {
			p.keepMinute(l)
		}
		if l.unsavedHour {
			p.keepHour(l)
		}
		l.unsaved, l.unsavedHour = false, false
	}
	clear(p.unsaved.limiters)
	p.unsaved.limiters = p.unsaved.limiters[:0]
}

func (p *Pacer) keepMinute(l *limiter) {
	if l.minuteKey == "" {
		l.minuteKey = l.key.memory(minutePrefix)
		l.minuteHead = minuteHead(l.key)
	}
	l.keptMinute = true
	p.minute = appendMinute(p.minute[:0], l.minuteHead, savedMinute{
		At: p.wall(p.now), Connects: l.acc[connects].used(p.now), Probes: l.acc[probes].used(p.now),
		// A session asks one at a time; what else it holds is in reserve.
		Asking: min(l.acc[invalids].held, l.acc[sessions].held),
	})
	p.o.Memory.SavePace(l.minuteKey, p.minute, keptFor)
}

// minuteHead is the JSON of a savedMinute up to what changes, which is the same
// each time: it is written several times a dialogue.
func minuteHead(k limiterKey) string {
	data, err := json.Marshal(savedMinute{Source: k.source, Kind: k.kind, Name: k.name})
	if err != nil { // three strings
		return "{"
	}
	head, _, _ := bytes.Cut(data, []byte(`,"at":`))
	return string(head)
}

// appendMinute writes the JSON of a savedMinute behind its head.
func appendMinute(b []byte, head string, m savedMinute) []byte {
	b = append(b, head...)
	b = append(b, `,"at":"`...)
	b = m.At.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","connects":`...)
	b = strconv.AppendInt(b, int64(m.Connects), 10)
	b = append(b, `,"probes":`...)
	b = strconv.AppendInt(b, int64(m.Probes), 10)
	if m.Asking != 0 {
		b = append(b, `,"asking":`...)
		b = strconv.AppendInt(b, int64(m.Asking), 10)
	}
	return append(b, '}')
}

func (p *Pacer) keepHour(l *limiter) {
	l.keptHour = true
	s := savedCounts{Source: l.key.source, Kind: l.key.kind, Name: l.key.name}
	s.Invalids = p.walls(&l.acc[invalids].window)
	s.Randoms = p.walls(&l.acc[randoms].window)
	p.save(l.key.memory(countsPrefix), s, keptFor)
}

// forgetCounts deletes the counters of a limiter that is forgotten.
func (p *Pacer) forgetCounts(l *limiter) {
	l.unsaved, l.unsavedHour = false, false
	if l.keptMinute {
		p.o.Memory.SavePace(l.key.memory(minutePrefix), nil, 0)
	}
	if l.keptHour {
		p.o.Memory.SavePace(l.key.memory(countsPrefix), nil, 0)
	}
}

func (p *Pacer) save(key string, v any, life time.Duration) {
	data, err := json.Marshal(v)
	if err != nil {
		p.note(slog.LevelError, "pace: cannot save", "key", key, "err", err)
		return
	}
	p.o.Memory.SavePace(key, data, life)
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
		case strings.HasPrefix(key, minutePrefix):
			err = p.loadMinute(data)
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
		reason: s.Reason, base: min(s.Base, maxLength), times: s.Times, evidence: s.Evidence, since: p.tickOf(s.Since),
	}
	b.until = b.since + min(s.Length, maxLength)
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
	l.keptHour = true
	l.acc[invalids].add(p.ticks(s.Invalids)...)
	l.acc[randoms].add(p.ticks(s.Randoms)...)
	return nil
}

func (p *Pacer) loadMinute(data []byte) error {
	var s savedMinute
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	if s.Kind == "" || s.Name == "" || min(s.Connects, s.Probes, s.Asking) < 0 {
		return fmt.Errorf("not counters")
	}
	s.Connects, s.Probes, s.Asking = min(s.Connects, maxMinute), min(s.Probes, maxMinute), min(s.Asking, maxMinute)
	l := p.limiter(s.Kind, scopeKey{s.Source, s.Name})
	l.keptMinute = true
	at := p.tickOf(s.At)
	if s.Asking > 0 {
		// The far end may have counted it as late as just now.
		at = p.now
		l.acc[invalids].add(slices.Repeat([]tick{at}, s.Asking)...)
		p.touch(l, true)
	}
	l.acc[connects].add(slices.Repeat([]tick{at}, s.Connects)...)
	l.acc[probes].add(slices.Repeat([]tick{at}, s.Probes)...)
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
	}
	return stamps
}

// wall is a tick on the wall clock, as that goes now.
func (p *Pacer) wall(t tick) time.Time { return time.Now().Add(t - p.clockNow()).Round(0) }

// tickOf is a stored time; one in the future counts as now.
func (p *Pacer) tickOf(t time.Time) tick {
	return p.now - max(0, time.Now().Round(0).Sub(t))
}
