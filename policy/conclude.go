package policy

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"rcptgate/audit"
	"rcptgate/verify/verdict"
)

// accept is the decision that lets a recipient pass.
func (e *Engine) accept(a *asked, v *verdict.Verdict) Decision {
	return Decision{ID: a.id, Action: Accept, Rule: a.rule.Name, Mode: a.rule.Mode, Verdict: v}
}

// conclude applies the rule's table and limits to a verdict.
func (e *Engine) conclude(a *asked, v *verdict.Verdict) Decision {
	d := e.accept(a, v)
	action, tag := a.rule.outcome.of(v.Reason, v.Tags)
	action = e.limited(a, action)
	if !a.enforced() {
		d.Would = action
	}
	if action == Accept || a.monitored {
		return d
	}
	t, reason := a.st.replies[v.Reason], string(v.Reason)
	if tag != "" {
		t, reason = byTag, string(tag)
	}
	d.Code, d.Enhanced, d.Text = t.render(action, values{
		recipient: a.shown(), domain: a.recipient.Domain().String(), reason: reason,
		date: v.CheckedAt.UTC().Format(time.DateOnly), id: d.ID,
	})
	if a.enforced() {
		d.Action = action
	} else {
		d.Warning = true
	}
	return d
}

// limited accepts what defer_for or max_refusals no longer refuses. What is not
// enforced has an account of its own, which says what would have been.
func (e *Engine) limited(a *asked, action Action) Action {
	of := a.account()
	if action == Defer && !e.messages.deferrable(of, a.sender.Key(), a.recipient.Key(), a.rule.DeferFor) {
		return Accept
	}
	if action != Accept && !a.q.AtEnd && !e.messages.of(a.q.Instance).refuse(of, a.rule.MaxRefusals) {
		return Accept
	}
	if action == Defer && (!a.q.AtEnd || of == monitored) {
		e.messages.deferred(of, a.sender.Key(), a.recipient.Key())
	}
	return action
}

// shown is the recipient as text: in external form, else as it came.
func (a *asked) shown() string {
	if a.badRcpt {
		return clip(a.q.Recipient)
	}
	return a.recipient.External()
}

// clip bounds a text that is no address, for the records.
func clip(s string) string {
	const most = 512
	return strings.ToValidUTF8(s[:min(len(s), most)], "?")
}

// finish records the decision, or sees to it that the door does, and hands it
// back.
func (e *Engine) finish(a *asked, d Decision) Decision {
	if !a.q.AtEnd || a.monitored {
		e.report(a, d, d.ReplyText())
		return d
	}
	var once sync.Once
	made := d
	d.told = func(action Action, reply string) {
		once.Do(func() {
			switch {
			case action == Accept && made.Action != Accept:
				made.Would = made.Action
			case action == Defer && made.Action == Defer:
				e.messages.deferred(enforced, a.sender.Key(), a.recipient.Key())
			}
			made.Action = action
			e.report(a, made, reply)
		})
	}
	return d
}

// report writes the audit record and the journal.
func (e *Engine) report(a *asked, d Decision, reply string) {
	if d.Action == Accept {
		reply = ""
	}
	e.o.Record(e.event(a, d, reply))
	level := slog.LevelDebug
	if d.Action != Accept || d.Would == Defer || d.Would == Reject {
		level = slog.LevelInfo
	}
	if e.o.Logger.Enabled(context.Background(), level) {
		e.journal(a, d, reply, level)
	}
}

func (e *Engine) journal(a *asked, d Decision, reply string, level slog.Level) {
	v := d.Verdict
	rcpt := a.shown()
	if e.o.Pseudonym != nil {
		reply = "" // may hold the recipient
		if local, domain := splitLast(rcpt); domain != "" {
			rcpt = e.o.Pseudonym(local) + "@" + domain
		} else {
			rcpt = e.o.Pseudonym(rcpt)
		}
	}
	attrs := []slog.Attr{
		slog.String("id", d.ID), slog.String("door", string(a.q.Door)), slog.String("mode", string(d.Mode)),
		slog.String("rule", d.Rule), slog.String("rcpt", rcpt), slog.String("status", string(v.Status())),
		slog.String("reason", string(v.Reason)), slog.String("action", string(d.Action)),
	}
	for _, s := range []struct{ key, value string }{
		{"would", string(d.Would)},
		{"instance", a.q.Instance},
		{"queue_id", a.q.QueueID},
		{"mx", v.Evidence.MX},
		{"probe_id", v.ProbeID},
		{"reply", reply},
	} {
		if s.value != "" {
			attrs = append(attrs, slog.String(s.key, s.value))
		}
	}
	attrs = append(attrs, slog.Duration("dur", a.wait))
	e.o.Logger.LogAttrs(context.Background(), level, "decision", attrs...)
}

// event is the audit record of a decision.
func (e *Engine) event(a *asked, d Decision, reply string) *audit.Decision {
	v, now := d.Verdict, time.Now()
	ev := &audit.Decision{
		Time: now, ID: d.ID, Client: a.client, Door: string(a.q.Door), Mode: string(d.Mode), Instance: a.q.Instance, QueueID: a.q.QueueID,
		SASLUsername: a.q.SASLUsername, PolicyContext: a.q.PolicyContext, Sender: a.sender.External(), Recipient: a.shown(),
		Rule: d.Rule, Status: v.Status(), Reason: v.Reason, Tags: v.Tags, Origin: v.Origin, Served: v.Served,
		Wait: a.wait, Site: v.Site, Provider: v.Provider, ProbeID: v.ProbeID,
		Action: string(d.Action), Would: string(d.Would), SMTPReply: reply,
	}
	if ev.Sender == "" {
		ev.Sender = clip(a.q.Sender) // null, or no address
	}
	if v.Served != verdict.Fresh {
		ev.Age = now.Sub(v.CheckedAt)
	}
	return ev
}
