package pace

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/mx"
)

func TestBlind(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		var dead []mx.Route
		for i := range 6 {
			dead = append(dead, w.site(fmt.Sprintf("dead%d.test", i), lab.Host{Dead: true}, lab.Host{Dead: true}))
		}
		good := w.site("good.test", lab.Host{Exists: everybody})
		for _, r := range dead[:4] {
			w.want("dead", w.ask(r, "ann"), "dropped unreachable")
		}
		w.want("good", w.ask(good, "ann"), "accepted")
		for _, r := range dead[:4] {
			w.want("anew", w.ask(r, "ann"), "dropped unreachable")
		}
		if w.p.Blind() {
			t.Error("blind after 4 sites")
		}
		time.Sleep(61 * time.Second)
		w.want("later", w.ask(dead[4], "ann"), "dropped unreachable")
		if w.p.Blind() {
			t.Error("blind by sites of more than a minute ago")
		}
		for _, r := range dead[:4] {
			w.ask(r, "ann")
		}
		if !w.p.Blind() || !w.p.Snapshot().Blind {
			t.Fatal("not blind after 5 sites")
		}
		if got := w.submit(good, "bob", nil).wait(); got.refused == nil || !strings.HasPrefix(got.refused.Detail, "blind") {
			t.Errorf("while blind: %v", got)
		}
		time.Sleep(31 * time.Second)
		w.want("trial", w.ask(dead[5], "ann"), "dropped not_probed")
		w.want("one trial only", w.ask(good, "bob"), "refused not_probed")
		time.Sleep(31 * time.Second)
		w.want("good trial", w.ask(good, "bob"), "accepted")
		w.want("and on", w.ask(good, "cid"), "accepted")
		if w.p.Blind() {
			t.Error("blind after a success")
		}
		synctest.Wait()
		i := slices.IndexFunc(w.dialogues, func(d Dialogue) bool { return d.Transcript.Target.Host.Name == "mx1.dead5.test" })
		if i < 0 || w.dialogues[i].Why != WhyTrial {
			t.Error("the trial is not called one")
		}
	})
}

// With the egress cut, what waits is told at once, too.
func TestBlindEmptiesTheQueue(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		var jobs []*pending
		for i := range 10 {
			r := w.site(fmt.Sprintf("hole%d.test", i), lab.Host{Blackhole: true}, lab.Host{Blackhole: true})
			for j := range 10 {
				jobs = append(jobs, w.submit(r, fmt.Sprintf("g%d", j), nil))
			}
		}
		count := map[string]int{}
		for _, q := range jobs {
			got := q.wait()
			count[got.String()]++
			if got.after > 21*time.Second {
				t.Errorf("told after %v", got.after)
			}
		}
		if count["dropped not_probed"] != 100 {
			t.Errorf("results %v", count)
		}
	})
}
