package netserve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// UnixOptions are the owner group and mode of a unix socket.
type UnixOptions struct {
	Group string      // name or number; empty: the process's own
	Mode  os.FileMode // zero: 0660
}

const (
	defaultMode os.FileMode = 0o660
	// backlog is what waits while the connection limit is reached; the kernel
	// lowers it to net.core.somaxconn.
	backlog = 4096
	// staleTimeout bounds the question whether somebody serves a socket; a local
	// connect answers at once unless the backlog is full, and then it is served.
	staleTimeout = time.Second
)

// Listen opens the listener; the caller closes it. A unix socket that nobody
// serves is replaced, one that somebody serves is an error, and so is any other
// file. Group and mode are set before anything can connect. Of fd:NAME the first
// socket of that name is taken out of fds, so that a name may be listed as often
// as systemd passed it; its group and mode are the socket unit's business.
func Listen(s Spec, u UnixOptions, fds map[string][]net.Listener) (net.Listener, error) {
	switch s.Network {
	case "tcp":
		var lc net.ListenConfig
		return lc.Listen(context.Background(), "tcp", s.Address)
	case "fd":
		ls := fds[s.Address]
		if len(ls) == 0 {
			return nil, fmt.Errorf("%s: systemd passed no (further) socket of this name", s)
		}
		fds[s.Address] = ls[1:]
		return ls[0], nil
	case "unix":
		l, err := listenUnix(s.Address, u)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		return l, nil
	}
	return nil, fmt.Errorf("%q: unknown network", s.Network)
}

func listenUnix(path string, u UnixOptions) (net.Listener, error) {
	gid, err := LookupGroup(u.Group)
	if err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	f, err := bindUnix(path, gid, cmp.Or(u.Mode, defaultMode))
	if err != nil {
		return nil, err
	}
	defer f.Close() // FileListener works on a duplicate
	l, err := net.FileListener(f)
	if err != nil {
		_ = os.Remove(path)
		return nil, fmt.Errorf("listen: %w", err)
	}
	if ul, ok := l.(*net.UnixListener); ok {
		ul.SetUnlinkOnClose(true)
	}
	return l, nil
}

// bindUnix works with the bare calls, because between bind and listen the kernel
// refuses whoever connects: that is where group and mode belong.
func bindUnix(path string, gid int, mode os.FileMode) (f *os.File, err error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer func() {
		if err != nil {
			_ = syscall.Close(fd)
		}
	}()
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		return nil, os.NewSyscallError("bind", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(path)
		}
	}()
	if gid >= 0 {
		if err := os.Chown(path, -1, gid); err != nil {
			return nil, err
		}
	}
	if err := os.Chmod(path, mode); err != nil {
		return nil, err
	}
	if err := syscall.Listen(fd, backlog); err != nil {
		return nil, os.NewSyscallError("listen", err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// LookupGroup returns the number of a group by its name or number, and -1 for "".
// An error names the group.
func LookupGroup(name string) (gid int, err error) {
	if name == "" {
		return -1, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("group %q: %w", name, err)
	}
	return strconv.Atoi(g.Gid)
}

// removeStale removes a unix socket that refuses connections.
func removeStale(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if fi.Mode().Type() != fs.ModeSocket {
		return errors.New("exists and is no socket")
	}
	ctx, cancel := context.WithTimeout(context.Background(), staleTimeout)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close()
		return errors.New("another process serves this socket")
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("cannot tell whether another process serves this socket: %w", err)
	}
	return os.Remove(path)
}
