package strictyaml

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/deploy/nearest"
)

func quote(s string) string { return strconv.Quote(clip(s)) }

// maxWord is the length of words that no secret decoder hides. No secret is as short and
// has letters alone.
const maxWord = 12

// quote is [quote] for what may be secret.
func (d decoder) quote(s string) string {
	letters := !strings.ContainsFunc(s, func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') })
	if d.secret && (len(s) > maxWord || !letters) {
		return "(not shown)"
	}
	return quote(s)
}

// unknown says what was probably meant by a key that t does not have, and which key of
// t that is or is part of; "" for none.
func (d decoder) unknown(n *yaml.Node, t reflect.Type, known []string) (meant, text string) {
	k := n.Value
	if n.Kind != yaml.ScalarNode || k == "" {
		return "", fmt.Sprintf("a key must be one of the names %s", strings.Join(known, ", "))
	}
	text = "unknown key " + quote(k)
	if k == "<<" {
		return "", text + ": merge keys are not supported"
	}
	if near := nearest.Name(k, known); near != "" {
		return near, fmt.Sprintf("%s: did you mean %q?", text, near)
	}
	for i := range t.NumField() {
		if parts := inside(t.Field(i).Type); slices.Contains(parts, k) {
			return key(t.Field(i)), fmt.Sprintf("%s: it stands under %q", text, key(t.Field(i)))
		}
	}
	return "", fmt.Sprintf("unknown key %s; known are %s", d.quote(k), strings.Join(known, ", "))
}

// inside returns the keys of what a field has as its value, or as the items of it.
func inside(t reflect.Type) []string {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	return keys(t)
}

// mismatched says what type a value should have.
func (d decoder) mismatched(n *yaml.Node, t reflect.Type) string {
	text := fmt.Sprintf("want %s, not %s", describe(t), d.found(n))
	switch {
	case n.Kind != yaml.ScalarNode:
	case t.Kind() == reflect.Slice && d.secret:
		text += ": write it in [ ]"
	case t.Kind() == reflect.Slice:
		text += fmt.Sprintf(": write [%s]", scalar(clip(n.Value)))
	case t.Kind() == reflect.Bool && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && (n.Value == "true" || n.Value == "false"):
		text += ": write it without quotes"
	}
	return text
}

// scalar writes a text as YAML, in quotes where it needs them.
func scalar(s string) string {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '/' {
			return "'" + strings.ReplaceAll(s, "'", "''") + "'"
		}
	}
	return s
}

// found says what a node is.
func (d decoder) found(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if d.secret {
		return "a text"
	}
	return quote(n.Value)
}

// describe says in YAML's terms what a type wants.
func describe(t reflect.Type) string {
	if t == reflect.TypeFor[time.Duration]() {
		return "a duration such as 30s or 4h"
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "another type"
}
