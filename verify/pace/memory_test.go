package pace

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// FuzzLoad feeds the memory what a damaged store may hold: whatever it is, no
// stamp lies in the future and none is out of order.
func FuzzLoad(f *testing.F) {
	f.Add("counts x", `{"source":"","kind":"site","name":"a","invalids":["2999-01-01T00:00:00Z","1000-01-01T00:00:00Z"]}`)
	f.Add("minute x", `{"source":"","kind":"site","name":"a","at":"2999-01-01T00:00:00Z","connects":20,"probes":60,"asking":2}`)
	f.Add("minute x", `{"source":"","kind":"site","name":"a","at":"1000-01-01T00:00:00Z","connects":-1,"probes":1000000000000}`)
	f.Add("breaker x", `{"source":"","scope":"site","name":"a","since":"2999-01-01T00:00:00Z","length":9223372036854775807,"times":99}`)
	f.Fuzz(func(t *testing.T, key, value string) {
		s := &Settings{Book: book(t, provider.Overrides{})}
		p := newPacer(Options{
			Settings: func() *Settings { return s },
			Memory:   &memory{data: map[string][]byte{key: []byte(value)}, disk: map[string][]byte{}},
		}, nil)
		p.lock()
		defer p.unlock()
		if err := p.load(); err != nil {
			t.Fatal(err)
		}
		for _, l := range p.limiters {
			for r := range l.acc {
				last := -never
				for _, at := range l.acc[r].stamps {
					if at > p.now || at < last {
						t.Errorf("stamps %v, now %v", l.acc[r].stamps, p.now)
					}
					last = at
				}
			}
		}
		for _, b := range p.breakers {
			if b.since > p.now || b.until < b.since {
				t.Errorf("breaker from %v to %v, now %v", b.since, b.until, p.now)
			}
			b.state = stateHalfOpen
			p.openBreaker(b.key, b.site, 1, tripped{reason: b.reason})
		}
	})
}

// Counters and breakers outlive the process.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory(), nil)
		bad := w.site("bad.test", lab.Host{})
		shy := w.site("shy.test", lab.Host{Mail: func(string, *lab.Session) string { return noSender }})
		w.want("shy", w.ask(shy, "ann"), "sender_refused")
		for i := range 9 {
			w.want("bad", w.ask(bad, fmt.Sprintf("b%d", i)), "mailbox_not_found")
		}
		w.stop()
		for range 5 { // a crash loop
			w.start()
			q := w.submit(bad, "again", nil)
			time.Sleep(time.Second)
			select {
			case r := <-q.done:
				t.Errorf("asked over the budget after a restart: %v", r)
			default:
			}
			w.want("shy", w.ask(shy, "ann"), "refused not_probed")
			w.stop()
		}
		w.start()
		defer w.stop()
		began := time.Now()
		w.want("bad", w.ask(bad, "later"), "dropped not_probed") // queue timeout
		time.Sleep(55*time.Minute - time.Since(began))
		w.want("bad", w.ask(bad, "later"), "mailbox_not_found")
		time.Sleep(6 * time.Minute)
		w.want("shy", w.ask(shy, "ann"), "sender_refused")
		if b := w.p.Snapshot().Breakers; len(b) != 1 || b[0].Times != 2 {
			t.Errorf("breakers %+v", b)
		}
	})
}

// A breaker that keeps away for longer than the memory keeps counters outlives
// the process all the same, and so does the doubling.
func TestRestartOfALongBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const away = 100 * time.Hour
		w := newWorld(t, newMemory(), func(s *Settings) {
			s.Book = book(t, provider.Overrides{Site: map[string]provider.Partial{
				".shy.test": {StayAway: map[verdict.Reason]time.Duration{verdict.SenderRefused: away}},
			}})
		})
		shy := w.site("shy.test", lab.Host{Mail: func(string, *lab.Session) string { return noSender }})
		w.want("shy", w.ask(shy, "ann"), "sender_refused")
		w.stopPacer()
		time.Sleep(away - time.Minute)
		w.start()
		w.want("a minute early", w.ask(shy, "ann"), "refused not_probed")
		w.stopPacer()
		time.Sleep(forgetAfter)
		w.start()
		synctest.Wait()
		w.want("a day later", w.ask(shy, "ann"), "sender_refused")
		w.want("states", w.states(), "site:open:sender_refused:2")
		w.stop()
	})
}

// A stored time in the future counts as now, rubbish is left out.
func TestMemoryFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory()
		future := time.Now().Add(1000 * time.Hour).Format(time.RFC3339)
		mem.data["counts site  mx1.bad.test"] = []byte(`{"source":"","kind":"site","name":"mx1.bad.test","invalids":["` +
			strings.Repeat(future+`","`, 9) + future + `"]}`)
		mem.data["breaker site  mx1.shy.test"] = []byte(`{"source":"","scope":"site","name":"mx1.shy.test","reason":"probe_blocked","since":"` +
			future + `","length":3600000000000,"base":3600000000000,"times":1}`)
		mem.data["breaker x"], mem.data["counts y"], mem.data["z"] = []byte("{}"), []byte("rubbish"), []byte("")
		w := newWorld(t, mem, func(s *Settings) { s.QueueTimeout = 2 * time.Hour })
		defer w.stop()
		bad, shy := w.site("bad.test", lab.Host{}), w.site("shy.test", lab.Host{})
		q := w.submit(bad, "b", nil)
		if eta := q.ticket.ETA(); eta < 59*time.Minute || eta > 61*time.Minute {
			t.Errorf("ETA %v, want an hour", eta)
		}
		w.want("shy", w.ask(shy, "ann"), "refused not_probed")
		if r := q.wait(); r.String() != "mailbox_not_found" || r.after < time.Hour || r.after > 61*time.Minute {
			t.Errorf("%v after %v", r, r.after)
		}
		w.want("shy", w.ask(shy, "ann"), "mailbox_not_found")
		w.want("states", w.states(), "")
	})
}

// kill ends the pacer as kill -9 does, and leaves to the next what was in the
// memory at that moment.
func (w *world) kill() {
	left := w.mem.killed()
	now, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.p.Stop(now); err != nil {
		w.t.Error(err)
	}
	w.mem = left
}

// No crash loop gets more out of a site than one process would, but for what is
// not yet on the disk: the batch of the store, 200 ms.
func TestCrashLoop(t *testing.T) {
	const batch = 150 * time.Millisecond
	tests := []struct {
		name               string
		host               lab.Host
		life, pause, batch time.Duration
		least              int // of what is asked all the same
	}{
		{"restarted by systemd", lab.Host{Exists: everybody}, 3 * time.Second, 2 * time.Second, batch, 60},
		{"many lives a minute", lab.Host{Exists: everybody}, 400 * time.Millisecond, 200 * time.Millisecond, 0, 60},
		{"killed by the answer", lab.Host{Delay: map[string]time.Duration{"RCPT": time.Second}}, 500 * time.Millisecond, 2 * time.Second, batch, 5},
		{"refusals", lab.Host{}, 700 * time.Millisecond, 2 * time.Second, 0, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := provider.DefaultLimits()
				l.RcptsPerSession = 2
				w := newWorld(t, newMemory(), func(s *Settings) { s.Book = book(t, provider.Overrides{Pace: l}) })
				w.mem.batch = tt.batch
				defer w.stop()
				w.mem.batch = tt.batch
				r := w.site("loop.test", tt.host)
				for began := time.Now(); time.Since(began) < 4*time.Minute; {
					for i := range 40 {
						w.submit(r, fmt.Sprintf("a%d", i), nil)
					}
					time.Sleep(tt.life)
					w.kill()
					time.Sleep(tt.pause)
					w.start()
				}
				log := w.net.Log()
				for _, x := range exceeded(log, l, asked) {
					t.Error(x)
				}
				rcpt := func(e lab.Entry) bool { return e.Verb == "RCPT" }
				n := lab.MaxInWindow(log, time.Hour, rcpt)
				if n < tt.least {
					t.Errorf("only %d were asked in all", n)
				}
				if tt.host.Exists == nil && n > l.InvalidPerHour {
					t.Errorf("%d unknown addresses were asked, allowed %d", n, l.InvalidPerHour)
				}
			})
		})
	}
}

// A breaker is told with what the MX said; the memory keeps nobody's address.
func TestBreakerIsKeptWithoutAddresses(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		shy := w.site("shy.test", lab.Host{Mail: func(string, *lab.Session) string {
			return "550 5.7.1 Access denied, write to bob@help.test"
		}})
		w.ask(shy, "ann")
		breakers := w.p.Snapshot().Breakers
		if len(breakers) != 1 || !strings.Contains(breakers[0].Text, "bob@help.test") {
			t.Errorf("told: %+v", breakers)
		}
		stored, _ := w.mem.LoadPace()
		kept := 0
		for key, v := range stored {
			if strings.Contains(string(v), "bob") {
				t.Errorf("%s: %s", key, v)
			}
			if strings.HasPrefix(key, breakerPrefix) {
				kept++
			}
		}
		if kept != 1 {
			t.Errorf("%d breakers are kept", kept)
		}
	})
}

// A stored number above what is believed counts as that, not as nothing.
func TestHugeMinute(t *testing.T) {
	mem := newMemory()
	mem.data["minute site  mx1.busy.test"] = []byte(`{"source":"","kind":"site","name":"mx1.busy.test","at":"` +
		time.Now().Format(time.RFC3339) + `","connects":100001,"probes":7}`)
	s := &Settings{Book: book(t, provider.Overrides{})}
	p := newPacer(Options{Settings: func() *Settings { return s }, Memory: mem}, nil)
	p.lock()
	defer p.unlock()
	if err := p.load(); err != nil {
		t.Fatal(err)
	}
	acc := p.limiter("site", scopeKey{name: "mx1.busy.test"}).acc
	if c, n := len(acc[connects].stamps), len(acc[probes].stamps); c != maxMinute || n != 7 {
		t.Errorf("%d connections and %d probes", c, n)
	}
}

// TestAppendMinute: what is written by hand is what the library would write.
func TestAppendMinute(t *testing.T) {
	for _, m := range []savedMinute{
		{At: time.Date(2026, 11, 23, 1, 2, 3, 450, time.UTC), Kind: "site", Name: `a\"b<c,"at":1`, Connects: 1, Probes: 22},
		{Source: netip.MustParseAddr("2001:db8::1"), Kind: "addr", Name: "192.0.2.1/32", Asking: 3},
	} {
		want, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		head := minuteHead(limiterKey{scopeKey{m.Source, m.Name}, m.Kind})
		if got := appendMinute(nil, head, m); string(got) != string(want) {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

// An orderly stop leaves nothing unwritten.
func TestStopWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory(), nil)
		w.want("ann", w.ask(w.site("bad.test", lab.Host{}), "ann"), "mailbox_not_found")
		w.stop()
		stored, _ := w.mem.LoadPace()
		for _, kind := range []string{"site", "addr"} {
			name := map[string]string{"site": "mx1.bad.test", "addr": "127.64.0.1/32"}[kind]
			k := limiterKey{scopeKey{name: name}, kind}
			if v := string(stored[k.memory(minutePrefix)]); !strings.Contains(v, `"connects":1,"probes":1}`) {
				t.Errorf("minute of the %s: %q", kind, v)
			}
			if v := string(stored[k.memory(countsPrefix)]); strings.Count(v, "T") != 1 {
				t.Errorf("hour of the %s: %q", kind, v)
			}
		}
	})
}

// What counts is stored once, and deleted when nothing counts any more.
func TestMinuteStored(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.want("ann", w.ask(w.site("good.test", lab.Host{Exists: everybody}), "ann"), "accepted")
		time.Sleep(10 * time.Second)
		synctest.Wait()
		stored, _ := w.mem.LoadPace()
		for key, v := range stored {
			if !strings.HasPrefix(key, minutePrefix) || !strings.Contains(string(v), `"connects":1,"probes":1}`) {
				t.Errorf("%s: %s", key, v)
			}
		}
		if len(stored) != 2 { // of the site and of the address
			t.Errorf("%d values are stored", len(stored))
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if stored, _ = w.mem.LoadPace(); len(stored) != 0 {
			t.Errorf("still stored: %v", stored)
		}
	})
}

// A clock that is late sweeps before it writes: what it forgets then is not
// written again.
func TestForgottenIsNotWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := newMemory()
		s := &Settings{Book: book(t, provider.Overrides{})}
		p := newPacer(Options{Settings: func() *Settings { return s }, Memory: mem}, nil) // its clock does not run
		p.lock()
		l := p.limiter("addr", scopeKey{name: "192.0.2.1/32"})
		l.acc[invalids].add(p.now)
		p.touch(l, true)
		p.unsaved.ring(p)
		if stored, _ := mem.LoadPace(); len(stored) != 2 { // the minute and the hour
			t.Errorf("stored %v", stored)
		}
		p.touch(l, true)
		p.unlock()
		time.Sleep(2 * time.Hour)
		p.lock()
		defer p.unlock()
		p.sweep.ring(p)
		p.unsaved.ring(p)
		if stored, _ := mem.LoadPace(); len(stored) != 0 {
			t.Errorf("still stored: %v", stored)
		}
	})
}

// Restarts do not keep a breaker that nobody tries: the day after which it is
// forgotten begins when it may be tried, whenever the process began.
func TestRestartsDoNotKeepABreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory(), nil)
		shy := w.site("shy.test", lab.Host{Mail: func(string, *lab.Session) string { return noSender }})
		w.want("shy", w.ask(shy, "ann"), "sender_refused")
		for i, want := range []string{"site:half_open:sender_refused:1", ""} {
			time.Sleep(13 * time.Hour)
			w.stopPacer()
			w.start()
			synctest.Wait()
			w.want(fmt.Sprintf("after %d h", 13*(i+1)), w.states(), want)
		}
		w.stop()
	})
}

// A breaker that is to stay open for ever is open for a year, also behind a
// restart.
func TestBreakerForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, newMemory(), func(s *Settings) {
			s.Book = book(t, provider.Overrides{Site: map[string]provider.Partial{
				".shy.test": {StayAway: map[verdict.Reason]time.Duration{verdict.SenderRefused: math.MaxInt64}},
			}})
		})
		shy := w.site("shy.test", lab.Host{Mail: func(string, *lab.Session) string { return noSender }})
		w.want("shy", w.ask(shy, "ann"), "sender_refused")
		for range 2 {
			time.Sleep(maxLength/2 - time.Hour)
			w.want("later", w.ask(shy, "bob"), "refused not_probed")
			w.stopPacer()
			w.start()
			synctest.Wait()
			w.want("states", w.states(), "site:open:sender_refused:1")
		}
		w.stop()
	})
}
