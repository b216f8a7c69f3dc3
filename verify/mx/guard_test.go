package mx

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

func TestGuardAddr(t *testing.T) {
	t.Parallel()
	own := func() ([]net.Addr, error) {
		_, n, _ := net.ParseCIDR("127.0.0.1/8")
		n.IP = net.IPv4(127, 0, 0, 1)
		return []net.Addr{n, &net.IPAddr{IP: net.ParseIP("198.41.0.4")}, &net.IPAddr{IP: net.ParseIP("::1")}}, nil
	}
	strict := NewGuard(nil, nil, own)
	lenient := NewGuard(nil, []netip.Prefix{
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16"),
		netip.MustParsePrefix("::/0"), netip.MustParsePrefix("198.41.0.0/24"),
	}, own)
	mapped := NewGuard(nil, []netip.Prefix{netip.MustParsePrefix("::ffff:10.1.0.0/112")}, own)
	for _, c := range []struct {
		ip                string
		strict, lenientOK bool
	}{
		{"8.8.8.8", true, true},
		{"2607:f8b0::1", true, true},
		{"0.0.0.0", false, false},
		{"0.1.2.3", false, false},
		{"10.1.2.3", false, true},
		{"10.2.2.3", false, false},
		{"100.64.0.1", false, false},
		{"100.128.0.1", true, true},
		{"127.0.0.1", false, false}, // own, whatever is allowed
		{"127.64.1.2", false, true}, // not own: exact comparison
		{"169.254.169.254", false, false},
		{"172.16.0.1", false, false},
		{"172.32.0.1", true, true},
		{"192.0.0.8", false, false},
		{"192.0.2.1", false, false},
		{"192.88.99.1", false, false},
		{"192.168.1.1", false, false},
		{"198.18.0.1", false, false},
		{"198.41.0.4", false, false}, // own, although public
		{"198.41.0.5", true, true},
		{"198.51.100.1", false, false},
		{"203.0.113.1", false, false},
		{"224.0.0.1", false, false},
		{"240.0.0.1", false, false},
		{"255.255.255.255", false, false},
		{"::", false, true},
		{"::1", false, false}, // own
		{"::7f00:1", false, true},
		{"::ffff:10.1.2.3", false, true},
		{"::ffff:10.2.2.3", false, false},
		{"::ffff:127.0.0.1", false, false},
		{"::ffff:8.8.8.8", true, true},
		{"64:ff9b::10.1.2.3", false, true},
		{"64:ff9b::127.0.0.1", false, false}, // leads to an own address
		{"64:ff9b::8.8.8.8", true, true},
		{"64:ff9b:1::1", false, true},
		{"100::1", false, true},
		{"2001::1", false, true}, // Teredo of 255.255.255.254 and 0.0.0.0
		{"2001:0:808:808::f7f7:f7f7", true, true},
		{"2001:0:808:808::80ff:fffe", false, false}, // Teredo client 127.0.0.1
		{"2001:2::1", false, true},
		{"2001:10::1", false, true},
		{"2001:db8::1", false, true},
		{"2002:808:808::1", true, true},
		{"2002:a01:203::1", false, true},
		{"3fff::1", false, true},
		{"5f00::1", false, true},
		{"fc00::1", false, true},
		{"fe80::1", false, true},
		{"fe80::1%eth0", false, true},
		{"fec0::1", false, true},
		{"ff02::1", false, true},
	} {
		ip := netip.MustParseAddr(c.ip)
		if err := strict.Addr(ip); (err == nil) != c.strict {
			t.Errorf("%s: %v", c.ip, err)
		}
		if err := lenient.Addr(ip); (err == nil) != c.lenientOK {
			t.Errorf("%s with allowed networks: %v", c.ip, err)
		}
	}
	if mapped.Addr(netip.MustParseAddr("10.1.2.3")) != nil {
		t.Error("a mapped prefix allows nothing")
	}
	if strict.Addr(netip.Addr{}) == nil {
		t.Error("no address is an address")
	}
}

func TestGuardHost(t *testing.T) {
	t.Parallel()
	g := NewGuard([]string{"Out1.Example.test.", ""}, nil, nil)
	for name, refused := range map[string]bool{
		"out1.example.test": true, "OUT1.example.test.": true, "out2.example.test": false, "": false,
	} {
		if (g.Host(name) != nil) != refused {
			t.Errorf("%q: %v", name, g.Host(name))
		}
	}
}

// TestGuardReadsAnew: interfaces come and go; the last good list serves while it
// cannot be read, and without any nothing is dialled.
func TestGuardReadsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var addr net.Addr
		var fail error
		reads := 0
		g := NewGuard(nil, nil, func() ([]net.Addr, error) {
			reads++
			return []net.Addr{addr}, fail
		})
		ip := netip.MustParseAddr("198.41.0.4")
		fail = errors.New("no")
		if g.Addr(ip) == nil {
			t.Error("dialled although the own addresses are unknown")
		}
		fail = nil
		if err := g.Addr(ip); err != nil {
			t.Error(err)
		}
		addr = &net.IPAddr{IP: ip.AsSlice()}
		time.Sleep(59 * time.Second)
		if err := g.Addr(ip); err != nil || reads != 2 {
			t.Errorf("%v after %d reads", err, reads)
		}
		time.Sleep(time.Second)
		if g.Addr(ip) == nil {
			t.Error("a new own address is dialled after a minute")
		}
		addr, fail = nil, errors.New("no")
		time.Sleep(time.Hour)
		if g.Addr(ip) == nil {
			t.Error("the last good list is forgotten")
		}
	})
}
