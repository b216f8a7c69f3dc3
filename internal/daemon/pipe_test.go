package daemon

import (
	"bytes"
	"errors"
	"net"
	"slices"
	"sync"
)

// pipeListener is a listener in memory.
type pipeListener struct {
	name   string
	conns  chan net.Conn
	broken chan error
	closed chan struct{}
	once   sync.Once
}

func newPipeListener(name string) *pipeListener {
	return &pipeListener{name: name, conns: make(chan net.Conn), broken: make(chan error), closed: make(chan struct{})}
}

func (l *pipeListener) dial() (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.closed:
		return nil, errors.New("connection refused")
	}
}

// fail makes Accept fail for good.
func (l *pipeListener) fail(err error) { l.broken <- err }

// Accept waits for the next connection.
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.broken:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close refuses what comes.
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr names the door.
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: l.name, Net: "unix"} }

// journal keeps what is logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

// notes keeps what systemd was told.
type notes struct {
	mu  sync.Mutex
	all []string
}

func (n *notes) add(state string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, state)
}

func (n *notes) list() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.all)
}
