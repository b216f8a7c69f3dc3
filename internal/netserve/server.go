package netserve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

// Options configure a Server. Handle is required.
type Options struct {
	Name string // for logs
	// Handle serves one connection on its own goroutine and closes it. ctx ends
	// when the server drains: a handler then returns between requests.
	Handle   func(ctx context.Context, conn net.Conn)
	MaxConns int          // zero: 20000; past it connections wait in the backlog
	Logger   *slog.Logger // nil: no logs
	OnPanic  func()       // called after a recovered panic; nil: nothing
}

const (
	defaultMaxConns = 20000
	firstBackoff    = 5 * time.Millisecond
	lastBackoff     = time.Second
	// closeGrace is what handlers get to return once their connections were
	// closed under them.
	closeGrace = time.Second
	// warnEvery keeps a flood of connections from becoming a flood of logs.
	warnEvery = time.Minute
)

// Server accepts on any number of listeners. It owns a goroutine for each
// connection; Shutdown waits for them.
type Server struct {
	o      Options
	slots  chan struct{} // one for each connection
	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	warned    time.Time // when the connection limit was last logged
	closed    bool
	listeners map[net.Listener]struct{}
	conns     map[net.Conn]struct{}
	running   sync.WaitGroup
}

// New returns a server that accepts once Serve is called.
func New(o Options) *Server {
	if o.MaxConns <= 0 {
		o.MaxConns = defaultMaxConns
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Server{
		o: o, slots: make(chan struct{}, o.MaxConns), ctx: ctx, cancel: cancel,
		listeners: map[net.Listener]struct{}{}, conns: map[net.Conn]struct{}{},
	}
}

// Serve accepts until the listener is closed, by Shutdown or by others, and
// then returns nil; any other lasting trouble is its error. What passes by itself
// (no file descriptors left, a peer that is gone already) is tried again after 5
// ms to 1 s. Serve takes ownership of l and closes it.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	if !s.addListener(l) {
		return nil
	}
	defer s.removeListener(l)
	backoff := firstBackoff
	for {
		conn, err := l.Accept()
		if err == nil {
			backoff = firstBackoff
			if !s.start(conn) {
				return nil
			}
			continue
		}
		if errors.Is(err, net.ErrClosed) || s.ctx.Err() != nil {
			return nil
		}
		if !passes(err) {
			return fmt.Errorf("accept: %w", err)
		}
		s.o.Logger.Warn("cannot accept, waiting", "door", s.o.Name, "err", err, "dur", backoff)
		if !s.wait(backoff) {
			return nil
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// passes reports trouble of accept(2) that ends by itself.
func passes(err error) bool {
	for _, e := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
		syscall.ECONNABORTED, syscall.ECONNRESET, syscall.EPROTO, syscall.EINTR, syscall.EPERM,
		syscall.ENETDOWN, syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.ETIMEDOUT,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *Server) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// start hands an accepted connection to its goroutine, waiting for a slot, and
// reports whether the server goes on.
func (s *Server) start(conn net.Conn) bool {
	select {
	case s.slots <- struct{}{}:
	default:
		s.warnFull()
		select {
		case s.slots <- struct{}{}:
		case <-s.ctx.Done():
			_ = conn.Close()
			return false
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		<-s.slots
		_ = conn.Close()
		return false
	}
	s.conns[conn] = struct{}{}
	s.running.Go(func() { s.handle(conn) })
	return true
}

func (s *Server) warnFull() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); now.Sub(s.warned) >= warnEvery {
		s.warned = now
		s.o.Logger.Warn("connection limit reached, others wait", "door", s.o.Name, "limit", s.o.MaxConns)
	}
}

func (s *Server) handle(conn net.Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		<-s.slots
	}()
	defer conn.Close()
	defer func() {
		if r := recover(); r != nil {
			s.o.Logger.Error("panic in a connection", "door", s.o.Name, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			if s.o.OnPanic != nil {
				s.o.OnPanic()
			}
		}
	}()
	s.o.Handle(s.ctx, direct(conn))
}

// Shutdown closes the listeners and ends the handlers' context, so that they
// return between requests. When ctx ends first, it closes the connections that
// are left and returns ctx's error. Calling it again is harmless.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	for l := range s.listeners {
		_ = l.Close()
	}
	s.mu.Unlock()
	s.cancel()

	done := make(chan struct{})
	go func() { // ends with the last handler
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	left := len(s.conns)
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	t := time.NewTimer(closeGrace)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
	return fmt.Errorf("%s: %d connections cut: %w", s.o.Name, left, context.Cause(ctx))
}

// Conns returns how many connections are being served.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *Server) addListener(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) removeListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}
