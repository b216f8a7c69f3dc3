package reply

import (
	"fmt"
	"slices"
	"strings"
)

// A phrase is what a rule looks for in the words of a reply:
//
//	user unknown          these words, side by side
//	blacklist*            a word that begins so
//	$who .. $absent       a word of one class, and within maxGap words one of another
//	path of . $who        the same, with at most one word between
//	@ % <>                an address, an IP address, the null sender
//
// A phrase is found within one sentence: none begins in one and ends in the
// next. All phrases are found in one pass over the text: the literals stand in
// one trie that is walked from the start of each word, and each literal found
// advances the phrases that wait for it.

// maxGap is how many words ".." may stand for.
const maxGap = 6

// node is one letter in the trie of literals.
type node struct {
	letter  byte
	child   uint16 // first child, 0 for none
	sibling uint16
	whole   uint16 // literal that ends here at the end of a word, 0 for none
	prefix  uint16 // literal that ends here wherever the word ends, 0 for none
}

// step is a part of a phrase: it is reached when its literal or class is found
// not more than gap words after the step before.
type step struct {
	after uint16 // 0: a first part
	gap   uint16
	to    uint16
}

// stepKey is what makes a step: what it waits for, and after which step.
type stepKey struct{ symbol, after, gap uint16 }

// phrases is the compiled set; it is not changed once built.
type phrases struct {
	nodes    []node
	first    [256]uint16 // the children of node 0, by letter
	words    []int       // literal → how many words it has
	steps    [][]step    // literal → steps that it takes
	classes  [][]uint16  // literal → its class symbols, which take steps too
	symbols  map[string]uint16
	compiled map[string]uint16  // phrase → its last step
	shared   map[stepKey]uint16 // phrases that begin alike share the steps in which they do
	last     uint16             // highest step in use
}

// newPhrases compiles the classes: name → members, which are literals.
func newPhrases(sets ...map[string][]string) *phrases {
	p := &phrases{
		nodes: make([]node, 1), words: make([]int, 1), steps: make([][]step, 1), classes: make([][]uint16, 1),
		symbols: map[string]uint16{}, compiled: map[string]uint16{}, shared: map[stepKey]uint16{},
	}
	for _, set := range sets {
		for name := range set {
			p.symbol("$"+name, 0)
		}
	}
	for _, set := range sets {
		for name, members := range set {
			class := p.symbols["$"+name]
			for _, m := range members {
				lit := p.literal(m)
				p.classes[lit] = append(p.classes[lit], class)
			}
		}
	}
	return p
}

func (p *phrases) symbol(name string, words int) uint16 {
	id := uint16(len(p.words))
	p.words = append(p.words, words)
	p.steps = append(p.steps, nil)
	p.classes = append(p.classes, nil)
	p.symbols[name] = id
	return id
}

// literal returns the symbol of some words side by side, entering it into the
// trie if it is new. It panics on a star that does not end it: such a literal
// would never be found.
func (p *phrases) literal(s string) uint16 {
	text, prefix := strings.CutSuffix(normalWords(s), "*")
	if strings.Contains(text, "*") {
		panic(fmt.Sprintf("reply: %q has a star within", s))
	}
	key := text
	if prefix {
		key += "*"
	}
	if id, ok := p.symbols[key]; ok {
		return id
	}
	id := p.symbol(key, strings.Count(text, " ")+1)
	at := uint16(0)
	for i := range len(text) {
		at = p.descend(at, text[i])
	}
	if prefix {
		p.nodes[at].prefix = id
	} else {
		p.nodes[at].whole = id
	}
	return id
}

func (p *phrases) descend(at uint16, c byte) uint16 {
	for n := p.nodes[at].child; n != 0; n = p.nodes[n].sibling {
		if p.nodes[n].letter == c {
			return n
		}
	}
	n := uint16(len(p.nodes))
	p.nodes = append(p.nodes, node{letter: c, sibling: p.nodes[at].child})
	p.nodes[at].child = n
	if at == 0 {
		p.first[c] = n
	}
	return n
}

// normalWords brings a literal of the table into the form of the text.
func normalWords(s string) string {
	var out []string
	for _, word := range strings.Fields(s) {
		switch word {
		case wordAddress, wordIP, wordNull:
		default:
			stem, prefix := strings.CutSuffix(word, "*")
			word = string(appendWords(nil, stem))
			if prefix {
				word += "*"
			}
		}
		out = append(out, word)
	}
	return strings.Join(out, " ")
}

// compile returns the last step of a phrase. It panics on a phrase that names
// an unknown class: the table is part of the program, and a test builds it.
func (p *phrases) compile(phrase string) uint16 {
	if id, ok := p.compiled[phrase]; ok {
		return id
	}
	var at uint16
	gap := uint16(0)
	var run []string
	advance := func(symbol uint16) {
		key := stepKey{symbol: symbol, after: at, gap: gap}
		to, ok := p.shared[key]
		if !ok {
			p.last++
			to = p.last
			p.steps[symbol] = append(p.steps[symbol], step{after: at, gap: gap, to: to})
			p.shared[key] = to
		}
		at, gap = to, 0
	}
	flush := func() {
		if len(run) > 0 {
			advance(p.literal(strings.Join(run, " ")))
			run = nil
		}
	}
	for _, word := range strings.Fields(phrase) {
		switch {
		case word == "..":
			flush()
			gap = maxGap
		case word == ".":
			flush()
			gap = 1
		case strings.HasPrefix(word, "$"):
			flush()
			id, ok := p.symbols[word]
			if !ok {
				panic(fmt.Sprintf("reply: phrase %q names an unknown class", phrase))
			}
			advance(id)
		default:
			run = append(run, word)
		}
	}
	flush()
	p.compiled[phrase] = at
	return at
}

// settle lays the trie out for reading, once all phrases are in: siblings stand
// side by side, those with the most literals below them first. It keeps a
// lookup within few cache lines; what is found does not change.
func (p *phrases) settle() {
	weight := make([]int, len(p.nodes))
	for i := len(p.nodes) - 1; i > 0; i-- { // children have higher numbers
		weight[i]++
		for n := p.nodes[i].child; n != 0; n = p.nodes[n].sibling {
			weight[i] += weight[n]
		}
	}
	was := make([]uint16, 1, len(p.nodes)) // new number → old
	now := make([]node, 1, len(p.nodes))
	for at := 0; at < len(now); at++ {
		from := len(was)
		for n := p.nodes[was[at]].child; n != 0; n = p.nodes[n].sibling {
			was = append(was, n)
		}
		slices.SortFunc(was[from:], func(a, b uint16) int { return weight[b] - weight[a] })
		for i, n := range was[from:] {
			x := node{letter: p.nodes[n].letter, whole: p.nodes[n].whole, prefix: p.nodes[n].prefix}
			if from+i+1 < len(was) {
				x.sibling = uint16(from + i + 1)
			}
			now = append(now, x)
		}
		if from < len(was) {
			now[at].child = uint16(from)
		}
	}
	p.nodes = now
	for n := now[0].child; n != 0; n = now[n].sibling {
		p.first[now[n].letter] = n
	}
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
	words   int // in text

	begin   int       // first word of the sentence that is read
	counted sentences // that sentence, URLs not counted
	current sentences // that sentence
}

func (s *scan) reset(steps int) {
	if len(s.end) <= steps {
		s.end, s.in = make([]uint16, steps+1), make([]sentences, steps+1)
	}
	for _, t := range s.touched {
		s.end[t] = 0
	}
	s.touched, s.text = s.touched[:0], s.text[:0]
	s.begin, s.counted, s.current = 0, 1, 1
}

// sentence begins a sentence at a word.
func (s *scan) sentence(word int, url bool) {
	s.begin = word
	if url {
		s.current = inURL
		return
	}
	s.counted = min(s.counted<<1, lateSentence)
	s.current = s.counted
}

func (s *scan) found(step uint16) bool { return s.end[step] != 0 }

// run finds all phrases in s.text.
func (p *phrases) run(s *scan) {
	word := 0
	for i := 0; i < len(s.text); word++ {
		p.walk(s, s.text[i:], word)
		for i < len(s.text) && s.text[i] > ' ' {
			i++
		}
		if i < len(s.text) && s.text[i] != ' ' {
			s.sentence(word+1, s.text[i] == startsURL)
		}
		i++
	}
	s.words = word
}

// walk finds the literals that begin at the start of text.
func (p *phrases) walk(s *scan, text []byte, word int) {
	n := p.first[text[0]]
	for i := 0; n != 0; {
		at := &p.nodes[n]
		i++
		if at.prefix != 0 {
			p.hit(s, at.prefix, word)
		}
		if at.whole != 0 && (i == len(text) || text[i] <= ' ') {
			p.hit(s, at.whole, word)
		}
		if i == len(text) {
			return
		}
		n = at.child
		for n != 0 && p.nodes[n].letter != text[i] {
			n = p.nodes[n].sibling
		}
	}
}

func (p *phrases) hit(s *scan, lit uint16, word int) {
	end := word + p.words[lit]
	p.take(s, p.steps[lit], word, end)
	for _, class := range p.classes[lit] {
		p.take(s, p.steps[class], word, end)
	}
}

func (p *phrases) take(s *scan, steps []step, word, end int) {
	for _, st := range steps {
		if st.after != 0 {
			from := int(s.end[st.after]) - 1
			if from <= s.begin || from > word || word-from > int(st.gap) {
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
