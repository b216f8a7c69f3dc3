//go:build integration

package integration

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"rcptgate/internal/lab"
)

// fenced returns the fenced blocks of a document that hold configuration, in
// order, as a reader copies them. Commands (sh) are not among them.
func fenced(t *testing.T, name string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(docs, name))
	must(t, err)
	var blocks []string
	var block *strings.Builder
	indent, lang := "", ""
	for line := range strings.Lines(string(data)) {
		before, after, fence := strings.Cut(line, "```")
		switch {
		case fence && block == nil:
			block, indent, lang = new(strings.Builder), before, strings.TrimSpace(after)
		case fence:
			if lang != "sh" {
				blocks = append(blocks, block.String())
			}
			block = nil
		case block != nil:
			block.WriteString(strings.TrimPrefix(line, indent))
		}
	}
	return blocks
}

// one takes the only block that begins so out of the list.
func one(t *testing.T, blocks *[]string, prefix string) string {
	t.Helper()
	var found, rest []string
	for _, b := range *blocks {
		if strings.HasPrefix(b, prefix) {
			found = append(found, b)
		} else {
			rest = append(rest, b)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d blocks begin with %q, want 1: %q", len(found), prefix, *blocks)
	}
	*blocks = rest
	return found[0]
}

// none fails when a document shows lines that no server was given.
func none(t *testing.T, blocks []string) {
	t.Helper()
	if len(blocks) > 0 {
		t.Errorf("not fed to any server: %q", blocks)
	}
}

// listenLines lays blocks of [listen] over our own; a key that no block has
// keeps its default.
func listenLines(t testing.TB, blocks ...string) func(config string) string {
	return func(config string) string {
		config = regexp.MustCompile(`(?m)^(policy|milter) = .*\n`).ReplaceAllLiteralString(config, "")
		for _, b := range blocks {
			lines, ok := strings.CutPrefix(b, "[listen]\n")
			if !ok {
				t.Fatalf("not only [listen]: %q", b)
			}
			config = strings.Replace(config, "[listen]\n", "[listen]\n"+lines, 1)
		}
		return config
	}
}

// askDocs sends one message to a server that was set up by a document.
func askDocs(t *testing.T, w *world, d *daemon, addr, via string, auth ...string) event {
	t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	domain := "docs" + port + ".lab"
	w.host(domain, lab.Host{Exists: users("alice")})
	c := dialSMTP(t, addr)
	for _, cmd := range auth {
		c.want("235", c.cmd("%s", cmd))
	}
	c.want("250", c.cmd("MAIL FROM:<news@%s>", senderDomain))
	c.want("550 5.1.1", c.cmd("RCPT TO:<unknown@%s>", domain))
	c.want("250", c.cmd("RCPT TO:<alice@%s>", domain))
	c.want("250", c.message("as documented"))
	c.want("221", c.cmd("QUIT"))
	for rcpt, action := range map[string]string{"unknown@" + domain: "reject", "alice@" + domain: "accept"} {
		if e := d.decided(t, 0, rcpt)[0]; e.Action != action || e.Door != via {
			t.Errorf("%s: %s by the %s door, want %s by %s: %+v", rcpt, e.Action, e.Door, action, via, e)
		}
	}
	return d.decided(t, 0, "unknown@"+domain)[0]
}

// TestCoreDocsPostfix gives the lines of docs/postfix.md, as they stand there,
// to a real Postfix and to the daemon: the policy service and the submission
// service, then the milter, each by a socket in Postfix's private directory.
func TestCoreDocsPostfix(t *testing.T) {
	w := begin(t)
	blocks := fenced(t, "postfix.md")
	policy, milter := one(t, &blocks, "[listen]\npolicy"), one(t, &blocks, "[listen]\nmilter")
	restrictions, submission := one(t, &blocks, "smtpd_relay_restrictions"), one(t, &blocks, "submission")
	filter := one(t, &blocks, "smtpd_milters")
	none(t, blocks)

	// The sockets are there first, as after booting.
	serveUnix(t, private(t, "docspf", "auth"), dovecotAuth)
	d := w.startDaemon(t, "docs", daemonOptions{
		edit:   listenLines(t, policy, milter),
		policy: "[[policy.rule]]\nname = \"submitted\"\npolicy_context = [\"submission\"]\nsasl_username = [\"news\"]\n",
		passed: []passed{
			{"policy", passedSocket(t, private(t, "docspf", "rcptgate"))},
			{"milter", passedSocket(t, private(t, "docspf2", "rcptgate-milter"))},
		},
	})
	defer d.stop()
	byPolicy := startPostfix(t, "docspf", postfixOptions{
		addr: "127.0.0.1:3525", text: restrictions, master: submission,
		main: map[string]string{
			"defer_transports":            "smtp",
			"smtpd_sasl_auth_enable":      "yes", // the stock submission service has it
			"smtpd_sasl_type":             "dovecot",
			"smtpd_sasl_path":             "private/auth",
			"smtpd_sasl_security_options": "noanonymous",
		},
	})
	byMilter := startPostfix(t, "docspf2", postfixOptions{
		addr: "127.0.0.1:3526", text: filter, main: map[string]string{"defer_transports": "smtp"},
	})
	askDocs(t, w, d, byPolicy.addr, "policy")
	// AUTH PLAIN (RFC 4616) with authentication identity "news".
	if e := askDocs(t, w, d, "127.0.0.1:587", "policy", "AUTH PLAIN AG5ld3MAc2VjcmV0"); e.Rule != "submitted" {
		t.Errorf("rule %q, want that of the context and the SASL user", e.Rule)
	}
	askDocs(t, w, d, byMilter.addr, "milter")
	if t.Failed() {
		t.Log(tail(byPolicy.log(), 20), tail(byMilter.log(), 20), tail(d.log(), 20))
	}
}

// TestCoreDocsSendmail gives the lines of docs/sendmail.md and those of the
// README, as they stand there, to real servers and to the daemon, whose other
// door has its default.
func TestCoreDocsSendmail(t *testing.T) {
	w := begin(t)
	blocks, readme := fenced(t, "sendmail.md"), fenced(t, "README.md")
	listen, mc := one(t, &blocks, "[listen]\n"), one(t, &blocks, "INPUT_MAIL_FILTER")
	none(t, blocks)
	restrictions, short := one(t, &readme, "smtpd_recipient_restrictions"), one(t, &readme, "INPUT_MAIL_FILTER")
	none(t, readme)

	d := w.startDaemon(t, "docssm", daemonOptions{edit: listenLines(t, listen)})
	defer d.stop()
	askDocs(t, w, d, startSendmail(t, "docsm", "127.0.0.1:3625", mc).addr, "milter")
	askDocs(t, w, d, startSendmail(t, "docsm2", "127.0.0.1:3626", short).addr, "milter")
	p := startPostfix(t, "docspf3", postfixOptions{
		addr: "127.0.0.1:3527", text: restrictions, main: map[string]string{"defer_transports": "smtp"},
	})
	askDocs(t, w, d, p.addr, "policy")
	if t.Failed() {
		t.Log(tail(p.log(), 20), tail(d.log(), 20))
	}
}

// private names a socket in the private directory of a Postfix that is not
// started yet.
func private(t testing.TB, postfix, socket string) string {
	t.Helper()
	dir := "/srv/" + postfix + "/spool/private"
	must(t, os.MkdirAll(dir, 0o755))
	must(t, os.Chmod(dir, 0o700))
	must(t, os.Chown(dir, uid("postfix"), uid("postfix")))
	return filepath.Join(dir, socket)
}

// passedSocket binds a socket as the socket units do: systemd, which is root,
// makes it in Postfix's private directory and gives it to Postfix.
func passedSocket(t testing.TB, path string) *os.File {
	t.Helper()
	l := listenPrivate(t, path)
	l.SetUnlinkOnClose(false)
	file, err := l.File()
	must(t, err)
	must(t, l.Close())
	t.Cleanup(func() { file.Close() })
	return file
}

func listenPrivate(t testing.TB, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	must(t, os.Chown(path, uid("postfix"), uid("postfix")))
	must(t, os.Chmod(path, 0o660))
	return l
}

// serveUnix serves a socket in Postfix's private directory until the case
// ends.
func serveUnix(t testing.TB, path string, handle func(net.Conn)) {
	t.Helper()
	l := listenPrivate(t, path)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			wg.Go(func() { handle(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close() // smtpd keeps it open for long
		}
		mu.Unlock()
		wg.Wait()
	})
}

// dovecotAuth lets everybody in, as "news": the authentication protocol of
// Dovecot, version 1, as far as smtpd speaks it.
func dovecotAuth(c net.Conn) {
	defer c.Close()
	fmt.Fprint(c, "VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
	for in := bufio.NewScanner(c); in.Scan(); {
		if words := strings.Split(in.Text(), "\t"); words[0] == "AUTH" && len(words) > 1 {
			fmt.Fprintf(c, "OK\t%s\tuser=news\n", words[1])
		}
	}
}
