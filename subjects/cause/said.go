package cause

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxSaid bounds how much of a server's text is shown, in characters.
const maxSaid = 240

// tags are markup and what a browser does not show, also where the end is cut off.
var tags = regexp.MustCompile(`(?s)<(script|style)\b.*?(</(script|style)>|$)|<!--.*?(-->|$)|<[^>]*(>|$)`)

// title is the element of an HTML page that browsers show beside it.
var title = regexp.MustCompile(`(?is)<title\b[^>]*>(.*?)</title>`)

// Said shows what a server or proxy has sent: without markup, on one line, quoted
// and shortened, so that it can neither break a log nor fill it. The title of a page
// whose words the page repeats is left out.
func Said(b []byte) string {
	page := strings.ToValidUTF8(string(b), "?")
	words := shown(page)
	if at := title.FindStringSubmatchIndex(page); at != nil {
		if rest := shown(page[:at[0]] + " " + page[at[1]:]); repeats(rest, shown(page[at[2]:at[3]])) {
			words = rest
		}
	}
	text := strings.Join(words, " ")
	if r := []rune(text); len(r) > maxSaid {
		text = string(r[:maxSaid]) + "..."
	}
	return strconv.Quote(text)
}

// shown returns the words of a page, without markup.
func shown(page string) []string {
	return strings.FieldsFunc(tags.ReplaceAllString(page, " "), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	})
}

// repeats reports whether text has all words of a title, apart from punctuation.
func repeats(text, title []string) bool {
	has := make(map[string]bool, len(text))
	for _, word := range text {
		has[strings.TrimFunc(word, unicode.IsPunct)] = true
	}
	return !slices.ContainsFunc(title, func(word string) bool { return !has[strings.TrimFunc(word, unicode.IsPunct)] })
}

// Status shows an HTTP status as HTTP names it, since a reason phrase may be
// anything.
func Status(code int) string {
	if text := http.StatusText(code); text != "" {
		return fmt.Sprintf("%d %s", code, text)
	}
	return strconv.Itoa(code)
}
