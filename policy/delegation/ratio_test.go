package delegation

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"rcptgate/audit"
	"rcptgate/internal/lab"
	"rcptgate/internal/netserve"
	"rcptgate/policy"
	"rcptgate/verify"
	"rcptgate/verify/verdict"
)

// known answers as the verdict engine does from its memory.
type known struct{ v *verdict.Verdict }

func (k known) Verify(context.Context, *verify.Query) *verdict.Verdict { return k.v }

// BenchmarkWarm measures requests a second over a unix socket, 10 connections,
// with policy and the audit log behind the door, and prints the ratio to a server
// that only parses and answers DUNNO. 0.5 is wanted, no line lost.
func BenchmarkWarm(b *testing.B) {
	log, err := audit.Open(audit.Options{Path: filepath.Join(b.TempDir(), "audit.jsonl")})
	if err != nil {
		b.Fatal(err)
	}
	rule := policy.Rule{
		Mode: policy.ModeEnforce, Percent: 100, AnswerBudget: 8 * time.Second, MessageBudget: 20 * time.Second,
		DeferFor: 4 * time.Hour, MaxRefusals: 8, Reject: []string{"mailbox_not_found"},
	}
	st, _, err := policy.NewSettings(policy.Source{Default: rule, OutboundClients: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		b.Fatal(err)
	}
	v := verdict.New(verdict.Accepted, verdict.FromProbe, time.Now())
	v.Served = verdict.FromCache
	engine, err := policy.New(policy.Options{
		Settings: func() *policy.Settings { return st }, Verify: known{v},
		Record: func(d *audit.Decision) { log.Record(d) },
	})
	if err != nil {
		b.Fatal(err)
	}
	h, err := New(Options{Decider: engine})
	if err != nil {
		b.Fatal(err)
	}
	ours := listen(b, h.Handle)
	trivial := listen(b, func(_ context.Context, c net.Conn) { lab.TrivialPolicy(c, lab.Dunno) })
	for b.Loop() {
		q := lab.Ratios(9, func() float64 { return load(b, ours) }, func() float64 { return load(b, trivial) })
		b.ReportMetric(q.Median, "ratio")
		b.ReportMetric(q.Q1, "q1")
		b.ReportMetric(q.Q3, "q3")
	}
	if err := log.Close(context.Background()); err != nil || log.Lost() > 0 {
		b.Errorf("%d lines lost, %v", log.Lost(), err)
	}
}

func listen(b *testing.B, handle func(context.Context, net.Conn)) (path string) {
	path = filepath.Join(b.TempDir(), "s")
	l, err := netserve.Listen(netserve.Spec{Network: "unix", Address: path}, netserve.UnixOptions{}, nil)
	if err != nil {
		b.Fatal(err)
	}
	s := netserve.New(netserve.Options{Handle: handle})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Serve(l); err != nil {
			b.Error(err)
		}
	})
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			b.Error(err)
		}
		wg.Wait()
	})
	return path
}

// load asks 10 × 500 requests and returns how many a second were answered.
func load(b *testing.B, path string) float64 {
	const conns, each = 10, 500
	start := time.Now()
	var wg sync.WaitGroup
	for c := range conns {
		wg.Go(func() {
			conn, err := net.Dial("unix", path)
			if err != nil {
				b.Error(err)
				return
			}
			client := lab.NewPolicyClient(conn)
			defer client.Close()
			for i := range each {
				instance := fmt.Sprintf("%d.%d.%d", start.UnixNano(), c, i)
				action, err := client.Rcpt(instance, "127.0.0.1", "", "news@example.com", fmt.Sprintf("u%d@example.org", i))
				if err != nil || action != "DUNNO" {
					b.Error(action, err)
					return
				}
			}
		})
	}
	wg.Wait()
	return conns * each / time.Since(start).Seconds()
}
