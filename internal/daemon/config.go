package daemon

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"time"

	"rcptgate/internal/strict"
	"rcptgate/policy"
	"rcptgate/verify/provider"
	"rcptgate/verify/verdict"
)

// Config is the configuration file, defaults filled in. config.example.toml
// says what each key means. A Config that comes from Parse or Load is valid and
// is not written any more.
type Config struct {
	Hostname string                      `toml:"hostname"`
	Listen   ListenConfig                `toml:"listen"`
	DNS      DNSConfig                   `toml:"dns"`
	Probe    ProbeConfig                 `toml:"probe"`
	Pace     provider.Limits             `toml:"pace"`
	Milter   MilterConfig                `toml:"milter"`
	Store    StoreConfig                 `toml:"store"`
	Policy   PolicyConfig                `toml:"policy"`
	Audit    AuditConfig                 `toml:"audit"`
	Provider map[string]provider.Partial `toml:"provider"`
	Site     map[string]provider.Partial `toml:"site"`
	Domain   map[string]DomainConfig     `toml:"domain"`
}

// DomainConfig is one [domain."NAME"].
type DomainConfig struct {
	provider.Partial
	KnownGood *string `toml:"known_good"` // an address of the domain
}

// ListenConfig is [listen].
type ListenConfig struct {
	Policy     []string `toml:"policy"`
	Milter     []string `toml:"milter"`
	HTTP       string   `toml:"http"`
	Admin      string   `toml:"admin"`
	UnixGroup  string   `toml:"unix_group"`
	UnixMode   Mode     `toml:"unix_mode"`
	AdminGroup string   `toml:"admin_group"`
	AdminMode  Mode     `toml:"admin_mode"`
}

// DNSConfig is [dns].
type DNSConfig struct {
	Servers []string `toml:"servers"` // empty: /etc/resolv.conf
}

// ProbeConfig is [probe].
type ProbeConfig struct {
	Sender             string         `toml:"sender"`
	Port               int            `toml:"port"`
	AllowMX            []CIDR         `toml:"allow_mx"`
	AllowUnfitIdentity bool           `toml:"allow_unfit_identity"`
	DialogueTimeout    time.Duration  `toml:"dialogue_timeout"`
	MaxSessions        int            `toml:"max_sessions"`
	ConnectsPerSecond  float64        `toml:"connects_per_second"`
	MaxQueued          int            `toml:"max_queued"`
	QueueTimeout       time.Duration  `toml:"queue_timeout"`
	AfterAccept        string         `toml:"after_accept"`
	Source             []SourceConfig `toml:"source"`
}

// SourceConfig is one [[probe.source]].
type SourceConfig struct {
	IP   string `toml:"ip"`   // "": the kernel chooses
	HELO string `toml:"helo"` // "": hostname
}

// MilterConfig is [milter].
type MilterConfig struct {
	Mailers   []string `toml:"mailers"`
	Decide    string   `toml:"decide"`
	OnPartial string   `toml:"on_partial"`
}

// StoreConfig is [store].
type StoreConfig struct {
	Path    string `toml:"path"`
	KeyFile string `toml:"key_file"`
}

// PolicyConfig is [policy].
type PolicyConfig struct {
	Mode              policy.Mode                    `toml:"mode"`
	OutboundClients   []CIDR                         `toml:"outbound_clients"`
	SkipDomains       []string                       `toml:"skip_domains"`
	AnswerBudget      time.Duration                  `toml:"answer_budget"`
	MessageBudget     time.Duration                  `toml:"message_budget"`
	MaxWaiting        int                            `toml:"max_waiting"`
	MaxWaitingPerSite int                            `toml:"max_waiting_per_site"`
	MaxRefusals       int                            `toml:"max_refusals"`
	DeferFor          time.Duration                  `toml:"defer_for"`
	Percent           int                            `toml:"percent"`
	Reject            []string                       `toml:"reject"`
	Defer             []string                       `toml:"defer"`
	Reply             map[verdict.Reason]ReplyConfig `toml:"reply"`
	Rule              []RuleConfig                   `toml:"rule"`
}

// ReplyConfig is one [policy.reply.REASON]; what is not set is built in.
type ReplyConfig struct {
	Code     *int    `toml:"code"`
	Enhanced *string `toml:"enhanced"`
	Text     *string `toml:"text"`
}

// RuleConfig is one [[policy.rule]]; nil fields inherit from [policy].
type RuleConfig struct {
	Name          string         `toml:"name"`
	SASLUsername  []string       `toml:"sasl_username"`
	Sender        []string       `toml:"sender"`
	Recipient     []string       `toml:"recipient"`
	Client        []CIDR         `toml:"client"`
	PolicyContext []string       `toml:"policy_context"`
	Action        *string        `toml:"action"`
	Mode          *policy.Mode   `toml:"mode"`
	Reject        []string       `toml:"reject"`
	Defer         []string       `toml:"defer"`
	AnswerBudget  *time.Duration `toml:"answer_budget"`
	MessageBudget *time.Duration `toml:"message_budget"`
	MaxRefusals   *int           `toml:"max_refusals"`
	DeferFor      *time.Duration `toml:"defer_for"`
	Percent       *int           `toml:"percent"`
}

// AuditConfig is [audit].
type AuditConfig struct {
	Path      string `toml:"path"`
	Addresses string `toml:"addresses"`
}

// laterKeys belong to the contract of a later version.
var laterKeys = []string{"lists", "learn", "fleet"}

// Defaults returns the values of an empty file; config.example.toml shows the
// same ones.
func Defaults() *Config {
	return &Config{
		Listen: ListenConfig{
			Policy:    []string{"inet:127.0.0.1:10045"},
			Milter:    []string{"inet:127.0.0.1:10046"},
			HTTP:      "inet:127.0.0.1:10047",
			Admin:     "unix:/run/rcptgate/admin.sock",
			UnixGroup: "postfix",
			UnixMode:  0o660,
			AdminMode: 0o660,
		},
		Probe: ProbeConfig{
			Port:              25,
			AllowMX:           []CIDR{},
			DialogueTimeout:   time.Minute,
			MaxSessions:       500,
			ConnectsPerSecond: 50,
			MaxQueued:         100_000,
			QueueTimeout:      10 * time.Minute,
			AfterAccept:       "finish",
		},
		Pace:   provider.DefaultLimits(),
		Milter: MilterConfig{Mailers: []string{"smtp", "esmtp"}, Decide: "rcpt", OnPartial: "keep"},
		Store:  StoreConfig{Path: "/var/lib/rcptgate", KeyFile: "/var/lib/rcptgate/key"},
		Policy: PolicyConfig{
			Mode: policy.ModeMonitor,
			OutboundClients: []CIDR{
				{netip.MustParsePrefix("127.0.0.0/8")},
				{netip.MustParsePrefix("::1/128")},
			},
			SkipDomains:       []string{},
			AnswerBudget:      8 * time.Second,
			MessageBudget:     20 * time.Second,
			MaxWaiting:        80,
			MaxWaitingPerSite: 8,
			MaxRefusals:       8,
			DeferFor:          4 * time.Hour,
			Percent:           100,
			Reject: []string{
				string(verdict.MailboxNotFound), string(verdict.MailboxDisabled), string(verdict.DomainNotFound),
				string(verdict.DomainNoMail), string(verdict.InvalidSyntax),
			},
			Defer: []string{},
		},
		Audit: AuditConfig{Path: "/var/log/rcptgate/audit.jsonl", Addresses: "clear"},
	}
}

// ConfigError holds all mistakes of a configuration (exit code 78).
type ConfigError struct{ Problems strict.Problems }

// Error prints one mistake a line, each with its file and line.
func (e *ConfigError) Error() string { return e.Problems.Error() }

// Load reads and checks a file. An error is always a *ConfigError.
func Load(path string) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		// The path is printed in front.
		if pe, ok := errors.AsType[*fs.PathError](err); ok {
			err = pe.Err
		}
		return nil, &ConfigError{strict.Problems{{File: path, Text: fmt.Sprintf("cannot be read: %v", err)}}}
	}
	return Parse(path, data)
}

// Parse checks the text of a file; name is only printed. An error is always a
// *ConfigError, with all mistakes of the file.
func Parse(name string, data []byte) (*Config, error) {
	c := Defaults()
	doc, problems := strict.Decode(name, data, c, laterKeys)
	k := checker{c: c, doc: doc, problems: problems}
	k.all()
	if len(k.problems) > 0 {
		k.problems.Sort()
		return nil, &ConfigError{slices.Compact(k.problems)}
	}
	for i, d := range c.Policy.SkipDomains {
		c.Policy.SkipDomains[i] = canonical(d)
	}
	return c, nil
}

// Show prints the values in force as TOML.
func (c *Config) Show() string { return string(strict.Encode(c)) }

// Hash names the values in force; two files that mean the same have one hash.
func (c *Config) Hash() string {
	sum := sha256.Sum256(strict.Encode(c))
	return hex.EncodeToString(sum[:6])
}
