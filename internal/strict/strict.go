// Package strict decodes a TOML file strictly: an unknown key, a wrong type, a
// number where a duration belongs, keys equal but for case, a key given twice,
// a key of a later version. It answers with all mistakes at once, each with its
// line and, where one is near, the key that was meant.
//
// BurntSushi/toml parses (TOML 1.0); the assignment to Go values is ours,
// because the library matches keys without case, takes bare integers for
// durations of nanoseconds, and stops at the first mistake. The package knows
// no key of rcptgate and reads no file.
package strict

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

// Problem is one mistake, printed like a compiler's: "FILE:LINE: message".
type Problem struct {
	File string
	Line int    // 0: not of any line
	Key  string // dotted, as Doc.Line takes it; may be empty
	Text string // what, and what to do; one line, no full stop
}

// String prints the mistake on one line.
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// Problems is an error of all mistakes, in file order.
type Problems []Problem

// Error prints one mistake a line.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// Sort brings the mistakes into file order; those of no line come last.
func (p Problems) Sort() {
	const last = 1 << 30
	at := func(q Problem) int {
		if q.Line == 0 {
			return last
		}
		return q.Line
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return at(a) - at(b) })
}

// Err returns nil for no mistakes, else the mistakes as an error.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// Doc is a decoded file that knows where its keys stand. It is immutable.
type Doc struct {
	file  string
	index *index
}

// Decode decodes data into v, a pointer to a struct with the defaults filled in;
// what the file does not name keeps its value. Fields are named by their toml
// tags; fields without one are not keys, embedded structs are taken apart.
// Known types: string, bool, integers, floats, time.Duration (written with its
// unit), slices, maps with string keys, structs, pointers to these (nil: not in
// the file), and what has UnmarshalText, whose error is printed behind the key.
// later lists dotted keys that only a later version has.
//
// file is only printed. Where the syntax is wrong, the rest of the file is
// checked as far as it can be read. The Doc is never nil.
func Decode(file string, data []byte, v any, later []string) (*Doc, Problems) {
	text := string(data)
	d := &Doc{file: file, index: scan(text)}
	if line := d.index.tooDeep; line > 0 {
		return d, Problems{{File: file, Line: line, Text: fmt.Sprintf("nested deeper than %d levels", maxDepth)}}
	}
	tree, problems := d.parse(text)
	w := walker{doc: d, root: reflect.TypeOf(v).Elem(), later: later}
	w.table("", tree, reflect.ValueOf(v).Elem())
	problems = append(problems, w.problems...)
	problems.Sort()
	return d, problems
}

// Line returns the line of a dotted key as Key prints it (elements of arrays as
// policy.rule[2].name or policy.reject[0]); for a key that is not in the file
// the line of the nearest table around it, 0 without one.
func (d *Doc) Line(key string) int {
	for key != "" {
		if e, ok := d.index.entries[key]; ok {
			return e.line
		}
		key = parent(key)
	}
	return 0
}

// IsDefined reports whether the file has the key or table.
func (d *Doc) IsDefined(key string) bool {
	_, ok := d.index.entries[key]
	return ok
}

// Problem makes a mistake about a key, with the line where the key stands.
func (d *Doc) Problem(key, format string, args ...any) Problem {
	return Problem{File: d.file, Line: d.Line(key), Key: key, Text: fmt.Sprintf(format, args...)}
}

// parse returns the tree of the file and its mistakes of syntax. A line that
// cannot be read is left out and the rest read again, so that one missing quote
// does not hide the other mistakes; where that does not lead to a whole file,
// only the first mistake is told, because the others may follow from it.
func (d *Doc) parse(text string) (map[string]any, Problems) {
	const rounds = 10
	var problems Problems
	lines := strings.SplitAfter(text, "\n")
	for range rounds {
		tree := map[string]any{}
		rest := strings.Join(lines, "")
		_, err := toml.Decode(rest, &tree)
		if err == nil {
			return tree, problems
		}
		p, ok := d.syntax(rest, err)
		problems = append(problems, p)
		if !ok || p.Line < 1 || p.Line > len(lines) {
			break
		}
		bad := strings.TrimSpace(lines[p.Line-1])
		if bad == "" || bad[0] == '[' { // without its header the keys below would change tables
			break
		}
		lines[p.Line-1] = "\n"
	}
	return nil, problems[:1]
}

// syntax turns the library's error into ours; ok is false where it has no line.
func (d *Doc) syntax(text string, err error) (p Problem, ok bool) {
	pe, ok := errors.AsType[toml.ParseError](err)
	if !ok {
		return Problem{File: d.file, Text: strings.TrimPrefix(err.Error(), "toml: ")}, false
	}
	// Of an end of line where something else should be, the library tells the next line.
	start := max(0, min(pe.Position.Start, len(text)))
	p = Problem{File: d.file, Line: min(pe.Position.Line, 1+strings.Count(text[:start], "\n"))}
	for _, t := range d.index.twice {
		if t.line == p.Line {
			p.Key = t.key
			p.Text = fmt.Sprintf("%q is given twice, first on line %d", t.key, d.Line(t.key))
			return p, true
		}
	}
	p.Text = "syntax: " + strings.TrimRight(oneLine(pe.Message), ".")
	if pe.LastKey != "" {
		p.Key = pe.LastKey
		p.Text += fmt.Sprintf(" (after the key %q)", pe.LastKey)
	}
	return p, true
}

// oneLine keeps a message on one line of printable characters.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}
