package strictyaml

import (
	"bytes"
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Unmarshal decodes one document into v, a pointer to a struct. An empty document
// leaves v as it is; a second document is an error. The errors have lines and paths.
func Unmarshal(b []byte, v any) error {
	_, err := Parse(b, v)
	return err
}

// UnmarshalSecret is [Unmarshal] for files that are about secrets, which people paste into
// the wrong line. The types of such a file decode themselves by [DecodeSecret].
func UnmarshalSecret(b []byte, v any) error {
	_, err := secretly.parse(b, v)
	return err
}

// Parse is [Unmarshal] that also returns the root of the document, for checks of more
// than one value; nil for a document that is empty or that is not YAML. v has what
// could be decoded, also with an error.
func Parse(b []byte, v any) (root *yaml.Node, err error) { return decoder{}.parse(b, v) }

// decoder decodes nodes. A secret one shows no text of the file in its errors, but for
// names of items and for keys that are words or almost known.
type decoder struct{ secret bool }

var secretly = decoder{secret: true}

func (d decoder) parse(b []byte, v any) (root *yaml.Node, err error) {
	n, err := d.document(b)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, nil
	}
	if len(n.Content) == 1 && isNull(n.Content[0]) { // comments alone
		return nil, nil
	}
	if err := n.Decode(v); err != nil {
		return n.Content[0], d.locateAll(n, d.explain(err))
	}
	return n.Content[0], nil
}

// document reads the only document; nil for none.
func (d decoder) document(b []byte) (*yaml.Node, error) {
	documents := yaml.NewDecoder(bytes.NewReader(b))
	var n, second yaml.Node
	if err := documents.Decode(&n); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, d.notYAML(b, err)
	}
	if err := documents.Decode(&second); err == nil {
		return nil, &Error{Line: second.Line, err: errors.New("the file has more than one document")}
	} else if !errors.Is(err, io.EOF) {
		return nil, d.notYAML(b, err)
	}
	return &n, nil
}

// Decode decodes a mapping into v, a pointer to a struct whose fields have yaml
// tags. Fields whose types decode themselves are left to them. A key without a value
// is a fault, and so is an item of a list without one: a list or a section whose
// content was commented out must not be as good as none, which often means everything.
//
// checks say what is wrong with what was decoded. They are called in any case, as faults
// in one key must not hide those of others; a key that could not be decoded has its
// zero value, and what they say about it is left out.
func Decode(n *yaml.Node, v any, checks ...func() []Fault) error {
	return decoder{}.decode(n, v, checks)
}

// DecodeSecret is [Decode] for a mapping in which secrets may stand, by right or by
// mistake: its faults show no text of the file, but for names of items and for keys that
// are words or almost known. What checks say is left to them.
func DecodeSecret(n *yaml.Node, v any, checks ...func() []Fault) error {
	return secretly.decode(n, v, checks)
}

func (d decoder) decode(n *yaml.Node, v any, checks []func() []Fault) error {
	to := reflect.ValueOf(v).Elem()
	known := keys(to.Type())
	n = behind(n)
	if n.Kind != yaml.MappingNode {
		return Errorf(n, "want a mapping with the keys %s, not %s", strings.Join(known, ", "), d.found(n))
	}
	var faults []error
	bad := make(map[string]bool) // keys of which nothing more is said
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		var err error
		switch {
		case k.Kind != yaml.ScalarNode || !slices.Contains(known, k.Value):
			meant, text := d.unknown(k, to.Type(), known)
			bad[meant] = true
			err = &Error{Line: k.Line, node: n, err: errors.New(text)}
		case seen[k.Value]:
			err = &Error{Line: k.Line, node: n, err: errors.New("key " + quote(k.Value) + " stands twice")}
		default:
			if err = valued(n, k, value, quote(k.Value)); err == nil {
				err = d.field(k, value, to)
			}
		}
		seen[k.Value] = true
		if err != nil {
			bad[k.Value] = true
			faults = append(faults, err)
		}
	}
	for _, check := range checks {
		for _, f := range check() {
			follows := slices.ContainsFunc(f.unless, func(key string) bool { return bad[key] })
			if len(f.at) > 0 {
				follows = follows || bad[f.at[0].(string)]
			}
			if !follows {
				faults = append(faults, In(n, f))
			}
		}
	}
	return Join(faults...)
}

// field decodes the value of a key into the field of that name.
func (d decoder) field(k, v *yaml.Node, to reflect.Value) error {
	for f := range to.NumField() {
		if key(to.Type().Field(f)) == k.Value {
			return d.value(v, to.Field(f).Addr())
		}
	}
	return nil
}

// DecodeInto decodes a list or a mapping with keys of the file's own item by item, so
// that the faults of all are told. to points to a slice or a map with keys that are
// strings, which then has all items, also with an error.
func DecodeInto(n *yaml.Node, to any) error { return decoder{}.value(n, reflect.ValueOf(to)) }

// valued reports that the value of a key of n, which is shown so, is null, or has items
// that are. The
// library gives a null to no type that checks it.
func valued(n, k, v *yaml.Node, shown string) error {
	v = behind(v)
	if isNull(v) {
		return &Error{Line: k.Line, node: n, err: errors.New("key " + shown + " has no value")}
	}
	if v.Kind == yaml.SequenceNode {
		for _, item := range v.Content {
			if isNull(behind(item)) {
				return Errorf(item, "an item of the list has no value")
			}
		}
	}
	return nil
}

func isNull(n *yaml.Node) bool { return n.ShortTag() == "!!null" }

// value decodes a node into what to points to. The items of a list and the values of a
// mapping are decoded one by one.
func (d decoder) value(n *yaml.Node, to reflect.Value) error {
	if _, decodesItself := to.Interface().(yaml.Unmarshaler); decodesItself {
		return d.explain(n.Decode(to.Interface()))
	}
	n = behind(n)
	switch kind := to.Elem().Kind(); {
	case kind == reflect.Pointer:
		next := reflect.New(to.Elem().Type().Elem())
		to.Elem().Set(next)
		return d.value(n, next)
	case kind == reflect.Slice && n.Kind == yaml.SequenceNode:
		list := reflect.MakeSlice(to.Elem().Type(), len(n.Content), len(n.Content))
		faults := make([]error, 0, len(n.Content))
		for i, item := range n.Content {
			faults = append(faults, d.value(item, list.Index(i).Addr()))
		}
		to.Elem().Set(list)
		return errors.Join(faults...)
	case kind == reflect.Map && n.Kind == yaml.MappingNode:
		return d.mapping(n, to.Elem())
	}
	if err := n.Decode(to.Interface()); err != nil {
		if _, mismatch := errors.AsType[*yaml.TypeError](err); mismatch {
			return Errorf(n, "%s", d.mismatched(n, to.Elem().Type()))
		}
		return d.explain(err)
	}
	return nil
}

// mapping decodes a mapping with keys of the file's own.
func (d decoder) mapping(n *yaml.Node, to reflect.Value) error {
	all := reflect.MakeMapWithSize(to.Type(), len(n.Content)/2)
	var faults []error
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode:
			faults = append(faults, Errorf(k, "a key must be a string"))
			continue
		case seen[k.Value]:
			faults = append(faults, &Error{Line: k.Line, node: n, err: errors.New("key " + d.quote(k.Value) + " stands twice")})
			continue
		}
		seen[k.Value] = true
		next := reflect.New(to.Type().Elem())
		err := valued(n, k, v, d.quote(k.Value))
		if err == nil {
			err = d.value(v, next)
		}
		faults = append(faults, err)
		all.SetMapIndex(reflect.ValueOf(k.Value).Convert(to.Type().Key()), next.Elem())
	}
	to.Set(all)
	return errors.Join(faults...)
}

// key is the name of a field in a file, "" for none.
func key(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// keys are those of a struct's fields, in order.
func keys(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		if name := key(t.Field(i)); name != "" {
			names = append(names, name)
		}
	}
	return names
}
