package lab

import (
	"strings"
	"time"

	"github.com/miekg/dns"
)

// answer makes the reply to one DNS query; nil means silence.
func (n *Internet) answer(q *dns.Msg, tcp bool) *dns.Msg {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.queries++
	m := new(dns.Msg)
	m.SetReply(q)
	m.RecursionAvailable = true
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		return m
	}
	name, qtype := strings.ToLower(q.Question[0].Name), q.Question[0].Qtype
	n.asked[name]++
	fault, ok := n.faults[name]
	if !ok {
		fault = n.faults["*"]
	}
	switch fault {
	case "silent":
		return nil
	case "servfail":
		m.Rcode = dns.RcodeServerFailure
		return m
	case "refused":
		m.Rcode = dns.RcodeRefused
		return m
	case "truncated":
		if !tcp {
			m.Truncated = true
			return m
		}
	case "nxdomain_once":
		if n.asked[name] == 1 {
			m.Rcode = dns.RcodeNameError
			m.Ns = append(m.Ns, negativeSOA())
			return m
		}
	}
	n.fill(m, name, qtype)
	switch fault {
	case "wrong_id":
		m.Id++
	case "wrong_question":
		m.Question[0].Name = "elsewhere.test."
	case "not_response":
		m.Response = false
	}
	return m
}

// fill puts the records of the name into m, CNAMEs followed. n.mu is held.
func (n *Internet) fill(m *dns.Msg, name string, qtype uint16) {
	for range 20 {
		rrs, ok := n.records[name]
		if !ok && !n.parents[name] && name != "." {
			m.Rcode = dns.RcodeNameError
			m.Ns = append(m.Ns, negativeSOA())
			return
		}
		var cname *dns.CNAME
		found := false
		for _, rr := range rrs {
			if rr.Header().Rrtype == qtype {
				m.Answer = append(m.Answer, rr)
				found = true
			} else if c, ok := rr.(*dns.CNAME); ok {
				cname = c
			}
		}
		if name == "." && qtype == dns.TypeNS {
			m.Answer = append(m.Answer, &dns.NS{
				Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeNS, Class: dns.ClassINET, Ttl: 300}, Ns: "a.root.test.",
			})
			return
		}
		if found {
			return
		}
		if cname == nil {
			m.Ns = append(m.Ns, negativeSOA())
			return
		}
		m.Answer = append(m.Answer, cname)
		name = strings.ToLower(cname.Target)
	}
}

func negativeSOA() dns.RR {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60},
		Ns:  "a.root.test.", Mbox: "nobody.test.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 60,
	}
}

// serveDNS answers the queries of one framed connection until it ends.
func (n *Internet) serveDNS(c *dns.Conn) {
	defer c.Close()
	for {
		q, err := c.ReadMsg()
		if err != nil {
			return
		}
		n.wait(n.opts.RTT)
		if m := n.answer(q, true); m != nil {
			if c.WriteMsg(m) != nil {
				return
			}
		}
	}
}

// wait lets simulated time pass, or ends when the world is closed.
func (n *Internet) wait(d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-n.done:
	}
}
