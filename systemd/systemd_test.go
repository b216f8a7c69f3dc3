package systemd

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const binary = "/usr/local/sbin/rcptgate"

// tool finds a program of systemd. Where it is missing the test is named and
// not run; in CI that is a failure.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: install systemd", name)
	}
	fmt.Fprintf(os.Stderr, "NOT RUN: %s: %s is missing\n", t.Name(), name)
	t.Skipf("%s is missing", name)
	return ""
}

// run runs a command that must succeed and, if quiet, say nothing.
func run(t *testing.T, quiet bool, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, name), args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=", "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil || quiet && len(out) > 0 {
		t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// units copies the units into a directory, with a binary that exists in the
// place of one that is not installed, and returns their paths.
func units(t *testing.T) []string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	var paths []string
	for _, name := range []string{"rcptgate.service", "rcptgate-policy.socket", "rcptgate-milter.socket"} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(read(t, name), binary, self)), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// settings returns the values of each key of a unit, in order.
func settings(t *testing.T, name string) map[string][]string {
	t.Helper()
	s := map[string][]string{}
	for line := range strings.Lines(read(t, name)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "[") {
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			t.Fatalf("%s: %q", name, line)
		}
		s[key] = append(s[key], value)
	}
	return s
}

func TestVerify(t *testing.T) {
	run(t, true, "systemd-analyze", append([]string{"verify", "--man=no"}, units(t)...)...)
}

// TestExposure holds the service to an exposure of 2.0 at most, on systemd's
// scale from 0 (safe) to 10.
func TestExposure(t *testing.T) {
	out := run(t, false, "systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", units(t)[0])
	if !strings.Contains(out, "Overall exposure level") {
		t.Errorf("no rating:\n%s", out)
	}
}

func TestService(t *testing.T) {
	s := settings(t, "rcptgate.service")
	for key, want := range map[string][]string{
		"Type":                     {"notify"}, // notify-reload is younger than Debian 12
		"ExecStart":                {binary + " serve -c /etc/rcptgate/rcptgate.toml"},
		"ExecReload":               {"/bin/kill -HUP $MAINPID"},
		"RestartPreventExitStatus": {"64 78"},
		"CapabilityBoundingSet":    {""},
		"AmbientCapabilities":      {""},
		"ProtectSystem":            {"strict"},
		"StateDirectory":           {"rcptgate"},
		"LogsDirectory":            {"rcptgate"},
		"RuntimeDirectory":         {"rcptgate"},
		"User":                     {"rcptgate"},
		"Group":                    {"rcptgate"},
		"PrivateUsers":             nil, // unix_group would not be mapped
	} {
		if !slices.Equal(s[key], want) {
			t.Errorf("%s=%q, want %q", key, s[key], want)
		}
	}
	if len(s["WatchdogSec"]) != 1 {
		t.Error("no watchdog")
	}
}

func TestSockets(t *testing.T) {
	for name, path := range map[string]string{"policy": "private/rcptgate", "milter": "private/rcptgate-milter"} {
		s := settings(t, "rcptgate-"+name+".socket")
		for key, want := range map[string]string{
			"ListenStream":       "/var/spool/postfix/" + path,
			"FileDescriptorName": name,
			"Service":            "rcptgate.service",
			"SocketUser":         "postfix",
			"SocketMode":         "0660",
		} {
			if !slices.Equal(s[key], []string{want}) {
				t.Errorf("%s: %s=%q, want %q", name, key, s[key], want)
			}
		}
	}
}

func TestSysusers(t *testing.T) {
	out := run(t, false, "systemd-sysusers", "--dry-run", "--root="+t.TempDir(), absolute(t, "rcptgate.sysusers.conf"))
	if !strings.Contains(out, "rcptgate") || strings.Contains(out, "gnor") {
		t.Errorf("output:\n%s", out)
	}
}

// TestTmpfiles lets systemd parse the file, and compares it with the
// directories that the service makes: systemd would change the owner of
// everything in them, again and again.
func TestTmpfiles(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	for file, line := range map[string]string{"passwd": "rcptgate:x:990:990::/:/bin/false\n", "group": "rcptgate:x:990:\n"} {
		if err := os.WriteFile(filepath.Join(root, "etc", file), []byte(line), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, true, "systemd-tmpfiles", "--create", "--prefix=/nowhere", "--root="+root, absolute(t, "rcptgate.tmpfiles.conf"))

	s := settings(t, "rcptgate.service")
	text := read(t, "rcptgate.tmpfiles.conf")
	for _, d := range []struct{ base, dir, mode string }{
		{"/var/lib/", "StateDirectory", "StateDirectoryMode"}, {"/var/log/", "LogsDirectory", "LogsDirectoryMode"},
	} {
		want := fmt.Sprintf("d %s%s %s %s %s -\n", d.base, s[d.dir][0], s[d.mode][0], s["User"][0], s["Group"][0])
		if !strings.Contains(text, want) {
			t.Errorf("missing: %s", want)
		}
	}
}

func absolute(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}
