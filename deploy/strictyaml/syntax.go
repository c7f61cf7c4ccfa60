package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/redact"
)

// plainly are the library's texts about what is not YAML, as one would say it to
// somebody who writes a file.
var plainly = []struct{ text, plain string }{
	{"found character that cannot start any token", `a value begins with a tab, or with one of @ % and a backquote: indent with spaces, and put such a value in quotes`},
	{"did not find expected alphabetic or numeric character", "a value that begins with * or & must be in quotes"},
	{"found a tab character", "there is a tab where YAML wants spaces: indent with spaces"},
	{"mapping values are not allowed in this context", `there is a second ": " in one line, or the indentation is wrong: put the value in quotes, or indent as the line above`},
	{"did not find expected key", `a quoted value goes on after its quote (put all of it in single quotes: '"a" in b'), or the indentation is not that of the line above`},
	{"could not find expected ':'", `a key lacks its ": ", or the indentation is wrong`},
	{"did not find expected ',' or ']'", "a list in [ ] is not closed, lacks a comma, or has a value that goes on after its quote"},
	{"did not find expected ',' or '}'", "a mapping in { } is not closed, lacks a comma, or has a value that goes on after its quote"},
	{"did not find expected '-' indicator", "an item of this list lacks its \"- \", or the indentation is not that of the items above"},
	{"did not find expected node content", "a value is missing here: a list in [ ] or a mapping in { } is not closed, or has a comma too many"},
	{"found unexpected end of stream", "a quote that is opened is not closed"},
	{"found unknown escape character", `a backslash in double quotes must be written \\; in single quotes it needs nothing`},
	{"block sequence entries are not allowed in this context", `a "- " stands where no list can be: put it in a line of its own, indented`},
	{"control characters are not allowed", "the file has control characters: is it a text file?"},
	{"invalid leading UTF-8 octet", "the file is not in UTF-8"},
	{"invalid trailing UTF-8 octet", "the file is not in UTF-8"},
	{"incomplete UTF-8", "the file is not in UTF-8"},
	{"block collection entries", "the indentation is wrong"},
}

// notYAML explains an error of the library about a file that is not YAML.
func (d decoder) notYAML(b []byte, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, scanned := fmt.Sscanf(text, "line %d:", &line); scanned == nil && n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	if anchor, ok := strings.CutPrefix(text, "unknown anchor "); ok {
		text = "there is no anchor " + d.anchor(strings.TrimSuffix(anchor, " referenced")) + ": a value that begins with * must be in quotes"
	}
	for _, p := range plainly {
		if strings.Contains(text, p.text) {
			text = p.plain
			break
		}
	}
	if len(b) <= maxSearched {
		line = firstBadLine(b)
	}
	return &Error{Line: max(line, 1), err: errors.New(text)}
}

// anchor returns what stands in a message for an anchor, which the library has in quotes
// of its own.
func (d decoder) anchor(quoted string) string {
	if d.secret {
		return d.quote(quoted)
	}
	return quoted
}

// Bounds of the search for a line. Files of people have a few kilobytes, of which a
// parse takes a millisecond; of the largest that is searched it takes ten.
const (
	maxSearched = 64 << 10 // bytes
	maxParses   = 40
)

// firstBadLine returns the first line from which on the file is not YAML. The library
// counts lines from 0 or from 1, says where a list began rather than where it is broken,
// or says nothing.
func firstBadLine(b []byte) int {
	lines := bytes.SplitAfter(b, []byte("\n"))
	parses := func(n int) bool {
		var node yaml.Node
		return yaml.Unmarshal(bytes.Join(lines[:n], nil), &node) == nil
	}
	done, good, bad := 0, 0, len(lines)
	for ; good+1 < bad; done++ {
		if mid := (good + bad) / 2; parses(mid) {
			good = mid
		} else {
			bad = mid
		}
	}
	for n := good + 2; n < len(lines) && done < maxParses; n, done = n+1, done+1 { // lines of one value may be bad each
		if parses(n) {
			good = n
		}
	}
	return good + 1
}

// explain makes an error of the library one in the file's terms. Errors of this package,
// and those of types that decode themselves, are left as they are.
func (d decoder) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, several := err.(interface{ Unwrap() []error }); several {
		return err
	}
	if inner, ok := errors.AsType[*Error](err); ok {
		return inner
	}
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if many, ok := errors.AsType[*yaml.TypeError](err); ok && len(many.Errors) > 0 {
		text = many.Errors[0]
	}
	var line int
	located := false
	if n, scanned := fmt.Sscanf(text, "line %d:", &line); scanned == nil && n == 1 {
		located = true
		_, text, _ = strings.Cut(text, ": ")
	}
	if d.secret { // the library quotes values and anchors
		text = "the value cannot be used here"
	}
	if !located {
		return errors.New(redact.Text(text))
	}
	return &Error{Line: line, err: errors.New(text)}
}
