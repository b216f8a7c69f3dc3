package pace

import (
	"slices"
	"time"

	"rcptgate/verify/provider"
)

// slack is what a window is longer than its name: two events that are one
// window apart to the nanosecond belong to it by some readings.
const slack = 250 * time.Millisecond

// window counts events in a sliding window, exactly. An event is held from
// before it is sent until its answer is there, and then stamped; it counts
// until span after the stamp. The far end sees it somewhere between, so any
// window of the far end holds no more than this one did.
type window struct {
	span   tick
	held   int
	stamps []tick // oldest first
}

// prune forgets what no longer counts.
func (w *window) prune(now tick) {
	i := 0
	for i < len(w.stamps) && w.stamps[i]+w.span <= now {
		i++
	}
	w.stamps = w.stamps[i:]
	if len(w.stamps) == 0 {
		w.stamps = nil
	}
}

// add enters events that are known from before.
func (w *window) add(stamps ...tick) {
	w.stamps = slices.Concat(w.stamps, stamps)
	slices.Sort(w.stamps)
}

// used is how many events count now.
func (w *window) used(now tick) int {
	w.prune(now)
	return w.held + len(w.stamps)
}

// room reports whether need more events fit, else when time alone makes room:
// never, when that waits for the answer to something held.
func (w *window) room(now tick, limit, need int) (ok bool, at tick) {
	excess := w.used(now) + need - limit
	switch {
	case excess <= 0:
		return true, now
	case excess <= len(w.stamps):
		return false, w.stamps[excess-1] + w.span
	}
	return false, never
}

// wait estimates how long until n more events have found room, each taken as
// soon as it can be.
func (w *window) wait(now tick, limit, n int) tick {
	free := max(0, limit-w.used(now))
	if n <= free || limit <= 0 {
		return 0
	}
	n -= free + 1
	base := w.span
	if i := n % limit; i < len(w.stamps) {
		base = w.stamps[i] + w.span - now
	}
	return base + tick(n/limit)*w.span
}

// resource is what is counted.
type resource int

const (
	sessions resource = iota // connections open at once
	connects                 // connections a minute
	probes                   // RCPTs a minute
	invalids                 // invalid answers an hour
	randoms                  // invalid answers to random controls, an hour
	resources
)

// spans are the windows of the resources. A session is counted a little
// longer than it lasts: our FIN is on its way to the far end.
var spans = [resources]tick{
	sessions: 100 * time.Millisecond,
	connects: time.Minute + slack,
	probes:   time.Minute + slack,
	invalids: time.Hour + slack,
	randoms:  time.Hour + slack,
}

// limitOf reads the number of a resource.
func limitOf(l *provider.Limits, r resource) int {
	switch r {
	case sessions:
		return l.Connections
	case connects:
		return l.ConnectionsPerMinute
	case probes:
		return l.ProbesPerMinute
	case invalids:
		return l.InvalidPerHour
	default: // randoms: at most 30 % of the invalids, rounded up
		return (3*l.InvalidPerHour + 9) / 10
	}
}

// account is one counted resource with those who wait for it.
type account struct {
	window
	gate *gate // nil while nobody ever waited
}

// limiter holds the accounts of one source and site, MX address or provider.
type limiter struct {
	key                   limiterKey
	acc                   [resources]account
	keptMinute, keptHour  bool   // in the memory
	unsaved, unsavedHour  bool   // changed since
	minuteKey, minuteHead string // of the memory; empty until first used
}

func newLimiter(key limiterKey) *limiter {
	l := &limiter{key: key}
	for r := range l.acc {
		l.acc[r].span = spans[r]
	}
	return l
}

// idle reports that nothing counts any more and nobody waits.
func (l *limiter) idle(now tick) bool {
	for r := range l.acc {
		if a := &l.acc[r]; a.used(now) > 0 || a.gate != nil && a.gate.waiting() > 0 {
			return false
		}
	}
	return true
}
