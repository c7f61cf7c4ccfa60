package bridge

import "unicode/utf8"

// maxShown bounds what is shown, in a log line or an answer, of something that
// a caller can make as long as a request's head allows: in bytes, before it is
// quoted. The longest names of a namespace and an object, 63 and 253 bytes, fit
// with the path around them.
const maxShown = 512

// clip cuts s after at most maxShown bytes, not within a character, and says so
// with an ellipsis.
func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	i := maxShown
	// A character has at most utf8.UTFMax bytes; what goes on longer is none.
	for j := i; j > i-utf8.UTFMax; j-- {
		if utf8.RuneStart(s[j]) {
			i = j
			break
		}
	}
	return s[:i] + "…"
}
