package redact

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
)

// escapes are those of HTML, JSON and JavaScript, and URLs, whoever wrote them: platforms
// differ in what they escape, and how. The first form, of the group, is one that was cut off.
var escapes = regexp.MustCompile(`(?i)((?:&#?[a-z0-9]{0,31}|\\(?:u[0-9a-f]{0,3}|x[0-9a-f]?)?|%[0-9a-f]?)$)` +
	`|&(?:#\d{1,8}|#x[0-9a-f]{1,8}|[a-z][a-z0-9]{1,31});?|(?:\\u[0-9a-f]{4})+|\\x[0-9a-f]{2}|\\["'\\/]|%[0-9a-f]{2}`)

// maxEscapes is how often a text may have been escaped: JSON in HTML, in a log.
const maxEscapes = 3

// plain is a text without escapes.
type plain struct {
	text string
	from []int // where each of its bytes begins in the original, and the original's length
}

// unescaped returns the texts that s is after undoing its escapes once, twice and so on.
func unescaped(s string) (all []plain) {
	before := plain{text: s, from: make([]int, len(s)+1)}
	for i := range before.from {
		before.from[i] = i
	}
	for range maxEscapes {
		next := before.unescape()
		if next.text == before.text {
			break
		}
		all = append(all, next)
		before = next
	}
	return all
}

// unescape undoes escapes once.
func (p plain) unescape() plain {
	var b strings.Builder
	var next plain
	at := 0
	add := func(text string, from func(int) int) {
		b.WriteString(text)
		for i := range len(text) {
			next.from = append(next.from, p.from[from(i)])
		}
	}
	for _, m := range escapes.FindAllStringSubmatchIndex(p.text, -1) {
		add(p.text[at:m[0]], func(i int) int { return at + i })
		if cutOff := m[2] >= 0; !cutOff {
			add(meaning(p.text[m[0]:m[1]]), func(int) int { return m[0] })
		}
		at = m[1]
	}
	add(p.text[at:], func(i int) int { return at + i })
	next.text, next.from = b.String(), append(next.from, p.from[len(p.text)])
	return next
}

// hide marks in the original what is hidden of the text: all of an escape, and one that was
// cut off behind it.
func (p plain) hide(original, hidden []bool) {
	for i, h := range hidden {
		if !h {
			continue
		}
		end := i + 1
		for end < len(hidden) && p.from[end] == p.from[i] {
			end++
		}
		for at := p.from[i]; at < p.from[end]; at++ {
			original[at] = true
		}
	}
}

// meaning returns what an escape stands for, or itself.
func meaning(escape string) string {
	switch kind := strings.ToLower(escape[:2]); {
	case kind[0] == '&':
		return html.UnescapeString(escape)
	case kind[0] == '%':
		return character(escape[1:])
	case kind == `\x`:
		return character(escape[2:])
	case kind == `\u`:
		units := make([]uint16, 0, len(escape)/6)
		for at := 0; at < len(escape); at += 6 {
			unit, _ := strconv.ParseUint(escape[at+2:at+6], 16, 16) // the expression has checked it
			units = append(units, uint16(unit))
		}
		return string(utf16.Decode(units))
	}
	return escape[1:]
}

// character returns the byte of two hexadecimal digits.
func character(digits string) string {
	n, _ := strconv.ParseUint(digits, 16, 8) // the expression has checked it
	return string([]byte{byte(n)})
}
