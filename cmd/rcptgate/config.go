package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"rcptgate/internal/daemon"
)

func newConfig(tty terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use: "config", Short: "check or show the configuration",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{fmt.Errorf("config: check or show?")}
			}
			return usageError{fmt.Errorf("config: unknown command %q", args[0])}
		},
	}
	var file string
	cmd.PersistentFlags().StringVarP(&file, "config", "c", defaultConfig, "configuration `file`")
	cmd.AddCommand(&cobra.Command{
		Use: "check", Short: "list all mistakes, and what deserves a second look", Args: noArgs,
		Long: "Reads the configuration as serve would and lists all mistakes at once (exit code 78). Then it names what is\n" +
			"allowed and deserves a second look, and, where postconf is present, the domains that Postfix delivers or\n" +
			"relays itself and that skip_domains does not name.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := daemon.Load(file)
			if err != nil {
				return err
			}
			notes := cfg.Warnings()
			notes = append(notes, cfg.PostfixNotes(cmd.Context())...)
			for _, n := range notes {
				if _, err := fmt.Fprintf(tty.out, "note: %s\n", n); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(tty.out, "%s: no mistakes\n", file)
			return err
		},
	}, &cobra.Command{
		Use: "show", Short: "print the values in force, defaults included", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			cfg, err := daemon.Load(file)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(tty.out, cfg.Show())
			return err
		},
	})
	return cmd
}
