package docs

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// Block is a fenced block of a Markdown document.
type Block struct {
	File string // relative to the repository
	Line int    // of its first line of text, from 1
	Lang string // "" if the fence names none
	Text string

	Scenarios  []string
	Background bool
	Until      string
	Expect     string
}

// Where is the block's place, for messages.
func (b Block) Where() string { return fmt.Sprintf("%s:%d", b.File, b.Line) }

// In reports whether the block belongs to a scenario.
func (b Block) In(scenario string) bool { return slices.Contains(b.Scenarios, scenario) }

// Parse returns the blocks of a document, fenced and indented ones (Lang
// "indented"), in order.
func Parse(file string, source []byte) ([]Block, error) {
	var blocks []Block
	root := goldmark.DefaultParser().Parse(text.NewReader(source))
	err := ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		b := Block{File: file}
		switch n := n.(type) {
		case *ast.CodeBlock:
			b.Lang = "indented"
		case *ast.FencedCodeBlock:
			if n.Info != nil {
				if err := b.info(string(n.Info.Segment.Value(source))); err != nil {
					return ast.WalkStop, fmt.Errorf("%s:%d: %w", file, lineOf(source, n.Info.Segment.Start), err)
				}
			}
		default:
			return ast.WalkContinue, nil
		}
		lines := n.Lines()
		var content bytes.Buffer
		for i := range lines.Len() {
			segment := lines.At(i)
			content.Write(segment.Value(source))
		}
		b.Text = content.String()
		if lines.Len() > 0 {
			b.Line = lineOf(source, lines.At(0).Start)
		}
		blocks = append(blocks, b)
		return ast.WalkContinue, nil
	})
	return blocks, err
}

func lineOf(source []byte, offset int) int { return 1 + bytes.Count(source[:offset], []byte("\n")) }

// info reads the text after the opening fence: a language, words, and name=value
// pairs whose value may be quoted.
func (b *Block) info(s string) error {
	b.Lang, s, _ = strings.Cut(strings.TrimSpace(s), " ")
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		word, value := s, ""
		if i := strings.IndexAny(s, " ="); i >= 0 {
			word = s[:i]
			s = s[i:]
		} else {
			s = ""
		}
		if strings.HasPrefix(s, "=") {
			var err error
			if value, s, err = cutValue(s[1:]); err != nil {
				return fmt.Errorf("%s=: %w", word, err)
			}
		}
		if err := b.set(word, value); err != nil {
			return err
		}
	}
	return nil
}

func cutValue(s string) (value, rest string, err error) {
	if quoted, ok := strings.CutPrefix(s, `"`); ok {
		value, rest, ok = strings.Cut(quoted, `"`)
		if !ok {
			return "", "", fmt.Errorf("no closing quote in %s", s)
		}
		return value, rest, nil
	}
	value, rest, _ = strings.Cut(s, " ")
	return value, rest, nil
}

func (b *Block) set(word, value string) error {
	switch word {
	case "scenario":
		b.Scenarios = strings.Split(value, ",")
	case "background":
		b.Background = true
	case "until":
		b.Until = value
	case "expect":
		b.Expect = value
	default:
		return fmt.Errorf("%q is not one of scenario, background, until, expect", word)
	}
	if word != "background" && value == "" {
		return fmt.Errorf("%s: no value", word)
	}
	return nil
}
