package daemon

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"rcptgate/internal/netserve"
	"rcptgate/internal/strict"
	"rcptgate/milter"
	"rcptgate/policy"
	"rcptgate/verify/provider"
)

// patience is how long MTAs wait for an answer at RCPT: Sendmail 10 s for a
// milter, Postfix 30 s for a milter and 100 s for a policy service.
const patience = 30 * time.Second

// Warnings names what is allowed and deserves a second look, a line each.
func (c *Config) Warnings() []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if why := c.Unfit(); why != "" {
		add("nothing is probed: %s", why)
	}
	if c.Probe.AllowUnfitIdentity {
		add("[probe] allow_unfit_identity: probes go out whatever hostname and sender are")
	}
	if len(c.Probe.AllowMX) > 0 {
		add("[probe] allow_mx: mail servers in networks that are reserved or private are probed")
	}
	notes = append(notes, c.missingGroups()...)
	notes = append(notes, c.foreignSources()...)
	notes = append(notes, c.probingAllowed()...)
	if c.Milter.Decide != "end" && c.Milter.OnPartial != milter.Keep {
		add(`[milter] on_partial = %q has no effect without decide = "end"`, c.Milter.OnPartial)
	}
	if c.Milter.Decide == "end" && c.Milter.OnPartial == "delete" {
		add(`[milter] on_partial = "delete": hopeless recipients are removed from a message and nobody is told`)
	}
	if a := c.Listen.Admin; a != "" && !strings.HasPrefix(a, "unix:") {
		add("[listen] admin = %q: the command line finds the daemon only at a unix: path", a)
	}
	if c.Store.Path == "" {
		add("[store] path is empty: verdicts, budgets and breakers are lost at each restart")
	}
	if c.Policy.AnswerBudget > patience {
		add("[policy] answer_budget = %q: mail servers wait no longer than %s for a milter",
			strict.FormatDuration(c.Policy.AnswerBudget), strict.FormatDuration(patience))
	}
	if c.Policy.MessageBudget < c.Policy.AnswerBudget {
		add("[policy] message_budget is shorter than answer_budget, which it cuts")
	}
	// Its errors and unreachable rules are mistakes, which a Config has none of.
	_, more, _ := policy.NewSettings(c.policySource())
	return append(notes, more...)
}

// missingGroups names the groups of sockets that this host does not have (yet):
// serve does not start without them.
func (c *Config) missingGroups() []string {
	l := c.Listen
	var notes []string
	for _, g := range []struct {
		key, group string
		specs      []string
	}{
		{"unix_group", l.UnixGroup, slices.Concat(l.Policy, l.Milter, []string{l.HTTP})},
		{"admin_group", l.AdminGroup, []string{l.Admin}},
	} {
		i := slices.IndexFunc(g.specs, func(s string) bool { return strings.HasPrefix(s, "unix:") })
		if i < 0 {
			continue
		}
		if _, err := netserve.LookupGroup(g.group); err != nil {
			notes = append(notes, fmt.Sprintf("[listen] %s = %q is no group of this host: serve cannot open %s, and does not start", g.key, g.group, g.specs[i]))
		}
	}
	return notes
}

// foreignSources names the sources that nothing can come from: it may be that
// their address is still to be given to this host.
func (c *Config) foreignSources() []string {
	var notes []string
	for _, s := range c.sources() {
		if s.IP.IsValid() && foreign(s.IP) {
			notes = append(notes, fmt.Sprintf("[[probe.source]] ip = %q is no address of this host: nothing can be probed from it", s.IP))
		}
	}
	return notes
}

// foreign asks the kernel, as it may let an address be used that no interface has
// (AnyIP). To bind to it is not enough: with ip_nonlocal_bind that works for any,
// but a connection from it does not. An address of this host has a way to itself,
// and connecting a datagram socket sends nothing.
func foreign(ip netip.Addr) bool {
	at := netip.AddrPortFrom(ip, 9)
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)), net.UDPAddrFromAddrPort(at))
	if err == nil {
		_ = c.Close()
		return false
	}
	for _, e := range []syscall.Errno{syscall.EADDRNOTAVAIL, syscall.ENETUNREACH, syscall.EINVAL, syscall.EAFNOSUPPORT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false // trouble that says nothing of the address, as no descriptor
}

// probingAllowed names each permission to probe where the book forbids it.
func (c *Config) probingAllowed() []string {
	book, err := provider.New(provider.Overrides{Pace: provider.DefaultLimits()})
	if err != nil {
		return nil // the embedded book is tested
	}
	var notes []string
	for _, table := range c.partials() {
		for _, name := range slices.Sorted(maps.Keys(table.terms)) {
			p := table.terms[name].Probing
			if p == nil || *p != provider.Allowed || table.name == "provider" && !book.Forbidden(name) {
				continue
			}
			why := "where the book may forbid it"
			if table.name == "provider" {
				why = "although its published rules forbid it"
			}
			notes = append(notes, fmt.Sprintf(`[%s] probing = "allowed": it is probed %s`, strict.Key(table.name, name), why))
		}
	}
	return notes
}

// partials is a kind of tables that are laid over [pace] and the book.
type partials struct {
	name  string
	terms map[string]provider.Partial
}

func (c *Config) partials() []partials {
	return []partials{{"provider", c.Provider}, {"site", c.Site}, {"domain", c.domainTerms()}}
}
