package main

import (
	"github.com/spf13/cobra"

	"rcptgate/internal/demo"
)

func newDemo(tty terminal) *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "play the main job on a simulated mail internet", Args: noArgs,
		Long: "Starts a simulated mail internet on loopback and the real daemon, plays a small campaign through both\n" +
			"doors, and shows what happened and why. Takes less than a minute, needs no root and no network.",
		RunE: func(cmd *cobra.Command, _ []string) error { return demo.Run(cmd.Context(), tty.out) },
	}
}
