package daemon

import (
	"io/fs"
	"net/netip"
	"reflect"
	"strings"

	"rcptgate/milter"
	"rcptgate/policy"
	"rcptgate/verify/address"
	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// The methods of this file turn a valid Config into what the packages take.

// sender is the probe sender, zero when it is not set.
func (c *Config) sender() address.Address {
	a, err := address.Parse(c.Probe.Sender, address.External)
	if err != nil {
		return address.Address{} // not of a valid Config
	}
	return a
}

// sources are the egress identities: the configured ones, or one that the
// kernel chooses.
func (c *Config) sources() []probe.Source {
	if len(c.Probe.Source) == 0 {
		return []probe.Source{{HELO: c.helo("")}}
	}
	list := make([]probe.Source, len(c.Probe.Source))
	for i, s := range c.Probe.Source {
		list[i].HELO = c.helo(s.HELO)
		if s.IP != "" {
			list[i].IP, _ = netip.ParseAddr(s.IP) // checked
		}
	}
	return list
}

// helo is the name of a source in A-labels: its own, or hostname.
func (c *Config) helo(own string) string {
	if own == "" {
		own = c.Hostname
	}
	d, err := address.ParseDomain(own)
	if err != nil {
		return "" // not set
	}
	return d.String()
}

// ownNames are the names that an MX of this host could have.
func (c *Config) ownNames() []string {
	var names []string
	if h := c.helo(""); h != "" {
		names = append(names, h)
	}
	for _, s := range c.sources() {
		if s.HELO != "" && s.HELO != c.helo("") {
			names = append(names, s.HELO)
		}
	}
	return names
}

// allowMX are the networks that an MX may lie in although they are reserved.
func (c *Config) allowMX() []netip.Prefix { return prefixes(c.Probe.AllowMX) }

// dnsServers are IP:port; none: /etc/resolv.conf.
func (c *Config) dnsServers() []string {
	var list []string
	for _, s := range c.DNS.Servers {
		if server, err := dnsServer(s); err == nil {
			list = append(list, server)
		}
	}
	return list
}

// overrides are [pace] and what is laid over the provider book.
func (c *Config) overrides() provider.Overrides {
	return provider.Overrides{Pace: c.Pace, Provider: c.Provider, Site: c.Site, Domain: c.domainTerms()}
}

// domainTerms are the terms of [domain."NAME"] alone.
func (c *Config) domainTerms() map[string]provider.Partial {
	terms := make(map[string]provider.Partial, len(c.Domain))
	for name, d := range c.Domain {
		terms[name] = d.Partial
	}
	return terms
}

// knownGood are the addresses that serve as positive controls of their domains.
func (c *Config) knownGood() map[address.Domain]address.Address {
	known := map[address.Domain]address.Address{}
	for _, d := range c.Domain {
		if d.KnownGood == nil {
			continue
		}
		if a, err := address.Parse(*d.KnownGood, address.External); err == nil {
			known[a.Domain()] = a
		}
	}
	return known
}

// paceSettings need the book that was made of overrides.
func (c *Config) paceSettings(book *provider.Book) *pace.Settings {
	return &pace.Settings{
		Port:              c.Probe.Port,
		DialogueTimeout:   c.Probe.DialogueTimeout,
		MaxSessions:       c.Probe.MaxSessions,
		ConnectsPerSecond: c.Probe.ConnectsPerSecond,
		MaxQueued:         c.Probe.MaxQueued,
		QueueTimeout:      c.Probe.QueueTimeout,
		Sources:           c.sources(),
		Sender:            c.sender(),
		Book:              book,
		Unfit:             c.Unfit(),
	}
}

// milterSettings are [milter].
func (c *Config) milterSettings() milter.Settings {
	return milter.Settings{Mailers: c.Milter.Mailers, DecideEnd: c.Milter.Decide == "end", OnPartial: c.Milter.OnPartial}
}

// policySource is [policy] with the rules' inheritance done.
func (c *Config) policySource() policy.Source {
	p := c.Policy
	s := policy.Source{
		Default: policy.Rule{
			Mode: p.Mode, Percent: p.Percent, Reject: p.Reject, Defer: p.Defer,
			AnswerBudget: p.AnswerBudget, MessageBudget: p.MessageBudget, DeferFor: p.DeferFor, MaxRefusals: p.MaxRefusals,
		},
		OutboundClients: prefixes(p.OutboundClients),
		SkipDomains:     p.SkipDomains,
		Replies:         map[verdict.Reason]policy.Template{},
	}
	for _, r := range p.Rule {
		own := s.Default
		own.Name = r.Name
		own.SASLUsername, own.Sender, own.Recipient, own.PolicyContext = r.SASLUsername, r.Sender, r.Recipient, r.PolicyContext
		own.Client = prefixes(r.Client)
		own.Exempt = r.Action != nil && *r.Action == "exempt"
		own.OwnVerify = r.Action != nil && *r.Action == "verify"
		if r.Reject != nil {
			own.Reject = r.Reject
		}
		if r.Defer != nil {
			own.Defer = r.Defer
		}
		set(&own.Mode, r.Mode)
		set(&own.Percent, r.Percent)
		set(&own.AnswerBudget, r.AnswerBudget)
		set(&own.MessageBudget, r.MessageBudget)
		set(&own.DeferFor, r.DeferFor)
		set(&own.MaxRefusals, r.MaxRefusals)
		s.Rules = append(s.Rules, own)
	}
	for reason, t := range p.Reply {
		var own policy.Template
		set(&own.Code, t.Code)
		set(&own.Enhanced, t.Enhanced)
		set(&own.Text, t.Text)
		s.Replies[reason] = own
	}
	return s
}

// set overwrites *dst where the file has a value.
func set[T any](dst, src *T) {
	if src != nil {
		*dst = *src
	}
}

func (l ListenConfig) unixMode() fs.FileMode  { return fs.FileMode(l.UnixMode) }
func (l ListenConfig) adminMode() fs.FileMode { return fs.FileMode(l.AdminMode) }

// needsRestart names the tables whose change a reload does not take up.
func (c *Config) needsRestart(old *Config) []string {
	var parts []string
	for _, t := range []struct {
		name     string
		now, was any
	}{
		{"[listen]", c.Listen, old.Listen},
		{"[store]", c.Store, old.Store},
		{"[audit]", c.Audit, old.Audit},
	} {
		if !reflect.DeepEqual(t.now, t.was) {
			parts = append(parts, t.name)
		}
	}
	return parts
}

// Unfit says why nothing may be probed (docs/design.md, rule 13), or "": the
// name and the sender are what a receiver sees of us and complains to. A name in
// EHLO that is not hostname has to be fit as well, and stands in for none.
func (c *Config) Unfit() string {
	for _, s := range c.sources() {
		if s.HELO == "" {
			return "hostname is not set" // nobody can be greeted without a name
		}
	}
	if c.Probe.AllowUnfitIdentity {
		return ""
	}
	if why := unfitName("hostname", c.helo("")); why != "" {
		return why
	}
	for _, s := range c.sources() {
		if why := unfitName("[[probe.source]] helo", s.HELO); why != "" {
			return why
		}
	}
	switch a := c.sender(); {
	case a.IsNull():
		return "[probe] sender is not set"
	case isExample(a.Domain()):
		return "[probe] sender " + a.External() + " is of an example domain (RFC 2606)"
	}
	return ""
}

// unfitName says what is wrong with a name to greet with, or "".
func unfitName(key, name string) string {
	switch d, err := address.ParseDomain(name); {
	case err != nil:
		return key + " is not set"
	case !strings.Contains(name, "."):
		return key + " " + name + " has no domain"
	case isExample(d):
		return key + " " + name + " is an example (RFC 2606)"
	}
	return ""
}

// isExample reports the names of RFC 2606 sections 2 and 3.
func isExample(d address.Domain) bool {
	name := "." + d.String()
	for _, s := range []string{".test", ".example", ".invalid", ".localhost", ".example.com", ".example.net", ".example.org"} {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}
