package daemon

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"rcptgate/httpapi"
	"rcptgate/internal/lab"
)

// red reports whether exactly these parts are in trouble, and that /metrics
// says the same.
func (w *world) red(want ...httpapi.Part) {
	w.t.Helper()
	got, text := w.troubles()
	if !slices.Equal(got, want) {
		w.t.Errorf("in trouble: %q, want %q (%s)", got, want, text)
	}
	for _, p := range httpapi.Parts() {
		value := "0"
		if slices.Contains(want, p) {
			value = "1"
		}
		if got := w.metric(fmt.Sprintf("rcptgate_trouble{part=%q}", p)); got != value {
			w.t.Errorf("rcptgate_trouble of %s: %s", p, got)
		}
	}
}

// TestUnfitIdentity: without a name and a sender of one's own the daemon
// serves, probes nothing, and readiness says why.
func TestUnfitIdentity(t *testing.T) {
	inWorld(t, worldOptions{fit: true}, func(t *testing.T, w *world) {
		w.Site("far.test", lab.Host{Exists: exists("ada")})
		w.NullMX("nomail.test")
		code, body := w.http("http", "GET", "/readyz", "")
		if code != http.StatusServiceUnavailable || !strings.Contains(body, "hostname out1.lab.test is an example") {
			t.Errorf("readyz: %d %s", code, body)
		}
		if got := w.metric("rcptgate_ready"); got != "0" {
			t.Errorf("rcptgate_ready %s", got)
		}
		w.red() // that it probes nothing is no trouble of a part
		if got := w.rcpt("nobody@far.test"); got != "DUNNO" {
			t.Errorf("policy door: %q", got)
		}
		if got := w.rcpt("nobody@nomail.test"); !strings.HasPrefix(got, "550") { // what the DNS says needs no probe
			t.Errorf("policy door: %q", got)
		}
		if n := w.Count("", "CONNECT", -1); n != 0 {
			t.Errorf("%d connections", n)
		}
		if s := w.states.list(); !strings.Contains(s[0], "nothing is probed: hostname") {
			t.Errorf("systemd was told %q", s)
		}
		w.rewrite("allow_unfit_identity = false", "allow_unfit_identity = true")
		w.reloadNow()
		if code, body := w.http("http", "GET", "/readyz", ""); code != http.StatusOK {
			t.Errorf("readyz: %d %s", code, body)
		}
		w.wellBehaved()
	})
}

// TestBlind: when nothing can be connected to, misses are answered at once,
// health turns red, and one trial goes out every 30 s.
func TestBlind(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Site("known.test", lab.Host{Exists: exists("ada")})
		w.rcpt("nobody@known.test")
		for i := range 10 {
			w.Site(fmt.Sprintf("dead%d.test", i), lab.Host{Dead: true})
		}
		for i := range 5 {
			w.rcpt(fmt.Sprintf("nobody@dead%d.test", i))
		}
		w.red(httpapi.PartBlind)
		start := time.Now()
		for i := range 4 {
			if got := w.rcpt(fmt.Sprintf("nobody@dead%d.test", 5+i)); got != "DUNNO" {
				t.Errorf("a miss while blind: %q", got)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("misses while blind took %v", took)
		}
		if d := w.decided("nobody@dead8.test"); d["reason"] != "not_probed" {
			t.Errorf("a miss while blind: %v", d)
		}
		if got := w.rcpt("nobody@known.test"); !strings.HasPrefix(got, "550 5.1.1") {
			t.Errorf("what is known, while blind: %q", got)
		}
		time.Sleep(31 * time.Second) // of the bubble: a trial may go out
		w.wellBehaved()
		w.red()
	})
}

// TestBlindDNS: as TestBlind, for name servers.
func TestBlindDNS(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.DNSFault("*", "silent")
		for i := range 4 {
			if got := w.rcpt(fmt.Sprintf("nobody@mute%d.test", i)); got != "DUNNO" {
				t.Errorf("without DNS: %q", got)
			}
		}
		w.red(httpapi.PartDNS)
		if got := w.rcpt("nobody@more.test"); got != "DUNNO" {
			t.Errorf("without DNS: %q", got)
		}
		start := time.Now()
		if got := w.rcpt("nobody@andmore.test"); got != "DUNNO" || time.Since(start) > 100*time.Millisecond {
			t.Errorf("a miss while blind: %q after %v", got, time.Since(start))
		}
		w.DNSFault("*", "")
		time.Sleep(31 * time.Second) // of the bubble
		w.wellBehaved()
		w.red()
	})
}

// TestOwnTrouble: what this host lacks is told of it, not of the recipient:
// nothing is refused, deferred or stored, health is red, and all is well as soon
// as the trouble is over.
func TestOwnTrouble(t *testing.T) {
	policy := `defer = ["unreachable", "timeout", "dns_failure", "temporary_failure"]`
	inWorld(t, worldOptions{policy: policy}, func(t *testing.T, w *world) {
		w.Site("far.test", lab.Host{Exists: exists("ada")})
		w.Site("other.test", lab.Host{Exists: exists("ada")})
		passes := func(rcpt string) {
			t.Helper()
			if got := w.rcpt(rcpt); got != "DUNNO" {
				t.Errorf("%s: %q", rcpt, got)
			}
			if d := w.decided(rcpt); d["reason"] != "not_probed" {
				t.Errorf("%s: %v", rcpt, d)
			}
		}
		foreign := &net.OpError{
			Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 64, 0, 1), Port: 25},
			Err: os.NewSyscallError("bind", syscall.EADDRNOTAVAIL),
		}
		w.noSocket.Store(foreign)
		passes("nobody@far.test")
		w.red(httpapi.PartBlind)
		if _, text := w.troubles(); strings.Contains(text, "127.64") {
			t.Errorf("the public page names a mail server: %s", text)
		}
		time.Sleep(2 * time.Minute) // of the bubble: nothing is said for ever
		w.red()
		w.noSocket.Store(nil)
		if got := w.rcpt("nobody@far.test"); !strings.HasPrefix(got, "550 5.1.1") {
			t.Errorf("with sockets: %q", got)
		}
		w.red()

		w.noSocketDNS.Store(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)})
		passes("nobody@other.test")
		w.red(httpapi.PartDNS)
		w.noSocketDNS.Store(nil)
		time.Sleep(40 * time.Second) // of the bubble
		if got := w.rcpt("nobody@other.test"); !strings.HasPrefix(got, "550 5.1.1") {
			t.Errorf("with sockets: %q", got)
		}
		w.red()
		w.wellBehaved()
	})
}

// TestAuditDiskFull: lines that cannot be written wait and are lost in the
// end; health is red, and mail flows.
func TestAuditDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Fatal(err) // every Linux has it
	}
	inWorld(t, worldOptions{audit: "/dev/full", mistakes: true}, func(t *testing.T, w *world) {
		w.wellBehaved()
		time.Sleep(5 * time.Second) // of the bubble
		w.red(httpapi.PartAudit)
		if _, text := w.troubles(); !strings.Contains(text, "no space left") {
			t.Errorf("healthz: %s", text)
		}
		w.wellBehaved()
	})
}

// TestMetricsPage is a page after much has happened: well made, and without a
// name of anybody.
func TestMetricsPage(t *testing.T) {
	inWorld(t, worldOptions{}, func(t *testing.T, w *world) {
		w.Site("secret.test", lab.Host{Exists: exists("ada"), StartTLS: "broken"})
		w.Site("angrysecret.test", lab.Host{Greeting: "554 5.7.1 your address 198.51.100.1 is on a block list"})
		w.Site("deadsecret.test", lab.Host{Dead: true})
		for _, rcpt := range []string{"ada@secret.test", "nobody@secret.test", "a@angrysecret.test", "a@deadsecret.test", "a@nosecret.test", "secret", `"se cret"@x.test`} {
			w.rcpt(rcpt)
			w.milterRcpt(rcpt)
			w.check(rcpt)
		}
		w.reloadNow()
		w.wellBehaved()
		time.Sleep(time.Minute) // of the bubble: all dialogues end, and only then are counted
		code, page := w.http("http", "GET", "/metrics", "")
		if code != http.StatusOK {
			t.Fatal(code, page)
		}
		for _, word := range []string{"secret", ".test", "@", "ada", "198.51", "127.64"} {
			for line := range strings.Lines(page) {
				if strings.Contains(line, word) && !strings.HasPrefix(line, "go_") && !strings.HasPrefix(line, "# ") {
					t.Errorf("%q is on the page: %s", word, line)
				}
			}
		}
		problems, err := promlint.New(strings.NewReader(page)).Lint()
		w.must(err)
		for _, p := range problems {
			if strings.HasPrefix(p.Metric, "rcptgate_") {
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
		for _, name := range httpapi.MetricNames() {
			if !strings.Contains(page, "\n# TYPE "+name+" ") {
				t.Errorf("%s is not on the page", name)
			}
		}
	})
}
