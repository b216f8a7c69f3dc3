package strict

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time that a file must write with its unit: "250ms", "5s",
// "10m", "24h", "1h30m", "7d". It refuses bare numbers and negative values.
type Duration time.Duration

var errRange = errors.New("is too long")

// UnmarshalTOML takes a string and nothing else.
func (d *Duration) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	switch n := v.(type) {
	case int64:
		return fmt.Errorf(`must be a duration with its unit, such as "%ds", not a bare number`, max(n, 1))
	case float64:
		return errors.New(`must be a duration with its unit, such as "250ms", not a bare number`)
	}
	if !ok {
		return fmt.Errorf(`must be a duration such as "8s", not %s`, kindOf(v))
	}
	t, err := ParseDuration(s)
	if err != nil {
		return err
	}
	*d = Duration(t)
	return nil
}

// MarshalText prints the shortest form: "10m", not "10m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the text that UnmarshalTOML takes for the same duration.
func (d Duration) String() string {
	const day = 24 * time.Hour
	t := time.Duration(d)
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

// ParseDuration reads time.ParseDuration's notation, and whole days as "7d".
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
