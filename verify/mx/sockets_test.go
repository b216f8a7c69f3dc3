package mx

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// opened dials for a resolver and keeps what it opened.
type opened struct {
	broken error         // what writing to a socket says from the second query on
	told   chan struct{} // hears of each socket; nil: not

	mu    sync.Mutex
	socks []*watched
}

// watched is a UDP socket that counts.
type watched struct {
	*net.UDPConn
	broken error

	mu             sync.Mutex
	writes, closes int
}

func (o *opened) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := dial(ctx, network, addr)
	u, ok := c.(*net.UDPConn)
	if err != nil || !ok {
		return c, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	w := &watched{UDPConn: u, broken: o.broken}
	o.socks = append(o.socks, w)
	if o.told != nil {
		o.told <- struct{}{}
	}
	return w, nil
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writes++; w.writes > 1 && w.broken != nil {
		return 0, w.broken
	}
	return w.UDPConn.Write(b)
}

func (w *watched) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closes++
	return w.UDPConn.Close()
}

// counts tells how many queries each socket took, and how many sockets are open.
func (o *opened) counts() (queries []int, open int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range o.socks {
		w.mu.Lock()
		queries = append(queries, w.writes)
		if w.closes == 0 {
			open++
		}
		w.mu.Unlock()
	}
	return queries, open
}

// echo answers every question about an address, each reply twice.
func echo(q *dns.Msg, _ bool, _ int) []*dns.Msg {
	m := reply(q, dns.RcodeSuccess)
	m.Answer = []dns.RR{&dns.A{
		Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 60},
		A:   net.IPv4(127, 64, 0, 1),
	}}
	return []*dns.Msg{m, m}
}

// overWatched asks one scripted server, with sockets that are watched.
func overWatched(t *testing.T, o *opened, s script) (ask func(name string) error, r *Resolver) {
	t.Helper()
	f := newFakeDNS(t, s)
	r = newTest(t, Options{Servers: []string{f.addr}, Dial: o.Dial, Budget: time.Minute, patience: time.Minute})
	return func(name string) error {
		m, err := r.try(t.Context(), r.servers[0], name, dns.TypeA)
		if err == nil && (len(m.Answer) != 1 || m.Answer[0].Header().Name != name) {
			err = fmt.Errorf("%s: %v", name, m.Answer)
		}
		return err
	}, r
}

// Queries one after another share a socket, and read past the replies that came
// too often to those before; queries side by side have one each; all are closed
// in the end.
func TestSocketServesQueriesInTurn(t *testing.T) {
	t.Parallel()
	o := opened{told: make(chan struct{}, 3)}
	hold := make(chan struct{})
	ask, r := overWatched(t, &o, func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		if q.Question[0].Name == "held.test." {
			<-hold
		}
		return echo(q, tcp, n)
	})
	for i := range 5 {
		if err := ask(fmt.Sprintf("n%d.test.", i)); err != nil {
			t.Error(err)
		}
	}
	if queries, open := o.counts(); !slices.Equal(queries, []int{5}) || open != 1 {
		t.Errorf("queries per socket: %v, %d open", queries, open)
	}

	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := ask("held.test."); err != nil {
				t.Error(err)
			}
		})
	}
	for range 3 { // the last two are opened when the first is in use
		<-o.told
	}
	close(hold)
	wg.Wait()
	if queries, open := o.counts(); !slices.Equal(queries, []int{6, 1, 1}) || open != 3 {
		t.Errorf("queries per socket: %v, %d open", queries, open)
	}
	r.Close()
	if _, open := o.counts(); open != 0 {
		t.Errorf("%d sockets open after Close", open)
	}
	if err := ask("late.test."); err != nil {
		t.Error(err)
	}
	if _, open := o.counts(); open != 0 {
		t.Errorf("%d sockets open after Close and a query", open)
	}
}

// A port that is asked often is given up long before its time.
func TestSocketServesFewQueries(t *testing.T) {
	t.Parallel()
	var o opened
	ask, _ := overWatched(t, &o, echo)
	for i := range socketQueries + 1 {
		if err := ask(fmt.Sprintf("n%d.test.", i)); err != nil {
			t.Error(err)
		}
	}
	if queries, open := o.counts(); !slices.Equal(queries, []int{socketQueries, 1}) || open != 1 {
		t.Errorf("queries per socket: %v, %d open", queries, open)
	}
}

// That a server cannot be asked over TCP says nothing about the UDP sockets.
func TestSocketOutlivesFailureOfTCP(t *testing.T) {
	t.Parallel()
	var o opened
	f := newFakeDNS(t, func(q *dns.Msg, _ bool, _ int) []*dns.Msg {
		m := reply(q, dns.RcodeSuccess)
		m.Truncated = true
		return []*dns.Msg{m}
	})
	r := newTest(t, Options{
		Servers: []string{f.addr}, Budget: time.Minute, patience: time.Minute,
		Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if network == "tcp" {
				ours, theirs := net.Pipe()
				return ours, theirs.Close()
			}
			return o.Dial(ctx, network, addr)
		},
	})
	if _, err := r.try(t.Context(), r.servers[0], "cut.test.", dns.TypeA); !errors.Is(err, errUnusable) {
		t.Error(err)
	}
	if _, open := o.counts(); open != 1 {
		t.Errorf("%d sockets open", open)
	}
}

// A socket that fails when it is used again (this host's address is another one
// by now) costs nothing but a new one, and those beside it are not tried.
func TestSocketFailsWhenUsedAgain(t *testing.T) {
	t.Parallel()
	o := opened{broken: sysError("write", syscall.EINVAL)}
	ask, r := overWatched(t, &o, echo)
	if err := ask("first.test."); err != nil {
		t.Error(err)
	}
	spare, err := o.Dial(t.Context(), "udp", r.servers[0].addr)
	if err != nil {
		t.Fatal(err)
	}
	first, _ := r.servers[0].sockets.take()
	r.servers[0].sockets.put(socket{Conn: spare, since: time.Now()})
	r.servers[0].sockets.put(first)

	if err := ask("second.test."); err != nil {
		t.Error(err)
	}
	if queries, open := o.counts(); !slices.Equal(queries, []int{2, 0, 1}) || open != 1 {
		t.Errorf("queries per socket: %v, %d open", queries, open)
	}
	if down, _ := r.servers[0].state(); down {
		t.Error("the server is passed over for what a socket met")
	}
}

// A socket whose reply did not come, or whose asker went away, is not used again:
// the reply may still come.
func TestSocketOfNoReplyIsClosed(t *testing.T) {
	t.Parallel()
	var o opened
	ctx, cancel := context.WithCancel(t.Context())
	ask, r := overWatched(t, &o, func(q *dns.Msg, tcp bool, n int) []*dns.Msg {
		if q.Question[0].Name == "away.test." {
			cancel()
			return nil
		}
		return echo(q, tcp, n)
	})
	if _, err := r.try(ctx, r.servers[0], "away.test.", dns.TypeA); err == nil {
		t.Error("a reply to an asker who went away")
	}
	if err := ask("next.test."); err != nil {
		t.Error(err)
	}
	if queries, open := o.counts(); !slices.Equal(queries, []int{1, 1}) || open != 1 {
		t.Errorf("queries per socket: %v, %d open", queries, open)
	}
}

// Sockets that wait leave the descriptors to the dialogues.
func TestIdleLimit(t *testing.T) {
	t.Parallel()
	for files, want := range map[uint64]int{0: 0, 1024: 128, 4096: 512, 65536: maxQueries, math.MaxUint64: maxQueries} {
		if got := idleLimit(files); got != want {
			t.Errorf("%d may wait where %d files may be open, want %d", got, files, want)
		}
	}
}

// kept is a connection that only knows whether it is closed.
type kept struct {
	net.Conn
	shut atomic.Bool
}

func (k *kept) Close() error { k.shut.Store(true); return nil }

func (k *kept) closed() bool { return k.shut.Load() }

// Half a minute after the last lookup none waits, whenever the others were opened.
func TestSocketsGoInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sockets{max: 3}
		var all []*kept
		for range 3 {
			k := new(kept)
			all = append(all, k)
			s.put(socket{Conn: k, since: time.Now()})
			time.Sleep(socketLife / 4)
		}
		time.Sleep(socketLife * 3 / 4)
		synctest.Wait()
		for i, k := range all {
			if !k.closed() {
				t.Errorf("socket %d is open half a minute after the last was opened", i)
			}
		}
	})
}

// No socket is used for longer than its life, and none that waits stays open for
// much longer; not more wait than may.
func TestSocketLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := sockets{max: 2}
		young := func() (*kept, socket) {
			k := new(kept)
			return k, socket{Conn: k, since: time.Now()}
		}
		a, socketA := young()
		time.Sleep(socketLife - time.Second)
		s.put(socketA)
		b, socketB := young()
		s.put(socketB)
		c, socketC := young()
		s.put(socketC)
		if a.closed() || b.closed() || !c.closed() {
			t.Errorf("of three sockets where two may wait, closed are %v %v %v", a.closed(), b.closed(), c.closed())
		}
		if got, ok := s.take(); !ok || got.Conn != b {
			t.Error("the socket that was put back last does not come first")
		}
		s.put(socketB)

		time.Sleep(time.Second)
		synctest.Wait()
		got, ok := s.take()
		if !ok || got.Conn != b {
			t.Error("a socket of one second is not used")
		}
		if _, ok := s.take(); ok || !a.closed() {
			t.Errorf("a socket past its life is used: %v, closed: %v", ok, a.closed())
		}

		s.put(got)
		time.Sleep(2 * socketLife)
		synctest.Wait()
		if !b.closed() {
			t.Error("a socket waits for ever")
		}
		s.put(socketB)
		if len(s.idle) > 0 {
			t.Error("a socket past its life is let wait")
		}
		if s.sweep != nil {
			t.Error("something is to be swept where nothing waits")
		}
	})
}
