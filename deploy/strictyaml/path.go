package strictyaml

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Locate gives the errors of a document their paths, and returns them in the order of
// their lines.
func Locate(root *yaml.Node, err error) error { return decoder{}.locateAll(root, err) }

func (d decoder) locateAll(root *yaml.Node, err error) error {
	wanted := make(map[*yaml.Node][]*Error)
	for _, f := range Faults(err) {
		if e, ok := errors.AsType[*Error](f); ok && e.node != nil && e.Path == "" {
			wanted[e.node] = append(wanted[e.node], e)
		}
	}
	if len(wanted) > 0 {
		d.locate(root, nil, wanted)
	}
	all, told := Faults(Join(err)), make(map[string]bool)
	return errors.Join(slices.DeleteFunc(all, func(f error) bool { // what stands behind an alias is decoded twice
		again := told[f.Error()]
		told[f.Error()] = true
		return again
	})...)
}

func (d decoder) locate(n *yaml.Node, path []any, wanted map[*yaml.Node][]*Error) {
	for _, e := range wanted[n] {
		e.Path = formatPath(append(path[:len(path):len(path)], e.more...))
	}
	path = path[:len(path):len(path)] // each child appends to a copy
	switch n.Kind {
	case yaml.DocumentNode:
		for _, c := range n.Content {
			d.locate(c, path, wanted)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			d.locate(n.Content[i+1], append(path, n.Content[i].Value), wanted)
		}
	case yaml.SequenceNode:
		for i, item := range n.Content {
			d.locate(item, append(path, d.label(item, i)), wanted)
		}
	}
}

// name stands in a path for an item of a list.
type name string

// label is the name of an item that has one, since people know it by that, or else its
// index. A secret decoder shows names of Kubernetes' form alone, which no token has.
func (d decoder) label(item *yaml.Node, index int) any {
	item = behind(item)
	if i := keyIndex(item, "name"); i >= 0 {
		if n := behind(item.Content[i+1]); n.Kind == yaml.ScalarNode && plain(n.Value) && (!d.secret || n.Value == strings.ToLower(n.Value) && !strings.Contains(n.Value, "_")) {
			return name(n.Value)
		}
	}
	return index
}

// formatPath writes a path as people write it: grants[shop].when[0].
func formatPath(path []any) string {
	var b strings.Builder
	for _, step := range path {
		switch at := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", at)
		case name:
			fmt.Fprintf(&b, "[%s]", string(at))
		case string:
			switch {
			case !plain(at):
				fmt.Fprintf(&b, "[%s]", strconv.Quote(clip(at)))
			case b.Len() > 0:
				b.WriteString("." + at)
			default:
				b.WriteString(at)
			}
		}
	}
	return b.String()
}

// plain reports whether a key can stand in a path without quotes.
func plain(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= maxShown
}

// maxShown bounds what is shown of a text of the file, in bytes.
const maxShown = 64

func clip(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "..."
	}
	return s
}
