//go:build integration

package integration

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// client speaks SMTP to a server under test, one command or one flight at a
// time, and shows replies as they came.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

// dialSMTP connects, reads the greeting and says EHLO.
func dialSMTP(t testing.TB, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	c := &client{t: t, conn: conn, r: bufio.NewReader(conn)}
	c.want("220", c.reply())
	c.want("250", c.cmd("EHLO client.sender.zone"))
	return c
}

// reply reads one reply, its lines joined by a newline.
func (c *client) reply() string {
	c.t.Helper()
	must(c.t, c.conn.SetReadDeadline(time.Now().Add(90*time.Second)))
	var all []string
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.t.Fatalf("reading a reply: %v after %q", err, all)
		}
		line = strings.TrimRight(line, "\r\n")
		all = append(all, line)
		if len(line) < 4 || line[3] != '-' {
			return strings.Join(all, "\n")
		}
	}
}

func (c *client) cmd(format string, args ...any) string {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.conn, format+"\r\n", args...); err != nil {
		c.t.Fatal(err)
	}
	return c.reply()
}

// flight sends all commands at once and reads their replies.
func (c *client) flight(commands ...string) []string {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(strings.Join(commands, "\r\n") + "\r\n")); err != nil {
		c.t.Fatal(err)
	}
	replies := make([]string, len(commands))
	for i := range replies {
		replies[i] = c.reply()
	}
	return replies
}

func (c *client) want(prefix, reply string) {
	c.t.Helper()
	if !strings.HasPrefix(reply, prefix) {
		c.t.Errorf("reply %q, want %s", reply, prefix)
	}
}

// message sends a body after the recipients.
func (c *client) message(subject string) string {
	c.t.Helper()
	c.want("354", c.cmd("DATA"))
	return c.cmd("Subject: %s\r\nFrom: <news@sender.zone>\r\n\r\nhello\r\n.", subject)
}

// waitBanner waits until a server greets.
func waitBanner(t testing.TB, addr string) {
	t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		conn, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			conn.SetReadDeadline(deadline)
			line, err := bufio.NewReader(conn).ReadString('\n')
			fmt.Fprint(conn, "QUIT\r\n")
			conn.Close()
			if err == nil && strings.HasPrefix(line, "220") {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not greet: %v", addr, err)
		}
		tick := time.NewTimer(50 * time.Millisecond)
		<-tick.C
	}
}

// submit runs a sendmail(1) with a small message.
func submit(t *testing.T, command string, args ...string) {
	t.Helper()
	submitInput(t, "Subject: by command\n\nhello\n", append([]string{command}, args...)...)
}

// submitInput runs a command with input and returns what it said.
func submitInput(t *testing.T, input string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %v: %s", command, err, out)
	}
	return string(out)
}
