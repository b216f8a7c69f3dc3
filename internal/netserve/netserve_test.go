package netserve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseSpec(t *testing.T) {
	t.Parallel()
	long := "/" + strings.Repeat("a", 106)
	for in, want := range map[string]Spec{
		"unix:/run/rcptgate/admin.sock": {"unix", "/run/rcptgate/admin.sock"},
		"unix:" + long:                  {"unix", long},
		"inet:127.0.0.1:10045":          {"tcp", "127.0.0.1:10045"},
		"inet:[::1]:10045":              {"tcp", "[::1]:10045"},
		"inet:localhost:0":              {"tcp", "localhost:0"},
		"inet::25":                      {"tcp", ":25"},
		"fd:policy":                     {"fd", "policy"},
	} {
		got, err := ParseSpec(in)
		if err != nil || got != want {
			t.Errorf("ParseSpec(%q) = %v, %v; want %v", in, got, err, want)
		}
		if got.String() != in {
			t.Errorf("%q prints as %q", in, got)
		}
	}
}

func TestParseSpecMistakes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                 `"": want unix:PATH, inet:HOST:PORT or fd:NAME`,
		"/run/x.sock":                      `"/run/x.sock": want unix:PATH, inet:HOST:PORT or fd:NAME`,
		"tcp:1.2.3.4:5":                    `"tcp:1.2.3.4:5": unknown kind "tcp", want unix:PATH, inet:HOST:PORT or fd:NAME`,
		"unix:":                            `"unix:": no path`,
		"unix:@abstract":                   `"unix:@abstract": want a path in the file system`,
		"inet:10045":                       `"inet:10045": want HOST:PORT, an IPv6 address in brackets`,
		"inet:::1:10045":                   `"inet:::1:10045": want HOST:PORT, an IPv6 address in brackets`,
		"inet:10045@127.0.0.1":             `"inet:10045@127.0.0.1": write inet:HOST:PORT, that is inet:127.0.0.1:10045`,
		"inet:127.0.0.1:smtp":              `"inet:127.0.0.1:smtp": port "smtp" is no number from 0 to 65535`,
		"inet:127.0.0.1:70000":             `"inet:127.0.0.1:70000": port "70000" is no number from 0 to 65535`,
		"fd:":                              `"fd:": no name`,
		"fd:a:b":                           `"fd:a:b": want the FileDescriptorName= of a socket unit`,
		"unix:" + strings.Repeat("a", 108): fmt.Sprintf("%q: path is 108 bytes long, a unix socket can have at most 107", "unix:"+strings.Repeat("a", 108)),
	} {
		if _, err := ParseSpec(in); err == nil || err.Error() != want {
			t.Errorf("ParseSpec(%q): %v\nwant %s", in, err, want)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	for _, s := range []string{"unix:/run/x", "inet:[::1]:25", "inet:localhost:0", "fd:x", "inet:10045@127.0.0.1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ParseSpec(in)
		if err != nil {
			return
		}
		again, err := ParseSpec(s.String())
		if err != nil || again != s {
			t.Errorf("%q → %v → %v, %v", in, s, again, err)
		}
	})
}

func TestListenUnix(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "s")
	spec := Spec{"unix", path}

	l, err := Listen(spec, UnixOptions{Group: fmt.Sprint(os.Getgid()), Mode: 0o620}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := fi.Mode().Perm(); got != 0o620 {
		t.Errorf("mode %o, want 620", got)
	}
	if gid := fi.Sys().(*syscall.Stat_t).Gid; int(gid) != os.Getgid() {
		t.Errorf("group %d", gid)
	}
	if _, err := Listen(spec, UnixOptions{}, nil); err == nil || !strings.Contains(err.Error(), "another process serves this socket") {
		t.Errorf("a live socket was replaced: %v", err)
	}

	l.(*net.UnixListener).SetUnlinkOnClose(false) // as a process that was killed
	l.Close()
	l, err = Listen(spec, UnixOptions{}, nil)
	if err != nil {
		t.Fatalf("a stale socket was not replaced: %v", err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o660 {
		t.Errorf("default mode: %v %v", fi, err)
	}
	l.Close()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the closed socket is still there: %v", err)
	}
}

func TestListenUnixMistakes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(Spec{"unix", file}, UnixOptions{}, nil); err == nil || !strings.Contains(err.Error(), "exists and is no socket") {
		t.Errorf("file: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("the file is gone: %v", err)
	}
	if _, err := Listen(Spec{"unix", filepath.Join(dir, "s")}, UnixOptions{Group: "no-such-group"}, nil); err == nil || !strings.Contains(err.Error(), `group "no-such-group"`) {
		t.Errorf("group: %v", err)
	}
	if _, err := Listen(Spec{"unix", filepath.Join(dir, "none", "s")}, UnixOptions{}, nil); err == nil {
		t.Error("a missing directory was no error")
	}
	if _, err := os.Lstat(filepath.Join(dir, "s")); err == nil {
		t.Error("a failed Listen left its socket")
	}
}

func TestListenFD(t *testing.T) {
	t.Parallel()
	a, b := newPipeListener(), newPipeListener()
	fds := map[string][]net.Listener{"policy": {a, b}}
	for _, want := range []net.Listener{a, b} {
		if got, err := Listen(Spec{"fd", "policy"}, UnixOptions{}, fds); err != nil || got != want {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if _, err := Listen(Spec{"fd", "policy"}, UnixOptions{}, fds); err == nil || err.Error() != "fd:policy: systemd passed no (further) socket of this name" {
		t.Errorf("third: %v", err)
	}
}

// pipeListener is a listener in memory; errs are returned before connections.
type pipeListener struct {
	conns chan net.Conn
	errs  chan error
	once  sync.Once
	done  chan struct{}
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), errs: make(chan error, 10), done: make(chan struct{})}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case err := <-l.errs:
		return nil, err
	default:
	}
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *pipeListener) dial() net.Conn {
	a, b := net.Pipe()
	l.conns <- b
	return a
}

// echo answers lines until ctx ends.
func echo(ctx context.Context, c net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetReadDeadline(time.Now()) })
	defer stop()
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		if line == "panic\n" {
			panic("as asked")
		}
		if _, err := io.WriteString(c, line); err != nil {
			return
		}
	}
}

func say(t *testing.T, c net.Conn, line string) {
	t.Helper()
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(c).ReadString('\n'); err != nil || got != line+"\n" {
		t.Fatalf("got %q, %v", got, err)
	}
}

func TestServeSurvives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var panics atomic.Int32
		s := New(Options{Name: "test", Handle: echo, OnPanic: func() { panics.Add(1) }})
		l := newPipeListener()
		for range 9 {
			l.errs <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()

		start := time.Now()
		a := l.dial()
		if d := time.Since(start); d < time.Second || d > 5*time.Second {
			t.Errorf("nine times EMFILE took %v", d)
		}
		say(t, a, "hello")
		b := l.dial()
		if _, err := io.WriteString(b, "panic\n"); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("after a panic: %v", err)
		}
		synctest.Wait()
		if s.Conns() != 1 || panics.Load() != 1 {
			t.Errorf("%d connections, %d panics", s.Conns(), panics.Load())
		}
		say(t, a, "still here")
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; err != nil {
			t.Error(err)
		}
		if s.Conns() != 0 {
			t.Errorf("%d connections after the end", s.Conns())
		}
		if err := s.Shutdown(t.Context()); err != nil {
			t.Errorf("second Shutdown: %v", err)
		}
		if err := s.Serve(newPipeListener()); err != nil {
			t.Errorf("Serve after Shutdown: %v", err)
		}
		a.Close()
		b.Close()
	})
}

func TestServeLastingTrouble(t *testing.T) {
	t.Parallel()
	s := New(Options{Handle: echo})
	l := newPipeListener()
	l.errs <- syscall.EINVAL
	if err := s.Serve(l); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("Serve: %v", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Handle: echo, MaxConns: 2})
		l1, l2 := newPipeListener(), newPipeListener()
		done := make(chan error, 2)
		go func() { done <- s.Serve(l1) }()
		go func() { done <- s.Serve(l2) }()
		a, b := l1.dial(), l2.dial()
		say(t, a, "a")
		say(t, b, "b")
		c := l1.dial()
		synctest.Wait()
		if s.Conns() != 2 {
			t.Errorf("%d connections", s.Conns())
		}
		a.Close()
		say(t, c, "c") // a's slot
		d := l2.dial() // waits until the end
		synctest.Wait()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		for _, conn := range []net.Conn{b, c, d} {
			conn.Close()
		}
	})
}

func TestShutdownCuts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{Name: "deaf", Handle: func(_ context.Context, c net.Conn) {
			_, _ = c.Read(make([]byte, 1)) // does not listen to ctx
		}})
		l := newPipeListener()
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		c := l.dial()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := s.Shutdown(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "deaf: 1 connections cut: context deadline exceeded" {
			t.Errorf("Shutdown: %v", err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("connection: %v", err)
		}
		<-served
	})
}
