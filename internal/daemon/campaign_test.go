package daemon

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"rcptgate/internal/lab"
	"rcptgate/policy"
	"rcptgate/verify/address"
	"rcptgate/verify/verdict"
)

// campaignSize is how many recipients TestCampaign has unless the environment
// says RCPTGATE_CAMPAIGN=100000.
const campaignSize = 2000

// campaignPace is the time between two recipients: 100,000 in 24 hours.
const campaignPace = 24 * time.Hour / 100_000

// campaignOutcome is what became of one recipient.
type campaignOutcome struct {
	action policy.Action
	v      *verdict.Verdict
	wait   time.Duration
}

// TestCampaign injects a campaign through the policy engine in simulated time:
// default pace and book, enforcing, 3 % of the recipients invalid. It prints
// what was answered from evidence before the message would have been queued,
// and what the far ends saw. No good recipient may be refused.
func TestCampaign(t *testing.T) {
	size := campaignSize
	if s := os.Getenv("RCPTGATE_CAMPAIGN"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			t.Fatalf("RCPTGATE_CAMPAIGN=%q is no number of recipients", s)
		}
		size = n
	}
	began := time.Now()
	simulate(t, lab.Options{RTT: benchRTT, NoLog: true}, "", func(t *testing.T, n *lab.Internet, core *Core) {
		recipients := campaignWorld(n, size)
		outcomes := inject(t, core, recipients)
		reportVerdicts(t, recipients, outcomes)
		reportInvalid(t, recipients, outcomes)
		reportFarEnd(t, n, len(recipients))
	})
	t.Logf("%v of machine time", time.Since(began).Round(time.Second))
}

// inject asks about each recipient as Postfix would, in a message of its own,
// and waits for all answers.
func inject(t *testing.T, core *Core, recipients []farRecipient) []campaignOutcome {
	outcomes := make([]campaignOutcome, len(recipients))
	var wg sync.WaitGroup
	for i, r := range recipients {
		time.Sleep(campaignPace)
		wg.Go(func() {
			start := time.Now()
			d := core.policy.Decide(t.Context(), policy.Query{
				Door: policy.DoorPolicy, Client: netip.MustParseAddr("127.0.0.1"), Instance: fmt.Sprint(i),
				Sender: "news@esp.test", SenderForm: address.Internal, Recipient: r.addr, RecipientForm: address.Internal,
			})
			outcomes[i] = campaignOutcome{d.Action, d.Verdict, time.Since(start)}
		})
	}
	wg.Wait()
	for i, o := range outcomes {
		if r := recipients[i]; o.action != policy.Accept && !r.bad {
			t.Errorf("%s (%s) is good, and was answered %s: %s %+v", r.addr, r.group, o.action, o.v.Reason, o.v.Evidence)
		}
	}
	return outcomes
}

// reportVerdicts prints how many recipients were answered from evidence, and
// who they were.
func reportVerdicts(t *testing.T, recipients []farRecipient, outcomes []campaignOutcome) {
	reasons := map[verdict.Reason]int{}
	type group struct{ all, answered int }
	groups := map[string]*group{}
	answered := 0
	waits := make([]float64, len(outcomes))
	for i, o := range outcomes {
		waits[i] = o.wait.Seconds()
		reasons[o.v.Reason]++
		g := groups[recipients[i].group]
		if g == nil {
			g = &group{}
			groups[recipients[i].group] = g
		}
		g.all++
		if o.v.Status() != verdict.Unknown {
			answered++
			g.answered++
		}
	}
	t.Logf("%d recipients in %v: %.1f %% answered from evidence before queueing; waited p50 %.2f s, p90 %.2f s, p99 %.2f s",
		len(outcomes), (campaignPace * time.Duration(len(outcomes))).Round(time.Minute), percent(answered, len(outcomes)),
		lab.Percentile(waits, 0.5), lab.Percentile(waits, 0.9), lab.Percentile(waits, 0.99))
	for _, r := range slices.SortedFunc(maps.Keys(reasons), func(a, b verdict.Reason) int { return reasons[b] - reasons[a] }) {
		t.Logf("  %-20s %7d  %5.1f %%", r, reasons[r], percent(reasons[r], len(outcomes)))
	}
	for _, name := range slices.SortedFunc(maps.Keys(groups), func(a, b string) int {
		return cmp.Or(groups[b].all-groups[a].all, cmp.Compare(a, b))
	}) {
		g := groups[name]
		t.Logf("  %-32s %6d recipients, %5.1f %% answered", name, g.all, percent(g.answered, g.all))
	}
}

// reportInvalid prints what became of the invalid recipients. That no good one
// was refused is checked where they are asked.
func reportInvalid(t *testing.T, recipients []farRecipient, outcomes []campaignOutcome) {
	bad, telling, refused, good := 0, 0, 0, 0
	for i, r := range recipients {
		if !r.bad {
			good++
			continue
		}
		bad++
		if r.knows {
			telling++
		}
		if outcomes[i].action == policy.Reject {
			refused++
		}
	}
	t.Logf("invalid: %d of %d (%.1f %%), %d of them where the far end tells; refused %d (%.1f %% of the invalid, %.1f %% of those)",
		bad, len(recipients), percent(bad, len(recipients)), telling, refused, percent(refused, bad), percent(refused, telling))
	t.Logf("%d good recipients, 0 of them may be refused", good)
}

// reportFarEnd prints what the servers saw of us.
func reportFarEnd(t *testing.T, n *lab.Internet, size int) {
	connects, rcpts, refused := n.CountByHost("CONNECT", -1), n.CountByHost("RCPT", -1), n.CountByHost("RCPT", 5)
	total := func(m map[string]int) (sum int) {
		for _, c := range m {
			sum += c
		}
		return sum
	}
	t.Logf("far end: %d hosts, %d connections, %d RCPTs (%.2f a recipient), %d refused with 5xx",
		len(connects), total(connects), total(rcpts), float64(total(rcpts))/float64(size), total(refused))
	counts := slices.Sorted(maps.Values(refused))
	if len(counts) == 0 {
		return
	}
	at := func(p float64) int { return counts[int(p*float64(len(counts)-1))] }
	t.Logf("invalids per site, of %d sites that saw any: median %d, p99 %d", len(counts), at(0.5), at(0.99))
	hosts := slices.SortedFunc(maps.Keys(refused), func(a, b string) int {
		return cmp.Or(refused[b]-refused[a], cmp.Compare(a, b))
	})
	for _, h := range hosts[:min(8, len(hosts))] {
		t.Logf("  %-44s %5d of %5d RCPTs", h, refused[h], rcpts[h])
	}
}

func percent(part, all int) float64 { return 100 * float64(part) / float64(max(1, all)) }
