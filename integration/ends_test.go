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

// nearPostfix asks through the policy service at one port and through the
// milter at another.
type nearPostfix struct {
	*postfix
	viaMilter string
}

// startNear starts a Postfix that asks the daemon. It queues what it accepts
// and delivers nothing, so that its queue tells what was accepted.
func (w *world) startNear(t *testing.T, name string, port int, d *daemon) *nearPostfix {
	t.Helper()
	policy, milter := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port+1)
	inbound := w.far("198.18.0.1")
	if port != nearPort {
		inbound = fmt.Sprintf("127.0.0.1:%d", port+2)
	}
	p := startPostfix(t, name, postfixOptions{
		addr: policy,
		main: map[string]string{
			"mydestination":                           "localhost, " + hostname + ", " + probeDomain,
			"smtpd_relay_restrictions":                "permit_mynetworks, reject_unauth_destination",
			"smtpd_recipient_restrictions":            "reject_non_fqdn_recipient, check_policy_service { inet:" + d.policy + ", timeout=12s, default_action=DUNNO }, permit_mynetworks",
			"rcptgate_milter":                         "{ inet:" + d.milter + ", connect_timeout=5s, command_timeout=15s, default_action=accept }",
			"defer_transports":                        "smtp",
			"smtpd_hard_error_limit":                  "2000",
			"smtpd_soft_error_limit":                  "1000",
			"smtpd_client_connection_count_limit":     "0",
			"smtpd_policy_service_retry_delay":        "1s",
			"smtpd_recipient_limit":                   "1000",
			"local_recipient_maps":                    "",
			"smtpd_reject_unlisted_recipient":         "no",
			"smtpd_delay_open_until_valid_rcpt":       "yes",
			"address_verify_map":                      "",
			"smtpd_tls_security_level":                "none",
			"smtpd_client_port_logging":               "no",
			"smtpd_client_auth_rate_limit":            "0",
			"smtpd_client_message_rate_limit":         "0",
			"smtpd_client_recipient_rate_limit":       "0",
			"smtpd_client_connection_rate_limit":      "0",
			"smtpd_client_new_tls_session_rate_limit": "0",
		},
		// The second port has the milter instead of the policy service; the
		// third is where the world's mail for the probe sender comes in, and
		// asks the policy service too.
		master: milter + " inet n - n - 200 smtpd -o smtpd_recipient_restrictions=permit_mynetworks -o smtpd_milters=$rcptgate_milter\n" +
			inbound + " inet n - n - 200 smtpd -o mynetworks=10.0.0.0/8\n",
	})
	return &nearPostfix{postfix: p, viaMilter: milter}
}

const nearPort = 2525

// theGate, theNear … are made once and shared by all cases that do no harm to
// them.
func (w *world) theGate(t *testing.T) *daemon {
	return w.gate.get(t, func() *daemon {
		// Else the first of several misleading replies of Microsoft 365 would
		// keep us away from all of it, and the others would never be read.
		return w.startDaemon(t, "gate", daemonOptions{policy: "[provider.microsoft365]\nscope = \"site\"\n"})
	})
}

func (w *world) theNear(t *testing.T) *nearPostfix {
	return w.postfix.get(t, func() *nearPostfix { return w.startNear(t, "near", nearPort, w.theGate(t)) })
}

func (w *world) theSendmail(t *testing.T) *sendmail {
	return w.sendmail.get(t, func() *sendmail {
		return startSendmail(t, "nearsm", "127.0.0.1:2625", sendmailFilter(w.theGate(t)))
	})
}

// sendmailFilter is the filter line of docs/sendmail.md.
func sendmailFilter(d *daemon) string {
	host, port, _ := strings.Cut(d.milter, ":")
	return fmt.Sprintf("INPUT_MAIL_FILTER(`rcptgate', `S=inet:%s@%s, T=C:5s;S:10s;R:15s;E:1m')dnl", port, host)
}

// door is one way in which a real server asks the daemon.
type door struct {
	name string
	addr string
}

// doors are the near ends of all cases about doors.
func (w *world) doors(t *testing.T) []door {
	near, sm := w.theNear(t), w.theSendmail(t)
	return []door{{"postfix-policy", near.addr}, {"postfix-milter", near.viaMilter}, {"sendmail-milter", sm.addr}}
}

// Far addresses of the real servers.
const (
	farPlain  = "198.18.0.10" // Postfix, user table and a catch-all domain
	farScreen = "198.18.0.11" // the same behind postscreen, which finds us on a list
	farGrey   = "198.18.0.12" // the same behind postgrey
	farExim   = "198.18.0.20"
)

// theFar starts the far Postfix and its postgrey, with domains that exist in
// DNS.
func (w *world) theFar(t *testing.T) *postfix {
	return w.farMail.get(t, func() *postfix {
		startPostgrey(t)
		for domain, addr := range map[string]string{
			"users.far": farPlain, "catchall.far": farPlain, "screened.far": farScreen, "grey.far": farGrey,
		} {
			w.real(domain, addr)
		}
		return startPostfix(t, "far", postfixOptions{
			addr: w.far(farPlain),
			main: map[string]string{
				"myhostname":                         "mx.users.far",
				"mydestination":                      "",
				"mynetworks":                         "10.0.0.0/8",
				"virtual_mailbox_domains":            "users.far, catchall.far, screened.far, grey.far",
				"virtual_mailbox_maps":               "texthash:/srv/far/etc/users",
				"virtual_transport":                  "discard",
				"smtpd_relay_restrictions":           "reject_unauth_destination",
				"smtpd_client_connection_rate_limit": "0",
				"postscreen_dnsbl_sites":             "dnsbl.zone",
				"postscreen_dnsbl_action":            "enforce",
				// Its clock ticks in seconds: 1s may be over before the list answers.
				"postscreen_greet_wait":  "2s",
				"postscreen_access_list": "permit_mynetworks",
				"postscreen_cache_map":   "",
			},
			files: map[string]string{
				"users": "alice@users.far x\npostmaster@users.far x\n@catchall.far x\n" +
					"alice@screened.far x\npostmaster@screened.far x\nalice@grey.far x\npostmaster@grey.far x\n",
			},
			master: w.far(farScreen) + " inet n - n - 1 postscreen\nsmtpd pass - - n - - smtpd\n" +
				w.far(farGrey) + " inet n - n - - smtpd -o { smtpd_recipient_restrictions = check_policy_service inet:" + postgreyAddr + " }\n",
		})
	})
}

const postgreyAddr = "127.0.0.1:10023"

// startPostgrey starts postgrey with its default delay of five minutes.
func startPostgrey(t *testing.T) {
	t.Helper()
	must(t, os.MkdirAll("/var/lib/postgrey", 0o700))
	must(t, os.Chown("/var/lib/postgrey", uid("postgrey"), uid("postgrey")))
	out, err := exec.Command("postgrey", "--inet="+postgreyAddr, "--dbdir=/var/lib/postgrey",
		"--user=postgrey", "--group=postgrey", "--pidfile=/run/postgrey.pid", "--daemonize").CombinedOutput()
	if err != nil {
		t.Fatalf("postgrey: %v: %s", err, out)
	}
}

// exim is a far Exim.
type exim struct{ dir string }

// theExim starts a far Exim with a user table, a catch-all domain, and a domain
// whose recipients are accepted only after a callout to the sender.
func (w *world) theExim(t *testing.T) *exim {
	return w.farExim.get(t, func() *exim {
		for _, d := range []string{"users.exim", "catchall.exim", "callout.exim"} {
			w.real(d, farExim)
		}
		e := &exim{dir: "/srv/exim"}
		must(t, os.MkdirAll(e.dir, 0o755))
		must(t, os.Chown(e.dir, uid("Debian-exim"), uid("Debian-exim")))
		must(t, os.WriteFile(filepath.Join(e.dir, "users"), []byte("alice: x\npostmaster: x\n"), 0o644))
		must(t, os.MkdirAll("/etc/exim4", 0o755))
		// Debian's Exim gives up root for any file but this one.
		must(t, os.WriteFile("/etc/exim4/exim4.conf", fmt.Appendf(nil, eximConfig, e.dir, farExim, w.port), 0o644))
		// In the foreground: under process 1, which we are, it would not leave
		// the foreground anyhow. It ends with the sandbox.
		must(t, exec.Command("exim4", "-bdf").Start())
		waitBanner(t, w.far(farExim))
		return e
	})
}

const eximConfig = `primary_hostname = mx.users.exim
spool_directory = %[1]s/spool
log_file_path = %[1]s/%%slog
pid_file_path = %[1]s/pid
local_interfaces = <; %[2]s
daemon_smtp_ports = %[3]d
domainlist local_domains = users.exim : catchall.exim : callout.exim
acl_smtp_rcpt = acl_rcpt
never_users =
host_lookup =
rfc1413_query_timeout = 0s
keep_environment =
smtp_accept_max = 0
begin acl
acl_rcpt:
  deny domains = ! +local_domains
       message = relay not permitted
  deny domains = callout.exim
       ! verify = sender/callout=10s
  require verify = recipient
  accept
begin routers
far:
  driver = dnslookup
  domains = ! +local_domains
  transport = out
  ignore_target_hosts = <; 0.0.0.0
  no_more
all:
  driver = accept
  domains = catchall.exim
  transport = sink
users:
  driver = accept
  local_parts = lsearch;%[1]s/users
  cannot_route_message = Unknown user
  transport = sink
begin transports
out:
  driver = smtp
  port = %[3]d
  interface = %[2]s
  hosts_try_fastopen =
sink:
  driver = appendfile
  file = /dev/null
  user = Debian-exim
`
