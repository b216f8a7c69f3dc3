//go:build race

package netserve

import (
	"errors"
	"syscall"
)

// read and write are those of package syscall: they tell the race detector what
// they do with p, and that what was done before a write comes before what is done
// after the read by its peer. A bare call hides true races and invents others.
func read(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Read(int(fd), p)
	return n, number(err)
}

func write(fd uintptr, p []byte) (int, syscall.Errno) {
	n, err := syscall.Write(int(fd), p)
	return n, number(err)
}

func number(err error) syscall.Errno {
	errno, _ := errors.AsType[syscall.Errno](err)
	return errno
}
