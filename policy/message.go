package policy

import (
	"context"
	"hash/maphash"
	"sync"
	"time"

	"rcptgate/verify/verdict"
)

const (
	// messageTTL is how long a message is remembered after its last recipient.
	messageTTL  = 15 * time.Minute
	maxMessages = 1 << 15
	// duplicateTTL covers Postfix asking again after smtpd_policy_service_timeout
	// (100 s), and a service that is listed twice.
	duplicateTTL  = 2 * time.Minute
	maxDuplicates = 1 << 14
	// deferTTL outlives the retries of an MTA's queue after a pause; it is counted
	// from the last retry.
	deferTTL  = 24 * time.Hour
	maxDefers = 1 << 17
)

// account tells what the MTA is told from what is only recorded: each has limits
// of its own, so that a decision nobody sees takes nothing from one that counts.
type account int

const (
	enforced  account = iota
	monitored         // what would have been
	accounts
)

// messages keeps what one message has used up, and since when recipients are
// deferred.
type messages struct {
	seed maphash.Seed
	mu   *sync.Mutex
	byID *memory[string, *message]
	// since is when a (sender, recipient) was first deferred, by their hash: two
	// that fall together among a million would be a 1 in 10^7 accident, and accept
	// one recipient early.
	since [accounts]*memory[uint64, time.Time]
}

func newMessages() messages {
	ms := messages{seed: maphash.MakeSeed(), mu: new(sync.Mutex), byID: newMemory[string, *message](messageTTL, maxMessages)}
	for i := range ms.since {
		ms.since[i] = newMemory[uint64, time.Time](deferTTL, maxDefers)
	}
	return ms
}

// message is what the recipients of one message share.
type message struct {
	mu       sync.Mutex
	refusals [accounts]int
	// Recipients asked side by side use the time once: active waiters since
	// began, after used.
	active int
	began  time.Time
	used   time.Duration
}

// of returns the message of an instance; without one, a new message.
func (ms *messages) of(instance string) *message {
	if instance == "" {
		return &message{}
	}
	ms.mu.Lock()
	defer ms.mu.Unlock()
	m, ok := ms.byID.get(instance)
	if !ok {
		m = &message{}
		ms.byID.put(instance, m)
	}
	return m
}

func (ms *messages) forget(instance string) {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	ms.byID.delete(instance)
}

// begin says how long one recipient may wait, of what its message has left; end
// must follow.
func (m *message) begin(want, budget time.Duration) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	left := budget - m.used
	if m.active == 0 {
		m.began = now
	} else {
		left -= now.Sub(m.began)
	}
	m.active++
	return max(0, min(want, left))
}

func (m *message) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.active--; m.active == 0 {
		m.used += time.Since(m.began)
	}
}

// refuse counts a refusal and reports whether the message may have one more.
func (m *message) refuse(of account, most int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refusals[of] >= most {
		return false
	}
	m.refusals[of]++
	return true
}

// deferrable reports whether a (sender, recipient) has not been deferred for
// longer than most.
func (ms *messages) deferrable(of account, sender, recipient string, most time.Duration) bool {
	ms.mu.Lock()
	defer ms.mu.Unlock()
	since, ok := ms.since[of].get(sum(ms.seed, sender, recipient))
	return !ok || time.Since(since) < most
}

// deferred notes that a (sender, recipient) is deferred now, maybe again.
func (ms *messages) deferred(of account, sender, recipient string) {
	k := sum(ms.seed, sender, recipient)
	ms.mu.Lock()
	defer ms.mu.Unlock()
	if _, ok := ms.since[of].get(k); !ok {
		ms.since[of].put(k, time.Now())
	}
}

// duplicates makes one decision of identical requests.
type duplicates struct {
	seed maphash.Seed
	mu   *sync.Mutex
	seen *memory[uint64, *decided]
}

func newDuplicates() duplicates {
	return duplicates{seed: maphash.MakeSeed(), mu: new(sync.Mutex), seen: newMemory[uint64, *decided](duplicateTTL, maxDuplicates)}
}

// decided is a decision that is made, or has been. Its fields belong to who
// makes it until made is set, under the lock; then nobody changes them.
type decided struct {
	made      bool
	abandoned bool          // its asker went away before it was made
	done      chan struct{} // closed once made; nil while nobody waits for it
	answer    answer
}

// answer is what is kept of a decision for a request that comes again: all but
// the verdict it rests on, because thousands are kept.
type answer struct {
	id, rule      string
	mode          Mode
	action, would Action
	reason        verdict.Reason
	warning       bool
	reply         *reply // nil: none
	told          func(a Action, reply string)
}

type reply struct {
	code           int
	enhanced, text string
}

func (d *Decision) answer() answer {
	a := answer{
		id: d.ID, rule: d.Rule, mode: d.Mode, action: d.Action, would: d.Would,
		reason: d.Verdict.Reason, warning: d.Warning, told: d.told,
	}
	if d.Code != 0 {
		a.reply = &reply{d.Code, d.Enhanced, d.Text}
	}
	return a
}

func (a *answer) decision() Decision {
	d := Decision{
		ID: a.id, Rule: a.rule, Mode: a.mode, Action: a.action, Would: a.would, Warning: a.warning,
		Verdict: &verdict.Verdict{Reason: a.reason}, told: a.told,
	}
	if r := a.reply; r != nil {
		d.Code, d.Enhanced, d.Text = r.code, r.enhanced, r.text
	}
	return d
}

// once returns the decision of an identical request, or makes it. make reports
// whether its asker went away; then the next one asks anew.
func (ds *duplicates) once(ctx context.Context, q *Query, make func() (d Decision, abandoned bool)) Decision {
	k := sum(ds.seed, string(q.Door), q.Instance, q.Sender, q.Recipient, q.PolicyContext, q.SASLUsername)
	for {
		one, first, done := ds.join(k)
		if first {
			return ds.lead(k, one, make)
		}
		if done != nil {
			select {
			case <-done:
			case <-ctx.Done(): // nobody waits for this answer
				return Decision{Action: Accept, Verdict: verdict.New(verdict.Pending, "", time.Now())}
			}
		}
		if !one.abandoned {
			return one.answer.decision()
		}
	}
}

// join finds the decision of a request, or lets the caller make it. Where it is
// being made, done tells when it has been.
func (ds *duplicates) join(k uint64) (one *decided, first bool, done <-chan struct{}) {
	ds.mu.Lock()
	defer ds.mu.Unlock()
	one, ok := ds.seen.get(k)
	switch {
	case !ok:
		one = &decided{}
		ds.seen.put(k, one)
		return one, true, nil
	case one.made:
		return one, false, nil
	case one.done == nil:
		one.done = make(chan struct{})
	}
	return one, false, one.done
}

func (ds *duplicates) lead(k uint64, one *decided, make func() (Decision, bool)) Decision {
	d, abandoned := make()
	ds.mu.Lock()
	defer ds.mu.Unlock()
	one.answer, one.abandoned, one.made = d.answer(), abandoned, true
	if abandoned {
		ds.seen.delete(k)
	}
	if one.done != nil {
		close(one.done)
	}
	return d
}

// sum hashes texts under a key that nobody outside knows.
func sum(seed maphash.Seed, texts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, t := range texts {
		_, _ = h.WriteString(t)
		_ = h.WriteByte(0)
	}
	return h.Sum64()
}
