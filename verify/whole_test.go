package verify

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// whole is the real engine over the real pacer, prober and resolver, against
// a simulated internet.
type whole struct {
	*lab.Internet
	t     *testing.T
	e     *Engine
	store *mapStore
	over  provider.Overrides
}

// inLab runs f in a synctest bubble. build registers hosts and domains.
func inLab(t *testing.T, build func(w *whole), f func(t *testing.T, w *whole)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &whole{Internet: lab.New(lab.Options{RTT: 20 * time.Millisecond}), t: t, store: newMapStore()}
		w.over.Pace = provider.DefaultLimits()
		w.Domain("probe.example.net", lab.MX{Pref: 10, Host: "mx.probe.example.net"})
		build(w)
		sender := addr(t, "verify@probe.example.net")
		book, err := provider.New(w.over)
		must(t, err)
		resolver, err := mx.New(mx.Options{
			Servers: []string{lab.DNSAddr}, Canary: sender.Domain(), Dial: w.Dial,
			Guard: mx.NewGuard([]string{"out1.example.net"}, []netip.Prefix{netip.MustParsePrefix("127.64.0.0/10")},
				func() ([]net.Addr, error) { return nil, nil }),
		})
		must(t, err)
		paceSettings := &pace.Settings{Book: book, Sender: sender, Sources: []probe.Source{{HELO: "out1.example.net"}}}
		pacer, err := pace.New(pace.Options{
			Settings: func() *pace.Settings { return paceSettings },
			Prober: probe.New(probe.Options{Dial: func(ctx context.Context, src netip.Addr, dst netip.AddrPort) (net.Conn, error) {
				return w.DialFrom(ctx, src, "tcp", dst.String())
			}}),
		})
		must(t, err)
		must(t, pacer.Start())
		keyer, err := NewKeyer(make([]byte, 32))
		must(t, err)
		st := &Settings{Senders: []address.Address{sender}, Hostname: "out1.example.net", Book: book, Resolver: resolver, MaxWaiting: 1000, MaxWaitingPerSite: 1000}
		w.e, err = New(Options{Settings: func() *Settings { return st }, Pacer: pacer, Verdicts: w.store, Facts: w.store, Keyer: keyer})
		must(t, err)
		must(t, w.e.Start())
		f(t, w)
		must(t, w.e.Stop(t.Context()))
		must(t, pacer.Stop(t.Context()))
		resolver.Close()
		for _, v := range w.Verbs() {
			if strings.EqualFold(v, "DATA") {
				t.Error("DATA was sent")
			}
		}
		if n := w.e.panics.Load(); n != 0 {
			t.Errorf("%d panics", n)
		}
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *whole) ask(s string) *verdict.Verdict {
	return w.e.Verify(w.t.Context(), &Query{Address: addr(w.t, s), Probe: true, Budget: time.Minute, Uncapped: true, RetryGreylisted: true})
}

func (w *whole) want(s string, r verdict.Reason) *verdict.Verdict {
	w.t.Helper()
	v := w.ask(s)
	if v.Reason != r {
		w.t.Errorf("%s: %s, want %s (%+v)", s, v.Reason, r, v.Evidence)
	}
	return v
}

// rcpts are the recipients a host was asked, the random ones masked.
func (w *whole) rcpts() (out []string) {
	for _, e := range w.Log() {
		if e.Verb == "RCPT" {
			_, a, _ := strings.Cut(e.Arg, "<")
			a, _, _ = strings.Cut(a, ">")
			out = append(out, fmt.Sprintf("%s %d", a, e.Code))
		}
	}
	return out
}

func exists(locals ...string) func(string, string) bool {
	return func(l, _ string) bool {
		for _, x := range locals {
			if l == x {
				return true
			}
		}
		return false
	}
}

func TestWhole(t *testing.T) {
	users := lab.Host{Exists: exists("user")}
	type row struct {
		name  string
		build func(w *whole)
		ask   string
		want  verdict.Reason
		rcpts int // at the far end
	}
	site := func(h lab.Host) func(w *whole) {
		return func(w *whole) { w.Site("example.test", h) }
	}
	second := func(reply string) func(string, *lab.Session) string {
		return func(_ string, s *lab.Session) string {
			if s.Rcpts > 0 {
				return reply
			}
			return ""
		}
	}
	for _, c := range []row{
		{"existing", site(users), "user@example.test", verdict.Accepted, 2},
		{"unknown user", site(users), "nobody@example.test", verdict.MailboxNotFound, 2},
		{"catch-all", site(lab.Host{CatchAll: true}), "user@example.test", verdict.AcceptAll, 2},
		{"postmaster unknown", site(lab.Host{Postmaster: "550 5.1.1 User unknown"}), "nobody@example.test", verdict.MailboxNotFound, 2},
		{"postmaster refused by policy", site(lab.Host{Postmaster: "550 5.7.1 message rejected by local policy"}), "nobody@example.test", verdict.BlanketRefusal, 2},
		{"refusal that names us", site(lab.Host{Unknown: "550 5.7.1 Service unavailable; client host [198.51.100.7] blocked using zen.spamhaus.org"}), "nobody@example.test", verdict.ProbeBlocked, 1},
		{"4xx to the control, then 250", site(lab.Host{Rcpt: second("451 4.3.0 try again later")}), "nobody@example.test", verdict.MailboxNotFound, 3},
		{"drops at the control", site(lab.Host{Rcpt: second("drop")}), "nobody@example.test", verdict.MailboxNotFound, 3},
		{"one recipient a session", site(lab.Host{MaxRcpts: 1}), "nobody@example.test", verdict.MailboxNotFound, 3},
		{"control refused about us", site(lab.Host{Postmaster: "550 5.7.1 client host [198.51.100.7] blocked using zen.spamhaus.org"}), "nobody@example.test", verdict.BlanketRefusal, 2},
		{"one recipient a session, 250", site(lab.Host{Exists: exists("user"), MaxRcpts: 1}), "user@example.test", verdict.AcceptUnproven, 2},
		{"4xx to the random control", site(lab.Host{Exists: exists("user"), Unknown: "450 4.1.1 try later"}), "user@example.test", verdict.AcceptUnproven, 2},
		{"4xx unknown user", site(lab.Host{Unknown: "450 4.1.1 <ADDR>: User unknown"}), "nobody@example.test", verdict.TemporaryFailure, 1},
		{"dead primary, backup accepts all", func(w *whole) {
			w.Host("mx1.example.test", lab.Host{Dead: true})
			w.Host("mx2.example.test", lab.Host{CatchAll: true})
			w.Domain("example.test", lab.MX{Pref: 10, Host: "mx1.example.test"}, lab.MX{Pref: 20, Host: "mx2.example.test"})
		}, "user@example.test", verdict.AcceptUnproven, 1},
		{"all dead", site(lab.Host{Dead: true}), "user@example.test", verdict.Unreachable, 0},
		{"black hole", site(lab.Host{Blackhole: true}), "user@example.test", verdict.Timeout, 0},
		{"drops before anything", site(lab.Host{Drop: "MAIL"}), "user@example.test", verdict.TemporaryFailure, 0},
		{"nxdomain", func(*whole) {}, "user@gone.test", verdict.DomainNotFound, 0},
		{"null mx", func(w *whole) { w.NullMX("example.test") }, "user@example.test", verdict.DomainNoMail, 0},
		{"no mail", func(w *whole) { w.Domain("example.test") }, "user@example.test", verdict.DomainNoMail, 0},
		{"reserved", func(w *whole) {
			w.Records("example.test. 300 IN MX 10 mx.example.test.", "mx.example.test. 300 IN A 10.0.0.1")
		}, "user@example.test", verdict.MXReserved, 0},
		{"servfail", func(w *whole) {
			w.Site("example.test", users)
			w.DNSFault("example.test", "servfail")
		}, "user@example.test", verdict.DNSFailure, 0},
		{"needs smtputf8", site(users), "jürgen@example.test", verdict.SMTPUTF8Unsupported, 0},
		{"provider that forbids", func(w *whole) {
			no := provider.Forbidden
			w.over.Site = map[string]provider.Partial{"mx.example.test": {Probing: &no}}
			w.Site("example.test", users)
		}, "user@example.test", verdict.NotProbed, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, c.build, func(t *testing.T, w *whole) {
				w.want(c.ask, c.want)
				if got := w.rcpts(); len(got) != c.rcpts {
					t.Errorf("asked %q, want %d", got, c.rcpts)
				}
			})
		})
	}
}

func TestWholeGreylisting(t *testing.T) {
	inLab(t, func(w *whole) {
		w.Site("example.test", lab.Host{Exists: exists("user"), Greylist: 5 * time.Minute})
	}, func(t *testing.T, w *whole) {
		w.want("user@example.test", verdict.Greylisted)
		time.Sleep(7 * time.Minute)
		synctest.Wait()
		// The random control is greylisted too, which says nothing of it.
		w.want("user@example.test", verdict.AcceptUnproven)
		w.want("nobody@example.test", verdict.Greylisted)
	})
}

func TestWholeIdleSessionIsCut(t *testing.T) {
	inLab(t, func(w *whole) {
		w.Site("example.test", lab.Host{Exists: exists("a", "b"), Rcpt: func(a string, s *lab.Session) string {
			if s.Number == 1 && strings.HasPrefix(a, "b@") {
				return "drop"
			}
			return ""
		}})
		truthful := provider.Truthful
		w.over.Site = map[string]provider.Partial{"mx.example.test": {Truth: &truthful}}
	}, func(t *testing.T, w *whole) {
		w.want("a@example.test", verdict.Accepted)
		w.want("b@example.test", verdict.Accepted)
	})
}

func TestWholeHarvestProtectionThatLies(t *testing.T) {
	for _, c := range []struct{ name, reply string }{
		{"refuses everybody", "550 5.1.1 User unknown"},
		{"accepts everybody", "250 2.1.5 ok"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(w *whole) {
				w.over.Pace.InvalidPerHour, w.over.Pace.InvalidPerSession = 1000, 1000
				w.Site("example.test", lab.Host{
					Exists:       func(l, _ string) bool { return strings.HasPrefix(l, "user") },
					HarvestLimit: 10, HarvestReply: c.reply,
				})
			}, func(t *testing.T, w *whole) {
				w.want("user0@example.test", verdict.Accepted)
				refused := 0
				for i := range 30 {
					w.ask(fmt.Sprintf("nobody%d@example.test", i))
					v := w.ask(fmt.Sprintf("user%d@example.test", i+1))
					if v.Status() == verdict.Undeliverable && !v.Has(verdict.Suspect) {
						refused++
					}
					if v := w.ask(fmt.Sprintf("nobody%d@example.test", i)); v.Reason == verdict.Delivered {
						t.Errorf("nobody%d: %s", i, v.Reason)
					}
				}
				if refused != 0 {
					t.Errorf("%d existing recipients refused", refused)
				}
			})
		})
	}
}

// TestWholeHarvestProtectionThatLiesEarly is a site that refuses everybody,
// postmaster@ too, before any of its users was known to us.
func TestWholeHarvestProtectionThatLiesEarly(t *testing.T) {
	inLab(t, func(w *whole) {
		w.Site("example.test", lab.Host{
			Exists:       func(l, _ string) bool { return strings.HasPrefix(l, "user") },
			HarvestLimit: 3, HarvestReply: "550 5.1.1 User unknown",
		})
	}, func(t *testing.T, w *whole) {
		for i, want := range []verdict.Reason{verdict.MailboxNotFound, verdict.MailboxNotFound, verdict.BlanketRefusal} {
			w.want(fmt.Sprintf("nobody%d@example.test", i), want)
			time.Sleep(time.Minute)
		}
		for i := range 24 * 6 {
			if v := w.ask(fmt.Sprintf("user%d@example.test", i)); v.Status() == verdict.Undeliverable && !v.Has(verdict.Suspect) {
				t.Errorf("user%d: %s", i, v.Reason)
			}
			time.Sleep(10 * time.Minute)
		}
	})
}

func TestWholeRandomControlsKeepTheirShare(t *testing.T) {
	inLab(t, func(w *whole) {
		w.Host("mx.hoster.test", lab.Host{Exists: exists("user")})
		for i := range 6 {
			w.Domain(fmt.Sprintf("d%d.test", i), lab.MX{Pref: 10, Host: "mx.hoster.test"})
		}
	}, func(t *testing.T, w *whole) {
		start := time.Now()
		for i := range 6 {
			want := verdict.Accepted
			if i >= 3 { // 30 % of 10 invalid an hour
				want = verdict.AcceptUnproven
			}
			w.want(fmt.Sprintf("user@d%d.test", i), want)
		}
		if took := time.Since(start); took > 2*time.Minute {
			t.Errorf("took %v", took)
		}
		if len(w.store.domains) != 3 {
			t.Errorf("%d facts", len(w.store.domains))
		}
	})
}

func TestWholeManyAtOnce(t *testing.T) {
	inLab(t, func(w *whole) {
		for i := range 20 {
			w.Site(fmt.Sprintf("d%d.test", i), lab.Host{Exists: exists("u0", "u1")})
		}
	}, func(t *testing.T, w *whole) {
		var wg sync.WaitGroup
		for i := range 400 {
			wg.Go(func() {
				local, d := i%3, (i/3)%20
				v := w.ask(fmt.Sprintf("u%d@d%d.test", local, d))
				want := verdict.Accepted
				if local == 2 {
					want = verdict.MailboxNotFound
				}
				if v.Reason != want {
					t.Errorf("u%d@d%d: %s %+v", local, d, v.Reason, v.Evidence)
				}
			})
		}
		wg.Wait()
		// Two existing, one unknown, the random control and the unknown's own.
		if n := len(w.rcpts()); n != 20*5 {
			t.Errorf("%d RCPTs, want 100", n)
		}
	})
}
