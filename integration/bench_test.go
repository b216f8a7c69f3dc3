//go:build integration

package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"rcptgate/internal/lab"
)

// The load of BenchmarkWarmPostfix.
const (
	warmRuns      = 9
	warmSessions  = 10
	warmMessages  = 10  // a session and run
	warmRcpts     = 100 // a message
	warmAddresses = 500
)

// BenchmarkWarmPostfix is how many recipients a second a real Postfix takes
// that asks the daemon about addresses it knows, audit log written, to the same
// Postfix asking a server that only parses and answers DUNNO. Both are asked
// over sockets in Postfix's private directory, and each is a process of its own.
func BenchmarkWarmPostfix(b *testing.B) {
	w := begin(b)
	w.host("warm.lab", lab.Host{Exists: func(local, _ string) bool { return strings.HasPrefix(local, "user") }})
	d := w.startDaemon(b, "warm", daemonOptions{
		edit:   listenLines(b, "[listen]\npolicy = [\"fd:policy\"]\n"),
		passed: []passed{{"policy", passedSocket(b, private(b, "warmpf", "rcptgate"))}},
	})
	defer d.stop()
	startTrivial(b, passedSocket(b, private(b, "warmpf", "trivial")))
	const check = "-o { smtpd_recipient_restrictions = check_policy_service { unix:private/%s, timeout=12s }, permit_mynetworks }\n"
	p := startPostfix(b, "warmpf", postfixOptions{
		addr: "127.0.0.1:3725",
		main: map[string]string{
			// Each message ends with RSET: see that nothing slows the client.
			"smtpd_junk_command_limit":            "100000",
			"smtpd_hard_error_limit":              "100000",
			"smtpd_soft_error_limit":              "100000",
			"smtpd_recipient_limit":               "100000",
			"smtpd_client_connection_count_limit": "0",
			"smtpd_relay_restrictions":            "permit_mynetworks, reject",
		},
		master: "127.0.0.1:3726 inet n - n - - smtpd " + fmt.Sprintf(check, "rcptgate") +
			"127.0.0.1:3727 inet n - n - - smtpd " + fmt.Sprintf(check, "trivial"),
	})
	for _, how := range []struct {
		name      string
		pipelined bool
	}{{"one by one", false}, {"pipelined", true}} {
		b.Run(how.name, func(b *testing.B) {
			gate, trivial := warmClients(b, "127.0.0.1:3726"), warmClients(b, "127.0.0.1:3727")
			rate := func(clients []*client) func() float64 {
				return func() float64 { return warmRate(clients, how.pipelined) }
			}
			rate(gate)() // each address is known from here on
			rate(trivial)()
			asked, known := w.lab.Count("", "CONNECT", -1), d.served(b, "cache")
			for b.Loop() {
				var absolute []float64
				q := lab.Ratios(warmRuns, func() float64 {
					absolute = append(absolute, rate(gate)())
					return absolute[len(absolute)-1]
				}, rate(trivial))
				if load, err := os.ReadFile("/proc/loadavg"); err == nil {
					b.Logf("load average of the machine: %s", strings.TrimSpace(string(load)))
				}
				b.Logf("RCPT/s of Postfix to that with a trivial server: median %.3f, quartiles %.3f to %.3f (%d runs; wanted: at least 0.90); %.0f RCPT/s",
					q.Median, q.Q1, q.Q3, warmRuns, lab.QuartilesOf(absolute).Median)
				b.ReportMetric(q.Median, "x-trivial")
				b.ReportMetric(q.Q1, "x-trivial-q1")
				b.ReportMetric(q.Q3, "x-trivial-q3")
				want := warmRuns * warmSessions * warmMessages * warmRcpts
				waitFor(b, fmt.Sprintf("%d more audit lines", want), func() bool { return d.served(b, "cache") == known+want })
				known += want
			}
			if now := w.lab.Count("", "CONNECT", -1); now != asked {
				b.Errorf("%d dialogues about known addresses", now-asked)
			}
		})
	}
	if b.Failed() {
		b.Log(tail(p.log(), 20), tail(d.log(), 20))
	}
}

// trivialServer marks the process that serves lab.TrivialPolicy on the socket
// that it is passed, as its descriptor 3.
const trivialServer = "RCPTGATE_TRIVIAL_POLICY"

func startTrivial(b *testing.B, socket *os.File) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), trivialServer+"=yes")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = os.Stderr
	must(b, cmd.Start())
	b.Cleanup(func() {
		cmd.Process.Kill() // it has no other end
		cmd.Wait()
	})
}

func serveTrivial() int {
	l, err := net.FileListener(os.NewFile(3, "policy"))
	for err == nil {
		var c net.Conn
		if c, err = l.Accept(); err == nil {
			go lab.TrivialPolicy(c, lab.Dunno) // until the process is killed
		}
	}
	fmt.Fprintln(os.Stderr, "integration: trivial policy server:", err)
	return 1
}

// warmClients opens the sessions of one side; they stay open for all runs.
func warmClients(b *testing.B, addr string) []*client {
	clients := make([]*client, warmSessions)
	for i := range clients {
		clients[i] = dialSMTP(b, addr)
	}
	return clients
}

// warmRate sends each session's messages and returns recipients a second. No
// message has a body: RSET ends it.
func warmRate(clients []*client, pipelined bool) float64 {
	var wg sync.WaitGroup
	start := time.Now()
	for i, c := range clients {
		wg.Go(func() {
			for m := range warmMessages {
				commands := []string{"MAIL FROM:<news@" + senderDomain + ">"}
				for r := range warmRcpts {
					commands = append(commands, fmt.Sprintf("RCPT TO:<user%d@warm.lab>", ((i+m)*warmRcpts+r)%warmAddresses))
				}
				commands = append(commands, "RSET")
				if pipelined {
					for _, reply := range c.flight(commands...) {
						c.want("250", reply)
					}
					continue
				}
				for _, cmd := range commands {
					c.want("250", c.cmd("%s", cmd))
				}
			}
		})
	}
	wg.Wait()
	return float64(len(clients)*warmMessages*warmRcpts) / time.Since(start).Seconds()
}
