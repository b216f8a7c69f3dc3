package strict

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

var errRange = errors.New("is too long")

// duration reads the value of a key whose field is a time.Duration: a string
// with its unit. A bare number is refused, because whoever writes one means
// seconds or minutes and never nanoseconds.
func duration(v any) (time.Duration, error) {
	switch v := v.(type) {
	case string:
		return ParseDuration(v)
	case int64:
		return 0, fmt.Errorf(`must be a duration with its unit, such as "%ds", not a bare number`, max(v, 1))
	case float64:
		return 0, errors.New(`must be a duration with its unit, such as "250ms", not a bare number`)
	}
	return 0, fmt.Errorf(`must be a duration such as "8s", not %s`, kindOf(v))
}

// ParseDuration reads time.ParseDuration's notation, and whole days as "7d".
// It refuses negative values; the error follows the name of a key.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 32); err == nil {
			if n > math.MaxInt64/uint64(24*time.Hour) {
				return 0, errRange
			}
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	t, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf(`must be a duration such as "250ms", "8s", "10m", "24h" or "7d", not %q`, s)
	}
	if t < 0 {
		return 0, fmt.Errorf("must not be negative (%s)", s)
	}
	return t, nil
}

// FormatDuration prints the shortest text that ParseDuration reads as t: "10m",
// not "10m0s".
func FormatDuration(t time.Duration) string {
	const day = 24 * time.Hour
	if t > day && t%day == 0 {
		return strconv.FormatInt(int64(t/day), 10) + "d"
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
