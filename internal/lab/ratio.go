package lab

import (
	"fmt"
	"slices"
)

// Quartiles of a series of measurements.
type Quartiles struct{ Q1, Median, Q3 float64 }

func (q Quartiles) String() string {
	return fmt.Sprintf("%.3f [%.3f, %.3f]", q.Median, q.Q1, q.Q3)
}

// Ratios measures a and b in turn, A B A B …, and returns the quartiles of
// a/b pair by pair, so that a machine whose speed drifts does not decide. Each
// function makes one measurement and returns its figure.
func Ratios(pairs int, a, b func() float64) Quartiles {
	rs := make([]float64, 0, pairs)
	for range pairs {
		x := a()
		rs = append(rs, x/b())
	}
	return QuartilesOf(rs)
}

// QuartilesOf sorts a copy of the series; an empty one gives zeros.
func QuartilesOf(series []float64) Quartiles {
	if len(series) == 0 {
		return Quartiles{}
	}
	s := slices.Sorted(slices.Values(series))
	at := func(p float64) float64 {
		i := p * float64(len(s)-1)
		lo := int(i)
		if lo+1 == len(s) {
			return s[lo]
		}
		return s[lo] + (i-float64(lo))*(s[lo+1]-s[lo])
	}
	return Quartiles{at(0.25), at(0.5), at(0.75)}
}

// Percentile returns the p-th part (0 to 1) of a series, 0 for an empty one.
func Percentile(series []float64, p float64) float64 {
	if len(series) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(series))
	return s[min(len(s)-1, int(p*float64(len(s))))]
}
