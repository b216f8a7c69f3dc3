// Package daemon assembles all parts of rcptgate: it reads the configuration,
// opens what it needs, runs it, reloads it and stops it. It is the only
// package that knows all others, and it judges nothing itself.
package daemon
