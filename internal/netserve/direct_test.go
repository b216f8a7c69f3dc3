package netserve

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// socketPair is a connection as a handler gets it, and the peer's end.
func socketPair(t *testing.T, network string) (ours, peer net.Conn) {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if peer, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ours = direct(accepted)
	if _, ok := ours.(*directConn); !ok {
		t.Fatalf("%T is read through the scheduler", ours)
	}
	t.Cleanup(func() {
		_ = ours.Close()
		_ = peer.Close()
	})
	return ours, peer
}

func eachNetwork(t *testing.T, f func(t *testing.T, ours, peer net.Conn)) {
	t.Helper()
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			ours, peer := socketPair(t, network)
			f(t, ours, peer)
		})
	}
}

// What no socket buffer holds is moved in both directions at once, in pieces.
func TestDirectMovesAll(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, ours, peer net.Conn) {
		there, back := bytes.Repeat([]byte("there"), 1<<20), bytes.Repeat([]byte("back"), 1<<20)
		var wg sync.WaitGroup
		send := func(c net.Conn, data []byte) {
			if n, err := c.Write(data); n != len(data) || err != nil {
				t.Errorf("%d of %d bytes written: %v", n, len(data), err)
			}
			if _, err := c.Write(nil); err != nil {
				t.Error("nothing to write:", err)
			}
		}
		receive := func(c net.Conn, data []byte) {
			got := make([]byte, len(data))
			if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes are not those that were sent: %v", len(data), err)
			}
		}
		wg.Go(func() { send(ours, there) })
		wg.Go(func() { send(peer, back) })
		wg.Go(func() { receive(ours, back) })
		wg.Go(func() { receive(peer, there) })
		wg.Wait()

		if n, err := ours.Read(nil); n != 0 || err != nil {
			t.Errorf("room for nothing: %d, %v", n, err)
		}
		_ = peer.Close()
		if n, err := ours.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Errorf("after the peer's end: %d, %v", n, err)
		}
	})
}

// Of writes at once none goes between the pieces of another.
func TestDirectWritesWhole(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, ours, peer net.Conn) {
		const size = 4 << 20 // more than a socket buffer holds
		var wg sync.WaitGroup
		for _, b := range []byte("abc") {
			wg.Go(func() {
				if _, err := ours.Write(bytes.Repeat([]byte{b}, size)); err != nil {
					t.Error(err)
				}
			})
		}
		got := make([]byte, size)
		for range 3 {
			if _, err := io.ReadFull(peer, got); err != nil {
				t.Error(err)
			} else if bytes.Count(got, got[:1]) != size {
				t.Error("two writes are mixed")
			}
		}
		wg.Wait()
	})
}

// What was done before a write happened before the read of it, in both
// directions; the race detector has to see that, too.
func TestDirectOrdersMemory(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, ours, peer net.Conn) {
		for _, ends := range [][2]net.Conn{{ours, peer}, {peer, ours}} {
			done := false
			go func() {
				done = true
				_, _ = ends[0].Write([]byte{0})
			}()
			if _, err := ends[1].Read(make([]byte, 1)); err != nil || !done {
				t.Errorf("done: %v, %v", done, err)
			}
		}
	})
}

// Errors have the words and the kinds of net's own.
func TestDirectErrors(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, ours, peer net.Conn) {
		buf := make([]byte, 1)
		_ = ours.SetDeadline(time.Unix(1, 0))
		_, err := ours.Read(buf)
		wantNetError(t, err, "read", os.ErrDeadlineExceeded)
		n, err := ours.Write(buf)
		wantNetError(t, err, "write", os.ErrDeadlineExceeded)
		if n != 0 {
			t.Errorf("%d bytes written after the deadline", n)
		}

		// A deadline that is set beside the read, before it waits or then, ends it.
		_ = ours.SetDeadline(time.Time{})
		waited := make(chan error)
		go func() {
			_, err := ours.Read(buf)
			waited <- err
		}()
		_ = ours.SetReadDeadline(time.Unix(1, 0))
		wantNetError(t, <-waited, "read", os.ErrDeadlineExceeded)

		_ = peer.Close()
		big := make([]byte, 1<<20)
		for err = nil; err == nil; { // TCP learns of it by the answer to the first
			_, err = ours.Write(big)
		}
		if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("write to a peer that is gone: %v", err)
		}
		if text := err.Error(); !strings.HasPrefix(text, "write "+ours.LocalAddr().Network()) {
			t.Errorf("write to a peer that is gone: %s", text)
		}

		_ = ours.Close()
		_, err = ours.Read(buf)
		wantNetError(t, err, "read", net.ErrClosed)
		_, err = ours.Write(buf)
		wantNetError(t, err, "write", net.ErrClosed)
	})
}

// Closing beside a read, before it waits or then, ends it.
func TestDirectClosedBesides(t *testing.T) {
	t.Parallel()
	eachNetwork(t, func(t *testing.T, ours, _ net.Conn) {
		waited := make(chan error)
		go func() {
			_, err := ours.Read(make([]byte, 1))
			waited <- err
		}()
		_ = ours.Close()
		wantNetError(t, <-waited, "read", net.ErrClosed)
	})
}

// What is no socket stays as it is.
func TestDirectPipe(t *testing.T) {
	t.Parallel()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if direct(a) != a {
		t.Error("a pipe in memory is wrapped")
	}
}

func wantNetError(t *testing.T, err error, op string, want error) {
	t.Helper()
	var e *net.OpError
	if !errors.As(err, &e) || e.Op != op || !errors.Is(err, want) {
		t.Errorf("%v (%T), want %v of %s", err, err, want, op)
	}
}
