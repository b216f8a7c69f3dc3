package pace

import "rcptgate/verify/address"

// fairQueue holds waiting jobs of one class: tenants take turns, and within a
// tenant its domains. All operations take constant time.
type fairQueue struct {
	tenants list[*tenantQueue]
	names   map[string]*tenantQueue
	n       int
}

// tenantQueue holds the jobs of one tenant in a fairQueue.
type tenantQueue struct {
	link[*tenantQueue]
	name    string
	queue   *fairQueue
	domains list[*domainQueue]
	names   map[address.Domain]*domainQueue
}

// domainQueue holds the jobs of one tenant at one domain, oldest first.
type domainQueue struct {
	link[*domainQueue]
	name    address.Domain
	tenant  *tenantQueue
	entries list[*entry]
	seq     int // of the entry that came last
}

// push appends the entry to the line of its tenant and domain.
func (q *fairQueue) push(e *entry) {
	t := q.names[e.job.Tenant]
	if t == nil {
		t = &tenantQueue{name: e.job.Tenant, queue: q, names: make(map[address.Domain]*domainQueue, 1)}
		if q.names == nil {
			q.names = make(map[string]*tenantQueue, 1)
		}
		q.names[t.name] = t
		q.tenants.push(&t.link, t)
	}
	d := t.names[e.job.Route.Domain]
	if d == nil {
		d = &domainQueue{name: e.job.Route.Domain, tenant: t}
		t.names[d.name] = d
		t.domains.push(&d.link, d)
	}
	d.seq++
	e.seq, e.line = d.seq, d
	d.entries.push(&e.place, e)
	q.n++
}

// first returns the entry whose turn it is; nil when there is none.
func (q *fairQueue) first() *entry {
	if q.n == 0 {
		return nil
	}
	return q.tenants.head.value.domains.head.value.entries.head.value
}

// remove takes the entry out of its line; with served, the turn passes to the
// next domain and tenant.
func (q *fairQueue) remove(e *entry, served bool) {
	d := e.line
	t := d.tenant
	e.place.leave()
	e.line = nil
	q.n--
	switch {
	case d.entries.n == 0:
		d.leave()
		delete(t.names, d.name)
	case served:
		t.domains.rotate()
	}
	switch {
	case t.domains.n == 0:
		t.leave()
		delete(q.names, t.name)
	case served:
		q.tenants.rotate()
	}
}

// ahead estimates how many entries of the queue are served before e, or
// before one that came now when e is nil.
func (q *fairQueue) ahead(e *entry) int {
	if e == nil {
		return q.n
	}
	d := e.line
	before := e.seq - d.entries.head.value.seq
	return min(q.n-1, before*d.tenant.domains.n*q.tenants.n)
}

// each calls f for all entries; f may remove the one it is given.
func (q *fairQueue) each(f func(*entry)) {
	for t := q.tenants.head; t != nil; {
		nextTenant := t.next
		for d := t.value.domains.head; d != nil; {
			nextDomain := d.next
			for e := d.value.entries.head; e != nil; {
				next := e.next
				f(e.value)
				e = next
			}
			d = nextDomain
		}
		t = nextTenant
	}
}

// waitlist holds all jobs that wait in one lane.
type waitlist struct {
	walking list[*entry] // between two targets of a walk: first of all
	queues  [2][classes]fairQueue
	n       [2]int // those that need a new connection are in [fresh]
}

const (
	either = 0
	fresh  = 1
)

func (w *waitlist) len() int { return w.n[either] + w.n[fresh] }

// push appends the entry to the line of its class.
func (w *waitlist) push(e *entry) {
	w.n[e.fresh()]++
	if e.walk != nil {
		w.walking.push(&e.place, e)
		return
	}
	e.class = e.classOf()
	w.queues[e.fresh()][e.class].push(e)
}

// remove takes the entry out; served as in fairQueue.remove.
func (w *waitlist) remove(e *entry, served bool) {
	w.n[e.fresh()]--
	if e.line == nil {
		e.place.leave()
		return
	}
	w.queues[e.fresh()][e.class].remove(e, served)
}

// first returns the best entry of a kind; for an open session that is either.
func (w *waitlist) first(kind int) *entry {
	for l := w.walking.head; l != nil; l = l.next {
		if l.value.fresh() == kind {
			return l.value
		}
	}
	for c := range w.queues[kind] {
		if e := w.queues[kind][c].first(); e != nil {
			return e
		}
	}
	return nil
}

// firstToOpen returns the best entry for a new connection; spare is how many
// of [either] have an open session to wait for.
func (w *waitlist) firstToOpen(spare int) *entry {
	f := w.first(fresh)
	if w.n[either] <= spare {
		return f
	}
	a := w.first(either)
	switch {
	case f == nil:
		return a
	case a.walk != nil, f.walk == nil && a.class < f.class:
		return a
	}
	return f
}

// each calls f for all entries; f may remove the one it is given.
func (w *waitlist) each(f func(*entry)) {
	for l := w.walking.head; l != nil; {
		next := l.next
		f(l.value)
		l = next
	}
	for k := range w.queues {
		for c := range w.queues[k] {
			w.queues[k][c].each(f)
		}
	}
}

// ahead estimates how many go before e, or before a live address that came
// now when e is nil.
func (w *waitlist) ahead(e *entry) (n int) {
	c := classLive
	if e != nil {
		if e.line == nil {
			return 0
		}
		c = e.class
		n = w.queues[e.fresh()][c].ahead(e)
	} else {
		n = w.queues[either][c].ahead(nil)
	}
	n += w.walking.n
	for better := range c {
		n += w.queues[either][better].n + w.queues[fresh][better].n
	}
	return n
}
