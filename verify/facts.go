package verify

import (
	"slices"
	"sync"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// knowledge is what is known of domains and sites: the stored facts, and what
// only the running process remembers, bounded.
type knowledge struct {
	store Facts

	mu      sync.Mutex
	domains bounded[[8]byte, domainMemory]
	sites   bounded[mx.Site, siteMemory]
}

// domainMemory is what the process remembers of one domain.
type domainMemory struct {
	good      address.Address // known to exist
	goodAt    time.Time
	postAt    time.Time               // when postmaster@ was accepted last
	refreshed time.Time               // the catch-all fact was asked anew
	seeded    bool                    // plain is what the store knows, and more
	plain     [plainPerHour]time.Time // refusals that counted beside an unknown postmaster@, oldest first
}

// siteMemory is what the process remembers of one site.
type siteMemory struct {
	good      address.Address // known to exist at one of its domains
	goodAt    time.Time
	accepted  time.Time                // when this process saw an address known to exist accepted last
	passed    time.Time                // when a control passed last
	stored    time.Time                // of passed
	seeded    bool                     // negatives is what the store knows, and more
	negatives [freeNegatives]time.Time // oldest first
	counted   time.Time                // when negatives was stored last
}

// goodFor is how long an accepted address is known to exist (rule 4b).
const goodFor = 24 * time.Hour

func (k *knowledge) init(store Facts) {
	k.store = store
	k.domains.init(50_000)
	k.sites.init(20_000)
}

// domain returns the domain's fact. It falls when the MX set has changed; an
// empty site asks for it whatever the MX set is.
func (k *knowledge) domain(d [8]byte, site mx.Site, now time.Time) (DomainFact, bool) {
	f, ok := k.store.GetDomain(d)
	if !ok || !now.Before(f.ExpiresAt) || (site != "" && f.Site != string(site)) {
		return DomainFact{}, false
	}
	return f, true
}

// putDomain replaces what is known of catch-all; the counters stay.
func (k *knowledge) putDomain(d [8]byte, f DomainFact) {
	k.mu.Lock()
	defer k.mu.Unlock()
	old, _ := k.store.GetDomain(d)
	f.Plain = old.Plain
	k.store.PutDomain(d, f)
}

// mayRefresh claims the refresh of a domain's stale fact, at most one in five
// minutes however many ask.
func (k *knowledge) mayRefresh(d [8]byte, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.domains.at(d)
	if now.Sub(m.refreshed) < retryRefresh {
		return false
	}
	m.refreshed = now
	return true
}

// exists remembers that an address was accepted just now: it exists, and
// vouches for its site.
func (k *knowledge) exists(d [8]byte, site mx.Site, a address.Address, at time.Time) {
	k.existed(d, site, a, at)
	if a.Local() == "postmaster" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if m := k.sites.at(site); at.After(m.accepted) {
		m.accepted = at
	}
}

// existed remembers that an address was accepted at some time, by the clock of
// a process that may have ended: good for a control, but it vouches for
// nothing. postmaster@ is kept apart: it is known only where nobody else is.
func (k *knowledge) existed(d [8]byte, site mx.Site, a address.Address, at time.Time) {
	age := time.Since(at)
	if age >= goodFor || age < 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if a.Local() == "postmaster" {
		if m := k.domains.at(d); at.After(m.postAt) {
			m.postAt = at
		}
		return
	}
	if m := k.domains.at(d); at.After(m.goodAt) {
		m.good, m.goodAt = a, at
	}
	if m := k.sites.at(site); at.After(m.goodAt) {
		m.good, m.goodAt = a, at
	}
}

// goodAt returns an address known to exist in the domain.
func (k *knowledge) goodAt(d [8]byte, now time.Time) (address.Address, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.domains.at(d)
	return m.good, !m.good.IsNull() && now.Sub(m.goodAt) < goodFor
}

// postmasterAt reports whether postmaster@ is known to exist in the domain.
func (k *knowledge) postmasterAt(d [8]byte, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.domains.at(d)
	return !m.postAt.IsZero() && now.Sub(m.postAt) < goodFor
}

// goodAtSite returns an address known to exist at any domain of the site.
func (k *knowledge) goodAtSite(s mx.Site, now time.Time) (address.Address, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.sites.at(s)
	return m.good, !m.good.IsNull() && now.Sub(m.goodAt) < goodFor
}

// forget drops an address that was known to exist and is refused.
func (k *knowledge) forget(d [8]byte, s mx.Site, a address.Address) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.domains.at(d)
	if m.good == a {
		m.good = address.Address{}
	}
	if a.Local() == "postmaster" {
		m.postAt = time.Time{}
	}
	if m := k.sites.at(s); m.good == a {
		m.good = address.Address{}
	}
}

// plainCounts reports whether one more refusal counts at a domain where
// postmaster@ is plainly unknown: at most 4 in a sliding hour, and none while
// the site is in doubt.
func (k *knowledge) plainCounts(d [8]byte, s mx.Site, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.doubtedLocked(s, now) {
		return false
	}
	m := k.domains.at(d)
	f, _ := k.store.GetDomain(d)
	if !m.seeded {
		m.seeded = true
		seed(m.plain[:], f.Plain, now)
	}
	if now.Sub(m.plain[0]) < time.Hour {
		return false
	}
	push(m.plain[:], now)
	f.Plain = slices.Clone(m.plain[:])
	k.store.PutDomain(d, f)
	return true
}

// doubtedLocked reports that the site refused an address known to exist, in
// the last day, and has accepted nobody since. k.mu is held.
func (k *knowledge) doubtedLocked(s mx.Site, now time.Time) bool {
	f, ok := k.store.GetSite(string(s))
	if !ok {
		return false
	}
	m := k.sites.at(s)
	return slices.ContainsFunc(f.Suspect, func(i Interval) bool {
		return now.Sub(i.To) < goodFor && !i.To.Before(f.LastGood) && !i.To.Before(m.passed) && !i.To.Before(m.accepted)
	})
}

// negative counts a negative of a truthful site, and reports whether it is
// enforced as it is: it is among the first two of a sliding hour, or an
// address known to exist was accepted there within five minutes. The store
// learns of the first two at once, of later ones once a minute.
func (k *knowledge) negative(s mx.Site, now time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.sites.at(s)
	if !m.seeded {
		m.seeded = true
		f, _ := k.store.GetSite(string(s))
		seed(m.negatives[:], f.Negatives, now)
	}
	third := now.Sub(m.negatives[0]) < time.Hour
	push(m.negatives[:], now)
	if !third || now.Sub(m.counted) >= time.Minute {
		m.counted = now
		f, _ := k.store.GetSite(string(s))
		f.Negatives = slices.Clone(m.negatives[:])
		k.store.PutSite(string(s), f)
	}
	return !third || now.Sub(m.accepted) <= sampleIsRecent
}

// seed takes over the counter of an earlier process, oldest first. What it
// counted in the future, before the clock was set back, counts as now.
func seed(counter, stored []time.Time, now time.Time) {
	stored = stored[max(0, len(stored)-len(counter)):]
	counter = counter[len(counter)-len(stored):]
	for i, at := range stored {
		if at.After(now) {
			at = now
		}
		counter[i] = at
	}
}

// push counts now, and forgets the oldest.
func push(counter []time.Time, now time.Time) {
	copy(counter, counter[1:])
	counter[len(counter)-1] = now
}

// good remembers that a control passed at the site. The store learns of it
// once a minute, which makes a suspect interval longer, never shorter.
func (k *knowledge) good(s mx.Site, at time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.sites.at(s)
	m.passed = at
	if at.Sub(m.stored) < time.Minute {
		return
	}
	m.stored = at
	f, _ := k.store.GetSite(string(s))
	f.LastGood = at
	k.store.PutSite(string(s), f)
}

// Negatives live three days; older intervals mark nothing any more.
const (
	suspectFor   = 3 * 24 * time.Hour
	maxIntervals = 8
)

// suspect marks the negatives of the site since its last good control, and
// forgets the address that was refused though it exists.
func (k *knowledge) suspect(s mx.Site, d [8]byte, refused address.Address, now time.Time) {
	k.forget(d, s, refused)
	k.mu.Lock()
	defer k.mu.Unlock()
	f, _ := k.store.GetSite(string(s))
	in := Interval{From: f.LastGood, To: now}
	if p := k.sites.at(s).passed; p.After(in.From) {
		in.From = p
	}
	kept := make([]Interval, 0, len(f.Suspect)+1)
	for _, i := range f.Suspect {
		switch {
		case now.Sub(i.To) > suspectFor:
		case !i.To.Before(in.From): // overlaps: one interval
			if i.From.Before(in.From) {
				in.From = i.From
			}
		default:
			kept = append(kept, i)
		}
	}
	if len(kept) >= maxIntervals { // the gap between the oldest two is given up
		kept[1].From = kept[0].From
		kept = kept[1:]
	}
	f.Suspect = append(kept, in)
	k.store.PutSite(string(s), f)
}

// mark tags a negative of an MX, the caller's own copy, that was checked while its
// site refused blindly.
func (k *knowledge) mark(v *verdict.Verdict) {
	if v.Status() != verdict.Undeliverable || v.Origin != verdict.FromProbe || v.Site == "" || v.Has(verdict.Suspect) {
		return
	}
	f, ok := k.store.GetSite(v.Site)
	if !ok {
		return
	}
	for _, i := range f.Suspect {
		if v.CheckedAt.After(i.From) && !v.CheckedAt.After(i.To) {
			v.Tags = append(slices.Clone(v.Tags), verdict.Suspect)
			return
		}
	}
}

// unreachable remembers that no host of the site could be talked to, for as
// long as the verdict lives.
func (k *knowledge) unreachable(s mx.Site, v *verdict.Verdict) {
	k.mu.Lock()
	defer k.mu.Unlock()
	f, _ := k.store.GetSite(string(s))
	f.Reason, f.ExpiresAt = v.Reason, v.ExpiresAt
	k.store.PutSite(string(s), f)
}

// reachable ends such a fact: a conversation has begun.
func (k *knowledge) reachable(s mx.Site) {
	f, ok := k.store.GetSite(string(s))
	if !ok || f.Reason == "" {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	f, _ = k.store.GetSite(string(s))
	f.Reason, f.ExpiresAt = "", time.Time{}
	k.store.PutSite(string(s), f)
}

// away returns the verdict of an address at a site that could not be talked
// to lately, until it is time to try again.
func (k *knowledge) away(s mx.Site, now time.Time) *verdict.Verdict {
	f, ok := k.store.GetSite(string(s))
	if !ok || f.Reason == "" || !now.Before(f.ExpiresAt) {
		return nil
	}
	i, _ := verdict.Lookup(f.Reason)
	v := verdict.New(f.Reason, verdict.FromProbe, f.ExpiresAt.Add(-i.Expire))
	v.Served = verdict.FromCache
	if v.Stale(now) {
		return nil
	}
	return v
}

// learn keeps what a final verdict tells beyond its address.
func (k *knowledge) learn(f *flight, v *verdict.Verdict) {
	if v.Served != verdict.Fresh || v.Origin != verdict.FromProbe {
		return
	}
	site := f.route.Site
	switch v.Reason {
	case verdict.Accepted:
		k.exists(f.domain(), site, f.addr, v.CheckedAt)
		if f.terms.Truth == provider.Truthful {
			k.good(site, v.CheckedAt)
		}
	case verdict.MailboxNotFound, verdict.MailboxDisabled:
		if v.Has(verdict.Suspect) {
			return
		}
		k.forget(f.domain(), site, f.addr)
		if fact, ok := k.domain(f.domain(), site, v.CheckedAt); ok && fact.CatchAll == CatchAllYes {
			// A refusal with its control: the domain does not accept all.
			k.putDomain(f.domain(), newFact(CatchAllUnknown, site, v.CheckedAt))
		}
	}
}
