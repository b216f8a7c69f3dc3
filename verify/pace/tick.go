package pace

import (
	"container/heap"
	"math"
	"time"
)

// tick is a moment on the monotonic clock: the time since the pacer was made.
type tick = time.Duration

// never is later than every tick.
const never tick = math.MaxInt64

// alarm is a place in the pacer's one heap of timers. It is embedded in what
// it rings.
type alarm struct {
	at    tick
	index int // in the heap plus one; zero: not set
	owner ringer
}

// ringer is what an alarm rings, under the pacer's lock.
type ringer interface{ ring(p *Pacer) }

// alarms is a heap, earliest first.
type alarms []*alarm

func (h alarms) Len() int           { return len(h) }
func (h alarms) Less(i, j int) bool { return h[i].at < h[j].at }
func (h alarms) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i+1, j+1
}

func (h *alarms) Push(x any) {
	a := x.(*alarm)
	*h = append(*h, a)
	a.index = len(*h)
}

func (h *alarms) Pop() any {
	old := *h
	a := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	a.index = 0
	return a
}

// set arms the alarm of owner, or moves it; never disarms it.
func (h *alarms) set(a *alarm, at tick, owner ringer) {
	switch {
	case at == never:
		h.clear(a)
	case a.index == 0:
		a.at, a.owner = at, owner
		heap.Push(h, a)
	case a.at != at:
		a.at = at
		heap.Fix(h, a.index-1)
	}
}

// clear disarms the alarm.
func (h *alarms) clear(a *alarm) {
	if a.index != 0 {
		heap.Remove(h, a.index-1)
	}
}

// due takes the earliest alarm off the heap if its time has come.
func (h *alarms) due(now tick) *alarm {
	if len(*h) == 0 || (*h)[0].at > now {
		return nil
	}
	return heap.Pop(h).(*alarm)
}

// next is when the earliest alarm rings.
func (h alarms) next() tick {
	if len(h) == 0 {
		return never
	}
	return h[0].at
}
