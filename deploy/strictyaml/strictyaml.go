package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Error is a fault in a line of the file.
type Error struct {
	Line int
	err  error
}

func (e *Error) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.err) }

// Unwrap returns the fault without its line.
func (e *Error) Unwrap() error { return e.err }

// Errorf makes an error with the node's line; %w keeps its cause. A cause that has a
// line of its own is returned as it is.
func Errorf(n *yaml.Node, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if inner, ok := errors.AsType[*Error](err); ok {
		return inner
	}
	return &Error{Line: n.Line, err: err}
}

// Unmarshal decodes one document into v, a pointer to a struct. An empty document
// leaves v as it is; a second document is an error.
func Unmarshal(b []byte, v any) error {
	d := yaml.NewDecoder(bytes.NewReader(b))
	var n yaml.Node
	if err := d.Decode(&n); err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return clean(err)
	}
	var second yaml.Node
	if err := d.Decode(&second); err == nil {
		return Errorf(&second, "the file has more than one document")
	} else if !errors.Is(err, io.EOF) {
		return clean(err)
	}
	if len(n.Content) == 1 && n.Content[0].Tag == "!!null" { // comments alone
		return nil
	}
	if err := n.Decode(v); err != nil {
		return clean(err)
	}
	return nil
}

// Decode decodes a mapping into v, a pointer to a struct whose fields have yaml
// tags. Fields whose types decode themselves are left to them. A key without a value
// is a fault, and so is an item of a list without one: a list or a section whose
// content was commented out must not be as good as none, which often means everything.
func Decode(n *yaml.Node, v any) error {
	known := keys(reflect.TypeOf(v).Elem())
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		return Errorf(n, "want a mapping with the keys %s", strings.Join(known, ", "))
	}
	var faults []error
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case k.Kind != yaml.ScalarNode || !contains(known, k.Value):
			faults = append(faults, Errorf(k, "unknown key %q; known are %s", k.Value, strings.Join(known, ", ")))
		case seen[k.Value]:
			faults = append(faults, Errorf(k, "key %q stands twice", k.Value))
		}
		seen[k.Value] = true
		faults = append(faults, valued(k, n.Content[i+1]))
	}
	return Join(append(faults, fields(n, reflect.ValueOf(v).Elem(), v))...)
}

// valued reports that the value of a key is null, or has items that are. The library
// gives a null to no type that checks it.
func valued(k, v *yaml.Node) error {
	if v.Kind == yaml.AliasNode {
		v = v.Alias
	}
	if isNull(v) {
		return Errorf(k, "key %q has no value", k.Value)
	}
	if v.Kind == yaml.SequenceNode {
		for _, item := range v.Content {
			if isNull(item) || item.Kind == yaml.AliasNode && isNull(item.Alias) {
				return Errorf(item, "an item of the list has no value")
			}
		}
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.ShortTag() == "!!null" }

// fields decodes one key after the other, so that each fault is told.
func fields(n *yaml.Node, to reflect.Value, v any) error {
	if hasInline(to.Type()) {
		if err := n.Decode(v); err != nil {
			return clean(err)
		}
		return nil
	}
	var faults []error
	for i := 0; i < len(n.Content); i += 2 {
		for f := range to.NumField() {
			name, _, _ := strings.Cut(to.Type().Field(f).Tag.Get("yaml"), ",")
			if name == n.Content[i].Value && name != "-" && name != "" {
				faults = append(faults, value(n.Content[i+1], to.Field(f).Addr()))
			}
		}
	}
	return errors.Join(faults...)
}

// value decodes a node into what to points to. The elements of a list are decoded
// one by one.
func value(n *yaml.Node, to reflect.Value) error {
	_, decodesItself := to.Interface().(yaml.Unmarshaler)
	if n.Kind != yaml.SequenceNode || to.Elem().Kind() != reflect.Slice || decodesItself {
		if err := n.Decode(to.Interface()); err != nil {
			return clean(err)
		}
		return nil
	}
	list := reflect.MakeSlice(to.Elem().Type(), len(n.Content), len(n.Content))
	var faults []error
	for i, element := range n.Content {
		faults = append(faults, value(element, list.Index(i).Addr()))
	}
	to.Elem().Set(list)
	return errors.Join(faults...)
}

func hasInline(t reflect.Type) bool {
	for i := range t.NumField() {
		if _, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); options == "inline" {
			return true
		}
	}
	return false
}

// Join is [errors.Join] for faults that [Faults] tells apart, in the order of their
// lines.
func Join(errs ...error) error {
	var all []error
	for _, err := range errs {
		all = append(all, Faults(err)...)
	}
	slices.SortStableFunc(all, func(a, b error) int { return line(a) - line(b) })
	return errors.Join(all...)
}

func line(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Line
	}
	return 0
}

// Faults are the faults of an error of this package, one each; nil for a nil error.
func Faults(err error) (all []error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			all = append(all, Faults(e)...)
		}
		return all
	}
	if err != nil {
		all = []error{err}
	}
	return all
}

// keys are those of a struct's fields, in order.
func keys(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		switch {
		case options == "inline":
			names = append(names, keys(t.Field(i).Type)...)
		case name != "" && name != "-":
			names = append(names, name)
		}
	}
	return names
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// clean makes an error of the library one in the file's terms: it keeps the first of
// several, and drops the names of Go types.
func clean(err error) error {
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
	text = strings.TrimSpace(strings.TrimPrefix(text, "unmarshal errors:"))
	var line int
	if n, scanned := fmt.Sscanf(text, "line %d:", &line); scanned != nil || n != 1 {
		return errors.New(text)
	}
	_, text, _ = strings.Cut(text, ": ")
	if before, kind, ok := strings.Cut(text, " into "); ok {
		text = before + ": want " + describe(kind)
	}
	return &Error{Line: line, err: errors.New(text)}
}

// describe says in YAML's terms what a Go type wants.
func describe(kind string) string {
	switch {
	case strings.HasPrefix(kind, "[]"):
		return "a list"
	case strings.HasPrefix(kind, "map["):
		return "a mapping"
	case kind == "string":
		return "a string"
	case kind == "bool":
		return "true or false"
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "float"):
		return "a number"
	case strings.HasPrefix(kind, "time.Duration"):
		return "a duration such as 30s"
	}
	return "another type"
}
