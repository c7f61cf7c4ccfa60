package diagnosis

import (
	"strings"
	"time"
	"unicode"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Schema names the JSON shape.
const Schema = "fairlead.io/doctor/v1"

// Status says how a check ended.
type Status string

// The statuses of a check.
const (
	OK         Status = "ok"
	Failed     Status = "failed"
	NotUsed    Status = "not-used"    // this path has no such step
	NotReached Status = "not-reached" // another step failed first
)

// Report is what a doctor command found.
type Report struct {
	Schema  string    `json:"schema"`
	Program string    `json:"program"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	// OK: everything that is needed works.
	OK bool `json:"ok"`
	// ExitCode is that of the command, 0 if OK.
	ExitCode int       `json:"exitCode"`
	Targets  []*Target `json:"targets"`
}

// Target is one thing that must work, or one of several alternatives.
type Target struct {
	// Name is what people call it, such as the URL of a server, without secrets.
	Name string `json:"name"`
	// Group is the same for targets of which one has to work.
	Group  string   `json:"group"`
	OK     bool     `json:"ok"`
	Checks []*Check `json:"checks"`
}

// Check is one step of the path to a target.
type Check struct {
	Hop    cause.Hop `json:"hop"`
	Status Status    `json:"status"`
	// Found says in words what was found, or why the step is not used or was not reached.
	Found string `json:"found,omitempty"`
	// Facts are the same for programs.
	Facts map[string]string `json:"facts,omitempty"`
	// Warnings are faults that do not stop the path yet.
	Warnings []string `json:"warnings,omitempty"`
	// Failure is why a step failed.
	Failure *Failure `json:"failure,omitempty"`
	// Millis is how long the step took, in milliseconds; 0 if that is not known.
	Millis float64 `json:"tookMs,omitempty"`
}

// Failure is a [cause.Failure] in words, or a fault of another kind without a cause of
// the catalogue.
type Failure struct {
	Cause cause.ID `json:"cause,omitempty"`
	Title string   `json:"title"`
	Tried string   `json:"tried,omitempty"`
	Got   string   `json:"got,omitempty"`
	// Lines are what came back besides, where it has lines.
	Lines  []string `json:"lines,omitempty"`
	Likely string   `json:"likely,omitempty"`
	Do     string   `json:"do"`
}

// Took sets how long the step took.
func (c *Check) Took(d time.Duration) {
	c.Millis = float64(d.Round(100*time.Microsecond).Microseconds()) / 1000
}

// Warn adds a warning.
func (c *Check) Warn(text string) { c.Warnings = append(c.Warnings, line(text)) }

// Fact adds a fact, unless it is "".
func (c *Check) Fact(key, value string) {
	if value == "" {
		return
	}
	if c.Facts == nil {
		c.Facts = make(map[string]string)
	}
	c.Facts[key] = line(value)
}

// Pass makes the check one that succeeded.
func (c *Check) Pass(found string) { c.Status, c.Found = OK, line(found) }

// Skip makes the check one that this path does not use.
func (c *Check) Skip(why string) { c.Status, c.Found = NotUsed, line(why) }

// Miss says why the check was not reached.
func (c *Check) Miss(why string) { c.Status, c.Found = NotReached, line(why) }

// Fail makes the check one that failed.
func (c *Check) Fail(f *cause.Failure) {
	info := f.Cause.Info()
	c.Status = Failed
	c.Failure = &Failure{
		Cause: info.ID, Title: info.Title, Tried: line(f.Tried), Got: line(f.Got), Likely: info.Means, Do: line(f.Cure()),
	}
}

// Fault makes the check one that failed, for a reason that is not one of a connection.
func (c *Check) Fault(title, got, do string) {
	c.Status = Failed
	c.Failure = &Failure{Title: line(title), Got: line(got), Do: line(do)}
}

// maxLines bounds the lines of a failure.
const maxLines = 200

// FaultLines is [Check.Fault] for a text of several lines that came back besides.
func (c *Check) FaultLines(title, got, text, do string) {
	c.Fault(title, got, do)
	for l := range strings.Lines(text) {
		if l = line(l); l != "" && len(c.Failure.Lines) < maxLines {
			c.Failure.Lines = append(c.Failure.Lines, l)
		}
	}
}

// New returns a target whose checks are those of the hops, none of them reached.
func New(name, group string, hops ...cause.Hop) *Target {
	t := &Target{Name: line(name), Group: group}
	for _, h := range hops {
		t.Checks = append(t.Checks, &Check{Hop: h, Status: NotReached})
	}
	return t
}

// Check returns the check of a hop, nil if the target has none.
func (t *Target) Check(h cause.Hop) *Check {
	for _, c := range t.Checks {
		if c.Hop == h {
			return c
		}
	}
	return nil
}

// Failed returns the first check that failed, nil if none did.
func (t *Target) Failed() *Check {
	for _, c := range t.Checks {
		if c.Status == Failed {
			return c
		}
	}
	return nil
}

// maxLine bounds a text, in characters: the chain of a certificate fits.
const maxLine = 1200

// line makes a text fit for a terminal: it may be an unverified server's.
func line(s string) string {
	r := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, strings.TrimSpace(s)))
	if len(r) > maxLine {
		return string(r[:maxLine]) + "..."
	}
	return string(r)
}
