package lab

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Host is one MX host. The zero value is a friendly modern server where only
// postmaster exists.
type Host struct {
	Addrs     []netip.Addr // empty: one is assigned
	Dead      bool         // connections are refused
	Blackhole bool         // connections hang (on loopback: are taken and stay silent)

	Greeting     string                                 // whole reply, default "220 NAME ESMTP lab"; "\r\n" between lines
	GreetingFor  func(*Session) string                  // as Greeting, by session; "" falls through
	NoEHLO       bool                                   // 502 to EHLO
	NoPipelining bool                                   // not offered
	Extensions   []string                               // further EHLO lines
	SMTPUTF8     bool                                   // offered
	StartTLS     string                                 // "": not offered, "ok", "broken" (the handshake fails), "refused" (454)
	TLSOnly      bool                                   // 530 to MAIL in plain text
	Exists       func(local, domain string) bool        // nil: nobody
	Postmaster   string                                 // reply to postmaster@; "": 250
	CatchAll     bool                                   // everybody exists
	Unknown      string                                 // reply about who does not exist; ADDR is replaced
	Mail         func(sender string, s *Session) string // "": 250
	Rcpt         func(addr string, s *Session) string   // "": falls through to Exists
	Greylist     time.Duration                          // 450 until the same client, sender and recipient come again after so long

	Delay map[string]time.Duration // before the reply to a verb; CONNECT is the greeting
	Drop  string                   // verb at which the connection is cut without a reply; CONNECT too

	MaxRcpts       int    // RCPTs a session, then 452 4.5.3
	ConnsPerMinute int    // then 421 4.7.0 in the greeting
	RcptsPerHour   int    // then 450 4.7.1 too many recipients
	HarvestLimit   int    // invalid recipients an hour from one client …
	HarvestReply   string // … then this to every RCPT ("250 2.1.5 ok" lies), default "550 Too many invalid recipients"

	// Script replaces the whole session: hostile servers. It need not close c.
	Script func(c net.Conn)
}

// Session is the state of one connection, for Mail and Rcpt.
type Session struct {
	Number  int // of the host, from 1
	Rcpts   int // RCPTs before this one
	Invalid int // refused with 5xx before this one
	Client  netip.Addr
	HELO    string
	Sender  string
	TLS     bool
}

const unknownUser = "550 5.1.1 <ADDR>: Recipient address rejected: User unknown"

// server is a registered host with what it remembers across sessions.
type server struct {
	net  *Internet
	name string
	host Host

	mu       sync.Mutex
	sessions int
	grey     map[string]time.Time
	conns    []time.Time
	rcpts    []time.Time
	invalid  map[netip.Addr][]time.Time
}

// talk is one session being held.
type talk struct {
	*server
	conn   net.Conn
	br     *bufio.Reader
	bw     *bufio.Writer
	local  netip.Addr
	number int
	st     Session
	mailed bool
}

// serve holds one session and closes c.
func (s *server) serve(c net.Conn, local, client netip.Addr) {
	defer c.Close()
	s.mu.Lock()
	s.sessions++
	t := &talk{server: s, conn: c, local: local, st: Session{Number: s.sessions, Client: client}}
	s.conns = append(s.conns, time.Now())
	tooMany := s.host.ConnsPerMinute > 0 && within(&s.conns, time.Minute) > s.host.ConnsPerMinute
	s.mu.Unlock()
	s.net.mu.Lock()
	s.net.sessions++
	t.number = s.net.sessions
	s.net.mu.Unlock()
	t.note("CONNECT", "", 0)
	defer t.note("CLOSE", "", 0)

	switch {
	case s.host.Script != nil:
		s.host.Script(c)
		return
	case s.host.Drop == "CONNECT":
		return
	case s.host.Blackhole:
		_, _ = c.Read(make([]byte, 1)) // until the client gives up
		return
	}
	t.br, t.bw = bufio.NewReader(c), bufio.NewWriter(c)
	s.net.wait(s.net.opts.RTT + s.host.Delay["CONNECT"])
	greeting := s.host.Greeting
	if s.host.GreetingFor != nil {
		if g := s.host.GreetingFor(&t.st); g != "" {
			greeting = g
		}
	}
	if greeting == "" {
		greeting = "220 " + s.name + " ESMTP lab"
	}
	if tooMany {
		greeting = "421 4.7.0 too many connections from your address"
	}
	if !t.send(greeting) || !strings.HasPrefix(greeting, "2") {
		return
	}
	t.loop()
}

func (t *talk) loop() {
	for {
		// A flight of commands costs one round trip: wait once, when
		// nothing more is buffered, and answer all of it.
		if t.br.Buffered() == 0 {
			if t.bw.Flush() != nil {
				return
			}
			if _, err := t.br.Peek(1); err != nil {
				return
			}
			t.net.wait(t.net.opts.RTT)
		}
		line, err := t.br.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, arg, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		if t.host.Drop == verb {
			t.note(verb, arg, 0)
			return
		}
		if d := t.host.Delay[verb]; d > 0 {
			if t.bw.Flush() != nil {
				return
			}
			t.net.wait(d)
		}
		reply := t.reply(verb, arg)
		if reply == "drop" {
			t.note(verb, arg, 0)
			return
		}
		code, _ := strconv.Atoi(reply[:min(3, len(reply))])
		t.note(verb, arg, code)
		if !t.queue(reply) {
			return
		}
		if verb == "QUIT" || code == 421 {
			_ = t.bw.Flush()
			return
		}
		if verb == "STARTTLS" && code == 220 && !t.startTLS() {
			return
		}
	}
}

func (t *talk) reply(verb, arg string) string {
	switch verb {
	case "EHLO":
		return t.ehlo(arg)
	case "HELO":
		t.st.HELO = arg
		return "250 " + t.name
	case "STARTTLS":
		if t.host.StartTLS == "" || t.host.StartTLS == "refused" {
			return "454 4.7.0 TLS not available"
		}
		return "220 2.0.0 ready"
	case "MAIL":
		return t.mail(address(arg))
	case "RCPT":
		return t.rcpt(address(arg))
	case "RSET":
		t.mailed = false
		return "250 2.0.0 reset"
	case "NOOP":
		return "250 2.0.0 ok"
	case "QUIT":
		return "221 2.0.0 bye"
	}
	return "502 5.5.2 command not recognized"
}

func (t *talk) ehlo(name string) string {
	if t.host.NoEHLO {
		return "502 5.5.1 command not implemented"
	}
	t.st.HELO = name
	lines := []string{t.name}
	if !t.host.NoPipelining {
		lines = append(lines, "PIPELINING")
	}
	lines = append(lines, "ENHANCEDSTATUSCODES", "8BITMIME")
	if t.host.SMTPUTF8 {
		lines = append(lines, "SMTPUTF8")
	}
	if t.host.StartTLS != "" && !t.st.TLS {
		lines = append(lines, "STARTTLS")
	}
	lines = append(lines, t.host.Extensions...)
	for i := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		lines[i] = "250" + sep + lines[i]
	}
	return strings.Join(lines, "\r\n")
}

func (t *talk) mail(sender string) string {
	if t.mailed {
		return "503 5.5.1 nested MAIL command"
	}
	if t.host.TLSOnly && !t.st.TLS {
		return "530 5.7.0 Must issue a STARTTLS command first"
	}
	t.st.Sender = sender
	if t.host.Mail != nil {
		if r := t.host.Mail(sender, &t.st); r != "" {
			t.mailed = strings.HasPrefix(r, "2")
			return r
		}
	}
	t.mailed = true
	return "250 2.1.0 sender ok"
}

func (t *talk) rcpt(addr string) string {
	if !t.mailed {
		return "503 5.5.1 need MAIL command"
	}
	r := t.judge(addr)
	t.st.Rcpts++
	t.mu.Lock()
	t.rcpts = append(t.rcpts, time.Now())
	if strings.HasPrefix(r, "5") {
		t.st.Invalid++
		if t.invalid == nil {
			t.invalid = map[netip.Addr][]time.Time{}
		}
		t.invalid[t.st.Client] = append(t.invalid[t.st.Client], time.Now())
	}
	t.mu.Unlock()
	return strings.ReplaceAll(r, "ADDR", addr)
}

func (t *talk) judge(addr string) string {
	h := &t.host
	if h.MaxRcpts > 0 && t.st.Rcpts >= h.MaxRcpts {
		return "452 4.5.3 too many recipients in this session"
	}
	t.mu.Lock()
	inv := t.invalid[t.st.Client]
	harvest := h.HarvestLimit > 0 && within(&inv, time.Hour) >= h.HarvestLimit
	if len(inv) > 0 {
		t.invalid[t.st.Client] = inv
	}
	flood := h.RcptsPerHour > 0 && within(&t.rcpts, time.Hour) >= h.RcptsPerHour
	t.mu.Unlock()
	if harvest {
		if h.HarvestReply != "" {
			return h.HarvestReply
		}
		return "550 Too many invalid recipients"
	}
	if flood {
		return "450 4.7.1 too many recipients from your address, slow down"
	}
	if h.Greylist > 0 && t.greylisted(addr) {
		return "450 4.2.0 <ADDR>: Recipient address rejected: Greylisted, please try again later"
	}
	if h.Rcpt != nil {
		if r := h.Rcpt(addr, &t.st); r != "" {
			return r
		}
	}
	local, domain := addr, ""
	if i := strings.LastIndexByte(addr, '@'); i >= 0 {
		local, domain = addr[:i], addr[i+1:]
	}
	switch {
	case strings.EqualFold(local, "postmaster"):
		if h.Postmaster != "" {
			return h.Postmaster
		}
	case h.CatchAll || h.Exists != nil && h.Exists(local, domain):
	case h.Unknown != "":
		return h.Unknown
	default:
		return unknownUser
	}
	return "250 2.1.5 recipient ok"
}

func (t *talk) greylisted(addr string) bool {
	key := t.st.Client.String() + " " + t.st.Sender + " " + addr
	t.mu.Lock()
	defer t.mu.Unlock()
	first, ok := t.grey[key]
	if !ok {
		t.grey[key] = time.Now()
		return true
	}
	return time.Since(first) < t.host.Greylist
}

func (t *talk) startTLS() bool {
	if t.bw.Flush() != nil {
		return false
	}
	if t.host.StartTLS == "broken" {
		_, _ = t.br.Peek(1) // a pipe has no room: the greeting of TLS must be taken first
		_, _ = t.conn.Write([]byte("this is no TLS record at all\r\n"))
		return false
	}
	tc := tls.Server(t.conn, &tls.Config{Certificates: []tls.Certificate{t.net.cert}, MinVersion: tls.VersionTLS12})
	if tc.Handshake() != nil {
		return false
	}
	t.conn, t.br, t.bw = tc, bufio.NewReader(tc), bufio.NewWriter(tc)
	t.st.TLS, t.mailed = true, false
	return true
}

func (t *talk) queue(reply string) bool {
	_, err := fmt.Fprintf(t.bw, "%s\r\n", reply)
	return err == nil
}

func (t *talk) send(reply string) bool { return t.queue(reply) && t.bw.Flush() == nil }

func (t *talk) note(verb, arg string, code int) {
	t.net.log(Entry{Host: t.name, Addr: t.local, Client: t.st.Client, Session: t.number, Verb: verb, Arg: arg, Code: code})
}

// within drops times older than the window from the front and counts the rest.
func within(times *[]time.Time, window time.Duration) int {
	since := time.Now().Add(-window)
	i := 0
	for i < len(*times) && (*times)[i].Before(since) {
		i++
	}
	*times = slices.Delete(*times, 0, i)
	return len(*times)
}

// address takes the path out of "FROM:<a@b> X=Y".
func address(arg string) string {
	_, path, _ := strings.Cut(arg, "<")
	if i := strings.LastIndexByte(path, '>'); i >= 0 {
		path = path[:i]
	}
	return path
}
