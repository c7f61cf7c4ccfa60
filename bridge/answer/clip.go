package answer

import "unicode/utf8"

// MaxShown is how many bytes of a text that a caller chose are shown in a log line
// or an answer, before quoting. Such a text can be as long as a request's head
// allows. The longest names of a namespace and an object, 63 and 253 bytes, fit
// together with their path.
const MaxShown = 512

// Clip truncates s to at most MaxShown bytes, between two characters, and appends an
// ellipsis if it has truncated it.
func Clip(s string) string {
	if len(s) <= MaxShown {
		return s
	}
	i := MaxShown
	// A character has at most utf8.UTFMax bytes; a longer sequence is not valid.
	for j := i; j > i-utf8.UTFMax; j-- {
		if utf8.RuneStart(s[j]) {
			i = j
			break
		}
	}
	return s[:i] + "…"
}
