package cache

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain also plays the children of TestKilled and TestDisk.
func TestMain(m *testing.M) {
	if mode := os.Getenv("RCPTGATE_CACHE_CHILD"); mode != "" {
		if err := children[mode](os.Getenv("RCPTGATE_CACHE_DIR")); err != nil {
			fmt.Println("child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
