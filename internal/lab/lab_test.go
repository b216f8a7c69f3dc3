package lab

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// dialogue writes each flight and reads as many replies as it has lines.
func dialogue(t *testing.T, c net.Conn, flights ...string) []string {
	t.Helper()
	br := bufio.NewReader(c)
	var out []string
	read := func() {
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				out = append(out, err.Error())
				return
			}
			if line[3] == ' ' {
				out = append(out, strings.TrimSpace(line))
				return
			}
		}
	}
	read()
	for _, f := range flights {
		if _, err := c.Write([]byte(f)); err != nil {
			out = append(out, err.Error())
			return out
		}
		for range strings.Count(f, "\n") {
			read()
		}
	}
	return out
}

func TestRoundTripsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Options{RTT: 20 * time.Millisecond})
		addr := n.Site("example.test", Host{Exists: func(l, _ string) bool { return l == "ada" }})[0]
		start := time.Now()
		c, err := n.Dial(context.Background(), "tcp", addr.String()+":25")
		if err != nil {
			t.Fatal(err)
		}
		got := dialogue(t, c, "EHLO me.test\r\n",
			"MAIL FROM:<p@me.test>\r\nRCPT TO:<ada@example.test>\r\nRCPT TO:<bob@example.test>\r\n", "QUIT\r\n")
		want := []string{"220", "250", "250", "250 2.1.5", "550 5.1.1 <bob@example.test>", "221"}
		for i, w := range want {
			if i >= len(got) || !strings.HasPrefix(got[i], w) {
				t.Fatalf("reply %d: got %q, want prefix %q", i, got, w)
			}
		}
		// Handshake, greeting, EHLO, one flight, QUIT.
		if d := time.Since(start); d != 100*time.Millisecond {
			t.Errorf("took %v, want five round trips of 20 ms", d)
		}
		c.Close()
		n.Close()
		if got := n.Count("mx.example.test", "RCPT", 5); got != 1 {
			t.Errorf("counted %d refused RCPTs, want 1", got)
		}
	})
}

func TestDNSFaultsAndRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Options{})
		n.Site("example.test", Host{})
		n.NullMX("null.test")
		n.Records("alias.test. 300 IN CNAME example.test.")
		n.DNSFault("bad.test", "servfail")
		defer n.Close()
		for _, tc := range []struct {
			name  string
			qtype uint16
			rcode int
			count int
		}{
			{"example.test.", dns.TypeMX, dns.RcodeSuccess, 1},
			{"example.test.", dns.TypeA, dns.RcodeSuccess, 0},
			{"mx.example.test.", dns.TypeA, dns.RcodeSuccess, 1},
			{"alias.test.", dns.TypeMX, dns.RcodeSuccess, 2},
			{"null.test.", dns.TypeMX, dns.RcodeSuccess, 1},
			{"nowhere.test.", dns.TypeMX, dns.RcodeNameError, 0},
			{"bad.test.", dns.TypeMX, dns.RcodeServerFailure, 0},
		} {
			c, err := n.Dial(context.Background(), "udp", DNSAddr)
			if err != nil {
				t.Fatal(err)
			}
			co := &dns.Conn{Conn: c}
			if err := co.WriteMsg(new(dns.Msg).SetQuestion(tc.name, tc.qtype)); err != nil {
				t.Fatal(err)
			}
			m, err := co.ReadMsg()
			if err != nil {
				t.Fatal(err)
			}
			if m.Rcode != tc.rcode || len(m.Answer) != tc.count {
				t.Errorf("%s %d: rcode %d with %d answers, want %d with %d", tc.name, tc.qtype, m.Rcode, len(m.Answer), tc.rcode, tc.count)
			}
			c.Close()
		}
	})
}

func TestGreylistHarvestAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Options{})
		exists := func(string, string) bool { return true }
		grey := n.Site("grey.test", Host{Greylist: 5 * time.Minute, Exists: exists})[0]
		harvest := n.Site("harvest.test", Host{HarvestLimit: 2, HarvestReply: "250 2.1.5 ok"})[0]
		busy := n.Site("busy.test", Host{ConnsPerMinute: 1})[0]
		defer n.Close()
		ask := func(addr, rcpt string) string {
			c, err := n.Dial(context.Background(), "tcp", addr+":25")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			got := dialogue(t, c, "EHLO x\r\n", "MAIL FROM:<>\r\n", "RCPT TO:<"+rcpt+">\r\n")
			return got[len(got)-1]
		}
		if got := ask(grey.String(), "a@grey.test"); !strings.HasPrefix(got, "450") {
			t.Errorf("first greylisted RCPT: %q", got)
		}
		<-time.After(5 * time.Minute)
		if got := ask(grey.String(), "a@grey.test"); !strings.HasPrefix(got, "250") {
			t.Errorf("greylisted RCPT after the delay: %q", got)
		}
		for i, want := range []string{"550", "550", "250"} {
			if got := ask(harvest.String(), fmt.Sprintf("u%d@harvest.test", i)); !strings.HasPrefix(got, want) {
				t.Errorf("harvest RCPT %d: %q, want %s", i, got, want)
			}
		}
		ask(busy.String(), "postmaster@busy.test")
		c, err := n.Dial(context.Background(), "tcp", busy.String()+":25")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if got := dialogue(t, c); !strings.HasPrefix(got[0], "421") {
			t.Errorf("second connection in a minute: %q", got)
		}
	})
}

func TestLoopback(t *testing.T) {
	n := New(Options{})
	addr := n.Site("example.test", Host{StartTLS: "ok", TLSOnly: true, CatchAll: true})[0]
	dnsAddr, port, err := n.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	m, _, err := (&dns.Client{Timeout: time.Minute}).Exchange(new(dns.Msg).SetQuestion("example.test.", dns.TypeMX), dnsAddr)
	if err != nil || len(m.Answer) != 1 {
		t.Fatalf("MX query: %v %v", m, err)
	}
	c, err := net.Dial("tcp", netip.AddrPortFrom(addr, uint16(port)).String())
	if err != nil {
		t.Fatal(err)
	}
	got := dialogue(t, c, "EHLO x\r\n", "MAIL FROM:<>\r\n", "STARTTLS\r\n")
	if !strings.HasPrefix(got[2], "530") || !strings.HasPrefix(got[3], "220") {
		t.Fatalf("got %q", got)
	}
	tc := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	if _, err := tc.Write([]byte("EHLO x\r\n")); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(tc).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "250") {
		t.Fatalf("EHLO over TLS: %q %v", line, err)
	}
	tc.Close()
}

func TestMaxInWindow(t *testing.T) {
	at := func(s int) Entry { return Entry{At: time.Unix(int64(s), 0)} }
	all := func(Entry) bool { return true }
	entries := []Entry{at(0), at(30), at(59), at(60), at(61)}
	if got := MaxInWindow(entries, time.Minute, all); got != 4 {
		t.Errorf("got %d, want 4 (a window of a minute is half open)", got)
	}
}

func TestBareProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Options{RTT: 20 * time.Millisecond})
		n.Site("example.test", Host{Exists: func(l, _ string) bool { return l == "ada" }})
		defer n.Close()
		start := time.Now()
		code, err := BareProbe(context.Background(), n.Dial, DNSAddr, 25, "ada@example.test")
		if err != nil || code != "250" {
			t.Fatalf("got %q, %v", code, err)
		}
		if d := time.Since(start); d != 120*time.Millisecond {
			t.Errorf("took %v, want six round trips of 20 ms", d)
		}
	})
}

func TestQuartiles(t *testing.T) {
	if q := QuartilesOf([]float64{5, 1, 4, 2, 3}); q != (Quartiles{2, 3, 4}) {
		t.Errorf("got %v", q)
	}
}
