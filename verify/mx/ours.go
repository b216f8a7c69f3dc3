package mx

import (
	"errors"
	"slices"
	"syscall"
)

// ours are the errors by which the kernel says that this host cannot open or
// use a socket now, or not so: no address of ours, no descriptor, no port, no
// memory, no permission.
var ours = []syscall.Errno{
	syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EAGAIN, syscall.EMFILE, syscall.ENFILE,
	syscall.ENOBUFS, syscall.ENOMEM, syscall.EACCES, syscall.EPERM,
}

// OurTrouble reports an error of a connection that is the fault of this host: no
// packet has left, and it is not a word about the network or the far end.
func OurTrouble(err error) bool {
	errno, ok := errors.AsType[syscall.Errno](err)
	return ok && slices.Contains(ours, errno)
}
