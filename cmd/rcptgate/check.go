package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rcptgate/httpapi/client"
	"rcptgate/internal/daemon"
)

const (
	// checkBudget is what check waits for one address; all are asked side by
	// side.
	checkBudget = 60 * time.Second
	// traceWait is the longest dialogue (dialogue_timeout) and its QUIT; a
	// trace is looked for every tracePoll.
	traceWait = 65 * time.Second
	tracePoll = 100 * time.Millisecond
)

// verifier answers for check: the running daemon, or an engine in process.
type verifier interface {
	// verify returns the verdict as the JSON object of the HTTP interface.
	verify(ctx context.Context, input string) (json.RawMessage, error)
	// dialogue returns the lines of a recent SMTP dialogue, if it is known.
	dialogue(ctx context.Context, probeID string) ([]string, error)
	close() error
}

func newCheck(tty terminal) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [flags] ADDRESS...",
		Short: "verify addresses now",
		Long: "Verifies all addresses side by side and prints each verdict when it is final, after 60 s at the latest; the\n" +
			"daemon is asked 512 at a time. It is asked when its admin socket answers; else the work is done in process,\n" +
			"under the same configuration and store. --direct works in process without the store, so budgets are not shared.\n" +
			"--trace waits for the end of each dialogue, some seconds after its verdict.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("check: no address given")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return check(cmd.Context(), o, args, tty) },
	}
	cmd.Flags().StringVarP(&o.config, "config", "c", defaultConfig, "configuration `file`")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object a line")
	cmd.Flags().BoolVar(&o.trace, "trace", false, "print the SMTP dialogue behind each fresh verdict")
	cmd.Flags().BoolVar(&o.direct, "direct", false, "work in process, in memory; budgets are not shared with the daemon")
	return cmd
}

type checkOptions struct {
	config              string
	json, trace, direct bool
}

func check(ctx context.Context, o checkOptions, inputs []string, tty terminal) error {
	v, err := openVerifier(o, tty.err)
	if err != nil {
		return err
	}
	defer v.close()
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex // one verdict at a time is printed
		errs []error
	)
	for _, input := range inputs {
		wg.Go(func() {
			answer, err := v.verify(ctx, input)
			var trace []string
			if err == nil && o.trace {
				trace, err = traceOf(ctx, v, answer)
			}
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				err = printVerdict(tty.out, o, answer, trace)
			}
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = errors.New("the daemon went away before it answered")
				}
				errs = append(errs, fmt.Errorf("check %s: %w", input, err))
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// openVerifier finds the daemon, or opens an engine in process.
func openVerifier(o checkOptions, stderr io.Writer) (verifier, error) {
	cfg, err := daemon.Load(o.config)
	if err != nil {
		return nil, err
	}
	path, ok := strings.CutPrefix(cfg.Listen.Admin, "unix:")
	switch {
	case o.direct:
		fmt.Fprintln(stderr, "rcptgate: warning: --direct works beside the daemon: its budgets and breakers are not shared")
	case ok:
		c := client.New(path)
		err := c.Ping(context.Background())
		switch {
		case err == nil:
			return daemonVerifier{c}, nil
		case errors.Is(err, client.ErrPermission):
			return nil, hintError{
				fmt.Errorf("the daemon's admin socket may not be used: %w", err),
				"run as root or as a member of admin_group, or work beside the daemon with --direct",
			}
		case !errors.Is(err, client.ErrNoDaemon):
			return nil, fmt.Errorf("ask the daemon: %w", err)
		}
	}
	if !o.direct {
		if err := becomeOwner(cfg.Store.Path); err != nil {
			return nil, err
		}
	}
	core, err := daemon.OpenCore(daemon.CoreOptions{
		Config: cfg, Direct: o.direct, Logger: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if errors.Is(err, fs.ErrPermission) {
		return nil, hintError{err, "run as root or as the daemon's user, or work without store and audit log with --direct"}
	}
	if err != nil {
		return nil, err
	}
	if why := core.Unfit(); why != "" {
		fmt.Fprintf(stderr, "rcptgate: warning: nothing is probed: %s\n", why)
	}
	return coreVerifier{core}, nil
}

// becomeOwner lets root work as the owner of the store, so that the daemon,
// which has no privileges, can open afterwards what was made here.
func becomeOwner(dir string) error {
	if dir == "" || os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(dir)
	if err != nil {
		return hintError{
			fmt.Errorf("open the store: %w", err),
			"start the daemon once, or work without the store with --direct",
		}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return nil
	}
	err = errors.Join(syscall.Setgroups([]int{int(st.Gid)}), syscall.Setresgid(int(st.Gid), int(st.Gid), int(st.Gid)),
		syscall.Setresuid(int(st.Uid), int(st.Uid), int(st.Uid)))
	if err != nil {
		return fmt.Errorf("become the owner of %s: %w", dir, err)
	}
	return nil
}

type daemonVerifier struct{ c *client.Client }

func (v daemonVerifier) verify(ctx context.Context, input string) (json.RawMessage, error) {
	return v.c.Verify(ctx, client.Request{Address: input, BudgetMS: checkBudget.Milliseconds()})
}

func (v daemonVerifier) dialogue(ctx context.Context, id string) ([]string, error) {
	return v.c.Dialogue(ctx, id)
}
func (v daemonVerifier) close() error { return nil }

type coreVerifier struct{ core *daemon.Core }

func (v coreVerifier) verify(ctx context.Context, input string) (json.RawMessage, error) {
	answer, addr := v.core.VerifyNow(ctx, input, checkBudget)
	return answer.MarshalFor(input, addr)
}

func (v coreVerifier) dialogue(_ context.Context, id string) ([]string, error) {
	p, ok := v.core.Dialogue(id)
	if !ok {
		return nil, nil
	}
	return p.Replies, nil
}

func (v coreVerifier) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return v.core.Close(ctx)
}

// printed is what the plain output shows of a verdict.
type printed struct {
	Input, Address, Status, Reason, Served, Suggestion string
	ProbeID                                            string `json:"probe_id"`
	Tags                                               []string
	Evidence                                           struct {
		MX, Enhanced, Text string
		Code               int
	}
}

// traceOf returns the dialogue behind a verdict, nil where it is not known any
// more. That of a fresh verdict is recorded when its session ends, which stays
// open for the next address of the site for some seconds.
func traceOf(ctx context.Context, v verifier, raw json.RawMessage) ([]string, error) {
	var p printed
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, err
	}
	if p.ProbeID == "" {
		return nil, nil
	}
	late := time.After(traceWait)
	again := time.NewTicker(tracePoll)
	defer again.Stop()
	for {
		lines, err := v.dialogue(ctx, p.ProbeID)
		if err != nil || lines != nil || p.Served != "fresh" {
			return lines, err
		}
		select {
		case <-again.C:
		case <-late:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// printVerdict writes one verdict, as JSON or as lines for people. The trace
// of --json goes into the object as "trace".
func printVerdict(w io.Writer, o checkOptions, raw json.RawMessage, trace []string) error {
	if o.json {
		if o.trace {
			b, err := json.Marshal(trace)
			if err != nil {
				return err
			}
			raw = append(append(raw[:len(raw)-1:len(raw)-1], `,"trace":`...), append(b, '}')...)
		}
		_, err := fmt.Fprintf(w, "%s\n", raw)
		return err
	}
	var p printed
	if err := json.Unmarshal(raw, &p); err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%s)", p.Input, p.Status, p.Reason)
	for _, t := range p.Tags {
		fmt.Fprintf(&b, " [%s]", t)
	}
	if p.Served == "cache" {
		b.WriteString(", known before")
	}
	if e := p.Evidence; e.MX != "" && e.Code != 0 {
		fmt.Fprintf(&b, "\n  %s said: %d %s", e.MX, e.Code, strings.TrimSpace(e.Enhanced+" "+e.Text))
	} else if e.Text != "" {
		fmt.Fprintf(&b, "\n  %s", e.Text)
	}
	for _, line := range trace {
		fmt.Fprintf(&b, "\n    %s", line)
	}
	_, err := fmt.Fprintln(w, b.String())
	return err
}
