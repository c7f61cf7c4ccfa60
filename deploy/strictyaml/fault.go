package strictyaml

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/redact"
)

// Error is a fault in a line of the file.
type Error struct {
	Line int
	// Path is the key at fault, such as grants[shop].when[0]; "" where there is none, or
	// where the error has not come by [Unmarshal].
	Path string

	node *yaml.Node // of which Path is to be found
	more []any      // keys below node that are not there
	err  error
}

// Error returns the fault without what looks like a credential.
func (e *Error) Error() string {
	text := e.err.Error()
	if e.Path != "" {
		text = e.Path + ": " + text
	}
	return fmt.Sprintf("line %d: %s", e.Line, redact.Text(text))
}

// Unwrap returns the fault without its line.
func (e *Error) Unwrap() error { return e.err }

// Errorf makes an error with the node's line; %w keeps its cause. A cause that has a
// line of its own is returned as it is.
func Errorf(n *yaml.Node, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if inner, ok := errors.AsType[*Error](err); ok {
		return inner
	}
	return &Error{Line: n.Line, node: n, err: err}
}

// Fault is what a check says about a mapping.
type Fault struct {
	at     []any
	unless []string
	err    error
}

// Faultf makes a fault of the mapping itself; %w keeps its cause.
func Faultf(format string, args ...any) Fault { return Fault{err: fmt.Errorf(format, args...)} }

// At says about which value below the mapping the fault is: keys, and indexes of lists
// counted from 0.
func (f Fault) At(path ...any) Fault {
	f.at = path
	return f
}

// Unless names other keys of which one would do: the fault is left out if one of them
// could not be decoded.
func (f Fault) Unless(keys ...string) Fault {
	f.unless = keys
	return f
}

// Error returns the fault with its path, where there is no file with lines.
func (f Fault) Error() error {
	if p := formatPath(f.at); p != "" {
		return fmt.Errorf("%s: %w", p, f.err)
	}
	return f.err
}

// First returns the first fault as an error without lines; nil for none. It is for
// configurations that were not read from a file.
func First(faults []Fault) error {
	if len(faults) == 0 {
		return nil
	}
	return faults[0].Error()
}

// In returns the faults as errors with the lines of the values that they are about, or
// of the next mapping or list around them that is there.
func In(n *yaml.Node, faults ...Fault) error {
	errs := make([]error, len(faults))
	for i, f := range faults {
		line, value, found := find(n, f.at)
		errs[i] = &Error{Line: line, node: value, more: f.at[found:], err: f.err}
	}
	return Join(errs...)
}

// find follows a path of keys and indexes below n as far as there is something, and says
// how many steps that are. It returns the value and its line, which is that of the key
// if it has one.
func find(n *yaml.Node, path []any) (line int, value *yaml.Node, found int) {
	line, value = n.Line, behind(n)
	for _, step := range path {
		next := (*yaml.Node)(nil)
		switch at := step.(type) {
		case string:
			if i := keyIndex(value, at); i >= 0 {
				line, next = value.Content[i].Line, value.Content[i+1]
			}
		case int:
			if value.Kind == yaml.SequenceNode && at < len(value.Content) {
				next = value.Content[at]
				line = next.Line
			}
		}
		if next == nil {
			break
		}
		value = behind(next)
		found++
	}
	return line, value, found
}

// keyIndex returns where a key is in a mapping's content, -1 if it is not there.
func keyIndex(n *yaml.Node, key string) int {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return i
			}
		}
	}
	return -1
}

// behind follows an alias.
func behind(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
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
