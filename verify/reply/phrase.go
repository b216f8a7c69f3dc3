package reply

import (
	"fmt"
	"maps"
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

// step is a part of a phrase: it is reached when its literal or class is found
// not more than gap words after the step before.
type step struct {
	after uint16 // 0: a first part
	gap   uint16
	to    uint16
}

// stepKey is what makes a step: what it waits for, and after which step.
type stepKey struct{ symbol, after, gap uint16 }

// phrases is the set as it is compiled; settle makes a matcher of it.
type phrases struct {
	literals map[string]uint16  // literal → symbol
	starred  map[string]uint16  // the same, of those that end with a star
	named    map[string]uint16  // class → symbol
	words    []int              // symbol of a literal → how many words it has
	steps    [][]step           // symbol → steps that it takes
	classes  [][]uint16         // symbol of a literal → its classes, which take steps too
	compiled map[string]uint16  // phrase → its last step
	shared   map[stepKey]uint16 // phrases that begin alike share the steps in which they do
	last     uint16             // highest step in use
}

// newPhrases compiles the classes: name → members, which are literals.
func newPhrases(sets ...map[string][]string) *phrases {
	p := &phrases{
		literals: map[string]uint16{}, starred: map[string]uint16{}, named: map[string]uint16{},
		words: make([]int, 1), steps: make([][]step, 1), classes: make([][]uint16, 1),
		compiled: map[string]uint16{}, shared: map[stepKey]uint16{},
	}
	for _, set := range sets {
		for _, name := range slices.Sorted(maps.Keys(set)) {
			class := p.symbol(p.named, "$"+name, 0)
			for _, m := range set[name] {
				lit := p.literal(m)
				p.classes[lit] = append(p.classes[lit], class)
			}
		}
	}
	return p
}

// symbol returns the symbol of a name, which it enters if it is new.
func (p *phrases) symbol(names map[string]uint16, name string, words int) uint16 {
	id, ok := names[name]
	if !ok {
		id = uint16(len(p.words))
		p.words = append(p.words, words)
		p.steps = append(p.steps, nil)
		p.classes = append(p.classes, nil)
		names[name] = id
	}
	return id
}

// literal returns the symbol of some words side by side. It panics on a star
// that does not end it: such a literal would never be found.
func (p *phrases) literal(s string) uint16 {
	text, prefix := strings.CutSuffix(normalWords(s), "*")
	if strings.Contains(text, "*") {
		panic(fmt.Sprintf("reply: %q has a star within", s))
	}
	names := p.literals
	if prefix {
		names = p.starred
	}
	return p.symbol(names, text, strings.Count(text, " ")+1)
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
			id, ok := p.named[word]
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
