package reply

import (
	"math"
	"slices"
)

// matcher finds the phrases of a set in one pass over a text. It is laid out
// for reading: a reply touches few cache lines of it.
type matcher struct {
	nodes   []node
	first   [256]uint16 // letter → the node of the literals that begin with it, 0 for none
	tails   []byte
	symbols []symbol
	steps   []step
	classes []uint16
}

// node is the letters that some literals go on with, in the trie of them all.
type node struct {
	letter   byte
	tail     uint8  // how many letters follow the first
	tailAt   uint16 // where they stand in tails
	child    uint16 // first child; the others stand behind it, up to childEnd
	childEnd uint16
	whole    uint16 // literal that ends here at the end of a word, 0 for none
	prefix   uint16 // literal that ends here wherever the word ends, 0 for none
}

// symbol is a literal or a class.
type symbol struct {
	words     uint16 // of a literal
	steps     span   // that it takes
	classesOf span   // that a literal is in, which take steps too
}

type span struct{ from, to uint16 }

// settle makes the matcher, once all phrases are in. It panics where they have
// become too many for its numbers.
func (p *phrases) settle() *matcher {
	m := &matcher{nodes: make([]node, 1)}
	for i, words := range p.words {
		x := symbol{words: uint16(words)}
		x.steps.from, x.classesOf.from = uint16(len(m.steps)), uint16(len(m.classes))
		m.steps, m.classes = append(m.steps, p.steps[i]...), append(m.classes, p.classes[i]...)
		x.steps.to, x.classesOf.to = uint16(len(m.steps)), uint16(len(m.classes))
		m.symbols = append(m.symbols, x)
	}
	var all []string
	for _, names := range []map[string]uint16{p.literals, p.starred} {
		for name := range names {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	from, to := m.grow(all, 0, p)
	for n := from; n < to; n++ {
		m.first[m.nodes[n].letter] = n
	}
	if max(len(m.nodes), len(m.tails), len(m.steps), len(m.classes), len(m.symbols)) > math.MaxUint16 {
		panic("reply: too many phrases")
	}
	return m
}

// grow makes the nodes of some literals, which are sorted and alike in their
// first letters, and of what is below them. It returns the nodes side by side,
// that with the most literals first.
func (m *matcher) grow(literals []string, alike int, p *phrases) (from, to uint16) {
	var groups [][]string
	for len(literals) > 0 {
		n := 1
		for n < len(literals) && literals[n][alike] == literals[0][alike] {
			n++
		}
		groups = append(groups, literals[:n])
		literals = literals[n:]
	}
	slices.SortStableFunc(groups, func(a, b []string) int { return len(b) - len(a) })
	from, to = uint16(len(m.nodes)), uint16(len(m.nodes)+len(groups))
	m.nodes = append(m.nodes, make([]node, len(groups))...)
	for i, group := range groups {
		first, last := group[0], group[len(group)-1]
		end := alike + 1
		for end < min(len(first), len(last), alike+256) && first[end] == last[end] {
			end++
		}
		x := node{letter: first[alike], tail: uint8(end - alike - 1), tailAt: uint16(len(m.tails))}
		m.tails = append(m.tails, first[alike+1:end]...)
		if len(first) == end {
			x.whole, x.prefix = p.literals[first], p.starred[first]
			group = group[1:]
		}
		x.child, x.childEnd = m.grow(group, end, p)
		m.nodes[int(from)+i] = x
	}
	return from, to
}

// sentences is a set of the sentences of a reply, by bit. The last bit stands
// for all URLs, the one before it for all sentences from the 63rd on.
type sentences uint64

const (
	everySentence sentences = 1<<64 - 1
	inURL         sentences = 1 << 63
	lateSentence  sentences = 1 << 62
)

// scan is the state of one pass. Its slices are reused from reply to reply.
type scan struct {
	text    []byte
	end     []uint16    // step → 1 + the word after its latest match, 0 for none
	in      []sentences // step → where it was found, if it was
	touched []uint16

	begin   int       // first word of the sentence that is read
	counted sentences // that sentence, URLs not counted
	current sentences // that sentence
	unsure  sentences // that may be the rest of the one before
}

// reset makes ready for a text, to be looked through for so many steps.
func (s *scan) reset(steps int) {
	if len(s.end) < steps {
		s.end, s.in = make([]uint16, steps), make([]sentences, steps)
	}
	for _, t := range s.touched {
		s.end[t] = 0
	}
	s.touched, s.text = s.touched[:0], s.text[:0]
	s.begin, s.counted, s.current, s.unsure = 0, 1, 1, 0
}

// separate begins a sentence or a URL at a word, or goes on with a sentence
// after a URL.
func (s *scan) separate(word int, by byte) {
	s.begin = word
	switch by {
	case startsURL:
		s.current = inURL
		return
	case endsSentence:
		s.counted = min(s.counted<<1, lateSentence)
	case endsLine:
		s.counted = min(s.counted<<1, lateSentence)
		s.unsure |= s.counted
	}
	s.current = s.counted
}

func (s *scan) found(step uint16) bool { return s.end[step] != 0 }

// run finds all phrases in s.text.
func (m *matcher) run(s *scan) {
	word := 0
	for i := 0; i < len(s.text); word++ {
		m.walk(s, s.text[i:], word)
		for i < len(s.text) && s.text[i] > ' ' {
			i++
		}
		if i < len(s.text) && s.text[i] != ' ' {
			s.separate(word+1, s.text[i])
		}
		i++
	}
}

// walk finds the literals that begin at the start of text.
func (m *matcher) walk(s *scan, text []byte, word int) {
	for n := m.first[text[0]]; n != 0; {
		at := &m.nodes[n]
		size := 1 + int(at.tail)
		if len(text) < size || string(text[1:size]) != string(m.tails[at.tailAt:int(at.tailAt)+size-1]) {
			return
		}
		text = text[size:]
		if at.prefix != 0 {
			m.hit(s, at.prefix, word)
		}
		if at.whole != 0 && (len(text) == 0 || text[0] <= ' ') {
			m.hit(s, at.whole, word)
		}
		if len(text) == 0 {
			return
		}
		n = at.child
		for n < at.childEnd && m.nodes[n].letter != text[0] {
			n++
		}
		if n == at.childEnd {
			return
		}
	}
}

// hit takes the steps of a literal, and of its classes, that begins at a word.
func (m *matcher) hit(s *scan, literal uint16, word int) {
	x := m.symbols[literal]
	end := word + int(x.words)
	m.take(s, x.steps, word, end)
	for _, class := range m.classes[x.classesOf.from:x.classesOf.to] {
		m.take(s, m.symbols[class].steps, word, end)
	}
}

func (m *matcher) take(s *scan, steps span, word, end int) {
	for _, st := range m.steps[steps.from:steps.to] {
		if st.after != 0 {
			after := int(s.end[st.after])
			if after <= s.begin+1 || uint(word+1-after) > uint(st.gap) {
				continue
			}
		}
		if !s.found(st.to) {
			s.touched = append(s.touched, st.to)
			s.in[st.to] = 0
		}
		s.end[st.to] = uint16(end + 1)
		s.in[st.to] |= s.current
	}
}
