package audit

import (
	"cmp"
	"slices"
)

// ring keeps the last events of one sort.
type ring struct {
	size  int
	slots []numbered
	next  int // the slot to write
}

type numbered struct {
	n uint64 // counts all events
	e Event
}

// add puts an event in and returns the one that fell out, or nil.
func (r *ring) add(n uint64, e Event) Event {
	if len(r.slots) < r.size {
		r.slots = append(r.slots, numbered{n, e})
		return nil
	}
	old := r.slots[r.next].e
	r.slots[r.next] = numbered{n, e}
	r.next = (r.next + 1) % r.size
	return old
}

// recent is what the log remembers. Refusals and dialogues have rings of their
// own, so that a flood of passes cannot wash them away.
type recent struct {
	count                            uint64
	passes, refusals, probes, others ring
	byProbe                          map[string]*Probe
}

func newRecent(size int) recent {
	r := ring{size: size}
	return recent{passes: r, refusals: r, probes: r, others: r, byProbe: map[string]*Probe{}}
}

func (r *recent) add(e Event) {
	r.count++
	switch e := e.(type) {
	case *Decision:
		if e.refused() {
			r.refusals.add(r.count, e)
		} else {
			r.passes.add(r.count, e)
		}
	case *Probe:
		if old, ok := r.probes.add(r.count, e).(*Probe); ok && r.byProbe[old.ProbeID] == old {
			delete(r.byProbe, old.ProbeID)
		}
		r.byProbe[e.ProbeID] = e
	default:
		r.others.add(r.count, e)
	}
}

// last returns at most n events, newest first; 0 means all.
func (r *recent) last(n int) []Event {
	all := slices.Concat(r.passes.slots, r.refusals.slots, r.probes.slots, r.others.slots)
	slices.SortFunc(all, func(a, b numbered) int { return cmp.Compare(b.n, a.n) })
	if n > 0 && n < len(all) {
		all = all[:n]
	}
	out := make([]Event, len(all))
	for i, x := range all {
		out[i] = x.e
	}
	return out
}
