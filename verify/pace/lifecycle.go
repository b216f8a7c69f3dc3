package pace

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rcptgate/verify/verdict"
)

const (
	sweepEvery = time.Minute
	// abortTime is what dialogues have to end after their context has.
	abortTime = 2 * closeTime
)

// call is one callback, made without the lock on the pacer's own goroutine.
type call struct {
	drop     func(Outcome)
	outcome  *Outcome
	dialogue *Dialogue
	breaker  *BreakerChange
}

// later has the callback made.
func (p *Pacer) later(c call) { p.calls = append(p.calls, c) }

// Start loads what the memory holds and begins to accept jobs.
func (p *Pacer) Start() error {
	p.lock()
	defer p.unlock()
	if p.started || p.stopping {
		return nil
	}
	if err := p.load(); err != nil {
		return fmt.Errorf("pace: %w", err)
	}
	p.started = true
	p.alarms.set(&p.sweep.alarm, p.now+sweepEvery, &p.sweep)
	p.loops.Add(3)
	go p.clock()
	go p.callback()
	go p.journal()
	return nil
}

// Stop drops what is queued, lets running dialogues end until ctx ends, then
// breaks them off. When it returns nil no goroutine of the pacer is left and
// all callbacks have been made. It may be called twice, and before Start.
func (p *Pacer) Stop(ctx context.Context) error {
	p.once.Do(func() { p.stopped = p.stop(ctx) })
	return p.stopped
}

func (p *Pacer) stop(ctx context.Context) error {
	defer p.cancel()
	p.lock()
	p.stopping = true
	o := &Outcome{Reason: verdict.NotProbed, Detail: detailStopping}
	for _, s := range p.sites {
		for _, l := range s.lanes {
			l.jobs.each(func(e *entry) { p.drop(e, o) })
		}
	}
	for p.idle.n > 0 {
		p.dismiss(p.idle.head.value)
	}
	p.unlock()

	ended := make(chan struct{})
	go func() {
		p.work.Wait()
		close(p.quit)
		p.loops.Wait()
		p.lock()
		p.keepCounts()
		p.unlock()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	p.cancel()
	t := time.NewTimer(abortTime)
	defer t.Stop()
	select {
	case <-ended:
		return nil
	case <-t.C:
		return fmt.Errorf("pace: dialogues go on although they were broken off: %w", ctx.Err())
	}
}

// clock rings the alarms. Stop waits for it.
func (p *Pacer) clock() {
	defer p.loops.Done()
	defer close(p.silent)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p.lock()
		for a := p.alarms.due(p.now); a != nil; a = p.alarms.due(p.now) {
			a.owner.ring(p)
		}
		p.pump()
		p.wakeAt = p.alarms.next()
		wait := p.wakeAt - p.now
		p.unlock()
		timer.Reset(max(0, wait))
		select {
		case <-timer.C:
		case <-p.rearm:
		case <-p.quit:
			return
		}
	}
}

// callback makes the callbacks in order. Stop waits for it.
func (p *Pacer) callback() {
	defer p.loops.Done()
	for quitting := false; ; {
		p.mu.Lock()
		calls := p.calls
		p.calls = nil
		p.mu.Unlock()
		for i := range calls {
			p.guarded("callback", func() { p.make(&calls[i]) })
		}
		switch {
		case len(calls) > 0:
			continue
		case quitting:
			return
		}
		select {
		case <-p.called:
		case <-p.silent:
			quitting = true
		}
	}
}

func (p *Pacer) make(c *call) {
	switch {
	case c.drop != nil:
		c.drop(*c.outcome)
	case c.dialogue != nil && p.o.OnDialogue != nil:
		p.o.OnDialogue(*c.dialogue)
	case c.breaker != nil && p.o.OnBreaker != nil:
		p.o.OnBreaker(*c.breaker)
	}
}

// sweeper forgets sites and limiters for which nothing counts any more.
type sweeper struct{ alarm }

func (s *sweeper) ring(p *Pacer) {
	p.alarms.set(&s.alarm, p.now+sweepEvery, s)
	for k, s := range p.sites {
		s.lanes = slices.DeleteFunc(s.lanes, func(l *lane) bool {
			if l.conns > 0 || l.jobs.len() > 0 || l.pending {
				return false
			}
			p.alarms.clear(&l.alarm)
			l.waits.leave()
			return true
		})
		if len(s.lanes) == 0 && s.lim.idle(p.now) {
			delete(p.sites, k)
		}
	}
	for k, l := range p.limiters {
		if _, used := p.sites[k.scopeKey]; l.idle(p.now) && (k.kind != "site" || !used) {
			p.forgetCounts(l)
			delete(p.limiters, k)
			for r := range l.acc {
				if g := l.acc[r].gate; g != nil {
					p.alarms.clear(&g.alarm)
				}
			}
		}
	}
}
