package pace

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/verdict"
)

func TestPredict(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("good.test", lab.Host{Exists: everybody})
		near := func(what string, got, want time.Duration) {
			t.Helper()
			if got < want*2/3 || got > want*3/2 {
				t.Errorf("%s: predicted %v, want about %v", what, got, want)
			}
		}
		d, ok := w.p.Predict(r)
		if !ok {
			t.Fatal("refused")
		}
		near("nothing known", d, 300*time.Millisecond)
		near("first", w.submit(r, "ann", nil).wait().after, 110*time.Millisecond)
		time.Sleep(3 * time.Second)
		d, _ = w.p.Predict(r)
		near("open session", d, 20*time.Millisecond)
		near("really", w.submit(r, "bob", nil).wait().after, 20*time.Millisecond)
		time.Sleep(10 * time.Second)
		d, _ = w.p.Predict(r)
		near("known site", d, 110*time.Millisecond)

		time.Sleep(time.Hour)
		var jobs []*pending
		var eta []time.Duration
		for i := range 200 {
			jobs = append(jobs, w.submit(r, fmt.Sprintf("g%d", i), func(_ *pending, j *Job) { j.Live = false }))
			eta = append(eta, jobs[i].ticket.ETA())
		}
		wrong := 0 // at the edge of a minute's budget a few are a minute off
		for i, q := range jobs {
			if d := q.wait().after; eta[i] > d+d/5+2*time.Second || eta[i] < d*2/3-2*time.Second {
				wrong++
				t.Logf("job %d: predicted %v, took %v", i, eta[i], d)
			}
		}
		if wrong > 10 {
			t.Errorf("%d predictions are wrong", wrong)
		}
		if got := jobs[0].ticket.ETA(); got != 0 {
			t.Errorf("ETA of what is done: %v", got)
		}
		w.p.Blanket(r, netip.Addr{}, verdict.Evidence{})
		if _, ok := w.p.Predict(r); ok {
			t.Error("predicted behind an open breaker")
		}
	})
}
