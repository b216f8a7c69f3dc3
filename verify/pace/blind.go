package pace

import (
	"log/slog"
	"slices"
	"time"

	"rcptgate/verify/verdict"
)

const (
	blindSites  = 5                // different sites that did not connect
	blindWithin = 60 * time.Second // all of them
	blindTrial  = 30 * time.Second // one job goes out so often
	troubleFor  = time.Minute      // how long trouble of this host is told
)

// blind is the connection half of rule 12 (docs/design.md): when the last
// sites tried all failed to connect, the trouble is ours.
type blind struct {
	on     bool
	misses []miss // the last different sites, oldest first
	trial  tick   // when the next job may look
	// trouble is why this host could not even open a socket the last time;
	// empty when it could. That is no blindness: it says nothing of the network.
	trouble   string
	troubleAt tick
}

// miss is a site that did not connect.
type miss struct {
	site scopeKey
	at   tick
}

// seen notes that somebody was connected to: the count starts anew.
func (p *Pacer) seen() {
	p.unhampered()
	p.blind.misses = p.blind.misses[:0]
	if p.blind.on {
		p.blind.on = false
		p.note(slog.LevelInfo, "no longer blind: a site was connected to")
	}
}

// unseen notes a failed connect. Attempts count, not walks: a walk may take
// minutes where a firewall swallows everything. Walks under way go on, and
// the first that connects ends the blindness.
func (p *Pacer) unseen(site scopeKey) {
	p.unhampered()
	b := &p.blind
	b.misses = slices.DeleteFunc(b.misses, func(m miss) bool { return m.site == site || p.now-m.at > blindWithin })
	b.misses = append(b.misses, miss{site, p.now})
	if len(b.misses) > blindSites {
		b.misses = slices.Delete(b.misses, 0, len(b.misses)-blindSites)
	}
	if len(b.misses) < blindSites || b.on {
		return
	}
	b.on, b.trial = true, p.now+blindTrial
	p.note(slog.LevelWarn, "blind: the last sites tried all failed to connect", "sites", blindSites)
	o := &Outcome{Reason: verdict.NotProbed, Detail: detailBlind}
	for _, s := range p.sites {
		for _, l := range s.lanes {
			l.jobs.each(func(e *entry) {
				if e.walk == nil {
					p.drop(e, o)
				}
			})
		}
	}
}

// hampered notes that this host could not open a socket.
func (p *Pacer) hampered(why string) {
	if p.blind.trouble == "" {
		p.note(slog.LevelWarn, "this host cannot open connections", "error", why)
	}
	p.blind.trouble, p.blind.troubleAt = why, p.now
}

// unhampered notes that it could.
func (p *Pacer) unhampered() {
	if p.blind.trouble != "" {
		p.blind.trouble = ""
		p.note(slog.LevelInfo, "this host can open connections again")
	}
}

// mayLook reports whether a new job may go out: always, unless we are blind;
// then one in 30 seconds.
func (p *Pacer) mayLook() (may, trial bool) {
	if !p.blind.on {
		return true, false
	}
	return p.now >= p.blind.trial, true
}

// Trouble says why this host could not open the last socket that it wanted for
// a dialogue, within the last minute; empty when it could.
func (p *Pacer) Trouble() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.clockNow()-p.blind.troubleAt > troubleFor {
		return ""
	}
	return p.blind.trouble
}

// Blind reports rule 12's connection half.
func (p *Pacer) Blind() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blind.on
}
