package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"rcptgate/audit"
	"rcptgate/policy"
	"rcptgate/verify"
	"rcptgate/verify/cache"
	"rcptgate/verify/pace"
	"rcptgate/verify/probe"
	"rcptgate/verify/verdict"
)

// Network replaces the real network, for simulated ones; the zero value is
// the real one.
type Network struct {
	// DialDNS connects to a name server; network is "udp" or "tcp".
	DialDNS func(ctx context.Context, network, addr string) (net.Conn, error)
	// DialMX connects to an MX from a source address (zero: any).
	DialMX func(ctx context.Context, src netip.Addr, dst netip.AddrPort) (net.Conn, error)
	// OwnAddrs lists the addresses of this host.
	OwnAddrs func() ([]net.Addr, error)
	// ResolvConf is the file that names the name servers where the configuration
	// names none.
	ResolvConf string
}

// Core is everything behind the doors: store, pacer, verdict engine, policy
// engine and audit log, under one settings value. The daemon puts doors in
// front of it; the command line uses it as it is when no daemon runs.
type Core struct {
	lifecycle
	network Network
	logger  *slog.Logger
	observe observers

	current atomic.Pointer[settings]

	store  *cache.Store
	pacer  *pace.Pacer
	engine *verify.Engine
	policy *policy.Engine
	audit  *audit.Log
}

// observers are told what happens, for the metrics; nil fields are skipped.
type observers struct {
	decision func(*audit.Decision)
	dialogue func(pace.Dialogue)
	breaker  func(*audit.Breaker)
}

// CoreOptions for OpenCore.
type CoreOptions struct {
	Config  *Config
	Network Network
	Logger  *slog.Logger
	// Direct keeps everything in memory and writes no audit log, whatever
	// the configuration says: "rcptgate check --direct".
	Direct bool

	observe observers
}

// OpenCore acquires the store, the key and the audit log and starts the
// engines. The caller ends it with Close. A store that another process holds
// is an error that wraps cache.ErrLocked.
func OpenCore(o CoreOptions) (*Core, error) {
	c := &Core{network: o.Network, logger: o.Logger, observe: o.observe}
	if err := c.open(o); err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, c.Close(ctx))
	}
	return c, nil
}

// Close stops the engines and releases everything; idempotent, bounded by ctx
// and the seconds that the store and the audit log take to be written.
func (c *Core) Close(ctx context.Context) error { return c.stop(ctx) }

func (c *Core) open(o CoreOptions) error {
	cfg := *o.Config
	if o.Direct {
		cfg.Store.Path, cfg.Audit.Path = "", ""
	}
	secret, err := storeKey(&cfg)
	if err != nil {
		return err
	}
	keyer, err := verify.NewKeyer(secret)
	if err != nil {
		return err
	}

	s, err := newSettings(&cfg, c.network, nil, c.logger)
	if err != nil {
		return err
	}
	c.current.Store(s)
	c.onStop("resolver", func(context.Context) error { c.current.Load().resolver.Close(); return nil })

	c.audit, err = audit.Open(audit.Options{Path: cfg.Audit.Path, Pseudonym: pseudonym(&cfg, keyer), Logger: c.logger})
	if err != nil {
		return err
	}
	c.onStop("audit log", written(c.audit.Close))

	c.store, err = cache.Open(cache.Options{Path: cfg.Store.Path, Logger: c.logger})
	if err != nil {
		return err
	}
	c.onStop("store", written(c.store.Close))

	c.pacer, err = pace.New(pace.Options{
		Settings:   func() *pace.Settings { return c.current.Load().pace },
		Prober:     probe.New(probe.Options{Dial: c.network.DialMX}),
		Memory:     c.store,
		Logger:     c.logger,
		OnDialogue: c.onDialogue,
		OnBreaker:  c.onBreaker,
	})
	if err != nil {
		return err
	}
	if err := c.pacer.Start(); err != nil {
		return fmt.Errorf("start the pacer: %w", err)
	}
	c.onStop("pacer", c.graceful("pacer", c.pacer.Stop))

	c.engine, err = verify.New(verify.Options{
		Settings: func() *verify.Settings { return c.current.Load().verify },
		Pacer:    c.pacer, Verdicts: c.store, Facts: c.store, Keyer: keyer, Logger: c.logger,
	})
	if err != nil {
		return err
	}
	if err := c.engine.Start(); err != nil {
		return fmt.Errorf("start the verdict engine: %w", err)
	}
	c.onStop("verdict engine", c.graceful("verdict engine", c.engine.Stop))

	c.policy, err = policy.New(policy.Options{
		Settings: func() *policy.Settings { return c.current.Load().policy },
		Verify:   c.engine, Record: c.onDecision, Logger: c.logger, Pseudonym: pseudonym(&cfg, keyer),
	})
	if err != nil {
		return err
	}
	c.onStop("policy engine", c.policy.Stop)
	return nil
}

// graceful gives the dialogues under way a moment to end. Those that take
// longer, at a tarpit say, are cut: by now nobody waits for them.
func (c *Core) graceful(name string, stop func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		grace, cancel := context.WithTimeout(ctx, dialogueGrace)
		defer cancel()
		err := stop(grace)
		if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			c.logger.Info("dialogues that nobody waits for were cut", "part", name)
			return nil
		}
		return err
	}
}

// VerifyNow returns the verdict of one address for the command line; see
// policy.Engine.VerifyNow.
func (c *Core) VerifyNow(ctx context.Context, input string, budget time.Duration) (v *verdict.Verdict, addr string) {
	return c.policy.VerifyNow(ctx, input, "", "", budget, policy.DoorCLI)
}

// Dialogue returns a recent SMTP dialogue by its probe id.
func (c *Core) Dialogue(probeID string) (*audit.Probe, bool) { return c.audit.Dialogue(probeID) }

// Unfit says why nothing is probed under the current settings, "" if it is.
func (c *Core) Unfit() string { return c.current.Load().verify.Unfit }

// swap replaces the settings by those of a valid configuration. On an error
// nothing has changed.
func (c *Core) swap(cfg *Config) error {
	old := c.current.Load()
	s, err := newSettings(cfg, c.network, old, c.logger)
	if err != nil {
		return err
	}
	// An old resolver is not closed: its lookups end under the settings they
	// began with, within their budget, and half a minute later nothing of it is left.
	c.current.Store(s)
	return nil
}

// storeKey reads the key file, or makes a key that lasts as long as the
// process where nothing is stored.
func storeKey(cfg *Config) ([]byte, error) {
	if cfg.Store.Path != "" {
		// The key's default place is in the store's folder; what is wrong with that
		// the store says.
		_ = os.MkdirAll(cfg.Store.Path, 0o700)
		return cache.Key(cfg.Store.KeyFile)
	}
	key := make([]byte, 32)
	_, err := rand.Read(key)
	return key, err
}

func pseudonym(cfg *Config, k *verify.Keyer) func(string) string {
	if cfg.Audit.Addresses == "hmac" {
		return k.Pseudonym
	}
	return nil
}

func (c *Core) onDecision(d *audit.Decision) {
	c.audit.Record(d)
	if c.observe.decision != nil {
		c.observe.decision(d)
	}
}

func (c *Core) onDialogue(d pace.Dialogue) {
	c.audit.Record(probeEvent(d))
	if c.observe.dialogue != nil {
		c.observe.dialogue(d)
	}
}

func (c *Core) onBreaker(b pace.BreakerChange) {
	e := &audit.Breaker{
		Time: b.At, Scope: string(b.Scope), Name: b.Name, From: b.From, To: b.To,
		Reason: b.Reason, Until: b.Until, Text: b.Text,
	}
	if b.Source.IsValid() {
		e.SourceIP = b.Source.String()
	}
	c.audit.Record(e)
	if c.observe.breaker != nil {
		c.observe.breaker(e)
	}
}

// probeEvent turns a finished dialogue into its audit record.
func probeEvent(d pace.Dialogue) *audit.Probe {
	t := d.Transcript
	p := &audit.Probe{
		Time: t.Started.Add(t.Took), ProbeID: d.ProbeID, Why: string(d.Why),
		MX: t.Target.Host.Name, MXIP: t.Target.Addr, SourceIP: t.LocalIP,
		HELO: t.Source.HELO, Sender: t.Sender.External(), TLS: t.TLS, Took: t.Took,
	}
	for _, a := range d.Addresses {
		p.Addresses = append(p.Addresses, a.External())
	}
	for _, s := range t.Steps {
		p.Stage = s.Stage
		p.Replies = append(p.Replies, stepLine(s))
	}
	return p
}

// stepLine prints one step of a dialogue: what we sent and what came back.
func stepLine(s probe.Step) string {
	line := string(s.Stage)
	if s.Command != "" {
		line += " [" + s.Command + "]"
	}
	if s.Failure != probe.NoFailure {
		line += " " + string(s.Failure)
		if s.Detail != "" {
			line += " (" + s.Detail + ")"
		}
		return line
	}
	line += fmt.Sprintf(" %d", s.Reply.Code)
	if e := s.Reply.Enhanced.String(); e != "" {
		line += " " + e
	}
	if text := s.Reply.Printable(""); text != "" {
		line += " " + text
	}
	return line
}
