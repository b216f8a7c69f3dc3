package main

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/coreos/go-systemd/v22/activation"
	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"rcptgate/internal/daemon"
)

func newServe(tty terminal) *cobra.Command {
	var file string
	var debug bool
	cmd := &cobra.Command{
		Use: "serve", Short: "run the daemon", Args: noArgs,
		Long: "Runs in the foreground until SIGTERM or SIGINT, then lets requests under way end. SIGHUP reads the\n" +
			"configuration again and reopens the audit log. systemd is told about each step (Type=notify), and its\n" +
			"sockets are taken by name.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			level := slog.LevelInfo
			if debug {
				level = slog.LevelDebug
			}
			logger := slog.New(slog.NewTextHandler(tty.err, &slog.HandlerOptions{Level: level, ReplaceAttr: journalAttr}))
			return serve(cmd.Context(), file, logger)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", defaultConfig, "configuration `file`")
	cmd.Flags().BoolVar(&debug, "debug", false, "log each decision that passes, too")
	return cmd
}

// journalAttr drops the time where the journal has its own.
func journalAttr(groups []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey && len(groups) == 0 && os.Getenv("JOURNAL_STREAM") != "" {
		return slog.Attr{}
	}
	return a
}

func serve(ctx context.Context, file string, logger *slog.Logger) error {
	defer runtime.KeepAlive(daemon.Headroom())
	// The milter library logs through the global logger.
	log.SetFlags(0)
	log.SetOutput(slog.NewLogLogger(logger.With("component", "milter").Handler(), slog.LevelWarn).Writer())

	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)

	fds, err := activation.ListenersWithNames()
	if err != nil {
		return fmt.Errorf("take systemd's sockets: %w", err)
	}
	watchdog, err := sd.SdWatchdogEnabled(true)
	if err != nil {
		logger.Warn("systemd's watchdog interval cannot be read", "err", err)
	}
	d, err := daemon.New(daemon.Options{
		ConfigPath: file, Logger: logger, Version: version(), Listeners: named(fds),
		Notify: func(state string) {
			if _, err := sd.SdNotify(false, state); err != nil {
				logger.Warn("systemd cannot be told", "state", state, "err", err)
			}
		},
		Watchdog: watchdog,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	reload := make(chan struct{})
	go func() {
		defer close(reload)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hup:
				select {
				case reload <- struct{}{}:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	err = d.Run(ctx, reload)
	cancel()
	for range reload { // until the goroutine above has ended
	}
	return err
}

// named drops what systemd passed without a usable listener.
func named(fds map[string][]net.Listener) map[string][]net.Listener {
	out := map[string][]net.Listener{}
	for name, ls := range fds {
		for _, l := range ls {
			if l != nil {
				out[name] = append(out[name], l)
			}
		}
	}
	return out
}
