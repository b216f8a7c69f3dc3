package daemon

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// TestModes: what each mode tells the two mail servers, and what it records.
func TestModes(t *testing.T) {
	for _, c := range []struct {
		mode           string
		policy, milter string // prefix of the answers about one who does not exist
		action, would  string // recorded
		asked          bool   // the MX
	}{
		{"off", "DUNNO", "c", "accept", "<nil>", false},
		{"monitor", "DUNNO", "c", "accept", "reject", true},
		{"warn", "WARN ", "c", "accept", "reject", true},
		{"enforce", "550 5.1.1 ", "y 550 5.1.1 ", "reject", "<nil>", true},
	} {
		t.Run(c.mode, func(t *testing.T) {
			inWorld(t, worldOptions{mode: c.mode}, func(t *testing.T, w *world) {
				w.Site("far.test", lab.Host{Exists: exists("ada")})
				for _, rcpt := range []string{"nobody@far.test", "ada@far.test"} {
					policy, milter := w.rcpt(rcpt), w.milterRcpt("m"+rcpt)
					if rcpt == "ada@far.test" {
						c.policy, c.milter = "DUNNO", "" // mada does not exist
					}
					if !strings.HasPrefix(policy, c.policy) || !strings.HasPrefix(milter, c.milter) {
						t.Errorf("%s: %q and %q, want %q and %q", rcpt, policy, milter, c.policy, c.milter)
					}
				}
				time.Sleep(10 * time.Second) // of the bubble: monitor mode records behind
				d := w.decided("nobody@far.test")
				if d["mode"] != c.mode || d["action"] != c.action || fmt.Sprint(d["would"]) != c.would {
					t.Errorf("recorded: %v", d)
				}
				if asked := w.Count("mx.far.test", "RCPT", -1) > 0; asked != c.asked {
					t.Errorf("the MX was asked: %v", asked)
				}
				if c.mode == "warn" && strings.Count(w.journal.String(), "level=WARN") == 0 {
					t.Error("the journal has no warning about the milter's recipient")
				}
			})
		})
	}
}

// TestOnlyOutbound: mail that does not go out is passed and not probed
// (docs/design.md, rule 9).
func TestOnlyOutbound(t *testing.T) {
	const rules = `skip_domains = ["partner.test", ".intern.test"]
[[policy.rule]]
name = "exempted"
recipient = ["*@exempt.test"]
action = "exempt"
[[policy.rule]]
name = "by-context"
policy_context = ["submission"]
action = "verify"
[[policy.rule]]
name = "by-network"
client = ["203.0.113.0/24"]
action = "verify"
`
	inWorld(t, worldOptions{policy: rules}, func(t *testing.T, w *world) {
		for _, d := range []string{"far.test", "partner.test", "a.intern.test", "exempt.test", "printer.local", "x.internal", "x.lan", "x.home.arpa", "out1.lab.test"} {
			w.Site(d, lab.Host{Exists: exists("ada")})
		}
		n := 0
		ask := func(rcpt string, pairs ...string) (answer string, asked bool) {
			n++
			before := w.Count("", "CONNECT", -1)
			c := lab.NewPolicyClient(w.dial("policy"))
			defer c.Close()
			answer, err := c.Ask(append([]string{
				"protocol_state", "RCPT", "instance", fmt.Sprintf("i%d", n), "sender", "news@esp.test", "recipient", rcpt,
			}, pairs...)...)
			w.must(err)
			time.Sleep(10 * time.Second) // of the bubble: whatever is done behind
			return answer, w.Count("", "CONNECT", -1) > before
		}
		for _, c := range []struct {
			name  string
			rcpt  string
			pairs []string
		}{
			{"a client that is none of ours", "nobody@far.test", []string{"client_address", "192.0.2.7"}},
			{"no client", "nobody@far.test", nil},
			{"skip_domains", "nobody@partner.test", []string{"client_address", "127.0.0.1"}},
			{"skip_domains, suffix", "nobody@a.intern.test", []string{"client_address", "127.0.0.1"}},
			{"skip_domains, in capitals", "nobody@PARTNER.Test", []string{"client_address", "127.0.0.1"}},
			{"exempt", "nobody@exempt.test", []string{"client_address", "127.0.0.1"}},
			{".local", "nobody@printer.local", []string{"client_address", "127.0.0.1"}},
			{".internal", "nobody@x.internal", []string{"client_address", "127.0.0.1"}},
			{".lan", "nobody@x.lan", []string{"client_address", "127.0.0.1"}},
			{".home.arpa", "nobody@x.home.arpa", []string{"client_address", "127.0.0.1"}},
			{"this host", "nobody@out1.lab.test", []string{"client_address", "127.0.0.1"}},
			{"no domain", "nobody", []string{"client_address", "127.0.0.1"}},
			{"dotless", "nobody@localhost", []string{"client_address", "127.0.0.1"}},
			{"address literal", "nobody@[127.64.0.1]", []string{"client_address", "127.0.0.1"}},
			{"to the probe sender", "verify@probe.lab.test", []string{"client_address", "127.0.0.1"}},
			{"from the probe sender", "nobody@far.test", []string{"client_address", "127.0.0.1", "sender", "verify@probe.lab.test"}},
		} {
			if c.name == "from the probe sender" { // of a repeated name the first counts
				before := w.Count("", "CONNECT", -1)
				if got := w.rcptOf("loop", "verify@probe.lab.test", c.rcpt); got != "DUNNO" || w.Count("", "CONNECT", -1) != before {
					t.Errorf("%s: %q", c.name, got)
				}
				continue
			}
			if answer, asked := ask(c.rcpt, c.pairs...); answer != "DUNNO" || asked {
				t.Errorf("%s: %q, the MX was asked: %v", c.name, answer, asked)
			}
		}
		for i, c := range []struct {
			name  string
			pairs []string
		}{
			{"outbound_clients", []string{"client_address", "127.0.0.9"}},
			{"outbound_clients over IPv6", []string{"client_address", "::1"}},
			{"authenticated", []string{"client_address", "192.0.2.7", "sasl_username", "joe"}},
			{"a rule with policy_context", []string{"client_address", "192.0.2.7", "policy_context", "submission"}},
			{"a rule with client", []string{"client_address", "203.0.113.5"}},
		} {
			if answer, _ := ask(fmt.Sprintf("nobody%d@far.test", i), c.pairs...); !strings.HasPrefix(answer, "550 5.1.1") {
				t.Errorf("%s: %q", c.name, answer)
			}
		}
		// The milter asks only about what leaves by one of the mailers.
		m, err := lab.NewMilterClient(w.dial("milter"))
		w.must(err)
		_, err = m.Connect("127.0.0.1")
		w.must(err)
		_, err = m.Mail("news@esp.test", "")
		w.must(err)
		for mailer, want := range map[string]string{"local": "c", "": "c", "relay": "c", "smtp": "y 550 5.1.1"} {
			if got, err := m.Rcpt("someone@far.test", mailer); err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("mailer %q: %q, %v", mailer, got, err)
			}
		}
		w.must(m.Close())
	})
}

// TestHiddenAddresses: with addresses = "hmac" no local part is on disk or in
// the journal, also not in what servers said.
func TestHiddenAddresses(t *testing.T) {
	for _, mode := range []string{"monitor", "warn", "enforce"} {
		t.Run(mode, func(t *testing.T) {
			inWorld(t, worldOptions{mode: mode, auditKeys: `addresses = "hmac"`}, func(t *testing.T, w *world) {
				w.Site("far.test", lab.Host{Exists: exists("adalovelace")})
				w.Site("angry.test", lab.Host{Unknown: "550 5.7.1 <ADDR>: client host [198.51.100.1] blocked using zen.spamhaus.org"})
				for i, rcpt := range []string{"adalovelace@far.test", "gracehopper@far.test", "gracehopper@angry.test"} {
					w.rcptOf(fmt.Sprint("i", i), "alanturing@esp.test", rcpt)
					w.milterRcpt("m" + rcpt)
				}
				w.events() // are written
				record, err := os.ReadFile(w.path("audit.jsonl"))
				w.must(err)
				for _, name := range []string{"lovelace", "hopper", "turing"} {
					if strings.Contains(string(record), name) {
						t.Errorf("%s is in the audit log", name)
					}
					if strings.Contains(w.journal.String(), name) {
						t.Errorf("%s is in the journal", name)
					}
				}
				if !strings.Contains(string(record), "@far.test") {
					t.Error("domains are hidden, too")
				}
			})
		})
	}
}

// TestMessageBudget: the recipients of one message together are waited for no
// longer than message_budget, and max_refusals ends the refusals.
func TestMessageBudget(t *testing.T) {
	inWorld(t, worldOptions{policy: "answer_budget = \"8s\"\nmessage_budget = \"20s\"\nmax_refusals = 2"}, func(t *testing.T, w *world) {
		for i := range 10 {
			w.Site(fmt.Sprintf("slow%d.test", i), lab.Host{Exists: exists("ada"), Delay: map[string]time.Duration{"RCPT": 7 * time.Second}})
		}
		start := time.Now()
		for i := range 10 {
			if got := w.rcptOf("one", "news@esp.test", fmt.Sprintf("ada@slow%d.test", i)); got != "DUNNO" {
				t.Errorf("ada@slow%d: %q", i, got)
			}
		}
		if took := time.Since(start); took > 21*time.Second {
			t.Errorf("ten recipients took %v", took)
		}
		w.NullMX("nomail.test")
		refused := 0
		for i := range 5 {
			if got := w.rcptOf("two", "news@esp.test", fmt.Sprintf("u%d@nomail.test", i)); got != "DUNNO" {
				refused++
			}
		}
		if refused != 2 {
			t.Errorf("%d refusals in a message, want 2", refused)
		}
	})
}

// TestCrowd: more askers than max_waiting: the others pass at once, and what is
// known is answered to all.
func TestCrowd(t *testing.T) {
	inWorld(t, worldOptions{policy: "max_waiting = 20\nmax_waiting_per_site = 5"}, func(t *testing.T, w *world) {
		w.NullMX("nomail.test")
		for i := range 100 {
			w.Site(fmt.Sprintf("slow%d.test", i), lab.Host{Exists: exists("ada"), Delay: map[string]time.Duration{"RCPT": time.Minute}})
		}
		type result struct {
			answer string
			took   time.Duration
		}
		results := make(chan result)
		for i := range 100 {
			go func() {
				start := time.Now()
				results <- result{w.rcptOf(fmt.Sprintf("i%d", i), "news@esp.test", fmt.Sprintf("ada@slow%d.test", i)), time.Since(start)}
			}()
		}
		time.Sleep(time.Second) // of the bubble
		start := time.Now()
		if got := w.rcpt("u@nomail.test"); !strings.HasPrefix(got, "DUNNO") { // not known yet, and the house is full
			t.Errorf("a miss in the crowd: %q after %v", got, time.Since(start))
		}
		waited := 0
		for range 100 {
			r := <-results
			if r.answer != "DUNNO" {
				t.Errorf("%q", r.answer)
			}
			if r.took > time.Second {
				waited++
			}
		}
		if waited != 20 {
			t.Errorf("%d waited, want max_waiting", waited)
		}
		w.wellBehaved()
	})
}

// TestDeferral: a greylisted recipient is deferred where the rule says so, is
// asked again behind, and passes once the MX has had its time; one that stays
// greylisted is deferred no longer than defer_for.
func TestDeferral(t *testing.T) {
	inWorld(t, worldOptions{policy: "defer = [\"greylisted\"]\ndefer_for = \"4h\""}, func(t *testing.T, w *world) {
		w.Site("grey.test", lab.Host{Exists: exists("ada"), Greylist: 5 * time.Minute})
		w.Site("forever.test", lab.Host{Greylist: 1000 * time.Hour})
		ask := func(rcpt, want string) {
			t.Helper()
			if got := w.rcpt(rcpt); !strings.HasPrefix(got, want) {
				t.Errorf("%s: %q, want %s", rcpt, got, want)
			}
		}
		ask("ada@grey.test", "450 4.")
		ask("ada@forever.test", "450 4.")
		time.Sleep(10 * time.Minute) // of the bubble: it has been asked again
		before := w.Count("mx.grey.test", "CONNECT", -1)
		ask("ada@grey.test", "DUNNO")
		if w.Count("mx.grey.test", "CONNECT", -1) != before {
			t.Error("the asker paid for a dialogue")
		}
		time.Sleep(time.Hour)
		ask("ada@forever.test", "450 4.")
		time.Sleep(3 * time.Hour)
		ask("ada@forever.test", "DUNNO")
	})
}

// TestDecideAtEnd: with decide = "end" the whole message is answered at its
// end, by what on_partial says.
func TestDecideAtEnd(t *testing.T) {
	for _, c := range []struct {
		partial string
		rcpts   []string
		end     string // prefix of the answer
		removed int
	}{
		{"keep", []string{"nobody@far.test", "ada@far.test"}, "c", 0},
		{"reject", []string{"nobody@far.test", "ada@far.test"}, "y 550 5.", 0},
		{"delete", []string{"nobody@far.test", "ada@far.test"}, "c", 1},
		{"keep", []string{"nobody@far.test", "noone@nomail.test"}, "y 550 5.", 0},
		{"keep", []string{"ada@far.test"}, "c", 0},
	} {
		t.Run(fmt.Sprint(c.partial, c.rcpts), func(t *testing.T) {
			o := worldOptions{probe: fmt.Sprintf("[milter]\ndecide = \"end\"\non_partial = %q", c.partial)}
			inWorld(t, o, func(t *testing.T, w *world) {
				w.Site("far.test", lab.Host{Exists: exists("ada")})
				w.NullMX("nomail.test")
				m, err := lab.NewMilterClient(w.dial("milter"))
				w.must(err)
				_, err = m.Connect("127.0.0.1")
				w.must(err)
				_, err = m.Mail("news@esp.test", "")
				w.must(err)
				for _, rcpt := range c.rcpts {
					if got, err := m.Rcpt(rcpt, "esmtp"); err != nil || got != "c" {
						t.Errorf("%s: %q, %v", rcpt, got, err)
					}
				}
				removed, answer := 0, ""
				w.must(m.Send('E', nil))
				for answer == "" {
					cmd, data, err := m.Read()
					w.must(err)
					if cmd == '-' {
						removed++
						continue
					}
					answer = strings.TrimRight(string(cmd)+" "+string(data), " \x00")
				}
				if !strings.HasPrefix(answer, c.end) || removed != c.removed {
					t.Errorf("end of message: %q, %d removed; want %s, %d", answer, removed, c.end, c.removed)
				}
				w.must(m.Close())
			})
		})
	}
}
