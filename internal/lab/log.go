package lab

import (
	"net/netip"
	"slices"
	"time"
)

// Entry is one thing counted at the far end.
type Entry struct {
	At      time.Time
	Host    string
	Addr    netip.Addr // of the host
	Client  netip.Addr
	Session int    // unique in the world
	Verb    string // CONNECT EHLO HELO STARTTLS MAIL RCPT RSET NOOP QUIT CLOSE, or whatever else was sent
	Arg     string
	Code    int // of the reply; 0: none
}

type countKey struct {
	host, verb string
	class      int // first digit of the reply
}

func (n *Internet) log(e Entry) {
	e.At = time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[countKey{e.Host, e.Verb, e.Code / 100}]++
	if !n.opts.NoLog {
		n.entries = append(n.entries, e)
	}
}

// Log returns a copy of what was counted so far, in order.
func (n *Internet) Log() []Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.entries)
}

// Count says how often a verb was answered with a reply of the class (2, 4, 5;
// 0: unanswered; -1: any) at a host ("" for all).
func (n *Internet) Count(host, verb string, class int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	sum := 0
	for k, c := range n.counts {
		if (host == "" || k.host == host) && k.verb == verb && (class < 0 || k.class == class) {
			sum += c
		}
	}
	return sum
}

// CountByHost is Count of each host that has any.
func (n *Internet) CountByHost(verb string, class int) map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := map[string]int{}
	for k, c := range n.counts {
		if k.verb == verb && (class < 0 || k.class == class) {
			out[k.host] += c
		}
	}
	return out
}

// Verbs returns all verbs that reached any host: what a safety test looks at.
func (n *Internet) Verbs() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var out []string
	for k := range n.counts {
		if !slices.Contains(out, k.verb) {
			out = append(out, k.verb)
		}
	}
	slices.Sort(out)
	return out
}

// Queries returns the number of DNS queries served.
func (n *Internet) Queries() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.queries
}

// MaxInWindow returns the largest number of entries that pass keep within any
// window [t, t+window): the far end's view of a limit.
func MaxInWindow(entries []Entry, window time.Duration, keep func(Entry) bool) int {
	var times []time.Time
	for _, e := range entries {
		if keep(e) {
			times = append(times, e.At)
		}
	}
	best, from := 0, 0
	for i, t := range times {
		for !times[from].After(t.Add(-window)) {
			from++
		}
		best = max(best, i-from+1)
	}
	return best
}

// MaxOpen returns the largest number of connections that were open at once
// among the entries that pass keep (CONNECT opens, CLOSE closes).
func MaxOpen(entries []Entry, keep func(Entry) bool) int {
	open, best := 0, 0
	for _, e := range entries {
		if !keep(e) {
			continue
		}
		switch e.Verb {
		case "CONNECT":
			open++
			best = max(best, open)
		case "CLOSE":
			open--
		}
	}
	return best
}
