package milter

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	gomilter "github.com/emersion/go-milter"
)

// Deadlines of a connection.
const (
	// idleTimeout is how long an MTA may be silent: libmilter's own default is
	// 7,210 s, and a session may stand idle while its SMTP client does.
	idleTimeout = 2*time.Hour + 5*time.Minute
	// packetTimeout is for the rest of a packet whose first octet came.
	packetTimeout = 10 * time.Second
	writeTimeout  = 10 * time.Second
)

// readAhead is how many packets may wait behind the one being handled. An MTA
// waits for each reply, so that more than macros, an event and an abort never
// stand in line.
const readAhead = 4

var errDrained = errors.New("drained")

// guard stands between the MTA and the library. The library sees only packets
// that are whole, short enough and in order; the MTA sees only replies that
// safety rule 11 of docs/design.md allows. It is the library's net.Conn: Read
// and Write belong to the library's goroutine, pump to Handle.
type guard struct {
	net.Conn
	log    *slog.Logger
	remove bool // ask for SMFIF_DELRCPT

	in     chan packet        // from pump, in order
	closed chan struct{}      // the library has closed its side
	once   sync.Once          // of closed
	gone   context.CancelFunc // the MTA hung up or broke the protocol
	r      *bufio.Reader      // of pump

	mu        sync.Mutex
	draining  bool
	inMessage bool // between MAIL and the end of message or its abort
	waiting   bool // pump waits for a packet outside a message

	// Of the library's goroutine.
	rest    []byte // of the packet that is being read
	out     []byte // of the packet that is being written
	pending byte   // command that waits for its reply, or 0
	dead    bool   // a write failed
	agreed  offer
	client  connection
	macros  map[byte]map[string]string // by command
	used    map[byte]bool              // the command of these macros has come
}

type packet struct {
	cmd  byte
	data []byte
}

func newGuard(conn net.Conn, log *slog.Logger, remove bool, gone context.CancelFunc) *guard {
	return &guard{
		Conn: conn, log: log, remove: remove, gone: gone,
		in:     make(chan packet, readAhead),
		closed: make(chan struct{}),
		r:      bufio.NewReader(conn),
		macros: make(map[byte]map[string]string),
		used:   make(map[byte]bool),
	}
}

// pump reads packets until the MTA hangs up, breaks the protocol, is silent for
// too long, or the connection is drained. All but the last cancel the decisions
// under way: nobody waits for them.
func (g *guard) pump() {
	defer close(g.in)
	negotiated := false
	for {
		p, err := g.next()
		if err == nil {
			err = g.check(p, negotiated)
			negotiated = true
		}
		switch {
		case err == nil:
		case errors.Is(err, errDrained):
			return
		default:
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				g.log.Warn("milter connection ended", "err", err)
			}
			g.gone()
			return
		}
		if p.cmd == byte(gomilter.CodeQuit) {
			g.gone()
		}
		select {
		case g.in <- p:
		case <-g.closed:
			return
		}
		if p.cmd == byte(gomilter.CodeQuit) {
			return
		}
	}
}

// next reads one packet.
func (g *guard) next() (packet, error) {
	if err := g.await(); err != nil {
		return packet{}, err
	}
	var head [5]byte
	if _, err := io.ReadFull(g.r, head[:4]); err != nil {
		return packet{}, fmt.Errorf("half a packet: %w", noEOF(err))
	}
	length := binary.BigEndian.Uint32(head[:4])
	if length == 0 {
		return packet{}, errZeroLength
	}
	cmd, err := g.r.ReadByte()
	if err != nil {
		return packet{}, fmt.Errorf("half a packet: %w", noEOF(err))
	}
	if int64(length) > int64(packetLimit(cmd)) {
		return packet{}, fmt.Errorf("packet of %d octets for command %q", length, cmd)
	}
	p := packet{cmd: cmd}
	switch gomilter.Code(cmd) {
	case gomilter.CodeHeader, gomilter.CodeBody:
		// Not asked for, and not kept: the library would collect headers
		// without limit.
		if _, err := io.CopyN(io.Discard, g.r, int64(length)-1); err != nil {
			return packet{}, fmt.Errorf("half a packet: %w", noEOF(err))
		}
	default:
		p.data = make([]byte, length-1)
		if _, err := io.ReadFull(g.r, p.data); err != nil {
			return packet{}, fmt.Errorf("half a packet: %w", noEOF(err))
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch gomilter.Code(cmd) {
	case gomilter.CodeMail:
		g.inMessage = true
	case gomilter.CodeEOB, gomilter.CodeAbort, cmdQuitNC:
		g.inMessage = false
	}
	return p, nil
}

// await waits for the first octet of a packet.
func (g *guard) await() error {
	g.mu.Lock()
	if g.draining && !g.inMessage {
		g.mu.Unlock()
		return errDrained
	}
	g.waiting = !g.inMessage
	err := g.SetReadDeadline(time.Now().Add(idleTimeout))
	g.mu.Unlock()
	if err != nil {
		return err
	}

	_, err = g.r.Peek(1)

	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = false
	if err != nil {
		if g.draining && !g.inMessage {
			return errDrained
		}
		return err
	}
	return g.SetReadDeadline(time.Now().Add(packetTimeout))
}

// drain lets the connection end as soon as no message is under way.
func (g *guard) drain() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.draining = true
	if g.waiting {
		g.SetReadDeadline(time.Unix(1, 0)) //nolint:errcheck // a closed connection is drained
	}
}

// check refuses what cannot be parsed, and every conversation that does not
// begin with the one negotiation.
func (g *guard) check(p packet, negotiated bool) error {
	cmd := gomilter.Code(p.cmd)
	if negotiated == (cmd == gomilter.CodeOptNeg) {
		return fmt.Errorf("%w: %q", errOrder, p.cmd)
	}
	var err error
	switch cmd {
	case gomilter.CodeOptNeg:
		_, err = parseOffer(p.data)
	case gomilter.CodeConn:
		_, err = parseConnect(p.data)
	case gomilter.CodeMacro:
		_, _, err = parseMacros(p.data)
	case gomilter.CodeMail, gomilter.CodeRcpt:
		if len(p.data) == 0 {
			err = errTruncated
		}
	case gomilter.CodeHelo, gomilter.CodeHeader, gomilter.CodeEOH, gomilter.CodeBody, gomilter.CodeEOB,
		gomilter.CodeAbort, gomilter.CodeQuit, gomilter.CodeData, cmdUnknown, cmdQuitNC:
	default:
		err = errUnknown
	}
	if err != nil {
		return fmt.Errorf("%w: %q", err, p.cmd)
	}
	return nil
}

// Read hands the library one packet after the other. It returns io.EOF when
// there are no more; why was logged by pump.
func (g *guard) Read(b []byte) (int, error) {
	if g.dead {
		return 0, io.EOF
	}
	for len(g.rest) == 0 {
		select {
		case p, ok := <-g.in:
			if !ok {
				return 0, io.EOF
			}
			g.take(p)
		case <-g.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(b, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// take notes what a packet says and queues it for the library. Commands that
// the library does not know become ones that it handles in the same way.
func (g *guard) take(p packet) {
	switch gomilter.Code(p.cmd) {
	case gomilter.CodeOptNeg:
		mta, err := parseOffer(p.data)
		if err == nil {
			g.agreed = agree(mta, g.remove)
		}
	case gomilter.CodeConn:
		g.client, _ = parseConnect(p.data) // checked by pump
	case gomilter.CodeMacro:
		stage, macros, err := parseMacros(p.data)
		if err == nil {
			g.macros[stage], g.used[stage] = macros, false
		}
	case gomilter.CodeAbort:
		g.forget()
	case cmdQuitNC: // the next connection follows: nothing of this one counts
		p = packet{cmd: byte(gomilter.CodeAbort)}
		clear(g.macros)
		g.client = connection{}
	case cmdUnknown:
		p = packet{cmd: byte(gomilter.CodeData)} // answered with continue
	}
	if answered(p.cmd) {
		g.pending = p.cmd
		if g.used[p.cmd] {
			delete(g.macros, p.cmd) // of an earlier event; this one came without
		}
		g.used[p.cmd] = true
	}
	g.rest = appendPacket(nil, p.cmd, p.data)
}

// forget drops the macros of a message; those of the connection stay.
func (g *guard) forget() {
	for stage := range g.macros {
		if stage != byte(gomilter.CodeConn) && stage != byte(gomilter.CodeHelo) {
			delete(g.macros, stage)
		}
	}
}

// macro returns the macro as the latest of the given stages has it.
func (g *guard) macro(name string, stages ...gomilter.Code) string {
	for _, s := range stages {
		if v := g.macros[byte(s)][name]; v != "" {
			return v
		}
	}
	return ""
}

// Write passes the library's packets on, when they may leave.
func (g *guard) Write(b []byte) (int, error) {
	g.out = append(g.out, b...)
	var send []byte
	for len(g.out) >= 5 {
		length := int(binary.BigEndian.Uint32(g.out))
		if len(g.out) < 4+length {
			break
		}
		send = g.vet(send, g.out[4], g.out[5:4+length])
		g.out = g.out[4+length:]
	}
	if len(send) == 0 {
		return len(b), nil
	}
	err := g.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = g.Conn.Write(send)
	}
	if err != nil {
		// The library would write the error to the global log.
		g.dead = true
		if !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
			g.log.Warn("milter connection ended", "err", err)
		}
	}
	return len(b), nil
}

// vet appends the packet that leaves instead of the given one: itself, continue
// where it may not leave, or nothing where none is due.
func (g *guard) vet(send []byte, code byte, data []byte) []byte {
	switch cmd := gomilter.Code(g.pending); {
	case g.pending == 0:
		g.log.Error("milter reply that nobody asked for is dropped", "reply", string(code))
		return send
	case code == byte(gomilter.ActDelRcpt) && cmd == gomilter.CodeEOB:
		if g.agreed.actions&gomilter.OptRemoveRcpt == 0 {
			g.log.Error("milter change that was not agreed on is dropped", "reply", string(code))
			return send
		}
		return appendPacket(send, code, data) // the reply is still to come
	case cmd == gomilter.CodeOptNeg:
		code, data = byte(gomilter.CodeOptNeg), g.agreed.encode()
	case code == byte(gomilter.ActContinue):
		data = nil
	case code == byte(gomilter.ActReplyCode) && (cmd == gomilter.CodeRcpt || cmd == gomilter.CodeEOB) && validReply(data):
	default:
		g.log.Error("forbidden milter reply is sent as continue", "reply", string(code), "command", string(g.pending))
		code, data = byte(gomilter.ActContinue), nil
	}
	g.pending = 0
	return appendPacket(send, code, data)
}

// Close ends the library's side; Handle closes the connection itself.
func (g *guard) Close() error {
	g.once.Do(func() { close(g.closed) })
	return nil
}

// noEOF makes an end inside a packet an error of its own.
func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
