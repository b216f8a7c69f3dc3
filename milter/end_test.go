package milter

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"rcptgate/audit"
	"rcptgate/internal/lab"
	"rcptgate/policy"
	"rcptgate/verify"
	"rcptgate/verify/verdict"
)

// unknownUsers says of each address that begins with "unknown" that it does
// not exist.
type unknownUsers struct{}

func (unknownUsers) Verify(_ context.Context, q *verify.Query) *verdict.Verdict {
	if strings.HasPrefix(q.Address.Local(), "unknown") {
		return verdict.New(verdict.MailboxNotFound, verdict.FromProbe, time.Now())
	}
	return verdict.New(verdict.Accepted, verdict.FromProbe, time.Now())
}

// With decide = "end" the client meets one reply, however many recipients it
// stands for, and the record says what became of each.
func TestDecideEndIsRecordedAsItWent(t *testing.T) {
	for _, c := range []struct {
		name, onPartial string
		bad, good       int
		abort           bool
		reply           string
		actions         map[string]int
	}{
		{"more hopeless ones than max_refusals", Keep, 12, 0, false, "y 550", map[string]int{"reject": 12}},
		{"keep", Keep, 2, 1, false, "c", map[string]int{"accept": 3}},
		{"reject", RejectAll, 2, 1, false, "y 550", map[string]int{"reject": 3}},
		{"aborted", Keep, 2, 0, true, "", map[string]int{"accept": 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			actions := map[string]int{}
			rules, _, err := policy.NewSettings(policy.Source{
				Default: policy.Rule{
					Mode: policy.ModeEnforce, Percent: 100, Reject: []string{"mailbox_not_found"},
					AnswerBudget: time.Second, MessageBudget: time.Second, MaxRefusals: 8, DeferFor: time.Hour,
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			engine, err := policy.New(policy.Options{
				Settings: func() *policy.Settings { return rules }, Verify: unknownUsers{},
				Record: func(d *audit.Decision) {
					mu.Lock()
					defer mu.Unlock()
					actions[d.Action]++
				},
			})
			if err != nil {
				t.Fatal(err)
			}
			s := newServer(t, engine, Settings{Mailers: []string{"esmtp"}, DecideEnd: true, OnPartial: c.onPartial})
			ours, theirs := net.Pipe()
			done := make(chan struct{})
			go func() {
				defer close(done)
				s.Handle(context.Background(), theirs)
			}()
			m, err := lab.NewMilterClient(ours)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := m.Connect("192.0.2.1"); err != nil {
				t.Fatal(err)
			}
			if _, err := m.Mail("news@example.org", "news"); err != nil {
				t.Fatal(err)
			}
			for i := range c.bad + c.good {
				local := "known"
				if i < c.bad {
					local = "unknown"
				}
				if got, err := m.Rcpt(fmt.Sprintf("%s%d@example.net", local, i), "esmtp"); err != nil || got != "c" {
					t.Fatalf("RCPT: %q, %v", got, err)
				}
			}
			if c.abort {
				if err := m.Abort(); err != nil {
					t.Fatal(err)
				}
			} else if got, err := m.End(); err != nil || !strings.HasPrefix(got, c.reply) {
				t.Errorf("end of message: %q, %v; want %q", got, err, c.reply)
			}
			m.Close()
			<-done
			if err := engine.Stop(context.Background()); err != nil {
				t.Fatal(err)
			}
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(actions) != fmt.Sprint(c.actions) {
				t.Errorf("recorded %v, want %v", actions, c.actions)
			}
		})
	}
}
