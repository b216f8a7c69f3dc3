//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// sendmail is one Sendmail daemon with files of its own.
type sendmail struct {
	dir  string
	addr string
}

const sendmailBinary = "/usr/libexec/sendmail/sendmail"

// startSendmail starts a daemon that queues and does not deliver. mc are
// further lines of its macro configuration, filters among them.
func startSendmail(t *testing.T, name, addr string, mc string) *sendmail {
	t.Helper()
	s := &sendmail{dir: "/srv/" + name, addr: addr}
	for _, d := range []string{s.dir, s.path("mqueue")} {
		must(t, os.MkdirAll(d, 0o755))
	}
	must(t, os.Chmod(s.path("mqueue"), 0o700))
	host, port, _ := strings.Cut(addr, ":")
	text := fmt.Sprintf(`divert(-1)
include(`+"`/usr/share/sendmail/cf/m4/cf.m4'"+`)
VERSIONID(`+"`rcptgate integration'"+`)
OSTYPE(`+"`linux'"+`)
define(`+"`confPID_FILE', `%[1]s/sendmail.pid'"+`)
define(`+"`QUEUE_DIR', `%[1]s/mqueue'"+`)
define(`+"`STATUS_FILE', `%[1]s/statistics'"+`)
define(`+"`ALIAS_FILE', `'"+`)
define(`+"`confDELIVERY_MODE', `queueonly'"+`)
define(`+"`confDOMAIN_NAME', `%[2]s'"+`)
define(`+"`confLOG_LEVEL', `20'"+`)
define(`+"`confCONTROL_SOCKET_NAME', `'"+`)
define(`+"`confMILTER_LOG_LEVEL', `20'"+`)
define(`+"`confDONT_PROBE_INTERFACES', `True'"+`)
define(`+"`confCW_FILE', `-o %[1]s/local-host-names'"+`)
FEATURE(`+"`use_cw_file'"+`)
FEATURE(`+"`nocanonify'"+`)
FEATURE(`+"`accept_unresolvable_domains'"+`)
FEATURE(`+"`promiscuous_relay'"+`)
FEATURE(`+"`no_default_msa'"+`)
DAEMON_OPTIONS(`+"`Name=MTA-test, Addr=%[3]s, Port=%[4]s, Family=inet'"+`)
%[5]s
MAILER(`+"`smtp'"+`)
`, s.dir, hostname, host, port, mc)
	must(t, os.WriteFile(s.path("sendmail.mc"), []byte(text), 0o644))
	cf, err := exec.Command("m4", "-D_CF_DIR_=/usr/share/sendmail/cf/", s.path("sendmail.mc")).Output()
	must(t, err)
	must(t, os.WriteFile(s.path("sendmail.cf"), cf, 0o644))
	cmd := exec.Command(sendmailBinary, "-C", s.path("sendmail.cf"), "-bd")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Logf("%s: %v: %s", name, err, out)
	}
	waitBanner(t, addr)
	return s
}

func (s *sendmail) path(name string) string { return filepath.Join(s.dir, name) }

// queued counts the messages in the queue.
func (s *sendmail) queued(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob(s.path("mqueue/qf*"))
	must(t, err)
	return len(names)
}

// writeMSP writes the configuration of the mail submission program, which is
// what sendmail(1) is under Sendmail, and returns its path.
func writeMSP(t *testing.T, s *sendmail) string {
	t.Helper()
	must(t, os.MkdirAll(s.path("client"), 0o770))
	must(t, os.Chown(s.path("client"), uid("smmsp"), uid("smmsp")))
	must(t, os.Chmod(s.path("client"), 0o770))
	_, port, _ := strings.Cut(s.addr, ":")
	mc := fmt.Sprintf(`divert(-1)
include(`+"`/usr/share/sendmail/cf/m4/cf.m4'"+`)
OSTYPE(`+"`linux'"+`)
define(`+"`MSP_QUEUE_DIR', `%[1]s/client'"+`)
define(`+"`STATUS_FILE', `%[1]s/client/statistics'"+`)
define(`+"`confDOMAIN_NAME', `%[2]s'"+`)
define(`+"`RELAY_MAILER_ARGS', `TCP $h %[3]s'"+`)
FEATURE(`+"`nocanonify'"+`)
FEATURE(`+"`msp', `[127.0.0.1]'"+`)
`, s.dir, hostname, port)
	must(t, os.WriteFile(s.path("submit.mc"), []byte(mc), 0o644))
	cf, err := exec.Command("m4", "-D_CF_DIR_=/usr/share/sendmail/cf/", s.path("submit.mc")).Output()
	must(t, err)
	must(t, os.WriteFile(s.path("submit.cf"), cf, 0o644))
	return s.path("submit.cf")
}

// grep counts the queued messages in whose body a text stands.
func (s *sendmail) grep(t *testing.T, text string) int {
	t.Helper()
	names, err := filepath.Glob(s.path("mqueue/df*"))
	must(t, err)
	n := 0
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(t, err)
		if strings.Contains(string(data), text) {
			n++
		}
	}
	return n
}

// recipients lists the recipients of all queued messages.
func (s *sendmail) recipients(t *testing.T) []string {
	t.Helper()
	names, err := filepath.Glob(s.path("mqueue/qf*"))
	must(t, err)
	var all []string
	for _, name := range names {
		data, err := os.ReadFile(name)
		must(t, err)
		for _, line := range lines(string(data)) {
			// R, flags, a colon, the recipient in brackets.
			if flags, rcpt, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(flags, "R") {
				all = append(all, strings.Trim(rcpt, "<>"))
			}
		}
	}
	return all
}
