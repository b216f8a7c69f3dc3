package daemon

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWarnings(t *testing.T) {
	t.Parallel()
	c, err := Parse("f", []byte(`
hostname = "out1"
[listen]
admin = "fd:admin"
[probe]
allow_unfit_identity = true
allow_mx = ["10.0.0.0/8"]
[milter]
on_partial = "delete"
[store]
path = ""
[policy]
answer_budget = "40s"
[provider.outlook]
probing = "allowed"
[provider.google]
probing = "allowed"
[site.".mx.example.net"]
probing = "allowed"
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"[probe] allow_unfit_identity: probes go out whatever hostname and sender are",
		"[probe] allow_mx: mail servers in networks that are reserved or private are probed",
		`[provider.outlook] probing = "allowed": it is probed although its published rules forbid it`,
		`[site.".mx.example.net"] probing = "allowed": it is probed where the book may forbid it`,
		`[milter] on_partial = "delete" has no effect without decide = "end"`,
		`[listen] admin = "fd:admin": the command line finds the daemon only at a unix: path`,
		"[store] path is empty: verdicts, budgets and breakers are lost at each restart",
		`[policy] answer_budget = "40s": mail servers wait no longer than 30s for a milter`,
		"[policy] message_budget is shorter than answer_budget, which it cuts",
	}
	if diff := cmp.Diff(want, c.Warnings()); diff != "" {
		t.Error(diff)
	}
	c.Milter.Decide = "end"
	if !slices.Contains(c.Warnings(), `[milter] on_partial = "delete": hopeless recipients are removed from a message and nobody is told`) {
		t.Errorf("nothing of delete in %q", c.Warnings())
	}
}

// TestOneNote: what a file that is well otherwise is noted for.
func TestOneNote(t *testing.T) {
	t.Parallel()
	const fit = "hostname = 'out1.rcptgate.org'\n[probe]\nsender = 'verify@rcptgate.org'\n"
	for _, c := range []struct{ file, want string }{
		{fit, ""},
		{fit + "[[probe.source]]\nip = '192.0.2.10'\n", `[[probe.source]] ip = "192.0.2.10" is no address of this host: nothing can be probed from it`},
		{fit + "[[probe.source]]\nip = '::ffff:127.0.0.1'\n", ""},
		{fit + "[listen]\npolicy = ['unix:/run/x.sock']\nunix_group = 'no-such-group'\n", `[listen] unix_group = "no-such-group" is no group of this host: serve cannot open unix:/run/x.sock, and does not start`},
		{fit + "[listen]\nhttp = 'unix:/run/x.sock'\nunix_group = 'no-such-group'\n", `[listen] unix_group = "no-such-group" is no group of this host: serve cannot open unix:/run/x.sock, and does not start`},
		{fit + "[listen]\nadmin_group = 'no-such-group'\n", `[listen] admin_group = "no-such-group" is no group of this host: serve cannot open unix:/run/rcptgate/admin.sock, and does not start`},
		{fit + "[listen]\npolicy = ['unix:/run/x.sock']\nunix_group = '4711'\n", ""},
		{fit + "[listen]\nunix_group = 'no-such-group'\nmilter = ['fd:milter']\n", ""}, // no socket of its own needs it
		{fit + "[policy]\nreject = ['tag:disposable']\n", "policy.reject: tag:disposable has no effect, as no part of this version sets that tag"},
		{fit + "[[probe.source]]\nip = '127.0.0.9'\n", ""}, // the whole network is this host
	} {
		cfg, err := Parse("f", []byte(c.file))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(cfg.Warnings(), "\n"); got != c.want {
			t.Errorf("%q: %s", c.file, got)
		}
	}
}

// nonlocalBind in its environment makes a child of TestNonlocalSource.
const nonlocalBind = "RCPTGATE_CHILD_NONLOCAL"

// TestNonlocalSource: an address that ip_nonlocal_bind lets be bound to is noted
// all the same, as nothing can be connected to from it. A child tells in a
// network of its own.
func TestNonlocalSource(t *testing.T) {
	t.Parallel()
	if os.Getenv(nonlocalBind) != "" {
		if err := os.WriteFile("/proc/sys/net/ipv4/ip_nonlocal_bind", []byte("1"), 0); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
		c, err := Parse("f", []byte("hostname = 'out1.rcptgate.org'\n[[probe.source]]\nip = '192.0.2.10'\n"))
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.ListenPacket("udp4", "192.0.2.10:0")
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		if got := c.foreignSources(); len(got) != 1 {
			t.Errorf("noted: %q", got)
		}
		return
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNonlocalSource$", "-test.v")
	child.Env = append(os.Environ(), nonlocalBind+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNET | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	switch {
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.ENOSPC), strings.Contains(string(out), "NOT RUN"):
		if os.Getenv("CI") == "true" {
			t.Fatalf("NOT RUN: user and network namespaces are forbidden here: %v %s", err, out)
		}
		t.Skipf("NOT RUN: needs user and network namespaces, which are forbidden here: %v %s", err, out)
	case err != nil:
		t.Errorf("%v: %s", err, out)
	}
}
