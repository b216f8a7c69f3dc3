package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// stopTimeout bounds the whole shutdown. systemd's own default is 90 s.
	stopTimeout = 45 * time.Second
	// drainTimeout is what the requests under way get to end: as long as the
	// most patient MTA waits for an answer at RCPT (patience).
	drainTimeout = patience
	// writeGrace is what the store and the audit log get to be written, each,
	// however long the parts before them took. The unit file waits for all.
	writeGrace = 5 * time.Second
	// dialogueGrace is what a dialogue that nobody waits for gets to end.
	dialogueGrace = 5 * time.Second
)

// lifecycle remembers how to release what has been acquired, last first, so
// that a half-built daemon rolls back by the same path that stops a whole one.
type lifecycle struct {
	mu    sync.Mutex
	steps []step
	once  sync.Once
	err   error
}

type step struct {
	name string
	stop func(context.Context) error
}

// written gives what must reach the disk its time even when ctx has ended.
func written(stop func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeGrace)
		defer cancel()
		return stop(ctx)
	}
}

// onStop registers the release of what was just acquired.
func (l *lifecycle) onStop(name string, stop func(context.Context) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.steps = append(l.steps, step{name, stop})
}

// stop releases everything once; later calls return the first one's result.
func (l *lifecycle) stop(ctx context.Context) error {
	l.once.Do(func() {
		l.mu.Lock()
		steps := l.steps
		l.mu.Unlock()
		var errs []error
		for i := len(steps) - 1; i >= 0; i-- {
			if err := steps[i].stop(ctx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", steps[i].name, err))
			}
		}
		l.err = errors.Join(errs...)
	})
	return l.err
}
