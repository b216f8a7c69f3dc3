package daemon

import (
	"fmt"
	"log/slog"
	"slices"

	"rcptgate/milter"
	"rcptgate/policy"
	"rcptgate/verify"
	"rcptgate/verify/address"
	"rcptgate/verify/mx"
	"rcptgate/verify/pace"
	"rcptgate/verify/provider"
)

// settings is everything a reload replaces: one immutable value behind one
// pointer. What was begun under one value ends under it.
type settings struct {
	config   *Config
	servers  []string // that the resolver asks
	resolver *mx.Resolver
	verify   *verify.Settings
	pace     *pace.Settings
	policy   *policy.Settings
	milter   milter.Settings
}

// newSettings builds the settings of a valid configuration; the error is one
// of the machine (no name server, say). The resolver of old, which may be
// nil, is kept with its cache where nothing that it depends on has changed:
// neither the configuration nor the name servers of the system.
func newSettings(cfg *Config, n Network, old *settings, logger *slog.Logger) (*settings, error) {
	book, err := provider.New(cfg.overrides())
	if err != nil {
		return nil, err
	}
	rules, _, err := policy.NewSettings(cfg.policySource())
	if err != nil {
		return nil, err
	}
	s := &settings{config: cfg, pace: cfg.paceSettings(book), policy: rules, milter: cfg.milterSettings()}
	if s.servers = cfg.dnsServers(); len(s.servers) == 0 {
		if s.servers, err = mx.SystemServers(n.ResolvConf); err != nil {
			return nil, fmt.Errorf("dns: %w", err)
		}
	}
	if old != nil && slices.Equal(s.servers, old.servers) && sameResolver(cfg, old.config) {
		s.resolver = old.resolver
	} else {
		s.resolver, err = mx.New(mx.Options{
			Servers: s.servers,
			Canary:  cfg.sender().Domain(),
			Guard:   mx.NewGuard(cfg.ownNames(), cfg.allowMX(), n.OwnAddrs),
			Dial:    n.DialDNS,
			Logger:  logger,
		})
		if err != nil {
			return nil, fmt.Errorf("dns: %w", err)
		}
	}
	s.verify = &verify.Settings{
		Unfit:             cfg.Unfit(),
		Hostname:          cfg.helo(""),
		Book:              book,
		Resolver:          s.resolver,
		SkipDomains:       cfg.Policy.SkipDomains,
		AfterAcceptAll:    cfg.Probe.AfterAccept == "queue",
		MaxWaiting:        cfg.Policy.MaxWaiting,
		MaxWaitingPerSite: cfg.Policy.MaxWaitingPerSite,
		KnownGood:         cfg.knownGood(),
	}
	if sender := cfg.sender(); !sender.IsNull() {
		s.verify.Senders = []address.Address{sender}
	}
	return s, nil
}

// sameResolver reports whether two configurations want the same resolver, but
// for the servers that it asks.
func sameResolver(a, b *Config) bool {
	return a.sender().Domain() == b.sender().Domain() &&
		slices.Equal(a.ownNames(), b.ownNames()) && slices.Equal(a.allowMX(), b.allowMX())
}
