package daemon

import (
	"context"
	"time"
)

// runWatchdog pings systemd every half interval for as long as pulse returns:
// it takes the locks that all work needs, so that only a deadlock keeps the
// ping back. It touches neither disk nor network; trouble there is no reason
// to be killed.
func runWatchdog(ctx context.Context, interval time.Duration, pulse func(), ping func()) {
	tick := time.NewTicker(interval / 2)
	defer tick.Stop()
	var beating chan struct{} // not nil while a pulse is under way
	for {
		if beating == nil {
			done := make(chan struct{})
			beating = done
			// Ends when the locks come free; in a deadlock the process is killed.
			go func() {
				defer close(done)
				pulse()
			}()
		}
		select {
		case <-ctx.Done():
			return
		case <-beating:
			beating = nil
			ping()
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}
