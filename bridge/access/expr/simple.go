package expr

import (
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/traits"
)

// simple is a condition that compares texts: literals, variables, and values of maps
// such as claims. Most conditions are, and they take a fraction of the time that the
// interpreter needs. ok is false where a text is missing or not of type string; the
// interpreter then knows what follows from it.
type simple func(cel.Activation) (is, ok bool)

// simplify returns nil for an expression that is not simple.
func simplify(tree *ast.AST, x ast.Expr) simple {
	if x.Kind() != ast.CallKind {
		return nil
	}
	call := x.AsCall()
	args := call.Args()
	switch call.FunctionName() {
	case operators.LogicalNot:
		if one := simplify(tree, args[0]); one != nil {
			return func(v cel.Activation) (bool, bool) { is, ok := one(v); return !is, ok }
		}
	case operators.LogicalAnd, operators.LogicalOr:
		return combined(tree, args, call.FunctionName() == operators.LogicalAnd)
	case operators.Equals, operators.NotEquals:
		left, right := operandOf(tree, args[0]), operandOf(tree, args[1])
		if left != nil && right != nil {
			differs := call.FunctionName() == operators.NotEquals
			return paired(left, right, func(a, b string) bool { return (a == b) != differs })
		}
	case operators.In:
		if one, list := operandOf(tree, args[0]), literalsOf(args[1]); one != nil && list != nil {
			return func(v cel.Activation) (bool, bool) { s, ok := one(v); return slices.Contains(list, s), ok }
		}
	case overloads.StartsWith, overloads.EndsWith, overloads.Contains:
		return affix(tree, call)
	}
	return nil
}

func combined(tree *ast.AST, args []ast.Expr, and bool) simple {
	parts := make([]simple, len(args))
	for i, a := range args {
		if parts[i] = simplify(tree, a); parts[i] == nil {
			return nil
		}
	}
	return func(v cel.Activation) (bool, bool) {
		for _, part := range parts {
			if is, ok := part(v); !ok || is != and {
				return is, ok
			}
		}
		return and, true
	}
}

func affix(tree *ast.AST, call ast.CallExpr) simple {
	if !call.IsMemberFunction() || len(call.Args()) != 1 {
		return nil
	}
	text, part := operandOf(tree, call.Target()), operandOf(tree, call.Args()[0])
	if text == nil || part == nil {
		return nil
	}
	switch call.FunctionName() {
	case overloads.StartsWith:
		return paired(text, part, strings.HasPrefix)
	case overloads.EndsWith:
		return paired(text, part, strings.HasSuffix)
	}
	return paired(text, part, strings.Contains)
}

func paired(left, right operand, test func(a, b string) bool) simple {
	return func(v cel.Activation) (bool, bool) {
		a, ok := left(v)
		if !ok {
			return false, false
		}
		b, ok := right(v)
		return ok && test(a, b), ok
	}
}

// Texter is implemented by activations that have texts at hand, so that simple
// conditions need no values of CEL.
type Texter interface {
	// Text returns a variable of type string, or the value that one which is a map has
	// for a key. ok is false where it is missing or not a string.
	Text(variable, key string) (s string, ok bool)
}

// operand is a text; ok is false where it is missing or not of type string.
type operand func(cel.Activation) (s string, ok bool)

// operandOf returns nil for an expression that is not a literal, a variable, or a
// value of a map that is a variable.
func operandOf(tree *ast.AST, x ast.Expr) operand {
	if x.Kind() == ast.LiteralKind {
		s, ok := x.AsLiteral().(types.String)
		if !ok {
			return nil
		}
		return func(cel.Activation) (string, bool) { return string(s), true }
	}
	if name := variableOf(tree, x); name != "" {
		if !tree.GetType(x.ID()).IsExactType(cel.StringType) {
			return nil
		}
		return func(v cel.Activation) (string, bool) {
			if t, ok := v.(Texter); ok {
				return t.Text(name, "")
			}
			value, _ := v.ResolveName(name)
			return textOf(value)
		}
	}
	if x.Kind() != ast.SelectKind || x.AsSelect().IsTestOnly() {
		return nil
	}
	name, key := variableOf(tree, x.AsSelect().Operand()), x.AsSelect().FieldName()
	if name == "" {
		return nil
	}
	return func(v cel.Activation) (string, bool) {
		if t, ok := v.(Texter); ok {
			return t.Text(name, key)
		}
		value, _ := v.ResolveName(name)
		if m, ok := value.(traits.Mapper); ok {
			if found, ok := m.Find(types.String(key)); ok {
				return textOf(found)
			}
		}
		return "", false
	}
}

func textOf(value any) (string, bool) {
	switch s := value.(type) {
	case types.String:
		return string(s), true
	case string:
		return s, true
	}
	return "", false
}

// variableOf returns the name of a declared variable, "" for every other expression.
func variableOf(tree *ast.AST, x ast.Expr) string {
	if x.Kind() != ast.IdentKind && x.Kind() != ast.SelectKind {
		return ""
	}
	r := tree.ReferenceMap()[x.ID()]
	if r == nil || r.Value != nil {
		return ""
	}
	return r.Name
}

// literalsOf returns the texts of a list; nil for every other expression.
func literalsOf(x ast.Expr) []string {
	if x.Kind() != ast.ListKind || len(x.AsList().OptionalIndices()) > 0 {
		return nil
	}
	var all []string
	for _, item := range x.AsList().Elements() {
		if item.Kind() != ast.LiteralKind {
			return nil
		}
		s, ok := item.AsLiteral().(types.String)
		if !ok {
			return nil
		}
		all = append(all, string(s))
	}
	return all
}
