package strict

import (
	"strings"
)

// hint names the key that was probably meant: the nearest one of the same
// table, else the same name in another table.
func (w *walker) hint(name string, known []field) string {
	best, least := "", max(1, len(name)/3)
	for _, f := range known {
		if d := distance(strings.ToLower(name), f.name); d <= least && (best == "" || d < least) {
			best, least = f.name, d
		}
	}
	if best != "" {
		return "; did you mean \"" + best + "\"?"
	}
	for _, key := range keysOf("", w.root) {
		switch {
		case key == name:
			return "; did you mean \"" + key + "\", which stands before the first table?"
		case strings.HasSuffix(key, "."+name) && !strings.Contains(key, "*"):
			return "; did you mean \"" + key + "\"?"
		}
	}
	return ""
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours between two short words (Damerau-Levenshtein, no octet edited
// twice).
func distance(a, b string) int {
	var before, prev []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
