package reply

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The words that stand for what differs from reply to reply. Addresses and
// whatever else is a name in angle brackets become one word, because a local
// part may itself say anything ("unknown@…", "spam@…").
const (
	wordAddress = "@"
	wordIP      = "%"
	wordNull    = "<>" // the null sender (RFC 5321 section 4.5.5)
)

// What stands between two words instead of a space. Both are less than one.
const (
	endsSentence = '\n'
	endsLine     = '\v' // a line, and with it a sentence as far as one can tell
	startsURL    = '\t'
	endsURL      = '\r' // what follows goes on with the sentence before the URL
)

// lower holds the small letter of each ASCII letter and each digit, 0 for what
// is neither.
var lower = func() (t [256]byte) {
	for c := byte('a'); c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = c, c
	}
	for c := byte('0'); c <= '9'; c++ {
		t[c] = c
	}
	return t
}()

// appendWords appends the words of a text to dst: lower case, accents folded
// to their base letters, punctuation dropped, one space between words, each
// CJK rune a word of its own, addresses and IP addresses replaced; a URL is a
// sentence of its own. It returns dst, which may end with the end of a sentence
// but not with a space.
func appendWords(dst []byte, text string) []byte {
	lastAt := strings.LastIndexByte(text, '@')
	inWord := false
	urlEnd := len(text) + 1
	emit := func(word string) {
		dst = append(space(dst), word...)
		inWord = false
	}
	for i := 0; i < len(text); {
		c := text[i]
		letter := lower[c]
		if letter != 0 && inWord {
			dst = append(dst, letter)
			i++
			continue
		}
		if i >= urlEnd {
			end := byte(endsURL)
			if strings.IndexByte(".!?;", c) >= 0 {
				end = endsSentence
			}
			dst, urlEnd, inWord = separate(dst, end), len(text)+1, false
		}
		if c >= utf8.RuneSelf {
			r, n := decode(text[i:])
			i += n
			dst, inWord = appendRune(dst, r, inWord)
			continue
		}
		if !inWord {
			if word, n := special(text[i:], i < lastAt); n > 0 {
				emit(word)
				i += n
				continue
			}
			if n := urlLen(text[i:]); n > 0 && i+n < urlEnd {
				dst, urlEnd = separate(dst, startsURL), i+n
			}
		}
		switch {
		case letter != 0:
			dst, inWord = append(space(dst), letter), true
		case c == '\'' || c == '`': // doesn't, n'existe
		case c == '-' && inWord && isE(dst): // e-mail
		case c == '(' || c == '[':
			i, inWord = i+noteLen(text[i:]), false
		case stops(text, i):
			dst, inWord = separate(dst, endsSentence), false
		default:
			inWord = false
		}
		i++
	}
	if urlEnd <= len(text) {
		dst = separate(dst, endsURL)
	}
	return dst
}

// space ends the word before, if there is one.
func space(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] > ' ' {
		return append(dst, ' ')
	}
	return dst
}

// separate ends the sentence or the URL before, if there is one, or starts a URL.
func separate(dst []byte, by byte) []byte {
	switch n := len(dst); {
	case by == startsURL, n > 0 && dst[n-1] > ' ':
		return append(dst, by)
	case n > 0 && (by != endsLine || dst[n-1] != endsSentence):
		dst[n-1] = by
	}
	return dst
}

// isE reports whether the last word is "e".
func isE(dst []byte) bool {
	n := len(dst)
	return dst[n-1] == 'e' && (n == 1 || dst[n-2] <= ' ')
}

// stops reports whether the mark at i ends a sentence. A full stop does not
// within a name or a number, after a single letter (e.g.), nor in an ellipsis,
// which many servers write after the address.
func stops(text string, i int) bool {
	if i+1 < len(text) && strings.IndexByte(" \t)]\"'", text[i+1]) < 0 {
		return false
	}
	switch text[i] {
	case '!', '?', ';':
		return true
	case '.':
		return i > 1 && strings.IndexByte(` ."'`, text[i-1]) < 0 &&
			(text[i-1] < 'A' || text[i-2] >= utf8.RuneSelf || lower[text[i-2]] != 0)
	}
	return false
}

// plainWords counts the words of a text that appendWords made, but for those
// with a digit: ids, numbers and codes say nothing.
func plainWords(text []byte) int {
	n := 0
	for i := 0; i < len(text); i++ {
		begin := i
		digit := false
		for ; i < len(text) && text[i] > ' '; i++ {
			digit = digit || text[i] >= '0' && text[i] <= '9'
		}
		if i > begin && !digit {
			n++
		}
	}
	return n
}

// appendLine appends the words of a line of a reply, which stands after others.
func appendLine(dst []byte, before []string, line string) []byte {
	line = strings.TrimLeft(line, " ")
	switch n := len(before); {
	case line == "":
		return separate(dst, endsSentence)
	case n > 0 && beginsSentence(strings.TrimRight(before[n-1], " "), line):
		dst = separate(dst, endsLine)
	}
	return appendWords(dst, line)
}

// beginsSentence reports whether a line seems to begin a sentence, whatever the
// line before ends with: many servers break their lines within one.
func beginsSentence(before, line string) bool {
	last := before[strings.LastIndexByte(before, ' ')+1:]
	if strings.HasSuffix(before, ",") || strings.HasSuffix(before, ":") || isArticle(last) {
		return false
	}
	first, n := decode(line)
	second, _ := decode(line[n:])
	return unicode.IsUpper(first) && unicode.IsLower(second)
}

// leadsOn are the longer ones of the words after which no sentence ends.
var leadsOn = []string{
	"from", "with", "this", "that", "your", "into", "which", "these", "their", "eine", "einer", "diese", "dieser",
}

// isArticle reports whether a word may be an article, a preposition or the
// like, after which no sentence ends: most are short, and have no full stop.
func isArticle(word string) bool {
	n := utf8.RuneCountInString(word)
	last, _ := utf8.DecodeLastRuneInString(word)
	return n > 0 && n <= 3 && unicode.IsLower(last) || slices.Contains(leadsOn, word)
}

// decode reads one rune; a byte that is no UTF-8 is taken for Latin-1, which
// older servers send.
func decode(text string) (rune, int) {
	r, n := utf8.DecodeRuneInString(text)
	if r == utf8.RuneError && n == 1 {
		return rune(text[0]), 1
	}
	return r, n
}

// appendRune appends a rune above ASCII.
func appendRune(dst []byte, r rune, inWord bool) ([]byte, bool) {
	switch {
	case r == '’', r >= 0x300 && r <= 0x36f: // an accent that stands by itself (NFD)
		return dst, inWord
	case r == '。', r == '！', r == '？', r == '；':
		return separate(dst, endsSentence), false
	case !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r):
		return dst, false
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai):
		return utf8.AppendRune(space(dst), r), false
	}
	if !inWord {
		dst = space(dst)
	}
	if base := fold(r); base != "" {
		return append(dst, base...), true
	}
	return utf8.AppendRune(dst, unicode.ToLower(r)), true
}

// foldFrom and foldTo are the accented letters of the languages that the rules
// speak, and their base letters.
const (
	foldFrom = "àáâãäåāăąçćčďđèéêëēėęěğģìíîïīįıķĺľłļñńňņòóôõöøōőŕřśšşșťţțùúûüūůűųýÿźżžάέήίόύώϊϋё" +
		"ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉĩịọỏốồổỗộơớờởỡợụủũưứừửữựỳỵỷỹ"
	foldTo = "aaaaaaaaacccddeeeeeeeeggiiiiiiikllllnnnnoooooooorrsssstttuuuuuuuuyyzzzαεηιουωιυе" +
		"aaaaaaaaaaaaeeeeeeeeiiiooooooooooooouuuuuuuuuyyyy"
)

var folds = func() map[rune]string {
	m := map[rune]string{'ß': "ss", 'æ': "ae", 'œ': "oe"}
	to := []rune(foldTo)
	i := 0
	for _, r := range foldFrom {
		m[r] = string(to[i])
		i++
	}
	return m
}()

func fold(r rune) string { return folds[unicode.ToLower(r)] }
