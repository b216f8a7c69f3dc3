package daemon

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"rcptgate/internal/lab"
)

// simConfig is the file of a daemon whose network is in memory: default pace,
// book and clocks.
const simConfig = `hostname = "out1.lab.test"
[dns]
servers = ["` + lab.DNSAddr + `"]
[store]
path = ""
[audit]
path = ""
[policy]
mode = "enforce"
[probe]
sender   = "verify@probe.lab.test"
allow_mx = ["127.64.0.0/10"]
allow_unfit_identity = true
`

// simulate opens the engines over a world in memory, runs f, and closes them,
// all in simulated time. probe is further lines of [probe].
func simulate(t *testing.T, o lab.Options, probe string, f func(t *testing.T, n *lab.Internet, c *Core)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := lab.New(o)
		n.Domain("probe.lab.test")
		cfg, err := Parse("campaign.toml", []byte(simConfig+probe))
		if err != nil {
			t.Fatal(err)
		}
		c, err := OpenCore(CoreOptions{Config: cfg, Logger: slog.New(slog.DiscardHandler), Network: Network{
			DialDNS: n.Dial,
			DialMX: func(ctx context.Context, src netip.Addr, dst netip.AddrPort) (net.Conn, error) {
				return n.DialFrom(ctx, src, "tcp", dst.String())
			},
			OwnAddrs: func() ([]net.Addr, error) { return nil, nil },
		}})
		if err != nil {
			t.Fatal(err)
		}
		f(t, n, c)
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
		n.Close()
	})
}
