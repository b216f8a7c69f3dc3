package verify

import (
	"net/netip"
	"strings"
	"time"

	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// knownStage answers from what is at hand, on the asker's goroutine; a verdict
// ends the query.
type knownStage struct {
	name string
	run  func(e *Engine, a *ask) *verdict.Verdict
}

// knownStages and workStages are the way of one address, cheapest and most
// certain first.
var knownStages = []knownStage{
	{"guard", (*Engine).guard},
	{"store", (*Engine).stored},
	{"catch-all", (*Engine).catchAllKnown},
}

// workStage runs on the flight of the address; a verdict ends the flight. The last
// one hands the flight to the pacer.
type workStage struct {
	name string
	run  func(e *Engine, f *flight) *verdict.Verdict
}

var workStages = []workStage{
	{"mx", (*Engine).lookup},
	{"book", (*Engine).consult},
	{"facts", (*Engine).recall},
	{"probe", (*Engine).submit},
}

// neverAsked are the private suffixes of rule 9 (RFC 6762, RFC 8375, and the
// name ICANN reserved for private use).
var neverAsked = []string{".local", ".internal", ".lan", ".home.arpa"}

// guard ends queries about addresses that are never asked (rules 8 and 9).
func (e *Engine) guard(a *ask) *verdict.Verdict {
	addr := a.q.Address
	if addr.Kind() != address.Mailbox {
		return notProbed("no domain that the DNS could lead from to an MX")
	}
	if never(a.st, addr.Domain().String()) {
		return notProbed("never asked: a private name, this host, or skip_domains")
	}
	for _, s := range a.st.Senders {
		if s.IsNull() || s.Domain() != addr.Domain() && s.Domain() != a.q.Sender.Domain() {
			continue
		}
		// Whatever the case: an MX may have folded it.
		if key := s.Key(); strings.EqualFold(addr.Key(), key) || strings.EqualFold(a.q.Sender.Key(), key) {
			return notProbed("from or to a probe sender")
		}
	}
	a.key = e.keyer.Key(addr)
	return nil
}

func never(st *Settings, domain string) bool {
	if strings.EqualFold(domain, st.Hostname) {
		return true
	}
	for _, s := range neverAsked {
		if strings.HasSuffix(domain, s) || domain == s[1:] {
			return true
		}
	}
	for _, s := range st.SkipDomains {
		if domain == s || (strings.HasPrefix(s, ".") && strings.HasSuffix(domain, s)) {
			return true
		}
	}
	return false
}

// stored answers from the store. Stale positives are given at once and asked
// again behind; a stale negative or unknown is asked again within the asker's
// budget.
func (e *Engine) stored(a *ask) *verdict.Verdict {
	v := e.store.get(a.key, a.now)
	if v == nil {
		return nil
	}
	v.Served = verdict.FromCache
	e.facts.mark(v)
	if v.Reason == verdict.Greylisted && a.q.RetryGreylisted && a.q.Probe {
		e.retryLater(a.q.Address, a.q.Tenant, netip.Addr{}, v.CheckedAt)
	}
	if v.Reason == verdict.Accepted || v.Reason == verdict.Delivered {
		e.facts.existed(a.domain(), mx.Site(v.Site), a.q.Address, v.CheckedAt)
	}
	if !v.Stale(a.now) {
		return v
	}
	switch v.Status() {
	case verdict.Deliverable, verdict.Risky:
		a.behind = true
		return v
	case verdict.Undeliverable, verdict.Unknown:
	}
	a.old = v
	return nil
}

// catchAllKnown keeps the domain's catch-all fact at hand. It does not end
// the query where DNS may be asked: the fact falls when the MX set changes.
func (e *Engine) catchAllKnown(a *ask) *verdict.Verdict {
	f, ok := e.facts.domain(a.domain(), "", a.now)
	if ok && f.CatchAll == CatchAllYes && a.old == nil {
		a.old = factVerdict(f)
	}
	return nil
}

// known is what an asker gets instead of a verdict that says less than what
// was known before: a conclusive one stands until it expires, unless it is
// suspect; any other yields only to a verdict that is worth storing. A domain
// fact falls with the MX set it was found at, a negative of our DNS when the
// DNS finds MXs (Engine.look).
func (a *ask) known(v *verdict.Verdict) *verdict.Verdict {
	switch {
	case a.old == nil || (v.Reason.Conclusive() && !v.Has(verdict.Suspect)):
		return v
	case a.old.Reason == verdict.AcceptAll && v.Site != "" && v.Site != a.old.Site:
		return v
	case a.old.Reason.Conclusive() && !a.old.Has(verdict.Suspect):
		return a.old
	case v.Reason.Stored():
		return v
	}
	return a.old
}

// lookup finds the MXs of the domain (rule 2: a negative needs our own
// definitive answer, which is the resolver's work).
func (e *Engine) lookup(f *flight) *verdict.Verdict {
	wasBlind := f.st.Resolver.Blind()
	if wasBlind && !e.blindTrial(time.Now()) {
		return e.placed(f, notProbed("no name server answers"))
	}
	r := f.st.Resolver.Lookup(e.ctx, f.addr.Domain())
	if wasBlind && r.Outcome != mx.Failed && r.Outcome != mx.Unasked && f.st.Resolver.Blind() {
		e.blindTrial(time.Time{}) // known there already: no trial of the network
	}
	if hasMX(r) {
		e.foundMX(f)
	}
	reason := verdict.DNSFailure
	switch r.Outcome {
	case mx.Found:
		if len(r.Targets) == 0 {
			reason = verdict.Unreachable
			break
		}
		f.route = r
		e.narrow(f, possibleAtMX)
		return nil
	case mx.NXDomain:
		reason = verdict.DomainNotFound
	case mx.NoMail, mx.NullMX:
		reason = verdict.DomainNoMail
	case mx.NoTarget:
		reason = verdict.Unreachable
	case mx.Reserved:
		reason = verdict.MXReserved
	case mx.Failed:
		// Blind, or we are stopping: not a word about the domain (rule 12).
		if f.st.Resolver.Blind() || e.ctx.Err() != nil {
			reason = verdict.NotProbed
		}
	case mx.Unasked:
		reason = verdict.NotProbed
	}
	origin := verdict.FromDNS
	if reason == verdict.NotProbed {
		origin = ""
	}
	v := e.newVerdict(f, reason, origin)
	v.Site = string(r.Site)
	v.Evidence = verdict.Evidence{Stage: verdict.DNS, Text: r.Detail}
	return v
}

// hasMX reports that the DNS was seen to have an MX of the domain, whether or
// not it can be dialled. Of an implicit one that needs an address.
func hasMX(r mx.Route) bool {
	return r.Outcome == mx.Found || r.Outcome == mx.Reserved || (len(r.Hosts) > 0 && !r.Implicit)
}

// foundMX ends what our DNS said before: that the domain does not exist, or
// takes no mail.
func (e *Engine) foundMX(f *flight) {
	e.store.found(f.key)
	e.mu.Lock()
	defer e.mu.Unlock()
	f.found = true
}

// blindTrial claims the one lookup that may go out every 30 s while the DNS is
// blind (rule 12). The zero time gives the claim back.
func (e *Engine) blindTrial(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Sub(e.trial) < 30*time.Second && !now.IsZero() {
		return false
	}
	e.trial = now
	return true
}

// consult asks the provider book: whether the site may be probed at all
// (rule 7), and whether its answers tell anything.
func (e *Engine) consult(f *flight) *verdict.Verdict {
	f.terms = e.terms(f.st, f.route)
	switch {
	case !f.terms.Probing:
		return e.placed(f, notProbed("the provider's rules forbid probing"))
	case f.terms.Truth == provider.AcceptAll:
		return e.newVerdict(f, verdict.AcceptAll, verdict.FromList)
	case f.terms.Truth == provider.Truthful:
		e.narrow(f, possibleTruth)
	}
	return nil
}

// recall applies what is known of the domain and of the site. A stale
// catch-all is given at once, and the flight goes on to ask again behind.
func (e *Engine) recall(f *flight) *verdict.Verdict {
	now := time.Now()
	if f.terms.Truth != provider.Truthful {
		fact, ok := e.facts.domain(f.domain(), f.route.Site, now)
		if ok && fact.CatchAll == CatchAllYes {
			v := e.placed(f, factVerdict(fact))
			if !v.Stale(now) || !e.facts.mayRefresh(f.domain(), now) {
				return v
			}
			e.answer(f, v)
			f.refact, f.why = true, pace.WhyRefresh
		}
	}
	if v := e.facts.away(f.route.Site, now); v != nil {
		return e.placed(f, v)
	}
	if f.st.Unfit != "" {
		return e.placed(f, notProbed("nothing is probed: "+f.st.Unfit))
	}
	return nil
}

// newVerdict is verdict.New for the flight's address.
func (e *Engine) newVerdict(f *flight, r verdict.Reason, o verdict.Origin) *verdict.Verdict {
	return e.placed(f, verdict.New(r, o, time.Now()))
}

// placed tells a verdict that is new where its address is, and returns it.
func (e *Engine) placed(f *flight, v *verdict.Verdict) *verdict.Verdict {
	v.Site, v.Provider = string(f.route.Site), f.terms.Provider
	return v
}
