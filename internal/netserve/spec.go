package netserve

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Spec is a parsed listen address: unix:PATH | inet:HOST:PORT | fd:NAME.
type Spec struct {
	Network string // unix | tcp | fd
	Address string
}

// maxUnixPath is sun_path of unix(7) without its closing NUL.
const maxUnixPath = 107

// ParseSpec parses unix:PATH, inet:HOST:PORT (an IPv6 address in brackets) or
// fd:NAME, where NAME is systemd's FileDescriptorName=. The port may be 0.
func ParseSpec(s string) (Spec, error) {
	kind, rest, ok := strings.Cut(s, ":")
	if !ok {
		return Spec{}, fmt.Errorf("%q: want unix:PATH, inet:HOST:PORT or fd:NAME", s)
	}
	var sp Spec
	var err error
	switch kind {
	case "unix":
		sp, err = parseUnix(rest)
	case "inet":
		sp, err = parseInet(rest)
	case "fd":
		sp, err = parseFD(rest)
	default:
		err = fmt.Errorf("unknown kind %q, want unix:PATH, inet:HOST:PORT or fd:NAME", kind)
	}
	if err != nil {
		return Spec{}, fmt.Errorf("%q: %w", s, err)
	}
	return sp, nil
}

// String prints the spec as it is written in the configuration.
func (s Spec) String() string {
	if s.Network == "tcp" {
		return "inet:" + s.Address
	}
	return s.Network + ":" + s.Address
}

func parseUnix(path string) (Spec, error) {
	switch {
	case path == "":
		return Spec{}, errors.New("no path")
	case strings.ContainsRune(path, 0), strings.HasPrefix(path, "@"):
		return Spec{}, errors.New("want a path in the file system")
	case len(path) > maxUnixPath:
		return Spec{}, fmt.Errorf("path is %d bytes long, a unix socket can have at most %d", len(path), maxUnixPath)
	}
	return Spec{Network: "unix", Address: path}, nil
}

func parseInet(hostport string) (Spec, error) {
	if port, host, ok := strings.Cut(hostport, "@"); ok {
		return Spec{}, fmt.Errorf("write inet:HOST:PORT, that is inet:%s", net.JoinHostPort(host, port))
	}
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		return Spec{}, errors.New("want HOST:PORT, an IPv6 address in brackets")
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return Spec{}, fmt.Errorf("port %q is no number from 0 to 65535", port)
	}
	return Spec{Network: "tcp", Address: net.JoinHostPort(host, port)}, nil
}

func parseFD(name string) (Spec, error) {
	if name == "" {
		return Spec{}, errors.New("no name")
	}
	// sd_listen_fds_with_names(3): ASCII without control bytes and colons.
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || c == ':' {
			return Spec{}, errors.New("want the FileDescriptorName= of a socket unit")
		}
	}
	return Spec{Network: "fd", Address: name}, nil
}
