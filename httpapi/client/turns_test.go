package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of connections in memory.
type pipes chan net.Conn

func (p pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p <- there:
		return here, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (p pipes) Accept() (net.Conn, error) {
	if c, ok := <-p; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

// TestMoreThanConnections: who waits for a connection loses nothing of the time
// that the answer may take.
func TestMoreThanConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int64
		l := pipes(make(chan net.Conn))
		srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			n := now.Add(1)
			defer now.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Minute)
			_, _ = io.WriteString(w, "{}")
		})}
		go func() { _ = srv.Serve(l) }()
		c := New("in memory")
		tr := c.http.Transport.(*http.Transport)
		tr.DialContext = l.dial
		var wg sync.WaitGroup
		for range 2*maxConns + 1 {
			wg.Go(func() {
				if _, err := c.Verify(t.Context(), Request{BudgetMS: time.Minute.Milliseconds()}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if most.Load() > maxConns {
			t.Errorf("%d connections side by side", most.Load())
		}
		tr.CloseIdleConnections()
		_ = srv.Close()
	})
}
