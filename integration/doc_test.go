//go:build integration

// Package integration runs the real daemon with real mail servers: Postfix and
// Sendmail as its askers, Postfix (with postscreen and a reject list), Exim and
// postgrey as the hosts it asks.
//
// The servers come from Debian's packages (see the script packages) and are
// never installed. The test binary starts itself again in mount, network, PID
// and host-name namespaces of its own, on an overlay of the machine's root
// that lives in memory: users, configuration, queues and logs of the test are
// never seen by the machine, only the loopback interface exists, and every
// process ends with the test.
//
// Cases named TestCore belong to ./check, all cases to ./check all.
package integration
