package answer

import "unicode/utf8"

// MaxShown bounds what is shown, in a log line or an answer, of something that
// a caller can make as long as a request's head allows: in bytes, before it is
// quoted. The longest names of a namespace and an object, 63 and 253 bytes, fit
// with the path around them.
const MaxShown = 512

// Clip cuts s after at most MaxShown bytes, not within a character, and says so
// with an ellipsis.
func Clip(s string) string {
	if len(s) <= MaxShown {
		return s
	}
	i := MaxShown
	// A character has at most utf8.UTFMax bytes; a longer sequence is not one.
	for j := i; j > i-utf8.UTFMax; j-- {
		if utf8.RuneStart(s[j]) {
			i = j
			break
		}
	}
	return s[:i] + "…"
}
