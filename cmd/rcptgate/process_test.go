package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// The tests of this file run the command as a process of its own: kills,
// signals, exit codes, another user, thousands of connections.

func onlyAda(local, _ string) bool { return local == "ada" }

// TestKilled kills the daemon again and again, in its first lives between its
// reply and the batch that would have stored what it learned: answers stay
// right, and the limits at the far end hold over all its lives together, but
// for what was in those batches.
func TestKilled(t *testing.T) {
	const lives, unwritten, invalidPerHour = 15, 3, 10
	h := newHost(t, "")
	h.Site("far.test", lab.Host{Exists: onlyAda})
	refused := 0
	for life := range lives {
		d := h.serve()
		action := h.rcpt(fmt.Sprint("i", life), fmt.Sprintf("nobody%d@far.test", life))
		if life >= unwritten {
			h.written()
		}
		d.kill()
		if strings.HasPrefix(action, "550 5.1.1") {
			refused++
		} else if action != "DUNNO" {
			t.Errorf("life %d: %q", life, action)
		}
	}
	d := h.serve()
	before := h.Count("", "CONNECT", -1)
	if got := h.rcpt("again", fmt.Sprintf("nobody%d@far.test", unwritten)); !strings.HasPrefix(got, "550 5.1.1") || h.Count("", "CONNECT", -1) != before {
		t.Errorf("a verdict of an earlier life: %q", got)
	}
	if got := h.rcpt("last", "ada@far.test"); got != "DUNNO" {
		t.Errorf("one who exists: %q", got)
	}
	d.stop()
	invalid := h.Count("mx.far.test", "RCPT", 5)
	t.Logf("%d refusals told in %d lives, %d invalid recipients at the far end", refused, lives, invalid)
	if refused < unwritten+2 || invalid > invalidPerHour+unwritten {
		t.Errorf("%d refusals, %d invalid recipients at the far end within the hour, want at most %d", refused, invalid, invalidPerHour+unwritten)
	}
}

// written returns when all that was learned is on the disk.
func (h *host) written() {
	h.t.Helper()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", h.path("admin.sock"))
		},
	}}
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://rcptgate/metrics", nil)
		h.must(err)
		res, err := client.Do(req)
		h.must(err)
		page, err := io.ReadAll(res.Body)
		h.must(errors.Join(err, res.Body.Close()))
		if bytes.Contains(page, []byte("\nrcptgate_store_pending_writes 0\n")) {
			return
		}
	}
}

// TestTerminated: who waits when SIGTERM comes gets his answer, and SIGHUP
// reads a new configuration before.
func TestTerminated(t *testing.T) {
	h := newHost(t, "")
	asked, release := make(chan struct{}), make(chan struct{})
	h.Site("slow.test", lab.Host{Rcpt: func(rcpt string, _ *lab.Session) string {
		if strings.HasPrefix(rcpt, "nobody@") {
			close(asked)
			<-release
		}
		return ""
	}})
	d := h.serve()
	h.must(d.Process.Signal(syscall.SIGHUP))
	d.said.wait(t, "configuration reloaded")
	answer := make(chan string)
	go func() { answer <- h.rcpt("i", "nobody@slow.test") }()
	<-asked
	h.must(d.Process.Signal(syscall.SIGTERM))
	late := time.After(patience)
	for { // the drain has begun when the socket is gone
		if _, err := os.Lstat(h.path("policy.sock")); os.IsNotExist(err) {
			break
		}
		select {
		case <-late:
			t.Fatal("the socket stays")
		case <-d.ended:
			t.Fatal("it did not wait")
		default:
		}
	}
	close(release)
	if got := <-answer; !strings.HasPrefix(got, "550 5.1.1") {
		t.Errorf("who waited: %q", got)
	}
	<-d.ended
	if code := d.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit status %d", code)
	}
}

// TestSecondDaemon: words and exit status 1, and the first one lives on.
func TestSecondDaemon(t *testing.T) {
	h := newHost(t, "")
	h.Site("far.test", lab.Host{Exists: onlyAda})
	d := h.serve()
	code, _, stderr := h.exec(nil, "serve", "-c", h.config())
	if code != exitFailed || !strings.Contains(stderr, "another process holds the store") || !strings.Contains(stderr, "hint: one daemon a store") || strings.Contains(stderr, "level=") {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	if got := h.rcpt("i", "nobody@far.test"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Errorf("the first daemon: %q", got)
	}
	d.stop()
}

// TestCheckBesideDaemon: check asks the running daemon, whose store it could
// not open; whoever may not is told what to do.
func TestCheckBesideDaemon(t *testing.T) {
	h := newHost(t, "")
	h.Site("far.test", lab.Host{Exists: onlyAda})
	d := h.serve()
	code, stdout, stderr := h.exec(nil, "check", "-c", h.config(), "--json", "--trace", "nobody@far.test", "ada@far.test", "nonsense")
	if code != exitDone || stderr != "" {
		t.Errorf("exit status %d: %s", code, stderr)
	}
	reasons := map[string]string{}
	for line := range strings.Lines(stdout) {
		var v struct {
			Input, Reason string
			Trace         []string
		}
		h.must(json.Unmarshal([]byte(line), &v))
		reasons[v.Input] = v.Reason
		if traced := slices.ContainsFunc(v.Trace, func(l string) bool { return strings.HasPrefix(l, "rcpt ") }); traced != (v.Input != "nonsense") {
			t.Errorf("%s: the trace is %q", v.Input, v.Trace)
		}
	}
	if reasons["nobody@far.test"] != "mailbox_not_found" || reasons["ada@far.test"] != "accepted" || reasons["nonsense"] != "invalid_syntax" {
		t.Errorf("%v", reasons)
	}
	asked := h.Count("mx.far.test", "RCPT", -1)
	if got := h.rcpt("i", "nobody@far.test"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Errorf("the daemon: %q", got)
	}
	if got := h.Count("mx.far.test", "RCPT", -1); got != asked {
		t.Error("the daemon does not know what check found out by it")
	}

	var nobody *syscall.Credential // root may open any socket
	if os.Geteuid() == 0 {
		nobody = &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: false}
	} else {
		h.must(os.Chmod(h.path("admin.sock"), 0))
	}
	code, stdout, stderr = h.exec(nobody, "check", "-c", h.config(), "ada@far.test")
	if code != exitFailed || stdout != "" || !strings.Contains(stderr, "admin socket may not be used") || !strings.Contains(stderr, "rcptgate: hint: ") {
		t.Errorf("without permission: exit status %d: %s%s", code, stdout, stderr)
	}
	d.stop()
	code, stdout, _ = h.exec(nil, "check", "-c", h.config(), "nobody@far.test")
	if code != exitDone || !strings.Contains(stdout, "mailbox_not_found") || !strings.Contains(stdout, "known before") {
		t.Errorf("after the daemon, on its store: exit status %d: %s", code, stdout)
	}
	if got := h.Count("mx.far.test", "RCPT", -1); got != asked {
		t.Error("the MX was asked again")
	}
}

// TestThousandsOfConnections opens 10,000 real connections that say nothing,
// and is served on the next one.
func TestThousandsOfConnections(t *testing.T) {
	many := 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < uint64(many)+500 {
		many = int(limit.Max) - 500
		t.Logf("NOT WHOLE: the limit of open files allows only %d connections", many)
	}
	h := newHost(t, "")
	h.Site("far.test", lab.Host{Exists: onlyAda})
	d := h.serve()
	for i := range many {
		if i%1000 == 0 { // answered: the kernel's queue of connections is empty
			h.rcpt(fmt.Sprint("among", i), "ada@far.test")
		}
		c, err := net.Dial("unix", h.path("policy.sock"))
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		if i%2 == 0 {
			_, err := io.WriteString(c, "request=smtpd_access_policy\nprotocol_st")
			h.must(err)
		}
	}
	if got := h.rcpt("i", "nobody@far.test"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Errorf("with %d connections open: %q", many, got)
	}
	d.stop()
}

// TestFullDisk runs the daemon on a store of 64 KiB: what it learns stays in
// memory, it says so, and mail flows.
func TestFullDisk(t *testing.T) {
	h := newHost(t, "")
	h.Site("far.test", lab.Host{Exists: onlyAda})
	cmd := exec.Command("/bin/sh", "-c", `mount -t tmpfs -o size=64k tmpfs "$1" && exec "$2" serve -c "$3"`, "sh", h.path("store"), h.binary, h.config())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	if err := exec.Command("unshare", "--user", "--mount", "--map-root-user", "/bin/sh", "-c", `mount -t tmpfs tmpfs "$1"`, "sh", h.path("store")).Run(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("NOT RUN: a small disk needs user and mount namespaces, which are forbidden here: %v", err)
	}
	d := h.launch(cmd)
	d.said.wait(t, "msg=serving")
	refused := 0
	for i := range 300 {
		domain := fmt.Sprintf("d%d.test", i)
		h.NullMX(domain)
		if got := h.rcpt(fmt.Sprint("i", i), "nobody@"+domain); strings.HasPrefix(got, "550") {
			refused++
		}
	}
	d.said.wait(t, "no space left on device")
	for i, rcpt := range []string{"nobody@far.test", "nobody@far.test", "nobody@d0.test"} {
		if got := h.rcpt(fmt.Sprint("again", i), rcpt); !strings.HasPrefix(got, "550") {
			t.Errorf("%s: %q", rcpt, got)
		}
	}
	if refused != 300 {
		t.Errorf("%d of 300 refused", refused)
	}
	if n := h.Count("mx.far.test", "CONNECT", -1); n != 1 {
		t.Errorf("%d connections: what is known is not kept in memory", n)
	}
}
