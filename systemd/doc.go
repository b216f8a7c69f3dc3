// Package systemd holds the unit files of rcptgate; it has no code. Its tests
// let systemd itself verify them and rate their hardening.
package systemd
