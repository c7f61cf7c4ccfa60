package expr

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/google/cel-go/common"

	"github.com/fairlead-io/fairlead/deploy/nearest"
)

// known are the functions and macros that messages suggest.
var known = []string{
	"startsWith", "endsWith", "contains", "matches", "size", split, replace, lowerASCII, "string", "int", "has", "all", "exists", "filter", "map",
}

// members are those of them that are written after their value.
var members = known[:8]

// words that other languages have for operators.
var operatorOf = map[string]string{
	"and": "&&", "AND": "&&", "&": "&&", "or": "||", "OR": "||", "|": "||", "is": "==", "not": "!", "NOT": "!", "=": "==", "===": "==", "=~": ".matches()", "~": ".matches()", "like": ".matches()",
}

var (
	// fixed is a text that somebody may have meant as it is.
	fixed      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:/@-]{0,62}$`)
	fieldAt    = regexp.MustCompile(`^\w+\.(\w+)`)
	overload   = regexp.MustCompile(`^found no matching overload for '(.+)' applied to '(?:(.+)\.)?\((.*)\)'$`)
	expected   = regexp.MustCompile(`^expected type '(.+)' but found '(.+)'$`)
	mismatched = regexp.MustCompile(`(?:mismatched|extraneous) input '(.+?)' expecting`)
	token      = regexp.MustCompile(`token recognition error at: '(.+)'$`)
)

// say says what the compiler found, as one would to somebody who writes a condition and
// has not read the grammar of CEL. rest is the expression from the place of the error.
func (e *Env) say(issue *common.Error, rest string) string {
	text := firstLine(issue.Message)
	if name, ok := strings.CutPrefix(text, "undeclared reference to '"); ok {
		name, _, _ = strings.Cut(name, "'")
		return e.undeclared(name, rest)
	}
	if m := overload.FindStringSubmatch(text); m != nil {
		return noOverload(m[1], m[2], m[3])
	}
	if m := expected.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%s is wanted here, and this is %s", typeName(m[1]), typeName(m[2]))
	}
	switch {
	case strings.HasPrefix(text, "Syntax error"):
		return syntax(text, rest)
	case text == "invalid matches argument":
		return "this is not a regular expression of RE2"
	case text == "invalid duration argument":
		return `this is not a duration such as "30m"`
	case text == "invalid timestamp argument":
		return `this is not a time such as "2027-01-31T12:00:00Z"`
	}
	return text
}

// undeclared says which variable or function was probably meant.
func (e *Env) undeclared(name, rest string) string {
	if strings.HasPrefix(rest, "(") {
		if near := nearest.Name(name, known); near != "" {
			return fmt.Sprintf("there is no function %s: did you mean %s?", name, near)
		}
		return fmt.Sprintf("there is no function %s; functions are %s", name, strings.Join(known, ", "))
	}
	fields := make(map[string][]string)
	for _, v := range e.variables {
		root, field, _ := strings.Cut(v, ".")
		fields[root] = append(fields[root], field)
	}
	if own, is := fields[name]; is {
		list := strings.Join(own, ", ")
		m := fieldAt.FindStringSubmatch(rest)
		if m == nil {
			return fmt.Sprintf("%s is not a value by itself; its fields are %s", name, list)
		}
		text := fmt.Sprintf("%s has no field %s; fields are %s", name, m[1], list)
		if near := nearest.Name(m[1], own); near != "" {
			text += fmt.Sprintf(": did you mean %s.%s?", name, near)
		}
		return text
	}
	roots := slices.Sorted(maps.Keys(fields))
	if near := nearest.Name(name, roots); near != "" {
		return fmt.Sprintf("there is no variable %s: did you mean %s?", name, near)
	}
	return fmt.Sprintf("there is no variable %s; there are %s, and a text must be in quotes", name, strings.Join(roots, ", "))
}

// noOverload says why a function or an operator cannot be applied to values of these
// types. target is the type of the value that the function is written after.
func noOverload(name, target, args string) string {
	types := strings.SplitN(args, ", ", 2)
	operator := strings.Trim(name, "_@")
	switch {
	case target == "" && slices.Contains(members, name):
		return fmt.Sprintf("%s is written after its value: value.%s(...)", name, name)
	case target != "":
		text := fmt.Sprintf("%s cannot be applied to %s", name, typeName(target))
		if strings.HasPrefix(target, "list") && name == "contains" {
			text += `: write "item" in list`
		}
		return text
	case name == "@in":
		return fmt.Sprintf("in wants a list or a mapping on its right, and this is %s", typeName(types[len(types)-1]))
	case name == "!_":
		return fmt.Sprintf("! wants true or false, and this is %s", typeName(args))
	case len(types) == 2 && (name == "_==_" || name == "_!=_"):
		return fmt.Sprintf("%s compares %s with %s, which is never the same: %s", operator, typeName(types[0]), typeName(types[1]), quotesFor(types))
	case len(types) == 2:
		return fmt.Sprintf("%s cannot be applied to %s and %s", operator, typeName(types[0]), typeName(types[1]))
	}
	return fmt.Sprintf("%s cannot be applied to %s", operator, typeName(args))
}

// quotesFor says how two values of different types can be compared.
func quotesFor(types []string) string {
	switch {
	case types[0] == "string":
		return "put the value in quotes"
	case types[1] == "string" && (types[0] == "bool" || types[0] == "int"):
		return "write the value without quotes"
	case strings.HasPrefix(types[0], "list"):
		return `write "item" in list`
	}
	return "compare values of the same type"
}

// typeName says in English what a type of CEL is.
func typeName(t string) string {
	switch {
	case t == "bool":
		return "true or false"
	case t == "string":
		return "a string"
	case t == "int", t == "uint", t == "double":
		return "a number"
	case strings.HasPrefix(t, "list"):
		return "a list"
	case strings.HasPrefix(t, "map"):
		return "a mapping"
	}
	return "a value of type " + t
}

// syntax says what is wrong where the parser stopped.
func syntax(text, rest string) string {
	word, _, _ := strings.Cut(rest, " ")
	if m := token.FindStringSubmatch(text); m != nil {
		switch first := []rune(m[1])[0]; {
		case strings.ContainsRune("“”„‘’«»", first):
			return fmt.Sprintf(`%c is not a quote: write "`, first)
		case first == '"' || first == '\'':
			return "a quote is opened and not closed"
		case first == '=':
			return "= is not an operator: compare with =="
		}
		word = strings.TrimSpace(m[1])
	} else if m := mismatched.FindStringSubmatch(text); m != nil {
		word = m[1]
	}
	if op := operatorOf[word]; op != "" {
		return fmt.Sprintf("%s is not an operator: write %s", word, op)
	}
	switch {
	case strings.Contains(text, "missing ')'"):
		return "a ( is opened and not closed"
	case word == "<EOF>":
		return "the expression ends too early: a value is missing, or a ]"
	case strings.Contains(text, "expecting <EOF>"):
		return fmt.Sprintf("%s is not expected here: the expression was at its end; join conditions with && or ||", word)
	case strings.Contains(text, "expecting {"):
		return fmt.Sprintf("%s stands where a value is wanted", word)
	}
	return text
}
