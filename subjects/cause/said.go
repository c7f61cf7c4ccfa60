package cause

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// maxSaid bounds how much of a server's text is shown, in characters.
const maxSaid = 240

// tags are markup and what a browser does not show, also where the end is cut off.
var tags = regexp.MustCompile(`(?s)<(script|style)\b.*?(</(script|style)>|$)|<!--.*?(-->|$)|<[^>]*(>|$)`)

// Said shows what a server or proxy has sent: without markup, on one line, quoted
// and shortened, so that it can neither break a log nor fill it.
func Said(b []byte) string {
	text := tags.ReplaceAllString(strings.ToValidUTF8(string(b), "?"), " ")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if r := []rune(text); len(r) > maxSaid {
		text = string(r[:maxSaid]) + "..."
	}
	return strconv.Quote(text)
}

// Status shows an HTTP status as HTTP names it, since a reason phrase may be
// anything.
func Status(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return strconv.Itoa(code)
}
