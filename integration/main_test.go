//go:build integration

package integration

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// inside marks the process that runs in its own namespaces.
const inside = "RCPTGATE_INTEGRATION_ROOT"

// notRun says why no case can run here; empty when they can.
var notRun string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	if os.Getenv(trivialServer) != "" {
		return serveTrivial()
	}
	if err := choose(); err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	if base := os.Getenv(inside); base != "" {
		if err := enter(base); err != nil {
			fmt.Fprintln(os.Stderr, "integration: sandbox:", err)
			return 1
		}
		defer closeWorld()
		return m.Run()
	}
	if os.Geteuid() != 0 {
		notRun = "needs root for namespaces of its own"
		return m.Run() // every case says that it did not run
	}
	code, err := outside()
	if err != nil {
		fmt.Fprintln(os.Stderr, "integration:", err)
		return 1
	}
	return code
}

// choose leaves the cases of ./check all out when only the core is wanted.
func choose() error {
	flag.Parse()
	switch which := os.Getenv("RCPTGATE_MTA"); which {
	case "", "all":
		return nil
	case "core":
		if flag.Lookup("test.run").Value.String() == "" {
			return flag.Set("test.run", "^TestCore")
		}
		return nil
	default:
		return fmt.Errorf("RCPTGATE_MTA=%s: core or all", which)
	}
}

// outside fetches the packages, builds the daemon and starts this binary again
// in namespaces of its own.
func outside() (int, error) {
	repo, err := filepath.Abs("..")
	if err != nil {
		return 0, err
	}
	fetch := exec.Command(filepath.Join(repo, "integration", "packages"))
	fetch.Stderr = os.Stderr
	if err := fetch.Run(); err != nil {
		return 0, fmt.Errorf("packages: %w", err)
	}
	base, err := os.MkdirTemp("", "rcptgate-integration-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(base)
	if err := build(repo, filepath.Join(base, "rcptgate")); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args := slices.DeleteFunc(slices.Clone(os.Args[1:]), func(a string) bool {
		return strings.HasPrefix(a, "-test.testlogfile=") // go's own, at a path that the inside does not share
	})
	child := exec.Command(self, args...)
	child.Stdin, child.Stdout, child.Stderr = nil, os.Stdout, os.Stderr
	child.Env = append(os.Environ(), inside+"="+base, "RCPTGATE_REPO="+repo)
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Pdeathsig:  syscall.SIGKILL,
	}
	err = child.Run()
	if _, ok := err.(*exec.ExitError); ok {
		return 1, nil
	}
	return 0, err
}

// build makes the daemon; with RCPTGATE_COVER it counts what the cases reach,
// and GOCOVERDIR says where.
func build(repo, out string) error {
	if given := os.Getenv("RCPTGATE_BINARY"); given != "" {
		return copyFile(given, out)
	}
	if _, err := os.Stat(filepath.Join(repo, "cmd", "rcptgate")); err != nil {
		return err
	}
	args := []string{"build", "-o", out}
	if os.Getenv("RCPTGATE_COVER") != "" {
		args = append(args, "-cover")
	}
	cmd := exec.Command("go", append(args, "./cmd/rcptgate")...)
	cmd.Dir = repo
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building the daemon: %w", err)
	}
	return nil
}

// begin stands first in every case: where the case cannot run it says so
// loudly, and fails in CI, where a case that is not run is a fault.
func begin(t testing.TB) *world {
	t.Helper()
	if notRun != "" {
		fmt.Fprintf(os.Stderr, "integration: NOT RUN: %s: %s\n", t.Name(), notRun)
		if os.Getenv("CI") == "true" {
			t.Fatalf("not run: %s", notRun)
		}
		t.Skipf("NOT RUN: %s", notRun)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, log := range []string{"/srv/gate/journal", "/srv/near/log/mail.log", "/srv/far/log/mail.log", syslogFile} {
			t.Logf("%s:\n%s", log, tail(log, 15))
		}
	})
	return theWorld(t)
}
