//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// postfix is one Postfix instance with directories of its own.
type postfix struct {
	dir  string // etc, spool and data below it; log file beside them
	addr string // of its smtpd, host:port
}

// postfixOptions says what differs from a plain server.
type postfixOptions struct {
	addr   string            // listens here
	main   map[string]string // main.cf
	text   string            // further lines of main.cf, as they are
	master string            // further lines of master.cf
	files  map[string]string // written to etc; a hash or texthash table may name them
}

// The services that every instance needs; none is chrooted, since the chroot
// would hold a copy of the machine's resolv.conf.
const postfixServices = `pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
lmtp      unix  - - n - - lmtp
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
dnsblog   unix  - - n - 0 dnsblog
tlsproxy  unix  - - n - 0 tlsproxy
`

// startPostfix starts an instance; it ends with the sandbox.
func startPostfix(t testing.TB, name string, o postfixOptions) *postfix {
	t.Helper()
	p := &postfix{dir: "/srv/" + name, addr: o.addr}
	etc := filepath.Join(p.dir, "etc")
	for _, d := range []string{etc, p.path("spool"), p.path("data"), p.path("log")} {
		must(t, os.MkdirAll(d, 0o755))
	}
	must(t, os.Chown(p.path("data"), uid("postfix"), uid("postfix")))
	main := map[string]string{
		"compatibility_level":      "3.6",
		"queue_directory":          p.path("spool"),
		"data_directory":           p.path("data"),
		"command_directory":        "/usr/sbin",
		"daemon_directory":         "/usr/lib/postfix/sbin",
		"meta_directory":           "/etc/postfix",
		"shlib_directory":          "/usr/lib/postfix",
		"maillog_file":             p.path("log/mail.log"),
		"maillog_file_prefixes":    "/srv",
		"syslog_name":              name,
		"mail_owner":               "postfix",
		"setgid_group":             "postdrop",
		"myhostname":               hostname,
		"mydestination":            "localhost, " + hostname,
		"mynetworks":               "127.0.0.0/8",
		"inet_interfaces":          "all",
		"inet_protocols":           "ipv4",
		"alias_maps":               "",
		"alias_database":           "",
		"local_recipient_maps":     "",
		"biff":                     "no",
		"in_flow_delay":            "0",
		"smtputf8_enable":          "yes",
		"notify_classes":           "",
		"disable_dns_lookups":      "no",
		"smtpd_peername_lookup":    "no",
		"smtpd_tls_security_level": "none",
		"smtp_tls_security_level":  "none",
		"multi_instance_enable":    "yes",
		"multi_instance_name":      "postfix-" + name,
	}
	for k, v := range o.main {
		main[k] = v
	}
	var cf strings.Builder
	for k, v := range main {
		fmt.Fprintf(&cf, "%s = %s\n", k, v)
	}
	must(t, os.WriteFile(filepath.Join(etc, "main.cf"), []byte(cf.String()+o.text), 0o644))
	listener := fmt.Sprintf("%s inet n - n - 200 smtpd\n", o.addr)
	must(t, os.WriteFile(filepath.Join(etc, "master.cf"), []byte(listener+postfixServices+o.master), 0o644))
	for file, text := range o.files {
		must(t, os.WriteFile(filepath.Join(etc, file), []byte(text), 0o644))
	}
	// A tool run by an ordinary user trusts only directories that the default
	// configuration names.
	must(t, appendFile("/etc/postfix/main.cf", "alternate_config_directories = "+etc+"\n"))
	if out, err := exec.Command("postfix", "-c", etc, "start").CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s\n%s", name, err, out, tail(p.log(), 30))
	}
	waitBanner(t, p.addr)
	return p
}

func (p *postfix) path(name string) string { return filepath.Join(p.dir, name) }
func (p *postfix) log() string             { return p.path("log/mail.log") }

// queued counts the messages in all queues.
func (p *postfix) queued(t *testing.T) int {
	t.Helper()
	n := 0
	for _, q := range []string{"incoming", "active", "deferred", "hold"} {
		must(t, filepath.WalkDir(p.path("spool/"+q), func(_ string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				n++
			}
			return nil // files move while we look
		}))
	}
	return n
}

// recipients lists the recipients of all queued messages.
func (p *postfix) recipients(t *testing.T) []string {
	t.Helper()
	var all []string
	waitFor(t, "a settled queue of "+p.dir, func() bool {
		all = nil
		out, err := exec.Command("postqueue", "-c", p.path("etc"), "-j").Output()
		must(t, err)
		for _, line := range lines(string(out)) {
			var m struct {
				Queue      string `json:"queue_name"`
				Recipients []struct{ Address string }
			}
			if line == "" {
				continue
			}
			must(t, json.Unmarshal([]byte(line), &m))
			if m.Queue != "deferred" {
				return false
			}
			for _, r := range m.Recipients {
				all = append(all, r.Address)
			}
		}
		return true
	})
	return all
}
