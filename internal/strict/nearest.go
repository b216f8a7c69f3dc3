package strict

import (
	"strings"
)

// hint names the key that was probably meant: the nearest one of the same
// table, else the same name in another table.
func (w *walker) hint(name string, known []field) string {
	names := make([]string, len(known))
	for i, f := range known {
		names[i] = f.name
	}
	if near := Nearest(name, names); near != "" {
		return "; did you mean \"" + near + "\"?"
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

// Nearest returns the word that was probably meant, or "": at most a third of
// the letters may be wrong, and one always.
func Nearest(word string, words []string) string {
	best, least := "", max(1, len(word)/3)
	for _, w := range words {
		if d := distance(strings.ToLower(word), w); d <= least && (best == "" || d < least) {
			best, least = w, d
		}
	}
	return best
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
