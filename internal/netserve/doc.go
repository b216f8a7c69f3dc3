// Package netserve listens and accepts for the doors: TCP, unix sockets with
// their group and mode, sockets that systemd passed, a limit on connections, a
// guard against panics, and a drain at the end.
//
// It knows no protocol, sets no deadline and reads no byte. It never unlinks a
// socket that somebody still serves.
package netserve
