package daemon

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// maxConfig bounds a configuration file, in bytes: a larger file was named by
// mistake.
const maxConfig = 1 << 20

// fromFile sets the flags that nothing has set yet from the YAML file at path.
func fromFile(fs *pflag.FlagSet, path string) []error {
	root, err := readConfig(path)
	if err != nil {
		return []error{fmt.Errorf("configuration file: %w", err)}
	}
	if root == nil {
		return nil
	}
	var errs []error
	fail := func(n *yaml.Node, format string, args ...any) {
		errs = append(errs, fmt.Errorf("%s:%d: %w", path, n.Line, fmt.Errorf(format, args...)))
	}
	seen := make(map[string]int)
	partly := fs.Lookup(configFlag).Annotations[partlyAnnotation] != nil
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		name := key.Value
		f := fs.Lookup(name)
		switch {
		case f == nil && partly:
		case f == nil || !bindable(f) || name == configFlag:
			fail(key, "unknown key %q%s", name, suggestFlag(fs, name))
		case seen[name] != 0:
			fail(key, "key %q was already given in line %d", name, seen[name])
		case f.Changed: // the command line or the environment wins
			seen[name] = key.Line
			if err := checkNode(f, value); err != nil {
				fail(value, "%s: %w", name, err)
			}
		default:
			seen[name] = key.Line
			if err := setNode(f, value, filepath.Dir(path)); err != nil {
				fail(value, "%s: %w", name, err)
			}
		}
	}
	return errs
}

// readConfig returns the mapping in the file at path, nil for an empty file.
func readConfig(path string) (*yaml.Node, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxConfig+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxConfig {
		return nil, fmt.Errorf("%s: larger than %d bytes", path, maxConfig)
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: more than one YAML document", path)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	if root.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("%s:%d: want \"flag-name: value\" lines, not %s", path, root.Line, kindOf(root))
	}
	return root, nil
}

// checkNode returns an error unless n has a form that f can take.
func checkNode(f *pflag.Flag, n *yaml.Node) error {
	n = resolve(n)
	_, list := f.Value.(pflag.SliceValue)
	isMap := strings.HasPrefix(f.Value.Type(), "stringTo")
	switch {
	case n.Kind == yaml.ScalarNode:
		if isMap && n.Tag != "!!null" {
			return fmt.Errorf("want a mapping, not %s", kindOf(n))
		}
		return nil
	case n.Kind == yaml.SequenceNode && list:
		for _, e := range n.Content {
			if e = resolve(e); e.Kind != yaml.ScalarNode || e.Tag == "!!null" {
				return fmt.Errorf("line %d: want %s, not %s", e.Line, f.Value.Type(), kindOf(e))
			}
		}
		return nil
	case n.Kind == yaml.MappingNode && isMap:
		for _, e := range n.Content {
			if e = resolve(e); e.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: want text, not %s", e.Line, kindOf(e))
			}
		}
		return nil
	}
	return fmt.Errorf("want %s, not %s", f.Value.Type(), kindOf(n))
}

// setNode sets f to the value n; a blank value leaves the default.
func setNode(f *pflag.Flag, n *yaml.Node, dir string) error {
	if err := checkNode(f, n); err != nil {
		return err
	}
	n = resolve(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if err := apply(f, n, dir); err != nil {
		return err
	}
	f.Changed = true
	return nil
}

func apply(f *pflag.Flag, n *yaml.Node, dir string) error {
	invalid := func(v string, err error) error {
		return fmt.Errorf("%q is not a valid %s: %w", v, f.Value.Type(), err)
	}
	list, isList := f.Value.(pflag.SliceValue)
	switch {
	case n.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			pair := resolve(n.Content[i]).Value + "=" + resolve(n.Content[i+1]).Value
			if err := f.Value.Set(quoteCSV(pair)); err != nil {
				return invalid(pair, err)
			}
		}
	case isList:
		var values []string
		if n.Kind == yaml.ScalarNode {
			values = []string{inDir(f, n.Value, dir)} // a list of one
		}
		for _, e := range n.Content {
			values = append(values, inDir(f, resolve(e).Value, dir))
		}
		if err := list.Replace(values); err != nil {
			return invalid(strings.Join(values, ","), err)
		}
	default:
		if err := f.Value.Set(inDir(f, n.Value, dir)); err != nil {
			return invalid(n.Value, err)
		}
	}
	return nil
}

func inDir(f *pflag.Flag, v, dir string) string {
	if f.Annotations[pathAnnotation] == nil || v == "" || v == "-" || filepath.IsAbs(v) {
		return v
	}
	return filepath.Join(dir, v)
}

// quoteCSV protects a pair that pflag reads as comma-separated values.
func quoteCSV(pair string) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	_ = w.Write([]string{pair}) // a strings.Builder does not fail
	w.Flush()
	return strings.TrimSuffix(b.String(), "\n")
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return fmt.Sprintf("%q", n.Value)
}

// suggestFlag returns `, did you mean "x"?` for the flag nearest to name, or
// nothing when none is near.
func suggestFlag(fs *pflag.FlagSet, name string) string {
	best, bestDistance := "", 3 // two edits or fewer look like a slip
	norm := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	fs.VisitAll(func(f *pflag.Flag) {
		if !bindable(f) || f.Name == configFlag || f.Hidden {
			return
		}
		if d := editDistance(norm, f.Name); d < bestDistance && d < len(f.Name) {
			best, bestDistance = f.Name, d
		}
	})
	if best == "" {
		return ""
	}
	return fmt.Sprintf(", did you mean %q?", best)
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b.
func editDistance(a, b string) int {
	if len(a) > 64 || len(b) > 64 { // no flag is that long
		return len(a) + len(b)
	}
	var before, last, row [65]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
