package lab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// PolicyClient plays Postfix's side of the policy delegation protocol. One
// request at a time, as smtpd does.
type PolicyClient struct {
	conn net.Conn
	br   *bufio.Reader
	buf  []byte
}

// NewPolicyClient takes over conn.
func NewPolicyClient(conn net.Conn) *PolicyClient {
	return &PolicyClient{conn: conn, br: bufio.NewReader(conn)}
}

// Ask sends one request of name, value pairs and returns the action.
func (c *PolicyClient) Ask(pairs ...string) (action string, err error) {
	c.buf = append(c.buf[:0], "request=smtpd_access_policy\n"...)
	for i := 0; i+1 < len(pairs); i += 2 {
		c.buf = append(c.buf, pairs[i]...)
		c.buf = append(c.buf, '=')
		c.buf = append(c.buf, pairs[i+1]...)
		c.buf = append(c.buf, '\n')
	}
	c.buf = append(c.buf, '\n')
	if _, err := c.conn.Write(c.buf); err != nil {
		return "", err
	}
	line, err := c.br.ReadString('\n')
	if err != nil {
		return "", err
	}
	blank, err := c.br.ReadString('\n')
	if err != nil {
		return "", err
	}
	action, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "action=")
	if !ok || blank != "\n" {
		return "", fmt.Errorf("not a policy reply: %q %q", line, blank)
	}
	return action, nil
}

// Rcpt asks about one recipient as smtpd does in the RCPT state.
func (c *PolicyClient) Rcpt(instance, client, sasl, sender, recipient string) (string, error) {
	return c.Ask("protocol_state", "RCPT", "protocol_name", "ESMTP", "client_address", client,
		"client_name", "unknown", "instance", instance, "sasl_username", sasl,
		"sender", sender, "recipient", recipient, "recipient_count", "0", "queue_id", "")
}

// Close hangs up.
func (c *PolicyClient) Close() error { return c.conn.Close() }

// MilterClient plays an MTA's side of the milter protocol, packet by packet.
type MilterClient struct {
	conn net.Conn
	br   *bufio.Reader
}

// NewMilterClient takes over conn and negotiates as an MTA that offers version
// 6 with all protocol bits of Postfix 3.7.
func NewMilterClient(conn net.Conn) (*MilterClient, error) {
	c := &MilterClient{conn: conn, br: bufio.NewReader(conn)}
	offer := binary.BigEndian.AppendUint32(nil, 6)
	offer = binary.BigEndian.AppendUint32(offer, 0x1ff)
	offer = binary.BigEndian.AppendUint32(offer, 0x1fffff)
	if err := c.Send('O', offer); err != nil {
		return nil, err
	}
	cmd, _, err := c.Read()
	if err != nil {
		return nil, err
	}
	if cmd != 'O' {
		return nil, fmt.Errorf("negotiation answered with %q", cmd)
	}
	return c, nil
}

// Send writes one packet.
func (c *MilterClient) Send(cmd byte, data []byte) error {
	p := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	p = append(p, cmd)
	_, err := c.conn.Write(append(p, data...))
	return err
}

// Read reads one packet.
func (c *MilterClient) Read() (cmd byte, data []byte, err error) {
	var head [4]byte
	if _, err := io.ReadFull(c.br, head[:]); err != nil {
		return 0, nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > 1<<20 {
		return 0, nil, errors.New("packet of impossible length")
	}
	data = make([]byte, size)
	if _, err := io.ReadFull(c.br, data); err != nil {
		return 0, nil, err
	}
	return data[0], data[1:], nil
}

// Call sends a packet and reads its answer: "c", or "y 550 5.1.1 …".
func (c *MilterClient) Call(cmd byte, data []byte) (string, error) {
	if err := c.Send(cmd, data); err != nil {
		return "", err
	}
	r, d, err := c.Read()
	if err != nil {
		return "", err
	}
	if len(d) == 0 {
		return string(r), nil
	}
	return string(r) + " " + strings.TrimRight(string(d), "\x00"), nil
}

// Macros announces macros for the command that follows.
func (c *MilterClient) Macros(cmd byte, pairs ...string) error {
	return c.Send('D', append([]byte{cmd}, cstrings(pairs...)...))
}

// Connect opens the SMTP session of a client at an IPv4 address.
func (c *MilterClient) Connect(client string) (string, error) {
	if err := c.Macros('C', "j", "mta.lab.test", "{daemon_name}", "smtpd"); err != nil {
		return "", err
	}
	data := append(cstrings("client.lab.test"), '4', 0x9c, 0x40)
	return c.Call('C', append(data, cstrings(client)...))
}

// Mail begins a message.
func (c *MilterClient) Mail(sender, sasl string) (string, error) {
	macros := []string{"{mail_addr}", sender}
	if sasl != "" {
		macros = append(macros, "{auth_authen}", sasl)
	}
	if err := c.Macros('M', macros...); err != nil {
		return "", err
	}
	return c.Call('M', cstrings("<"+sender+">"))
}

// Rcpt asks about one recipient.
func (c *MilterClient) Rcpt(rcpt, mailer string) (string, error) {
	if err := c.Macros('R', "{rcpt_addr}", rcpt, "{rcpt_mailer}", mailer, "{rcpt_host}", "next.hop"); err != nil {
		return "", err
	}
	return c.Call('R', cstrings("<"+rcpt+">"))
}

// End ends the message and returns the last answer.
func (c *MilterClient) End() (string, error) { return c.Call('E', nil) }

// Abort ends the message without an answer.
func (c *MilterClient) Abort() error { return c.Send('A', nil) }

// Close says QUIT and hangs up.
func (c *MilterClient) Close() error { return errors.Join(c.Send('Q', nil), c.conn.Close()) }

func cstrings(ss ...string) []byte {
	var b []byte
	for _, s := range ss {
		b = append(append(b, s...), 0)
	}
	return b
}
