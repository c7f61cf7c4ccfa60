package cause

import (
	"strings"
	"unicode"
)

// maxPlain bounds the texts of a failure, in characters: a chain of four certificates
// with long names fits.
const maxPlain = 800

// Plain makes a text fit for a log, a terminal and a label: it replaces control
// characters and bounds the length. Some texts are not ours: a server that is not
// verified yet can put anything into the names of its certificate.
func Plain(text string) string { return Clip(text, maxPlain) }

// Clip is [Plain] with a bound of its own, in characters, to which three dots may come.
func Clip(text string, limit int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		if n == limit {
			b.WriteString("...")
			break
		}
		if !unicode.IsPrint(r) {
			r = '?'
		}
		b.WriteRune(r)
		n++
	}
	return b.String()
}
