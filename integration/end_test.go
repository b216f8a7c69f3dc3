//go:build integration

package integration

import (
	"slices"
	"strings"
	"testing"

	"rcptgate/internal/lab"
)

// TestCoreDecideEnd has the daemon decide at the end of the message.
func TestCoreDecideEnd(t *testing.T) {
	w := begin(t)
	w.host("end.lab", lab.Host{Exists: users("alice", "bob")})
	for i, part := range []string{"keep", "reject", "delete"} {
		t.Run(part, func(t *testing.T) {
			name := "end" + part
			d := w.startDaemon(t, name, daemonOptions{decide: "end", onPartial: part})
			defer d.stop()
			near := w.startNear(t, name+"pf", 3000+10*i, d)
			sm := startSendmail(t, name+"sm", "127.0.0.1:"+[]string{"3105", "3115", "3125"}[i], sendmailFilter(d))
			for _, door := range []door{{"postfix", near.viaMilter}, {"sendmail", sm.addr}} {
				send := func(rcpts ...string) string {
					c := dialSMTP(t, door.addr)
					c.want("250", c.cmd("MAIL FROM:<news@%s>", senderDomain))
					for _, r := range rcpts {
						c.want("250", c.cmd("RCPT TO:<%s>", r))
					}
					reply := c.message(strings.Join(rcpts, " "))
					c.want("221", c.cmd("QUIT"))
					return reply
				}
				check := func(want, reply string) {
					t.Helper()
					if !strings.HasPrefix(reply, want) {
						t.Errorf("%s: %q, want %s", door.name, reply, want)
					}
				}
				check("250", send("alice@end.lab", "bob@end.lab"))
				check("550 5.1.1", send("unknown1@end.lab", "unknown2@end.lab"))
				partial := "250"
				if part == "reject" {
					partial = "550 5.1.1"
				}
				check(partial, send("alice@end.lab", "unknown1@end.lab"))
			}
			want := []string{"alice@end.lab", "bob@end.lab"}
			switch part {
			case "keep":
				want = append(want, "alice@end.lab", "unknown1@end.lab")
			case "delete":
				want = append(want, "alice@end.lab")
			}
			slices.Sort(want)
			for server, got := range map[string][]string{"postfix": near.recipients(t), "sendmail": sm.recipients(t)} {
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s has queued %q, want %q", server, got, want)
				}
			}
		})
	}
}
