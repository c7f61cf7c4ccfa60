package dial

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxSaid bounds how much of a server's text is shown, in characters.
const maxSaid = 160

var tags = regexp.MustCompile(`(?s)<(script|style).*?</(script|style)>|<[^>]*>`)

// said shows what a server or proxy has sent: without markup, on one line and
// quoted, so that it can neither break a log nor fill it.
func said(b []byte) string {
	text := tags.ReplaceAllString(strings.ToValidUTF8(string(b), "?"), " ")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if r := []rune(text); len(r) > maxSaid {
		text = string(r[:maxSaid]) + "..."
	}
	return strconv.Quote(text)
}
