//go:build !race

package netserve

import (
	"syscall"
	"unsafe"
)

// read and write are read(2) and write(2), of which the scheduler is not told. p
// is not empty.
func read(fd uintptr, p []byte) (int, syscall.Errno)  { return call(syscall.SYS_READ, fd, p) }
func write(fd uintptr, p []byte) (int, syscall.Errno) { return call(syscall.SYS_WRITE, fd, p) }

func call(number, fd uintptr, p []byte) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall(number, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	return int(n), errno
}
