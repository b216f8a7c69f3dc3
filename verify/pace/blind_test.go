package pace

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
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

// noSocket is how the kernel says that we have used up our descriptors.
var noSocket = &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}

// A socket that this host cannot open says nothing of the address, of the site
// or of the network.
func TestOwnTrouble(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.lacks(noSocket, netip.Addr{})
		var routes []mx.Route
		for i := range 6 {
			routes = append(routes, w.site(fmt.Sprintf("good%d.test", i), lab.Host{Exists: everybody}, lab.Host{Exists: everybody}))
		}
		for _, r := range routes {
			got := w.submit(r, "ann", nil).wait()
			if got.dropped == nil || got.dropped.Reason != "not_probed" || !got.dropped.Ours {
				t.Errorf("without a socket: %+v", got.dropped)
			}
		}
		if why := w.p.Trouble(); !strings.Contains(why, "too many open files") {
			t.Errorf("trouble %q", why)
		}
		if w.p.Blind() {
			t.Error("blind to a network that was not tried")
		}
		w.p.mu.Lock()
		for k, s := range w.p.sites {
			if len(s.failed) > 0 {
				t.Errorf("%s: failed %v", k.name, s.failed)
			}
		}
		w.p.mu.Unlock()
		w.lacks(nil)
		for _, r := range routes {
			w.want("with sockets", w.ask(r, "ann"), "accepted")
		}
		if got := w.told(); len(got) > 0 || w.p.Trouble() != "" {
			t.Errorf("breakers %q, trouble %q", got, w.p.Trouble())
		}
	})
}

// The trouble is over with the next socket, whatever the network makes of it.
func TestOwnTroubleEnds(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("dead.test", lab.Host{Dead: true})
		w.lacks(noSocket, netip.Addr{})
		w.want("without a socket", w.ask(r, "ann"), "dropped not_probed")
		if w.p.Trouble() == "" {
			t.Error("no trouble")
		}
		w.lacks(nil)
		w.want("with sockets", w.ask(r, "ann"), "dropped unreachable")
		if why := w.p.Trouble(); why != "" {
			t.Errorf("trouble %q", why)
		}
	})
}

// A trial of a host for which there is no socket leaves the breaker to the next,
// though another host answers.
func TestOwnTroubleIsNoTrial(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("two.test", lab.Host{Greeting: "421 4.3.0 mail system is going down"}, lab.Host{Exists: everybody})
		w.want("walk", w.ask(r, "ann"), "accepted")
		w.want("states", w.states(), "host:open:temporary_failure:1")
		time.Sleep(6 * time.Minute)
		w.lacks(noSocket, r.Targets[0].Addr)
		w.want("walk", w.ask(r, "ann"), "accepted")
		w.want("states", w.states(), "host:half_open:temporary_failure:1")
		w.lacks(nil)
		w.net.Host("mx1.two.test", lab.Host{Addrs: []netip.Addr{r.Targets[0].Addr}, Exists: everybody})
		time.Sleep(time.Minute)
		w.want("first again", w.ask(r, "ann"), "accepted")
		w.want("states", w.states(), "")
	})
}

// Where one target of a walk could not be tried, the others are; and the walk
// does not blame the site for it.
func TestOwnTroubleOnAWalk(t *testing.T) {
	good := lab.Host{Exists: everybody}
	busy := lab.Host{Greeting: "421 4.3.0 mail system is going down"}
	for _, c := range []struct {
		name  string
		hosts []lab.Host
		lack  int // the host for which there is no socket
		want  string
		told  int // breakers that open: of hosts
	}{
		{"another will do", []lab.Host{good, good}, 0, "accepted", 0},
		{"another is dead", []lab.Host{good, {Dead: true}}, 0, "dropped not_probed", 0},
		{"another refuses", []lab.Host{busy, good}, 1, "dropped not_probed", 1},
		{"two others refuse", []lab.Host{good, busy, busy}, 0, "dropped temporary_failure", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				r := w.site("walk.test", c.hosts...)
				w.lacks(noSocket, r.Targets[c.lack].Addr)
				w.want("answer", w.ask(r, "ann"), c.want)
				if got := w.told(); len(got) != c.told {
					t.Errorf("opened %q", got)
				}
			})
		})
	}
}
