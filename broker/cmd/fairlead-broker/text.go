package main

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// textWidth is how long lines get: a terminal and its scroll bar.
const textWidth = 78

// step is where a text of steps gets a new line: before a command, and after its end.
var step = regexp.MustCompile(`: (?:nsc|fairlead-broker) |; `)

// writeText writes a fault, or what to do about it, in lines of bounded length. A
// command begins its own line and continues after a backslash, so that it can be
// copied.
func writeText(out io.Writer, indent, text string) {
	for _, line := range splitSteps(text) {
		glue, deeper := "", ""
		if strings.HasPrefix(line, "nsc ") || strings.HasPrefix(line, "fairlead-broker ") {
			glue, deeper = ` \`, "    "
		}
		for i, part := range wrap(line, textWidth-len(indent)-len(deeper)-len(glue)) {
			if i > 0 {
				fmt.Fprint(out, glue, "\n", deeper)
			}
			fmt.Fprint(out, indent, part)
		}
		fmt.Fprintln(out)
	}
}

func splitSteps(text string) []string {
	var lines []string
	for {
		at := step.FindStringIndex(text)
		if at == nil {
			return append(lines, text)
		}
		lines = append(lines, strings.TrimSuffix(text[:at[0]+1], ";"))
		text = strings.TrimSpace(text[at[0]+1:])
	}
}

// wrap breaks between words. One that is longer than width stays whole.
func wrap(line string, width int) []string {
	var lines []string
	current := ""
	for _, word := range words(line) {
		switch {
		case current == "":
			current = word
		case len(current)+1+len(word) > width:
			lines = append(lines, current)
			current = word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}

// words splits at spaces, but not between a flag and its value.
func words(line string) []string {
	var list []string
	for _, w := range strings.Fields(line) {
		n := len(list)
		if n > 0 && isFlag(list[n-1]) && !strings.HasPrefix(w, "-") {
			list[n-1] += " " + w
			continue
		}
		list = append(list, w)
	}
	return list
}

func isFlag(word string) bool { return strings.HasPrefix(word, "-") && !strings.Contains(word, " ") }
