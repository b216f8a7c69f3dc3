package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"rcptgate/audit"
	"rcptgate/httpapi"
	"rcptgate/internal/netserve"
	"rcptgate/milter"
	"rcptgate/policy/delegation"
)

// Options of a daemon.
type Options struct {
	// ConfigPath is the file that New and each reload read. Config, when set,
	// is used instead and a reload keeps it.
	ConfigPath string
	Config     *Config
	Logger     *slog.Logger
	Version    string
	// Listeners are systemd's sockets by name, for fd:NAME.
	Listeners map[string][]net.Listener
	// Notify tells systemd a state (sd_notify); nil: nobody.
	Notify func(state string)
	// Watchdog is the interval in which systemd wants a ping; zero: none.
	Watchdog time.Duration
	Network  Network
}

// Daemon is the whole: a Core with its doors. New acquires, Start runs, Stop
// releases.
type Daemon struct {
	*Core
	opts    Options
	started *Config // what listeners, store and audit log were opened by
	metrics *httpapi.Metrics
	doors   []door
	serving sync.WaitGroup
	failed  chan error // a door that ended by itself
	addrs   map[string][]net.Addr

	reloadMu  sync.Mutex
	lastError atomic.Pointer[string] // of the last reload; nil when it went well
}

// door is one front door with its drain: it waits for the requests under way
// until ctx ends, and then cuts them.
type door struct {
	name  string
	drain func(ctx context.Context) error
}

// New reads the configuration and acquires everything: store, audit log,
// sockets. A bad configuration is a *ConfigError. Nothing is served yet.
func New(o Options) (*Daemon, error) {
	cfg := o.Config
	if cfg == nil {
		var err error
		if cfg, err = Load(o.ConfigPath); err != nil {
			return nil, err
		}
	}
	if o.Notify == nil {
		o.Notify = func(string) {}
	}
	d := &Daemon{opts: o, started: cfg, failed: make(chan error, 8), addrs: map[string][]net.Addr{}}
	d.metrics = httpapi.NewMetrics(httpapi.MetricsOptions{Version: o.Version})
	core, err := OpenCore(CoreOptions{
		Config: cfg, Network: o.Network, Logger: o.Logger,
		observe: observers{decision: d.metrics.Decision, dialogue: d.metrics.Dialogue, breaker: d.metrics.Breaker},
	})
	if err != nil {
		return nil, err
	}
	d.Core = core
	if err := d.openDoors(cfg); err != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		return nil, errors.Join(err, d.Stop(ctx))
	}
	d.audit.Record(&audit.Config{Time: time.Now(), What: "loaded", Hash: cfg.Hash(), Detail: d.describe()})
	return d, nil
}

// describe says in a line what is in force.
func (d *Daemon) describe() string {
	s := d.current.Load()
	text := fmt.Sprintf("mode %s", s.config.Policy.Mode)
	if why := s.verify.Unfit; why != "" {
		text += "; nothing is probed: " + why
	}
	return text
}

// openDoors opens the listeners and serves them.
func (d *Daemon) openDoors(cfg *Config) error {
	d.onStop("doors", d.drain)
	policyDoor, err := delegation.New(delegation.Options{Decider: d.policy, Logger: d.logger})
	if err != nil {
		return err
	}
	milterDoor, err := milter.New(milter.Options{
		Decider: d.policy, Logger: d.logger,
		Settings: func() milter.Settings { return d.current.Load().milter },
		OnPanic:  d.metrics.Panic,
	})
	if err != nil {
		return err
	}
	unix := netserve.UnixOptions{Group: cfg.Listen.UnixGroup, Mode: cfg.Listen.unixMode()}
	if err := d.serve("policy", cfg.Listen.Policy, unix, policyDoor.Handle); err != nil {
		return err
	}
	if err := d.serve("milter", cfg.Listen.Milter, unix, milterDoor.Handle); err != nil {
		return err
	}
	api, err := d.newAPI()
	if err != nil {
		return err
	}
	if cfg.Listen.HTTP != "" {
		if err := d.web("http", cfg.Listen.HTTP, unix, api.Public()); err != nil {
			return err
		}
	}
	if cfg.Listen.Admin != "" {
		admin := netserve.UnixOptions{Group: cfg.Listen.AdminGroup, Mode: cfg.Listen.adminMode()}
		if err := d.web("admin", cfg.Listen.Admin, admin, api.Admin()); err != nil {
			return err
		}
	}
	d.closeUnused()
	return nil
}

// drain ends all doors side by side, so that none waits for the slowest: a
// message that an MTA leaves open must not cost the askers of another door
// their answers, nor the audit log and the store their time to be written.
func (d *Daemon) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	errs := make([]error, len(d.doors))
	var wg sync.WaitGroup
	for i, one := range d.doors {
		wg.Go(func() {
			err := one.drain(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				d.logger.Warn("connections that did not end were cut", "door", one.name, "err", err)
				return
			}
			errs[i] = err
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// closeUnused closes the sockets that systemd passed and no door took: whoever
// connects there would wait for nobody.
func (d *Daemon) closeUnused() {
	for name, left := range d.opts.Listeners {
		for _, l := range left {
			d.logger.Warn("systemd passed a socket that [listen] does not name", "fd", "fd:"+name, "addr", l.Addr().String())
			_ = l.Close()
		}
		delete(d.opts.Listeners, name)
	}
}

// serve serves one protocol on its listeners.
func (d *Daemon) serve(name string, specs []string, unix netserve.UnixOptions, handle func(context.Context, net.Conn)) error {
	if len(specs) == 0 {
		return nil
	}
	srv := netserve.New(netserve.Options{Name: name, Handle: handle, Logger: d.logger, OnPanic: d.metrics.Panic})
	d.doors = append(d.doors, door{name, srv.Shutdown})
	for _, text := range specs {
		l, err := d.listen(name, text, unix)
		if err != nil {
			return err
		}
		d.serving.Go(func() { d.ended(name, srv.Serve(l)) })
	}
	return nil
}

// maxWebConns bounds the connections of one HTTP listener; further ones wait.
const maxWebConns = 1000

// web serves HTTP on one listener.
func (d *Daemon) web(name, spec string, unix netserve.UnixOptions, h http.Handler) error {
	l, err := d.listen(name, spec, unix)
	if err != nil {
		return err
	}
	if _, tcp := l.Addr().(*net.TCPAddr); tcp && name == "admin" {
		return errors.Join(fmt.Errorf("[listen] admin: %s is a TCP socket: must be a unix socket, because it asks for no password", spec), l.Close())
	}
	srv := httpapi.NewServer(h, d.logger)
	d.doors = append(d.doors, door{name, func(ctx context.Context) error {
		if err := srv.Shutdown(ctx); err != nil {
			return errors.Join(err, srv.Close())
		}
		return nil
	}})
	l = netutil.LimitListener(l, maxWebConns)
	d.serving.Go(func() { d.ended(name, srv.Serve(l)) })
	return nil
}

func (d *Daemon) listen(name, text string, unix netserve.UnixOptions) (net.Listener, error) {
	spec, err := netserve.ParseSpec(text)
	if err != nil {
		return nil, fmt.Errorf("[listen] %s: %w", name, err)
	}
	l, err := netserve.Listen(spec, unix, d.opts.Listeners)
	if err != nil {
		return nil, fmt.Errorf("[listen] %s: %w", name, err)
	}
	d.addrs[name] = append(d.addrs[name], l.Addr())
	d.logger.Info("listening", "door", name, "addr", text)
	return l, nil
}

// ended reports a door that stopped serving by itself.
func (d *Daemon) ended(name string, err error) {
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return
	}
	select {
	case d.failed <- fmt.Errorf("%s door: %w", name, err):
	default:
	}
}

// Addrs returns where a door ("policy", "milter", "http", "admin") listens.
func (d *Daemon) Addrs(door string) []net.Addr { return d.addrs[door] }

// Run serves until ctx ends or a door fails, reloading at each receive from
// reload, and stops the daemon.
func (d *Daemon) Run(ctx context.Context, reload <-chan struct{}) error {
	d.opts.Notify("READY=1\nSTATUS=" + d.describe())
	d.logger.Info("serving", "version", d.opts.Version, "state", d.describe())
	watch, stopWatch := context.WithCancel(context.Background())
	defer stopWatch()
	if d.opts.Watchdog > 0 {
		d.serving.Go(func() {
			runWatchdog(watch, d.opts.Watchdog, d.pulse, func() { d.opts.Notify("WATCHDOG=1") })
		})
	}
	var failure error
loop:
	for {
		select {
		case <-ctx.Done():
			break loop
		case failure = <-d.failed:
			d.logger.Error("a door ended", "err", failure)
			break loop
		case _, ok := <-reload:
			if !ok {
				reload = nil
				continue
			}
			d.opts.Notify(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicros()))
			_ = d.Reload() // said in log, metric and health
			d.opts.Notify("READY=1\nSTATUS=" + d.describe())
		}
	}
	d.opts.Notify("STOPPING=1")
	d.logger.Info("stopping")
	stopWatch()
	stopCtx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := d.Stop(stopCtx)
	d.logger.Info("stopped")
	return errors.Join(failure, err)
}

// Stop drains the doors, then the engines, and releases everything; idempotent
// and bounded as Core.Close is.
func (d *Daemon) Stop(ctx context.Context) error {
	err := d.Core.Close(ctx)
	d.serving.Wait()
	return err
}

// pulse takes the locks that every request needs.
func (d *Daemon) pulse() {
	d.pacer.Snapshot()
	d.engine.Snapshot()
}

// Reload reads the configuration again and reopens the audit log; each is done
// whatever becomes of the other. A bad file changes nothing.
func (d *Daemon) Reload() error {
	d.reloadMu.Lock()
	defer d.reloadMu.Unlock()
	reopen := d.audit.Reopen()
	if reopen != nil {
		d.logger.Error("the audit log could not be reopened", "err", reopen)
	}
	err := d.reloadConfig()
	d.metrics.Reload(err == nil)
	event := &audit.Config{Time: time.Now(), What: "reloaded", Hash: d.current.Load().config.Hash(), Detail: d.describe()}
	if err != nil {
		text := err.Error()
		d.lastError.Store(&text)
		event.What, event.Detail = "refused", text
		d.logger.Error("the configuration is not reloaded; the old one stays in force", "err", err)
	} else {
		d.lastError.Store(nil)
		d.logger.Info("configuration reloaded", "state", d.describe())
	}
	d.audit.Record(event)
	return errors.Join(reopen, err)
}

func (d *Daemon) reloadConfig() error {
	if d.opts.Config != nil {
		return d.swap(d.opts.Config)
	}
	cfg, err := Load(d.opts.ConfigPath)
	if err != nil {
		return err
	}
	for _, part := range cfg.needsRestart(d.started) {
		d.logger.Warn("changed, and needs a restart", "part", part)
	}
	return d.swap(cfg)
}
