package netserve

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
)

// directConn reads and writes by system calls of which Go's scheduler is not
// told. They cannot block, as Go's sockets never do, so it need not be ready to
// give the processor away. If it is told, the first call after a moment in which
// the process had nothing to do wakes the runtime's monitor thread, which then
// looks around every 20 µs: beside an MTA that asks one recipient at a time that
// costs the two of them as much as the answer (BenchmarkWarmPostfix).
//
// The price: while that thread sleeps, nobody takes the processor from a goroutine
// that computes for long, as it would after 10 ms. None behind the doors does, and
// any other system call (a dialogue, a line of the log) wakes the thread.
//
// Deadlines, Close and waiting for the peer are those of the connection itself.
type directConn struct {
	net.Conn
	in, out transfer
}

// direct returns conn in that form where it is a socket of this system.
func direct(conn net.Conn) net.Conn {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return conn
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return conn
	}
	d := &directConn{Conn: conn}
	d.in = transfer{name: "read", call: read, wait: raw.Read}
	d.out = transfer{name: "write", call: write, wait: raw.Write}
	d.in.ready, d.out.ready = d.in.try, d.out.try
	return d
}

// Read reads as net.Conn's does.
func (d *directConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	d.in.mu.Lock()
	defer d.in.mu.Unlock()
	n, err := d.in.do(p)
	switch {
	case err != nil:
		return 0, d.failed(d.in.name, err)
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// Write writes all of p, or says how much of it, as net.Conn's does. Of two at
// once the second waits for the end of the first.
func (d *directConn) Write(p []byte) (int, error) {
	d.out.mu.Lock()
	defer d.out.mu.Unlock()
	written := 0
	for written < len(p) {
		n, err := d.out.do(p[written:])
		if err != nil {
			return written, d.failed(d.out.name, err)
		}
		written += n
	}
	return written, nil
}

// failed gives an error the form that net gives it.
func (d *directConn) failed(op string, err error) error {
	if own, ok := err.(*net.OpError); ok { // a deadline, or the connection is closed
		err = own.Err
	}
	a := d.LocalAddr()
	return &net.OpError{Op: op, Net: a.Network(), Source: a, Addr: d.RemoteAddr(), Err: err}
}

// transfer is one direction of a connection.
type transfer struct {
	name  string // of the system call
	call  func(fd uintptr, p []byte) (int, syscall.Errno)
	wait  func(func(fd uintptr) bool) error // calls the function each time the socket may be ready
	ready func(fd uintptr) bool             // try, bound once

	mu    sync.Mutex // held by the Read or Write that moves bytes
	p     []byte
	n     int
	errno syscall.Errno
}

// do moves some of p, waiting until that is possible. t.mu is held.
func (t *transfer) do(p []byte) (int, error) {
	t.p = p
	err := t.wait(t.ready)
	t.p = nil
	switch {
	case err != nil:
		return 0, err
	case t.errno != 0:
		return 0, os.NewSyscallError(t.name, t.errno)
	}
	return t.n, nil
}

// try makes the call and reports whether it came to an end.
func (t *transfer) try(fd uintptr) bool {
	for {
		n, errno := t.call(fd, t.p)
		switch errno {
		case syscall.EINTR:
			continue
		case syscall.EAGAIN:
			return false
		}
		t.n, t.errno = n, errno
		return true
	}
}
