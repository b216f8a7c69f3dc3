package mx

import (
	"sync"
	"time"
)

const (
	blindNames = 3
	blindAfter = 5 * time.Second
	// sightGap: names asked longer ago than this before the next one say
	// nothing about the network of now.
	sightGap = 30 * time.Second
	// troubleTime is how long trouble of our own is told: a server that cannot be
	// asked is tried again by then.
	troubleTime = canaryPeriod + defaultBudget
)

// sight knows whether the name servers answer at all (docs/design.md, rule 12).
// The zero value is ready.
type sight struct {
	mu    sync.Mutex
	names [blindNames]string // asked since the last answer
	n     int
	since time.Time // when the first of them was asked
	last  time.Time // when the last question went out
	lost  bool      // found blind, until an answer comes

	trouble string    // why we last could not ask a server
	at      time.Time // when
}

// asked notes that a query for the name goes out.
func (s *sight) asked(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if !s.judge(now) && now.Sub(s.last) > sightGap {
		s.n = 0
	}
	s.last = now
	if s.n == 0 {
		s.since = now
	}
	for _, known := range s.names[:s.n] {
		if known == name {
			return
		}
	}
	if s.n < blindNames {
		s.names[s.n] = name
		s.n++
	}
}

// answered notes that some server answered something.
func (s *sight) answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n, s.lost = 0, false
}

func (s *sight) blind() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.judge(time.Now())
}

// hampered notes that we could not ask: trouble of this host.
func (s *sight) hampered(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble, s.at = why, time.Now()
}

// lately is why we could not ask a server of late; empty: we could.
func (s *sight) lately() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.at) >= troubleTime {
		return ""
	}
	return s.trouble
}

// judge decides anew. s.mu is held.
func (s *sight) judge(now time.Time) bool {
	if s.n == blindNames && now.Sub(s.since) >= blindAfter {
		s.lost = true
	}
	return s.lost
}
