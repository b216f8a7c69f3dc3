package pace

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/verify/verdict"
)

func everybody(string, string) bool { return true }

func TestAskOne(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("good.test", lab.Host{Exists: func(l, _ string) bool { return l == "ann" }})
		q := w.submit(r, "ann", nil)
		got := q.wait()
		synctest.Wait() // the session lies idle, and is there for the next
		w.want("ann", got.String(), "accepted")
		ev := got.answers[0].Evidence
		if ev.Stage != verdict.Rcpt || ev.MX != "mx1.good.test" || ev.Code != 250 || !ev.MXIP.IsValid() {
			t.Errorf("evidence %+v", ev)
		}
		got = w.submit(r, "nobody", nil).wait()
		w.want("nobody", got.String(), "mailbox_not_found")
		if ev := got.answers[0].Evidence; !strings.Contains(ev.Text, "<rcpt>") || ev.Enhanced != "5.1.1" {
			t.Errorf("evidence %+v", ev)
		}
		if n := w.net.Count("", "CONNECT", 0); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if s := w.p.Snapshot(); s.Sessions != 0 || s.Queued != 0 {
			t.Errorf("after the idle time: %+v", s)
		}
		if n := w.net.Count("", "QUIT", 2); n != 1 {
			t.Errorf("%d QUITs, want 1", n)
		}
		if len(w.dialogues) != 1 || len(w.dialogues[0].Addresses) != 2 || w.dialogues[0].ProbeID != got.probeID {
			t.Errorf("dialogues %+v", w.dialogues)
		}
	})
}

func TestWalk(t *testing.T) {
	good := lab.Host{Exists: everybody}
	dead := lab.Host{Dead: true}
	hole := lab.Host{Blackhole: true}
	busy := lab.Host{Greeting: "421 4.3.0 mail system is going down"}
	listed := lab.Host{Greeting: "554 5.7.1 your address 198.51.100.1 is listed at zen.spamhaus.org"}
	gone := lab.Host{Greeting: "521 5.3.2 host does not accept mail"}
	mute := lab.Host{Delay: map[string]time.Duration{"CONNECT": time.Hour}}
	cut := lab.Host{Drop: "CONNECT"}
	for _, tt := range []struct {
		name  string
		hosts []lab.Host
		want  string
		used  int    // hosts connected to
		told  string // scopes that opened
	}{
		{"one", []lab.Host{good, good}, "accepted", 1, ""},
		{"dead first", []lab.Host{dead, good}, "accepted", 1, ""},
		{"dead four", []lab.Host{dead, dead, dead, dead, good}, "accepted", 1, ""},
		{"dead all", []lab.Host{dead, dead}, "dropped unreachable", 0, ""},
		{"521 first", []lab.Host{gone, good}, "accepted", 2, ""},
		{"521 all", []lab.Host{gone, gone, gone}, "dropped unreachable", 3, ""},
		{"busy first", []lab.Host{busy, good}, "accepted", 2, "host"},
		{"busy two", []lab.Host{busy, busy, good}, "dropped temporary_failure", 2, "host host site"},
		{"busy alone", []lab.Host{busy}, "dropped temporary_failure", 1, "host site"},
		{"busy, others dead", []lab.Host{busy, dead, dead}, "dropped temporary_failure", 1, "host site"},
		{"listed", []lab.Host{listed, good}, "dropped probe_blocked", 1, "site"},
		{"silent", []lab.Host{hole}, "dropped timeout", 1, ""},
		{"no greeting", []lab.Host{mute, good}, "accepted", 2, "host"},
		{"cut", []lab.Host{cut, good}, "accepted", 2, "host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				r := w.site("walk.test", tt.hosts...)
				w.want("answer", w.ask(r, "ann"), tt.want)
				synctest.Wait()
				if n := w.net.Count("", "CONNECT", -1); n != tt.used && tt.name != "silent" {
					t.Errorf("%d connections, want %d", n, tt.used)
				}
				var scopes []string
				for _, c := range w.changes {
					scopes = append(scopes, string(c.Scope))
				}
				if got := strings.Join(scopes, " "); got != tt.told {
					t.Errorf("opened %q, want %q", got, tt.told)
				}
			})
		})
	}
}

// A refusal of our name, in answer to EHLO, is about us, and no other host is
// asked: it is a refusal of its class, and longer than one of a greeting.
func TestRefusedHello(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		picky := lab.Host{Script: func(c net.Conn) {
			_, _ = io.WriteString(c, "220 mx1.hello.test\r\n")
			in := bufio.NewScanner(c)
			for in.Scan() {
				answer := "550 5.7.1 go away"
				if in.Text() == "QUIT" {
					answer = "221 bye"
				}
				_, _ = io.WriteString(c, answer+"\r\n")
			}
		}}
		r := w.site("hello.test", picky, lab.Host{Exists: everybody})
		w.want("answer", w.ask(r, "ann"), "dropped probe_blocked")
		if got := w.told(); len(got) != 1 || got[0] != "host mx1.hello.test closed>open probe_blocked 1h0m0s" {
			t.Errorf("opened %q", got)
		}
	})
}

// A peer that hangs up between two jobs is called again, and nothing rests.
func TestHangUpWhileIdle(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		r := w.site("short.test", lab.Host{Script: func(c net.Conn) {
			say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
			say("220 short.test")
			for in := bufio.NewScanner(c); in.Scan(); {
				say("250 2.1.0 ok")
				if strings.HasPrefix(in.Text(), "RCPT") {
					time.Sleep(2 * time.Second)
					_ = c.Close()
					return
				}
			}
		}})
		w.want("ann", w.ask(r, "ann"), "accepted")
		time.Sleep(3 * time.Second)
		w.want("bob", w.ask(r, "bob"), "accepted")
		w.want("breakers", w.states(), "")
	})
}
