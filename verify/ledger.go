package verify

import (
	"sync"
	"time"

	"rcptgate/verify/verdict"
)

// ledger keeps rule 5 over the store: an inconclusive verdict never
// overwrites a conclusive one that has not expired. No clear address passes it
// into the store.
type ledger struct {
	mu       sync.Mutex // makes reading and writing one step
	verdicts Verdicts
}

// get returns a copy of what is stored, or nil.
func (l *ledger) get(k Key, now time.Time) *verdict.Verdict {
	if v, ok := l.verdicts.GetVerdict(k); ok && !v.Expired(now) {
		return v
	}
	return nil
}

// retryRefresh is how long a verdict that could not be refreshed is given
// before it is asked again.
const retryRefresh = 5 * time.Minute

func (l *ledger) put(k Key, v *verdict.Verdict, now time.Time) {
	if v.Expired(now) { // what is never stored has no expiry
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.get(k, now)
	if old == nil || !stands(old, v) {
		masked := *v
		masked.Evidence = v.Evidence.Masked()
		l.verdicts.PutVerdict(k, &masked)
		return
	}
	i, _ := verdict.Lookup(v.Reason)
	again := now.Add(max(i.Refresh, retryRefresh))
	if old.Stale(now) && again.After(old.RefreshAt) {
		old.RefreshAt = again
		l.verdicts.PutVerdict(k, old)
	}
}

// found drops a negative of our own DNS: the DNS has found MXs of the domain
// since, which is as definitive about that claim.
func (l *ledger) found(k Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if v, ok := l.verdicts.GetVerdict(k); ok && deniedByDNS(v) {
		l.verdicts.DropVerdict(k)
	}
}

// deniedByDNS reports a verdict that says of the domain what only our own DNS
// says: that it does not exist, or takes no mail.
func deniedByDNS(v *verdict.Verdict) bool {
	return v.Status() == verdict.Undeliverable && v.Origin == verdict.FromDNS
}

// stands reports whether an unexpired verdict is kept against a new one. A
// negative that is itself in doubt takes nothing back that was proven, nor
// does a 250 that proves nothing one that did, at the same site.
func stands(old, v *verdict.Verdict) bool {
	switch {
	case !v.Reason.Conclusive():
		return old.Reason.Conclusive()
	case v.Has(verdict.Suspect):
		return old.Reason.Conclusive() && !old.Has(verdict.Suspect)
	}
	return v.Reason == verdict.AcceptUnproven && old.Status() == verdict.Deliverable && old.Site == v.Site
}
