package mx

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// OurTrouble reports an error of a connection that is the fault of this host,
// and so not a word about the network or the far end: no descriptor, no port, no
// memory, no such address of ours, no permission.
//
// The same numbers may come from outside. Linux says EACCES where a router
// answers that the way is prohibited (ICMPv6 type 1 code 1), and EPERM is also
// what a packet filter says; only a socket that cannot even be had shows that
// this host lacks the permission. EADDRNOTAVAIL of a connection says that all
// local ports are taken, but to an IPv6 address that this host has no IPv6.
func OurTrouble(err error) bool {
	errno, _ := errors.AsType[syscall.Errno](err)
	switch errno {
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRINUSE, syscall.EAGAIN:
		return true
	case syscall.EACCES, syscall.EPERM:
		return fromCall(err, "socket") || fromCall(err, "bind")
	case syscall.EADDRNOTAVAIL:
		return fromCall(err, "bind") || fromCall(err, "connect") && toIPv4(err)
	}
	return false
}

func fromCall(err error, call string) bool {
	s, ok := errors.AsType[*os.SyscallError](err)
	return ok && s.Syscall == call
}

func toIPv4(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return false
	}
	a, ok := op.Addr.(interface{ AddrPort() netip.AddrPort }) // of TCP and of UDP
	return ok && a.AddrPort().Addr().Unmap().Is4()
}
