//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Accounts of the mail servers, in the sandbox's own passwd and group files.
// Numbers are fixed, so that nothing depends on the machine's.
var accounts = []struct {
	name string
	id   int
	home string
}{
	{"postfix", 20001, "/var/spool/postfix"},
	{"postdrop", 20002, "/nonexistent"},
	{"smmta", 20003, "/var/lib/sendmail"},
	{"smmsp", 20004, "/var/lib/sendmail"},
	{"Debian-exim", 20005, "/var/spool/exim4"},
	{"postgrey", 20006, "/var/lib/postgrey"},
	{"rcptgate", 20007, "/var/lib/rcptgate"},
	{"injector", 20008, "/tmp"},
}

// hostname of the sandbox.
const hostname = "out1.sender.zone"

// enter turns this process, alone in new namespaces, into the first process of
// a private machine: base becomes a file system in memory, over the machine's
// root; the packages are unpacked there; loopback comes up.
func enter(base string) error {
	root, err := mountRoot(base)
	if err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(cacheDir(), "debs", "*.deb"))
	if err != nil || len(debs) == 0 {
		return fmt.Errorf("no packages in the cache: %v", err)
	}
	for _, deb := range debs {
		if err := unpack(deb, root); err != nil {
			return fmt.Errorf("%s: %w", filepath.Base(deb), err)
		}
	}
	if err := syscall.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	os.Setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
	os.Setenv("TMPDIR", "/tmp")
	if err := syscall.Sethostname([]byte(hostname)); err != nil {
		return err
	}
	if err := writeMachineFiles(); err != nil {
		return err
	}
	for _, c := range []string{
		"ip link set lo up",
		// Addresses for simulated hosts that are not 127/8, which Exim takes
		// for its own machine.
		"ip route add local 198.18.0.0/15 dev lo",
		"ldconfig",
	} {
		if err := command(c); err != nil {
			return err
		}
	}
	return nil
}

func cacheDir() string {
	if d := os.Getenv("RCPTGATE_CACHE"); d != "" {
		return d
	}
	return filepath.Join(os.Getenv("RCPTGATE_REPO"), ".cache")
}

func mountRoot(base string) (string, error) {
	daemon := filepath.Join(base, "rcptgate")
	binary, err := os.ReadFile(daemon)
	if err != nil {
		return "", err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return "", err
	}
	if err := syscall.Mount("rcptgate", base, "tmpfs", 0, "size=2g,mode=0755"); err != nil {
		return "", err
	}
	root := filepath.Join(base, "root")
	for _, d := range []string{"upper", "work", "root"} {
		if err := os.Mkdir(filepath.Join(base, d), 0o755); err != nil {
			return "", err
		}
	}
	overlay := fmt.Sprintf("lowerdir=/,upperdir=%[1]s/upper,workdir=%[1]s/work", base)
	if err := syscall.Mount("rcptgate", root, "overlay", 0, overlay); err != nil {
		return "", fmt.Errorf("overlay: %w", err)
	}
	for _, d := range []string{"proc", "dev", "run", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return "", err
		}
	}
	for _, d := range []string{"dev", "run", "tmp"} {
		if err := syscall.Mount("rcptgate", filepath.Join(root, d), "tmpfs", 0, "mode=0755"); err != nil {
			return "", err
		}
	}
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o777|os.ModeSticky); err != nil {
		return "", err
	}
	if err := syscall.Mount("proc", filepath.Join(root, "proc"), "proc", 0, ""); err != nil {
		return "", err
	}
	for _, n := range []string{"null", "zero", "full", "random", "urandom"} {
		dev := filepath.Join(root, "dev", n)
		if err := os.WriteFile(dev, nil, 0o666); err != nil {
			return "", err
		}
		if err := syscall.Mount("/dev/"+n, dev, "", syscall.MS_BIND, ""); err != nil {
			return "", err
		}
	}
	if err := os.WriteFile(filepath.Join(root, "usr/local/bin/rcptgate"), binary, 0o755); err != nil {
		return "", err
	}
	if err := copyDocs(filepath.Join(root, docs)); err != nil {
		return "", err
	}
	// The daemon writes there as its own user.
	if d := os.Getenv("GOCOVERDIR"); d != "" {
		if err := os.Chmod(d, 0o777); err != nil {
			return "", err
		}
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return "", err
		}
		return root, syscall.Mount(d, filepath.Join(root, d), "", syscall.MS_BIND, "")
	}
	return root, nil
}

// unpack lays the files of one package over root. tar keeps /lib and /bin the
// links that they are on a merged-usr system, which dpkg -x would replace by
// directories.
func unpack(deb, root string) error {
	list := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	tar := exec.Command("tar", "-x", "-p", "--keep-directory-symlink", "--warning=no-timestamp", "-C", root)
	pipe, err := list.StdoutPipe()
	if err != nil {
		return err
	}
	tar.Stdin = pipe
	tar.Stderr = os.Stderr
	if err := list.Start(); err != nil {
		return err
	}
	if err := tar.Run(); err != nil {
		return err
	}
	return list.Wait()
}

func writeMachineFiles() error {
	passwd, group, shadow := "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
		"root:x:0:\nmail:x:8:\nnogroup:x:65534:\n", "root:*:19000::::::\n"
	for _, a := range accounts {
		passwd += fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", a.name, a.id, a.id, a.home)
		group += fmt.Sprintf("%s:x:%d:\n", a.name, a.id)
		shadow += a.name + ":*:19000::::::\n"
	}
	files := map[string]string{
		"/etc/passwd":        passwd,
		"/etc/group":         group,
		"/etc/shadow":        shadow,
		"/etc/resolv.conf":   "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n",
		"/etc/hosts":         "127.0.0.1 localhost\n127.0.0.1 " + hostname + " out1\n::1 localhost\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n",
		"/etc/mailname":      hostname + "\n",
		"/etc/hostname":      hostname + "\n",
		"/etc/host.conf":     "multi on\n",
	}
	for name, text := range files {
		if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
			return err // often a link
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// command runs one line of words and shows what it said when it fails.
func command(line string, env ...string) error {
	words := strings.Fields(line)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", line, err, out)
	}
	return nil
}

// docs is where the sandbox has the documents whose lines are fed to the mail
// servers.
const docs = "/usr/share/doc/rcptgate"

func copyDocs(to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"README.md", "docs/postfix.md", "docs/sendmail.md"} {
		if err := copyFile(filepath.Join(os.Getenv("RCPTGATE_REPO"), name), filepath.Join(to, filepath.Base(name))); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o755)
}

// syslog collects what the servers log (Sendmail knows no other way) in a file,
// whose end failed cases show.
type syslog struct {
	conn *net.UnixConn
	done chan struct{}
}

const syslogFile = "/var/log/mail.log"

func startSyslog() (*syslog, error) {
	file, err := os.OpenFile(syslogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: "/dev/log", Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod("/dev/log", 0o666); err != nil {
		return nil, err
	}
	s := &syslog{conn: conn, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		defer file.Close()
		buf := make([]byte, 8192)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			fmt.Fprintf(file, "%s\n", bytes.TrimRight(buf[:n], "\n\x00"))
		}
	}()
	return s, nil
}

func (s *syslog) close() {
	s.conn.Close()
	<-s.done
}

// tail returns the last lines of a file, for messages of failed cases.
func tail(name string, lines int) string {
	f, err := os.Open(name)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	var all []string
	r := bufio.NewReader(io.LimitReader(f, 8<<20))
	for {
		line, err := r.ReadString('\n')
		if line != "" {
			all = append(all, line)
		}
		if err != nil {
			break
		}
	}
	return strings.Join(all[max(0, len(all)-lines):], "")
}
