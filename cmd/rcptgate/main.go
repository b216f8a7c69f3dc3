// Command rcptgate verifies outgoing recipients before the mail server queues
// the message. See README.md.
//
// The command only parses, builds a context from signals, calls the daemon and
// maps errors to exit codes: 0 done, 1 failed, 64 usage, 78 bad configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"rcptgate/internal/daemon"
)

// Exit codes; 2 is Go's own crash status and never used.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 64
	exitConfig = 78
)

const defaultConfig = "/etc/rcptgate/rcptgate.toml"

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

// hintError adds what to do about an error.
type hintError struct {
	err  error
	hint string
}

func (e hintError) Error() string { return e.err.Error() }
func (e hintError) Unwrap() error { return e.err }

// errSilent ends with status 1 after everything has been said.
var errSilent = errors.New("failed")

// terminal is what the commands read from and write to.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(os.Args[1:], terminal{os.Stdin, os.Stdout, os.Stderr}))
}

// run executes one command line and returns its exit code.
func run(args []string, tty terminal) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot(tty)
	root.SetArgs(args)
	return report(root.ExecuteContext(ctx), tty.err)
}

// report prints an error in the voice of the command line and returns the
// exit code it stands for.
func report(err error, w io.Writer) int {
	if err == nil {
		return exitDone
	}
	if !errors.Is(err, errSilent) {
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(w, "rcptgate: %s\n", line)
		}
	}
	var hint hintError
	if errors.As(err, &hint) {
		fmt.Fprintf(w, "rcptgate: hint: %s\n", hint.hint)
	}
	var usage usageError
	var config *daemon.ConfigError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &config):
		return exitConfig
	}
	return exitFailed
}

func newRoot(tty terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "rcptgate",
		Short: "verify outgoing recipients before the mail server queues the message",
		Long: "rcptgate asks a recipient's own MX, with an SMTP dialogue that stops after RCPT TO,\n" +
			"whether an outgoing address is worth sending to, and tells Postfix or Sendmail.\n\n" +
			"exit codes: 0 done, 1 failed, 64 usage, 78 bad configuration",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				_ = cmd.Help()
				return usageError{errors.New("no command given")}
			}
			return usageError{hintError{fmt.Errorf("unknown command %q", args[0]), "rcptgate --help lists the commands"}}
		},
	}
	root.SetIn(tty.in)
	root.SetOut(tty.out)
	root.SetErr(tty.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(tty), newCheck(tty), newClassify(tty), newConfig(tty), newDemo(tty), newVersion(tty))
	for _, name := range []string{"list", "doctor", "explain", "cache", "breaker", "audit", "learn"} {
		root.AddCommand(laterCommand(name))
	}
	root.SetHelpCommand(newHelp(root))
	root.InitDefaultCompletionCmd()
	if c, _, err := root.Find([]string{"completion"}); err == nil {
		c.Args = cobra.ArbitraryArgs
		c.RunE = func(*cobra.Command, []string) error {
			return usageError{errors.New("completion: bash, zsh, fish or powershell?")}
		}
		for _, shell := range c.Commands() {
			shell.Args = noArgs
		}
	}
	return root
}

// newHelp is cobra's help with our exit code for a command that is none.
func newHelp(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use: "help [command]", Short: "help about a command",
		RunE: func(_ *cobra.Command, args []string) error {
			cmd, rest, err := root.Find(args)
			if cmd != nil && cmd.Annotations[later] != "" {
				return cmd.RunE(cmd, nil)
			}
			if err != nil || len(rest) > 0 {
				return usageError{fmt.Errorf("help: unknown command %q", strings.Join(args, " "))}
			}
			return cmd.Help()
		},
	}
}

// later is the annotation of a command of a later version.
const later = "later"

// laterCommand is a command of a later version: it is refused in so many
// words, never taken and ignored.
func laterCommand(name string) *cobra.Command {
	return &cobra.Command{
		Use: name, Hidden: true, DisableFlagParsing: true, Annotations: map[string]string{later: name},
		RunE: func(*cobra.Command, []string) error {
			return usageError{fmt.Errorf("%s: not in this version", name)}
		},
	}
}

// noArgs is cobra's check with our exit code.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func newVersion(tty terminal) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(tty.out, "rcptgate %s\n", version())
			return err
		},
	}
}

// version is the module version, or the commit that was built, from the build
// information that Go puts into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v + " " + info.GoVersion
	}
	rev, dirty := "devel", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			rev = s.Value[:min(12, len(s.Value))]
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	return rev + dirty + " " + info.GoVersion
}
