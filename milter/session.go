package milter

import (
	"context"
	"crypto/rand"
	"net"
	"net/netip"
	"net/textproto"
	"runtime/debug"
	"strings"

	gomilter "github.com/emersion/go-milter"

	"rcptgate/policy"
	"rcptgate/verify/address"
)

// session is the library's handler for one connection, with one message at a
// time. Its methods run on the library's goroutine, one after the other.
type session struct {
	server *Server
	guard  *guard
	ctx    context.Context // of the connection: ends when the MTA is gone
	msg    *message        // nil outside a message
	warned bool            // that {rcpt_mailer} is missing
}

var _ gomilter.Milter = (*session)(nil)

// recovered turns a panic of ours into continue: mail flows.
func (s *session) recovered(what string, r *gomilter.Response) {
	v := recover()
	if v == nil {
		return
	}
	s.server.panicked(what, v)
	*r = proceed()
}

func (s *Server) panicked(what string, v any) {
	s.o.Logger.Error("panic", "in", what, "value", v, "stack", string(debug.Stack()))
	s.o.OnPanic()
}

// Connect begins a connection; the guard has read its data.
func (s *session) Connect(string, string, uint16, net.IP, *gomilter.Modifier) (r gomilter.Response, err error) {
	defer s.recovered("connect", &r)
	s.end()
	return proceed(), nil
}

// Helo is not asked for.
func (s *session) Helo(string, *gomilter.Modifier) (gomilter.Response, error) { return proceed(), nil }

// MailFrom begins a message.
func (s *session) MailFrom(from string, _ *gomilter.Modifier) (r gomilter.Response, err error) {
	defer s.recovered("mail", &r)
	s.end()
	s.msg = s.newMessage(from)
	return proceed(), nil
}

// RcptTo asks about one recipient.
func (s *session) RcptTo(to string, _ *gomilter.Modifier) (r gomilter.Response, err error) {
	defer s.recovered("rcpt", &r)
	if s.msg == nil {
		return proceed(), nil // no transaction: nothing that could be judged
	}
	g := s.guard
	mailer := g.macro("{rcpt_mailer}", gomilter.CodeRcpt)
	if mailer == "" && !g.client.simulated() && !s.warned {
		s.warned = true
		s.server.o.Logger.Warn("the mail server sends no {rcpt_mailer}: recipients are not judged",
			"hint", "Postfix: milter_rcpt_macros; Sendmail: confMILTER_MACROS_ENVRCPT")
	}
	if !s.msg.settings.judges(mailer) {
		s.msg.pass()
		return proceed(), nil
	}
	q := s.query(to)
	if s.msg.settings.DecideEnd {
		s.msg.ask(to, q)
		return proceed(), nil
	}
	d := s.server.o.Decider.Decide(s.msg.ctx, q)
	return s.reply(d, q), nil
}

// query says what is known of the recipient.
func (s *session) query(to string) policy.Query {
	g, m := s.guard, s.msg
	q := m.query
	// The MTA's own view of the address, resolved and quoted, is the one that
	// the mail would go to. Without it, or where it is no more than a name,
	// what the client typed has to do.
	q.Recipient, q.RecipientForm = g.macro("{rcpt_addr}", gomilter.CodeRcpt), address.External
	if !strings.Contains(q.Recipient, "@") {
		q.Recipient, q.RecipientForm = to, address.Path
	}
	// At the first RCPT Postfix has no queue id yet.
	q.QueueID = g.macro("i", gomilter.CodeRcpt, gomilter.CodeMail)
	if a := s.clientAddr(gomilter.CodeRcpt, gomilter.CodeMail, gomilter.CodeConn); a.IsValid() {
		q.Client = a
	}
	if v := g.macro("{auth_authen}", gomilter.CodeRcpt); v != "" {
		q.SASLUsername = v
	}
	if v := g.macro("{daemon_name}", gomilter.CodeRcpt); v != "" {
		q.PolicyContext = v
	}
	return q
}

// clientAddr is {client_addr} of a stage, else what CONNECT said.
func (s *session) clientAddr(stages ...gomilter.Code) netip.Addr {
	if a := parseAddr(s.guard.macro("{client_addr}", stages...)); a.IsValid() {
		return a
	}
	return s.guard.client.addr
}

func (s *session) newMessage(from string) *message {
	g := s.guard
	ctx, cancel := context.WithCancel(s.ctx)
	return &message{
		server: s.server, ctx: ctx, cancel: cancel, settings: s.server.o.Settings(),
		query: policy.Query{
			Door:          policy.DoorMilter,
			Sender:        from,
			SenderForm:    address.Path,
			Client:        s.clientAddr(gomilter.CodeMail, gomilter.CodeConn),
			SASLUsername:  g.macro("{auth_authen}", gomilter.CodeMail),
			PolicyContext: g.macro("{daemon_name}", gomilter.CodeMail, gomilter.CodeConn),
			Instance:      rand.Text(),
			NoReject:      g.client.simulated(),
		},
	}
}

// reply encodes a decision about one recipient, and warns in the journal where
// the rule only warns. Who the recipient is stands under that id in the
// decision's own line, which knows whether addresses may be shown.
func (s *session) reply(d policy.Decision, q policy.Query) response {
	log := s.server.o.Logger
	if d.Warning {
		log.Warn("would have refused", "id", d.ID, "rule", d.Rule, "would", string(d.Would))
	}
	if q.NoReject {
		return proceed()
	}
	r, err := encode(d)
	if err != nil {
		s.server.o.Logger.Error("milter reply", "id", d.ID, "rule", d.Rule, "err", err)
	}
	return r
}

// Header is not asked for.
func (s *session) Header(string, string, *gomilter.Modifier) (gomilter.Response, error) {
	return proceed(), nil
}

// Headers is not asked for.
func (s *session) Headers(textproto.MIMEHeader, *gomilter.Modifier) (gomilter.Response, error) {
	return proceed(), nil
}

// BodyChunk is not asked for.
func (s *session) BodyChunk([]byte, *gomilter.Modifier) (gomilter.Response, error) {
	return proceed(), nil
}

// Body is the end of the message; with DecideEnd the answer is given here.
func (s *session) Body(m *gomilter.Modifier) (r gomilter.Response, err error) {
	defer s.recovered("end of message", &r)
	if s.msg == nil {
		return proceed(), nil
	}
	defer func() {
		s.end()
		s.guard.forget()
	}()
	if !s.msg.settings.DecideEnd {
		return proceed(), nil
	}
	d, remove := s.msg.conclude(s.guard.agreed.actions&gomilter.OptRemoveRcpt != 0)
	for _, to := range remove {
		if err := m.DeleteRecipient(to); err != nil {
			return nil, err // the connection is dead
		}
	}
	return s.reply(d, s.msg.query), nil
}

// Abort drops the message; the connection stays.
func (s *session) Abort(*gomilter.Modifier) error {
	var ignored gomilter.Response
	defer s.recovered("abort", &ignored)
	s.end()
	return nil
}

// end forgets the message, if there is one, and waits for its decisions.
func (s *session) end() {
	if m := s.msg; m != nil {
		s.msg = nil
		m.abandon()
		s.server.o.Decider.EndMessage(m.query.Instance)
	}
}
