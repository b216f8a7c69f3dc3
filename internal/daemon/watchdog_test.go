package daemon

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchdogPingsUntilDeadlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		var lock sync.Mutex
		held := make(chan struct{})
		pings := 0
		done := make(chan struct{})
		blocked := false
		go func() {
			defer close(done)
			runWatchdog(ctx, 10*time.Second, func() {
				lock.Lock()
				b := blocked
				lock.Unlock()
				if b {
					<-held
				}
			}, func() { pings++ })
		}()
		<-time.After(21 * time.Second)
		synctest.Wait()
		if pings != 5 {
			t.Errorf("%d pings in 21 s at 10 s, want 5", pings)
		}
		lock.Lock()
		blocked = true
		lock.Unlock()
		<-time.After(time.Minute)
		synctest.Wait()
		if pings != 5 {
			t.Errorf("%d pings, want none more while the locks are held", pings)
		}
		cancel()
		close(held)
		<-done
	})
}

func TestLifecycleStopsLastFirstAndOnce(t *testing.T) {
	var l lifecycle
	var order []string
	bad := errors.New("bad")
	l.onStop("a", func(context.Context) error { order = append(order, "a"); return nil })
	l.onStop("b", func(context.Context) error { order = append(order, "b"); return bad })
	for range 2 {
		if err := l.stop(context.Background()); !errors.Is(err, bad) {
			t.Errorf("got %v, want the error of step b", err)
		}
	}
	if len(order) != 2 || order[0] != "b" {
		t.Errorf("stopped in order %v", order)
	}
}
