//go:build integration

package integration

import (
	"os"
	"strings"
	"sync"
	"testing"
)

// world is what all cases share: the simulated Internet, its DNS, the log.
type world struct {
	syslog *syslog
}

var (
	worldOnce sync.Once
	shared    *world
	worldErr  error
)

func theWorld(t *testing.T) *world {
	t.Helper()
	worldOnce.Do(func() { shared, worldErr = newWorld() })
	if worldErr != nil {
		t.Fatal("world:", worldErr)
	}
	return shared
}

func newWorld() (*world, error) {
	s, err := startSyslog()
	if err != nil {
		return nil, err
	}
	return &world{syslog: s}, nil
}

func closeWorld() {
	if shared != nil {
		shared.syslog.close()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func uid(name string) int {
	for _, a := range accounts {
		if a.name == name {
			return a.id
		}
	}
	panic("no account " + name)
}

func appendFile(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func lines(text string) []string { return strings.Split(strings.TrimSpace(text), "\n") }
