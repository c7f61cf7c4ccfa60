package diagnosis

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"
)

// Style says how a table is drawn.
type Style struct {
	// ASCII leaves out all characters that are not.
	ASCII bool
	// Color marks results by escape sequences of terminals.
	Color bool
	// Width is that of the lines, in characters. 0: 100.
	Width int
}

// StyleFor returns the style for a writer: colors and width of a terminal, and ASCII
// where the environment names another character set than UTF-8. Without any it is
// presumed: containers have none, and what they write is read elsewhere.
func StyleFor(w io.Writer, getenv func(string) string) Style {
	var s Style
	charset := cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))
	utf8 := strings.ReplaceAll(strings.ToLower(charset), "-", "")
	s.ASCII = charset != "" && !strings.Contains(utf8, "utf8")
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		s.Color = getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			s.Width = max(width, 60)
		}
	}
	return s
}

// WriteJSON writes the report as one JSON object.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// table writes a report for people.
type table struct {
	strings.Builder
	Style
}

// hopWidth is the width of the column with the hops.
const hopWidth = 14

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer, s Style) error {
	t := &table{Style: s}
	if t.Width == 0 {
		t.Width = 100
	}
	fmt.Fprintf(t, "%s doctor %s, %s\n", r.Program, r.Version, r.Time.UTC().Format(time.RFC3339))
	for _, target := range r.Targets {
		fmt.Fprintf(t, "\n%s\n", target.Name)
		for _, c := range target.Checks {
			t.check(c)
		}
	}
	fmt.Fprintf(t, "\n%s\n", r.verdict())
	text := t.String()
	if s.ASCII {
		text = ascii(text)
	}
	_, err := io.WriteString(w, text)
	return err
}

// marks are the signs of the statuses, the second one in ASCII, and their colors.
var marks = map[Status][3]string{
	OK: {"✓", "ok  ", "32"}, Failed: {"✗", "FAIL", "31"}, NotUsed: {"-", "-   ", "2"}, NotReached: {"·", ".   ", "2"},
}

func (t *table) check(c *Check) {
	m := marks[c.Status]
	sign := m[0]
	if t.ASCII {
		sign = m[1]
	}
	if t.Color {
		sign = "\x1b[" + m[2] + "m" + sign + "\x1b[0m"
	}
	text := c.Found
	switch c.Status {
	case NotReached:
		text = cmp.Or(c.Found, "not reached")
	case Failed:
		text = c.Failure.Title
	}
	if c.Millis > 0 {
		text += " (" + took(c.Millis) + ")"
	}
	t.wrap(fmt.Sprintf("  %s %-*s", sign, hopWidth, c.Hop), text)
	if f := c.Failure; f != nil {
		t.more("tried: ", f.Tried)
		t.more("got: ", f.Got)
		for _, l := range f.Lines {
			t.more("", l)
		}
		t.more("likely: ", f.Likely)
		t.more("do: ", f.Do)
	}
	for _, w := range c.Warnings {
		t.more("WARNING: ", w)
	}
}

// took shows how many milliseconds a step took.
func took(millis float64) string {
	if millis >= 1000 {
		return fmt.Sprintf("%.1f s", millis/1000)
	}
	return fmt.Sprintf("%.4g ms", millis)
}

func (t *table) more(label, text string) {
	if text != "" {
		t.wrap(strings.Repeat(" ", t.indent()), label+text)
	}
}

func (t *table) indent() int {
	if t.ASCII {
		return hopWidth + 7
	}
	return hopWidth + 4
}

// wrap writes a text behind a label, and its further lines below it.
func (t *table) wrap(label, text string) {
	t.WriteString(label)
	column := t.indent()
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i == 0:
		case column+1+n > t.Width:
			t.WriteString("\n" + strings.Repeat(" ", t.indent()))
			column = t.indent()
		default:
			t.WriteByte(' ')
			column++
		}
		t.WriteString(word)
		column += n
	}
	t.WriteByte('\n')
}

// verdict is the last line.
func (r *Report) verdict() string {
	var broken []string
	warnings := 0
	for _, t := range r.Targets {
		if c := t.Failed(); c != nil {
			broken = append(broken, fmt.Sprintf("%s fails at %s", t.Name, c.Hop))
		}
		for _, c := range t.Checks {
			warnings += len(c.Warnings)
		}
	}
	switch {
	case !r.OK:
		return fmt.Sprintf("Not fine: %s. Exit code %d.", strings.Join(broken, "; "), r.ExitCode)
	case len(broken) > 0:
		return fmt.Sprintf("WARNING: it works, but not everything does: %s.", strings.Join(broken, "; "))
	case warnings > 0:
		return fmt.Sprintf("Everything works. Warnings: %d, see above.", warnings)
	}
	return "Everything works."
}

// ascii replaces what is not ASCII.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if r > 126 {
			return '?'
		}
		return r
	}, s)
}
