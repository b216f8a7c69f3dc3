package daemon

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/httpapi"
	"rcptgate/internal/lab"
)

// reloadNow is SIGHUP, waited for.
func (w *world) reloadNow() {
	w.reload <- struct{}{}
	synctest.Wait()
}

// TestReload: a good file is in force for the next request, on connections
// that are open; a bad one changes nothing and is told everywhere.
func TestReload(t *testing.T) {
	inWorld(t, worldOptions{mode: "monitor"}, func(t *testing.T, w *world) {
		w.Site("far.test", lab.Host{Exists: exists("ada")})
		open := lab.NewPolicyClient(w.dial("policy"))
		n := 0
		ask := func(want string) {
			t.Helper()
			n++
			got, err := open.Rcpt(fmt.Sprintf("i%d", n), "127.0.0.1", "", "news@esp.test", "nobody@far.test")
			if err != nil || !strings.HasPrefix(got, want) {
				t.Errorf("the open connection: %q, %v; want %s", got, err, want)
			}
		}
		ask("DUNNO")

		w.rewrite(`mode = "monitor"`, `mode = "enforce"`)
		w.reloadNow()
		ask("550 5.1.1")
		if parts, text := w.troubles(); len(parts) > 0 {
			t.Errorf("after a good file: %s", text)
		}

		w.rewrite(`mode = "enforce"`, `mode = "enforec"`)
		w.reloadNow()
		ask("550 5.1.1")
		parts, health := w.troubles()
		if !slices.Equal(parts, []httpapi.Part{httpapi.PartConfig}) || strings.Contains(health, "enforec") {
			t.Errorf("after a bad file: %s", health)
		}
		if code, health := w.http("admin", "GET", "/healthz", ""); code != http.StatusServiceUnavailable || !strings.Contains(health, "rcptgate.toml:18") || !strings.Contains(health, "enforec") {
			t.Errorf("after a bad file, on the admin socket: %s", health)
		}
		if got := w.metric("rcptgate_config_last_reload_success"); got != "0" {
			t.Errorf("last reload: %s", got)
		}
		if !strings.Contains(w.journal.String(), "the old one stays in force") {
			t.Error("the journal does not tell of the refused file")
		}

		w.rewrite(`mode = "enforec"`, `mode = "off"`, `"fd:admin"`, `"fd:another"`)
		w.reloadNow()
		ask("DUNNO")
		for range 2 { // as long as the file says so
			if !strings.Contains(w.journal.String(), "part=[listen]") {
				t.Error("a change of [listen] is not named")
			}
			w.reloadNow()
		}
		if got := strings.Count(w.journal.String(), "part=[listen]"); got != 3 {
			t.Errorf("a change of [listen] is named %d times in 3 reloads", got)
		}
		if parts, text := w.troubles(); len(parts) > 0 {
			t.Errorf("after a good file: %s", text)
		}
		var told []string
		for _, e := range w.events() {
			if e["event"] == "config" {
				told = append(told, fmt.Sprint(e["what"]))
			}
		}
		if want := []string{"loaded", "reloaded", "refused", "reloaded", "reloaded", "reloaded"}; !slices.Equal(told, want) {
			t.Errorf("audit log: %q, want %q", told, want)
		}
		w.must(open.Close())
	})
}

// TestReloadKeepsWhatIsLearned: counters, breakers and open sessions live on.
func TestReloadKeepsWhatIsLearned(t *testing.T) {
	inWorld(t, worldOptions{probe: "max_sessions = 100"}, func(t *testing.T, w *world) {
		w.Site("angry.test", lab.Host{Greeting: "554 5.7.1 your address 198.51.100.1 is on a block list"})
		w.rcpt("nobody@angry.test")
		before := w.Count("mx.angry.test", "CONNECT", -1)
		w.rewrite("max_sessions = 100", "max_sessions = 200")
		w.reloadNow()
		w.rcpt("someone@angry.test")
		if got := w.Count("mx.angry.test", "CONNECT", -1); got != before {
			t.Errorf("%d connections past an open breaker", got-before)
		}
		w.wellBehaved()
	})
}

// TestReloadReadsResolvConf: the name servers of the system may change without a
// word in the configuration; a resolver whose servers are the same is kept.
func TestReloadReadsResolvConf(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Site("far.test", lab.Host{Exists: exists("ada")})
		system := func(server string) {
			t.Helper()
			w.must(os.WriteFile(w.path("resolv.conf"), []byte("nameserver "+server+"\n"), 0o600))
			w.reloadNow()
		}
		w.rewrite(`servers = ["198.51.100.53:53"]`, "")
		system("192.0.2.1") // nobody
		if got := w.rcpt("one@far.test"); got != "DUNNO" {
			t.Errorf("of a dead server: %q", got)
		}
		system("198.51.100.53")
		if got := w.rcpt("two@far.test"); !strings.HasPrefix(got, "550 5.1.1") {
			t.Errorf("of a server that lives: %q", got)
		}
		kept := w.current.Load().resolver
		system("198.51.100.53")
		if w.current.Load().resolver != kept {
			t.Error("the resolver was thrown away for one with the same servers")
		}
	})
}

// TestLogRotation: SIGHUP reopens the audit log, whatever becomes of the
// configuration.
func TestLogRotation(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.NullMX("nomail.test")
		w.rcpt("one@nomail.test")
		w.must(os.Rename(w.path("audit.jsonl"), w.path("audit.jsonl.1")))
		w.rcpt("two@nomail.test")
		w.rewrite(`mode = "enforce"`, `mode = 7`)
		w.reloadNow()
		w.rcpt("three@nomail.test")
		if d := w.decided("three@nomail.test"); d == nil {
			t.Error("no line in the new file")
		}
		old, err := os.ReadFile(w.path("audit.jsonl.1"))
		w.must(err)
		next, err := os.ReadFile(w.path("audit.jsonl"))
		w.must(err)
		for _, rcpt := range []string{"one@", "two@", "three@"} {
			if n := bytes.Count(append(old[:len(old):len(old)], next...), []byte(rcpt)); n != 1 {
				t.Errorf("%d lines about %s in both files", n, rcpt)
			}
		}
	})
}

// TestLogRotationFails: the new name cannot be opened. No line is lost, health
// says so, and the log goes there as soon as it can.
func TestLogRotationFails(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.NullMX("nomail.test")
		w.must(os.Rename(w.path("audit.jsonl"), w.path("audit.jsonl.1")))
		w.must(os.Mkdir(w.path("audit.jsonl"), 0o755))
		w.reloadNow()
		w.rcpt("one@nomail.test")
		time.Sleep(time.Minute) // of the bubble
		w.red(httpapi.PartAudit)
		old, err := os.ReadFile(w.path("audit.jsonl.1"))
		w.must(err)
		if !bytes.Contains(old, []byte("one@nomail.test")) {
			t.Error("a line is lost")
		}
		w.must(os.Remove(w.path("audit.jsonl")))
		time.Sleep(2 * time.Second) // of the bubble
		w.red()
		w.rcpt("two@nomail.test")
		if w.decided("two@nomail.test") == nil {
			t.Error("no line in the new file")
		}
	})
}
