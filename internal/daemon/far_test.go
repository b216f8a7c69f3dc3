package daemon

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/policy"
	"rcptgate/verify/verdict"
)

// TestFarEnds meets every sort of MX with the whole daemon: what its asker is
// told, and what the verdict is in the end. Nothing that speaks of us, or that
// is not certain, is ever a refusal.
func TestFarEnds(t *testing.T) {
	users := exists("ada")
	site := func(h lab.Host) func(*world) { return func(w *world) { w.Site("far.test", h) } }
	rcpt := func(reply string) lab.Host {
		return lab.Host{Exists: users, Rcpt: func(string, *lab.Session) string { return reply }}
	}
	greet := func(reply string) lab.Host { return lab.Host{Greeting: reply, Exists: users} }
	mail := func(reply string) lab.Host {
		return lab.Host{Exists: users, Mail: func(string, *lab.Session) string { return reply }}
	}
	slow := func(verb string) lab.Host {
		return lab.Host{Exists: users, Delay: map[string]time.Duration{verb: 10 * time.Minute}}
	}
	for _, c := range []struct {
		name   string
		build  func(w *world)
		rcpt   string // default nobody@far.test
		answer string // prefix of what the policy door says; default DUNNO
		reason string // of the verdict that check gets afterwards
	}{
		{"refuses unknown users", site(lab.Host{Exists: users}), "", "550 5.1.1", "mailbox_not_found"},
		{"and knows this one", site(lab.Host{Exists: users}), "ada@far.test", "", "accepted"},
		{"without pipelining", site(lab.Host{Exists: users, NoPipelining: true}), "", "550 5.1.1", "mailbox_not_found"},
		{"without EHLO", site(lab.Host{Exists: users, NoEHLO: true}), "", "550 5.1.1", "mailbox_not_found"},
		{"with TLS", site(lab.Host{Exists: users, StartTLS: "ok", TLSOnly: true}), "", "550 5.1.1", "mailbox_not_found"},
		{"with broken TLS", site(lab.Host{Exists: users, StartTLS: "broken"}), "", "550 5.1.1", "mailbox_not_found"},
		{"that refuses TLS", site(lab.Host{Exists: users, StartTLS: "refused"}), "", "550 5.1.1", "mailbox_not_found"},
		{"that wants TLS and cannot", site(lab.Host{Exists: users, StartTLS: "broken", TLSOnly: true}), "", "", "tls_required"},
		{"greylisting", site(lab.Host{Exists: users, Greylist: 5 * time.Minute}), "", "", "greylisted"},
		{"catch-all", site(lab.Host{CatchAll: true}), "", "", "accept_all"},
		{"quota", site(rcpt("552 5.2.2 <ADDR>: mailbox full")), "", "", "mailbox_full"},
		{"4xx about the mailbox", site(rcpt("450 4.1.1 <ADDR>: User unknown")), "", "", "temporary_failure"},
		{"4xx to the control", site(lab.Host{Exists: users, Postmaster: "450 4.2.1 try later"}), "", "", "temporary_failure"},
		{"postmaster refused as unknown", site(lab.Host{Exists: users, Postmaster: "550 5.1.1 User unknown"}), "", "550 5.1.1", "mailbox_not_found"},
		{"postmaster refused otherwise", site(lab.Host{Exists: users, Postmaster: "550 5.7.1 no"}), "", "", "blanket_refusal"},
		{"refuses everybody", site(rcpt("554 5.7.1 <ADDR>: Recipient address rejected: Access denied")), "", "", "recipient_policy"},
		{"blocks in the greeting", site(greet("554 5.7.1 your address 198.51.100.1 is on a block list, see www.spamhaus.org")), "", "", "probe_blocked"},
		{"greets with 421", site(greet("421 4.3.2 service not available, closing")), "", "", "temporary_failure"},
		{"greets with 521", site(greet("521 5.3.2 does not accept mail")), "", "", "unreachable"},
		{"blocks at MAIL", site(mail("550 5.7.1 client host [198.51.100.1] blocked using zen.spamhaus.org")), "", "", "probe_blocked"},
		{"421 at MAIL", site(mail("421 4.7.0 try again later")), "", "", "temporary_failure"},
		{"refuses our sender", site(mail("550 5.1.8 <verify@probe.lab.test>: Sender address rejected: Domain not found")), "", "", "sender_refused"},
		{"refuses our sender at RCPT", site(rcpt("550 5.1.8 <verify@probe.lab.test>: Sender address rejected: Domain not found")), "", "", "sender_refused"},
		{"wants authentication", site(mail("530 5.7.0 Authentication required")), "", "", "auth_required"},
		{"blocks at RCPT", site(rcpt("550 5.7.1 Service unavailable; client host [198.51.100.1] blocked using zen.spamhaus.org")), "", "", "probe_blocked"},
		{"limits our rate at RCPT", site(rcpt("450 4.7.1 too many recipients from your address, slow down")), "", "", "rate_limited"},
		{"421 at RCPT", site(rcpt("421 4.7.0 try again later")), "", "", "temporary_failure"},
		{"no relaying", site(rcpt("554 5.7.1 <ADDR>: Relay access denied")), "", "", "relay_denied"},
		{"does not know the domain", site(rcpt("550 5.1.2 unknown domain")), "", "", "domain_refused"},
		{"not sure", site(rcpt("252 2.1.5 cannot verify")), "", "", "accept_unproven"},
		{"says nothing definite", site(rcpt("550 no")), "", "", "unclassified"},
		{"tarpit at the greeting", site(slow("CONNECT")), "", "", "timeout"},
		{"tarpit at EHLO", site(slow("EHLO")), "", "", "timeout"},
		{"tarpit at MAIL", site(slow("MAIL")), "", "", "timeout"},
		{"tarpit at RCPT", site(slow("RCPT")), "", "", "timeout"},
		{"cuts at the greeting", site(lab.Host{Drop: "CONNECT"}), "", "", "temporary_failure"},
		{"cuts at EHLO", site(lab.Host{Drop: "EHLO"}), "", "", "temporary_failure"},
		{"cuts at MAIL", site(lab.Host{Drop: "MAIL"}), "", "", "temporary_failure"},
		{"cuts at RCPT", site(lab.Host{Drop: "RCPT"}), "", "", "temporary_failure"},
		{"dead", site(lab.Host{Dead: true}), "", "", "unreachable"},
		{"black hole", site(lab.Host{Blackhole: true}), "", "", "timeout"},
		{"dead first MX", func(w *world) {
			w.Host("mx1.far.test", lab.Host{Dead: true})
			w.Host("mx2.far.test", lab.Host{Exists: users})
			w.Domain("far.test", lab.MX{Pref: 10, Host: "mx1.far.test"}, lab.MX{Pref: 20, Host: "mx2.far.test"})
		}, "", "550 5.1.1", "mailbox_not_found"},
		{"accept-all backup", func(w *world) {
			w.Host("mx1.far.test", lab.Host{Dead: true})
			w.Host("mx2.far.test", lab.Host{CatchAll: true})
			w.Domain("far.test", lab.MX{Pref: 10, Host: "mx1.far.test"}, lab.MX{Pref: 20, Host: "mx2.far.test"})
		}, "", "", "accept_unproven"},
		{"first MX refuses its greeting", func(w *world) {
			w.Host("mx1.far.test", lab.Host{Greeting: "554 no service here"})
			w.Host("mx2.far.test", lab.Host{Exists: users})
			w.Domain("far.test", lab.MX{Pref: 10, Host: "mx1.far.test"}, lab.MX{Pref: 10, Host: "mx2.far.test"})
		}, "", "550 5.1.1", "mailbox_not_found"},
		{"one recipient a session", site(lab.Host{Exists: users, MaxRcpts: 1}), "", "550 5.1.1", "mailbox_not_found"},
		{"needs SMTPUTF8 and has none", site(lab.Host{Exists: users}), "jürgen@far.test", "", "smtputf8_unsupported"},
		{"has SMTPUTF8", site(lab.Host{Exists: users, SMTPUTF8: true}), "jürgen@far.test", "550 5.1.1", "mailbox_not_found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				c.build(w)
				if c.rcpt == "" {
					c.rcpt = "nobody@far.test"
				}
				if c.answer == "" {
					c.answer = "DUNNO"
				}
				if got := w.rcpt(c.rcpt); !strings.HasPrefix(got, c.answer) {
					t.Errorf("policy door: %q, want %s", got, c.answer)
				}
				w.wellBehaved()
				// What spoke of us has opened a breaker: the next asker is told so.
				first := w.decided(c.rcpt)["reason"]
				if v := w.check(c.rcpt); v.Reason != c.reason && (first != c.reason || v.Reason != "not_probed") {
					t.Errorf("verdict %s, then %+v, want %s", first, v, c.reason)
				}
			})
		})
	}
}

// TestNullSenderRefused: a probe with an empty sender, and an MX that takes no
// bounces. That is about us.
func TestNullSenderRefused(t *testing.T) {
	inWorld(t, worldOptions{noSender: true}, func(t *testing.T, w *world) {
		w.Site("far.test", lab.Host{Exists: exists("ada"), Mail: func(sender string, _ *lab.Session) string {
			if sender == "" {
				return "550 5.7.1 null sender not accepted here"
			}
			return ""
		}})
		if got := w.rcpt("nobody@far.test"); got != "DUNNO" {
			t.Errorf("policy door: %q", got)
		}
		if d := w.decided("nobody@far.test"); d["reason"] != "sender_refused" {
			t.Errorf("decision %v", d)
		}
		w.wellBehaved()
	})
}

// TestLimitsOfTheFarEnd: an MX that counts sessions, recipients and invalid
// ones never has reason to complain under the default [pace], and no good
// recipient is refused whatever it answers past its limits.
func TestLimitsOfTheFarEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		host lab.Host
	}{
		{"recipients a session", lab.Host{MaxRcpts: 2}},
		{"connections a minute", lab.Host{ConnsPerMinute: 5}},
		{"recipients an hour", lab.Host{RcptsPerHour: 20}},
		{"harvest protection that refuses", lab.Host{HarvestLimit: 5}},
		{"harvest protection that says unknown", lab.Host{HarvestLimit: 5, HarvestReply: "550 5.1.1 User unknown"}},
		{"harvest protection that says yes", lab.Host{HarvestLimit: 5, HarvestReply: "250 2.1.5 ok"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				c.host.Exists = func(local, _ string) bool { return strings.HasPrefix(local, "good") }
				w.Site("far.test", c.host)
				refused := 0
				for i := range 60 {
					if got := w.rcpt(fmt.Sprintf("good%d@far.test", i)); got != "DUNNO" {
						t.Errorf("good%d: %q", i, got)
					}
					if got := w.rcpt(fmt.Sprintf("bad%d@far.test", i)); strings.HasPrefix(got, "550 5.1.1") {
						refused++
					} else if got != "DUNNO" {
						t.Errorf("bad%d: %q", i, got)
					}
				}
				t.Logf("%d of 60 unknown recipients refused", refused)
				w.wellBehaved()
			})
		})
	}
}

// TestThousandNames: a thousand domains with an MX name of their own each, and
// one server behind them. The limits hold for the server (docs/design.md,
// rule 6), in every sliding window, controls included.
func TestThousandNames(t *testing.T) {
	inWorld(t, worldOptions{probe: `after_accept = "queue"`}, func(t *testing.T, w *world) {
		w.Host("mx.one.test", lab.Host{Exists: exists("ada")})
		for i := range 1000 {
			name := fmt.Sprintf("d%d.test", i)
			w.Alias("mx."+name, "mx.one.test")
			w.Domain(name, lab.MX{Pref: 10, Host: "mx." + name})
		}
		for i := range 1000 {
			if got := w.rcpt(fmt.Sprintf("nobody@d%d.test", i)); got != "DUNNO" && !strings.HasPrefix(got, "550 5.1.1") {
				t.Fatalf("d%d: %q", i, got)
			}
		}
		time.Sleep(3 * time.Hour) // of the bubble: the queue has its time-out
		w.wellBehaved()
		log := slices.DeleteFunc(w.Log(), func(e lab.Entry) bool { return e.Host != "mx.one.test" })
		for _, limit := range []struct {
			name   string
			most   int
			window time.Duration
			keep   func(lab.Entry) bool
		}{
			{"invalid_per_hour", 10, time.Hour, func(e lab.Entry) bool { return e.Verb == "RCPT" && e.Code/100 == 5 }},
			{"probes_per_minute", 60, time.Minute, func(e lab.Entry) bool { return e.Verb == "RCPT" }},
			{"connections_per_minute", 20, time.Minute, func(e lab.Entry) bool { return e.Verb == "CONNECT" }},
		} {
			got := lab.MaxInWindow(log, limit.window, limit.keep)
			t.Logf("%s: at most %d", limit.name, got)
			if got > limit.most || got == 0 {
				t.Errorf("%s: %d at the far end, want at most %d", limit.name, got, limit.most)
			}
		}
		if got := lab.MaxOpen(log, func(lab.Entry) bool { return true }); got > 2 {
			t.Errorf("%d connections at once", got)
		}
	})
}

// TestReservedTargets: an MX record may point anywhere; we go only where mail
// servers are (docs/design.md, rule 8).
func TestReservedTargets(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		inside := w.Host("inside.lab.test", lab.Host{Addrs: []netip.Addr{netip.MustParseAddr("10.1.2.3")}})
		own := w.Host("own.lab.test", lab.Host{Addrs: []netip.Addr{netip.MustParseAddr("127.64.255.1")}})
		named := w.Host("out1.lab.test", lab.Host{Exists: exists("ada")})
		for i, c := range []string{
			inside[0].String(), own[0].String(), "127.0.0.1", "169.254.169.254", "192.168.1.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
			"::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.1.2.3", "64:ff9b::a01:203", "2001:db8::1",
		} {
			domain, kind := fmt.Sprintf("r%d.test", i), "A"
			if strings.Contains(c, ":") {
				kind = "AAAA"
			}
			w.Records(fmt.Sprintf("mx.%s. 300 IN %s %s", domain, kind, c), fmt.Sprintf("%s. 300 IN MX 10 mx.%s.", domain, domain))
			if got := w.rcpt("nobody@" + domain); got != "DUNNO" {
				t.Errorf("%s: %q", c, got)
			}
			if v := w.check("nobody@" + domain); v.Reason != "mx_reserved" {
				t.Errorf("%s: %+v", c, v)
			}
		}
		w.Domain("mine.test", lab.MX{Pref: 10, Host: "out1.lab.test"})
		if got := w.rcpt("nobody@mine.test"); got != "DUNNO" {
			t.Errorf("an MX with our own name at %s: %q", named[0], got)
		}
		if n := w.Count("", "CONNECT", -1); n != 0 {
			t.Errorf("%d connections", n)
		}
		w.wellBehaved()
	})
}

// TestNameServers meets every sort of trouble with the DNS: it passes, and it
// is no fault of the recipient.
func TestNameServers(t *testing.T) {
	fault := func(name, fault string) func(*world) {
		return func(w *world) {
			w.Site("far.test", lab.Host{Exists: exists("ada")})
			w.DNSFault(name, fault)
		}
	}
	many := func(n int) func(*world) {
		return func(w *world) {
			w.Host("mx.far.test", lab.Host{Exists: exists("ada")})
			list := make([]lab.MX, n)
			for i := range list {
				list[i] = lab.MX{Pref: 10, Host: "mx.far.test"}
			}
			w.Domain("far.test", list...)
		}
	}
	for _, c := range []struct {
		name, answer, reason string
		build                func(w *world)
	}{
		{"NXDOMAIN", "550", "domain_not_found", func(*world) {}},
		{"NXDOMAIN once", "550 5.1.1", "mailbox_not_found", fault("far.test", "nxdomain_once")},
		{"null MX", "550", "domain_no_mail", func(w *world) { w.NullMX("far.test") }},
		{"neither MX nor address", "550", "domain_no_mail", func(w *world) { w.Domain("far.test") }},
		{"no MX but an address", "550 5.1.1", "mailbox_not_found", func(w *world) { w.Host("far.test", lab.Host{Exists: exists("ada")}) }},
		{"MX without address", "DUNNO", "unreachable", func(w *world) { w.Domain("far.test", lab.MX{Pref: 10, Host: "nowhere.test"}) }},
		{"SERVFAIL", "DUNNO", "dns_failure", fault("far.test", "servfail")},
		{"SERVFAIL for the host", "DUNNO", "dns_failure", fault("mx.far.test", "servfail")},
		{"REFUSED", "DUNNO", "dns_failure", fault("far.test", "refused")},
		{"silence", "DUNNO", "dns_failure", fault("far.test", "silent")},
		{"wrong id", "DUNNO", "dns_failure", fault("far.test", "wrong_id")},
		{"wrong question", "DUNNO", "dns_failure", fault("far.test", "wrong_question")},
		{"a query instead of a reply", "DUNNO", "dns_failure", fault("far.test", "not_response")},
		{"CNAME loop", "DUNNO", "dns_failure", func(w *world) {
			w.Records("far.test. 300 IN CNAME b.test.", "b.test. 300 IN CNAME far.test.")
		}},
		{"1,500 MX records", "550 5.1.1", "mailbox_not_found", many(1500)},
		{"10,000 MX records", "DUNNO", "dns_failure", many(10_000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
				c.build(w)
				if got := w.rcpt("nobody@far.test"); !strings.HasPrefix(got, c.answer) {
					t.Errorf("policy door: %q, want %s", got, c.answer)
				}
				w.wellBehaved()
				if v := w.check("nobody@far.test"); v.Reason != c.reason {
					t.Errorf("verdict %+v, want %s", v, c.reason)
				}
				if got := w.milterRcpt("nobody@far.test"); !strings.HasPrefix(strings.TrimPrefix(got, "y "), strings.ReplaceAll(c.answer, "DUNNO", "c")) {
					t.Errorf("milter door: %q, want %s", got, c.answer)
				}
			})
		})
	}
}

// TestCanaryFails: a resolver that says NXDOMAIN of everything is not believed.
func TestCanaryFails(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Forget("probe.lab.test")
		if got := w.rcpt("nobody@gone.test"); got != "DUNNO" {
			t.Errorf("policy door: %q", got)
		}
		if v := w.check("nobody@gone.test"); v.Reason != "dns_failure" {
			t.Errorf("verdict %+v", v)
		}
		w.Domain("probe.lab.test")
		time.Sleep(31 * time.Minute) // of the bubble
		if got := w.rcpt("nobody@gone.test"); !strings.HasPrefix(got, "550") {
			t.Errorf("policy door, once the canary sings: %q", got)
		}
		w.wellBehaved()
	})
}

// TestKnownGood: a configured address is the control of the first refusal at
// its domain, and a site that refuses it too is not believed.
func TestKnownGood(t *testing.T) {
	t.Parallel()
	const config = `
[domain."site.test"]
known_good = "Sales@site.test"
`
	for _, c := range []struct {
		name string
		host lab.Host
		want verdict.Reason
	}{
		{"accepted", lab.Host{Exists: func(local, _ string) bool { return strings.EqualFold(local, "sales") }}, verdict.MailboxNotFound},
		{"refused too", lab.Host{}, verdict.BlanketRefusal},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, lab.Options{}, config, func(t *testing.T, n *lab.Internet, core *Core) {
				n.Site("site.test", c.host)
				v, _ := core.policy.VerifyNow(t.Context(), "nobody@site.test", "", "", time.Minute, policy.DoorCLI)
				if v.Reason != c.want {
					t.Errorf("%s, want %s (%+v)", v.Reason, c.want, v.Evidence)
				}
				var asked []string
				for _, e := range n.Log() {
					if e.Verb == "RCPT" {
						asked = append(asked, e.Arg)
					}
				}
				if len(asked) != 2 || !strings.Contains(asked[1], "<Sales@site.test>") {
					t.Errorf("asked %q", asked)
				}
			})
		})
	}
}
