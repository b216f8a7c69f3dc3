package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
)

// Dialer opens connections of a world or of the real network.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// BareProbe is the least that asks one MX about one recipient: MX, A,
// connect, greeting, EHLO, MAIL and RCPT in one flight, QUIT not waited for.
// It caches nothing, checks nothing and paces nothing: the yardstick for cold
// verdicts. It returns the code of the RCPT reply.
func BareProbe(ctx context.Context, dial Dialer, dnsAddr string, port int, rcpt string) (code string, err error) {
	domain := rcpt[strings.LastIndexByte(rcpt, '@')+1:]
	mx, err := bareQuery(ctx, dial, dnsAddr, domain, dns.TypeMX)
	if err != nil {
		return "", err
	}
	host, ok := mx.(*dns.MX)
	if !ok {
		return "", errors.New("no MX")
	}
	rr, err := bareQuery(ctx, dial, dnsAddr, host.Mx, dns.TypeA)
	if err != nil {
		return "", err
	}
	a, ok := rr.(*dns.A)
	if !ok {
		return "", errors.New("no address")
	}
	ip, _ := netip.AddrFromSlice(a.A.To4())
	c, err := dial(ctx, "tcp", netip.AddrPortFrom(ip, uint16(port)).String())
	if err != nil {
		return "", err
	}
	defer c.Close()
	br := bufio.NewReaderSize(c, 1024)
	if _, err := bareReply(br); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, "EHLO bare.lab.test\r\n"); err != nil {
		return "", err
	}
	if _, err := bareReply(br); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "MAIL FROM:<bare@lab.test>\r\nRCPT TO:<%s>\r\n", rcpt); err != nil {
		return "", err
	}
	if _, err := bareReply(br); err != nil {
		return "", err
	}
	if code, err = bareReply(br); err != nil {
		return "", err
	}
	_, _ = io.WriteString(c, "QUIT\r\n")
	return code, nil
}

func bareQuery(ctx context.Context, dial Dialer, addr, name string, qtype uint16) (dns.RR, error) {
	c, err := dial(ctx, "udp", addr)
	if err != nil {
		return nil, err
	}
	co := &dns.Conn{Conn: c}
	defer co.Close()
	if err := co.WriteMsg(new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)); err != nil {
		return nil, err
	}
	m, err := co.ReadMsg()
	if err != nil {
		return nil, err
	}
	if len(m.Answer) == 0 {
		return nil, errors.New("empty answer")
	}
	return m.Answer[0], nil
}

func bareReply(br *bufio.Reader) (code string, err error) {
	for {
		line, err := br.ReadSlice('\n')
		if err != nil {
			return "", err
		}
		if len(line) > 3 && line[3] == ' ' {
			return string(line[:3]), nil
		}
	}
}

// TrivialPolicy serves one connection of the policy protocol with a server
// that only parses the request and answers with action of its recipient: the
// yardstick for warm requests with Dunno, and for cold ones with a BareProbe.
func TrivialPolicy(c net.Conn, action func(recipient string) string) {
	defer c.Close()
	br := bufio.NewReader(c)
	attrs := map[string]string{}
	for {
		clear(attrs)
		for {
			line, err := br.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) == 1 {
				break
			}
			name, value, _ := bytes.Cut(line[:len(line)-1], []byte("="))
			attrs[string(name)] = string(value)
		}
		if _, err := io.WriteString(c, "action="+action(attrs["recipient"])+"\n\n"); err != nil {
			return
		}
	}
}

// Dunno passes every recipient.
func Dunno(string) string { return "DUNNO" }
