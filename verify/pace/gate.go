package pace

import (
	"cmp"
	"slices"
)

// class orders jobs: controls, which settle what somebody already waits for,
// then addresses with a live asker, then the others.
type class int

const (
	classControl class = iota
	classLive
	classBehind
	classes
)

// waitQueue holds lanes that wait at one gate for the same: all of one class,
// and with the same number to reach. So its first lane speaks for all.
type waitQueue struct {
	gate  *gate
	class class
	level int // use of the account up to which there is room
	lanes list[*lane]
}

// gate is where lanes wait for room in one account. They are let through one
// by one, in the order of their coming, the better class first; who got
// something goes to the end of the line.
type gate struct {
	alarm   // when time alone may make room
	queues  []*waitQueue
	pending bool // in Pacer.gates
}

// queue finds or makes the queue of a class and level.
func (g *gate) queue(c class, level int) *waitQueue {
	for _, q := range g.queues {
		if q.class == c && q.level == level {
			return q
		}
	}
	q := &waitQueue{gate: g, class: c, level: level}
	g.queues = append(g.queues, q)
	slices.SortStableFunc(g.queues, func(a, b *waitQueue) int { return cmp.Compare(a.class, b.class) })
	return q
}

// waiting counts the lanes at the gate.
func (g *gate) waiting() (n int) {
	for _, q := range g.queues {
		n += q.lanes.n
	}
	return n
}

// ring lets through whom time has made room for.
func (g *gate) ring(p *Pacer) { p.nudge(g) }

// open tries the first lane of each queue until it is refused again, and sets
// the alarm for those that stay.
func (g *gate) open(p *Pacer) {
	for _, q := range slices.Clone(g.queues) {
		for q.lanes.n > 0 {
			first := q.lanes.head.value
			p.try(first)
			if q.lanes.n > 0 && q.lanes.head.value == first {
				break
			}
		}
	}
	g.queues = slices.DeleteFunc(g.queues, func(q *waitQueue) bool { return q.lanes.n == 0 })
	at := never
	for _, q := range g.queues {
		at = min(at, q.lanes.head.value.waitAt)
	}
	p.alarms.set(&g.alarm, at, g)
}

// blocked says at which account a lane has to wait, for what, and when time
// alone may help.
type blocked struct {
	acc   *account
	level int
	at    tick
}

// wait puts the lane into the line of the account that blocks it. A lane that
// is there already keeps its place.
func (p *Pacer) wait(l *lane, c class, b *blocked) {
	if b.acc.gate == nil {
		b.acc.gate = &gate{}
	}
	g := b.acc.gate
	l.waitAt = b.at
	q := g.queue(c, b.level)
	if l.waits.in != &q.lanes {
		l.waits.leave()
		q.lanes.push(&l.waits, l)
	}
	if g.index == 0 || b.at < g.alarm.at {
		p.alarms.set(&g.alarm, b.at, g)
	}
}

// nudge has the gate's waiters tried before the lock is released.
func (p *Pacer) nudge(g *gate) {
	if g != nil && !g.pending && g.waiting() > 0 {
		g.pending = true
		p.gates = append(p.gates, g)
	}
}
