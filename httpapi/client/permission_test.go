package client

import (
	"errors"
	"net"
	"net/url"
	"os"
	"syscall"
	"testing"
)

// TestPermission cannot be had from a real socket when the tests run as root.
func TestPermission(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EACCES, syscall.EPERM} {
		err := New("/x").explain(&url.Error{Op: "Get", URL: "http://rcptgate/", Err: &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", errno)}})
		if !errors.Is(err, ErrPermission) || errors.Is(err, ErrNoDaemon) {
			t.Errorf("%v: %v", errno, err)
		}
	}
}
