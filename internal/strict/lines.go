package strict

import (
	"strconv"
	"strings"
)

// index says on which line each key of a file stands. The library does not
// tell, so the text is read a second time here, only for its keys. The text
// need not be valid: what is no TOML gives keys that nobody asks for.
type index struct {
	entries map[string]entry
	twice   []place // second and later values of a key
	tooDeep int     // line on which the text is nested deeper than maxDepth, 0: nowhere
}

// maxDepth bounds the parts of a key and the arrays and tables in a value. The
// work of the library grows with the cube of it.
const maxDepth = 32

type entry struct {
	line  int
	value bool // has a value of its own, not only keys below it
}

type place struct {
	key  string
	line int
}

// Key joins the parts of a key as the package prints them: bare where TOML
// allows it, else quoted.
func Key(parts ...string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		if bare(p) {
			b.WriteString(p)
		} else {
			b.WriteString(quoteTOML(p))
		}
	}
	return b.String()
}

// under is Key(part) below a prefix that is already printed.
func under(prefix, part string) string {
	if prefix == "" {
		return Key(part)
	}
	return prefix + "." + Key(part)
}

// Elem is the key of an array's element.
func Elem(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }

// parent cuts the last part or the last element of a printed key.
func parent(key string) string {
	cut := 0
	for i := 0; i < len(key); i++ {
		switch key[i] {
		case '"':
			for i++; i < len(key) && key[i] != '"'; i++ {
				if key[i] == '\\' {
					i++
				}
			}
		case '.', '[':
			cut = i
		}
	}
	return key[:cut]
}

func bare(s string) bool {
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
			return false
		}
	}
	return s != ""
}

// scanner reads keys. Every loop of it moves pos, so that it ends on any text.
type scanner struct {
	src   string
	pos   int
	line  int
	depth int            // of arrays and tables around pos, in a value
	arr   map[string]int // arrays of tables: the number of their last element
	index *index
}

func scan(text string) *index {
	s := &scanner{
		src: strings.TrimPrefix(text, "\ufeff"), line: 1,
		arr: map[string]int{}, index: &index{entries: map[string]entry{}},
	}
	table := ""
	for {
		s.blank(true)
		if s.pos >= len(s.src) {
			return s.index
		}
		line := s.line
		if s.src[s.pos] == '[' {
			table = s.header(line)
			continue
		}
		s.keyValue(table, line)
		s.restOfLine()
	}
}

// header reads [a.b] or [[a.b]] and returns the key that the lines below it
// belong to.
func (s *scanner) header(line int) string {
	s.pos++
	array := s.peek() == '['
	if array {
		s.pos++
	}
	parts := s.key()
	s.restOfLine()
	table := ""
	for i, p := range parts {
		table = under(table, p)
		s.note(table, line)
		n, ok := s.arr[table]
		last := i == len(parts)-1
		if last && array {
			if ok {
				n++
			}
			s.arr[table] = n
			ok = true
		}
		if ok {
			table = Elem(table, n)
			s.note(table, line)
		}
	}
	return table
}

// keyValue reads `a.b = value` below a table.
func (s *scanner) keyValue(table string, line int) {
	start := s.pos
	key := table
	for _, p := range s.key() {
		key = under(key, p)
		s.note(key, line)
	}
	if s.peek() != '=' {
		if s.pos == start {
			s.pos++
		}
		return
	}
	s.pos++
	if s.index.entries[key].value {
		s.index.twice = append(s.index.twice, place{key, line})
	} else {
		s.index.entries[key] = entry{s.index.entries[key].line, true}
	}
	s.blank(false)
	s.value(key)
}

// value passes over a value and notes the keys in it.
func (s *scanner) value(key string) {
	if s.depth++; s.depth > maxDepth {
		s.giveUp()
	}
	defer func() { s.depth-- }()
	switch s.peek() {
	case '"', '\'':
		s.str()
	case '[':
		s.pos++
		for i := 0; s.more(']'); i++ {
			s.note(Elem(key, i), s.line)
			s.value(Elem(key, i))
			s.comma(']')
		}
	case '{':
		s.pos++
		for s.more('}') {
			s.keyValue(key, s.line)
			s.comma('}')
		}
	default:
		for s.pos < len(s.src) && strings.IndexByte(",]}#\r\n", s.src[s.pos]) < 0 {
			s.pos++
		}
	}
}

// more passes blanks and reports that another element comes; the end is taken.
func (s *scanner) more(end byte) bool {
	s.blank(true)
	if s.pos >= len(s.src) {
		return false
	}
	if s.src[s.pos] == end {
		s.pos++
		return false
	}
	return true
}

// comma passes what separates two elements, and whatever else stands there.
func (s *scanner) comma(end byte) {
	for s.blank(true); s.pos < len(s.src) && s.src[s.pos] != end; s.blank(true) {
		s.pos++
		if s.src[s.pos-1] == ',' {
			return
		}
	}
}

// key reads a dotted key.
func (s *scanner) key() []string {
	var parts []string
	for s.pos < len(s.src) {
		s.blank(false)
		switch c := s.peek(); {
		case c == '"' || c == '\'':
			parts = append(parts, s.str())
		case c != 0 && strings.IndexByte("=.[]{},#\r\n", c) < 0:
			start := s.pos
			for s.pos < len(s.src) && strings.IndexByte("=.[]{},#\"' \t\r\n", s.src[s.pos]) < 0 {
				s.pos++
			}
			parts = append(parts, s.src[start:s.pos])
		}
		s.blank(false)
		if s.peek() != '.' {
			return parts
		}
		if len(parts) > maxDepth {
			s.giveUp()
			return nil
		}
		s.pos++
	}
	return parts
}

// giveUp ends the reading.
func (s *scanner) giveUp() {
	s.index.tooDeep = s.line
	s.pos = len(s.src)
}

// str reads a string of one of the four kinds; the text is exact for keys only,
// which are never multi-line.
func (s *scanner) str() string {
	q := s.src[s.pos : s.pos+1]
	start := s.pos
	if strings.HasPrefix(s.src[s.pos:], q+q+q) {
		s.pos += 3
		for s.pos < len(s.src) && !strings.HasPrefix(s.src[s.pos:], q+q+q) {
			s.step(q == `"`)
		}
		s.pos = min(s.pos+3, len(s.src))
		for range 2 { // quotes just before the closing ones
			if s.peek() == q[0] {
				s.pos++
			}
		}
		return s.src[start:s.pos]
	}
	s.pos++
	for s.pos < len(s.src) && s.src[s.pos] != q[0] && s.src[s.pos] != '\n' {
		s.step(q == `"`)
	}
	text := s.src[start+1 : s.pos]
	if s.peek() == q[0] {
		s.pos++
	}
	if q == `"` {
		if u, err := strconv.Unquote(`"` + text + `"`); err == nil {
			return u
		}
	}
	return text
}

// step moves one octet, or two over an escape.
func (s *scanner) step(escapes bool) {
	if escapes && s.src[s.pos] == '\\' && s.pos+1 < len(s.src) {
		s.pos++
	}
	if s.src[s.pos] == '\n' {
		s.line++
	}
	s.pos++
}

// blank passes spaces, and with lines also ends of lines and comments.
func (s *scanner) blank(lines bool) {
	for s.pos < len(s.src) {
		switch c := s.src[s.pos]; {
		case c == ' ' || c == '\t':
		case lines && c == '\r':
		case lines && c == '\n':
			s.line++
		case lines && c == '#':
			for s.pos < len(s.src) && s.src[s.pos] != '\n' {
				s.pos++
			}
			continue
		default:
			return
		}
		s.pos++
	}
}

func (s *scanner) restOfLine() {
	for s.pos < len(s.src) && s.src[s.pos] != '\n' {
		s.pos++
	}
}

func (s *scanner) peek() byte {
	if s.pos < len(s.src) {
		return s.src[s.pos]
	}
	return 0
}

// note remembers the first line of a key.
func (s *scanner) note(key string, line int) {
	if _, ok := s.index.entries[key]; !ok {
		s.index.entries[key] = entry{line: line}
	}
}
