package expr

import (
	"slices"
	"strings"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"
)

// Part is a part of a condition that all others leave as it is: the condition is false
// where the part is. It is for checks of conditions by what they say, and not for
// decisions.
type Part struct {
	// Text is the part as the compiler would write it.
	Text string
	// Comparison is nil for a part that is something else.
	Comparison *Comparison
}

// Comparison is a comparison of a variable with literals.
type Comparison struct {
	// Variable is a variable; Key is the key of one that is a map, "" for another.
	Variable, Key string
	Operator      Operator
	// Values are the literals: string, bool, or float64.
	Values []any
}

// Operator says how a variable is compared.
type Operator string

// The operators. A variable that [Has] a value is a list; one that [Is] stands alone.
const (
	Equals  Operator = "=="
	Differs Operator = "!="
	In      Operator = "in"
	Has     Operator = "has"
	Is      Operator = "is"
)

// Strings are those of the values that are strings.
func (c *Comparison) Strings() (all []string) {
	for _, v := range c.Values {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

// Parts returns the parts of a condition, and the comparisons that stand anywhere in it.
func (e *Env) Parts(text string) (parts []Part, comparisons []Comparison, err error) {
	checked, issues := e.env.Compile(text)
	if issues.Err() != nil {
		return nil, nil, e.fault(text, issues)
	}
	tree := checked.NativeRep()
	var conjuncts func(x ast.Expr)
	conjuncts = func(x ast.Expr) {
		if x.Kind() == ast.CallKind && x.AsCall().FunctionName() == operators.LogicalAnd {
			for _, a := range x.AsCall().Args() {
				conjuncts(a)
			}
			return
		}
		p := Part{Comparison: comparison(tree, x)}
		if p.Text, err = parser.Unparse(x, tree.SourceInfo()); err == nil {
			parts = append(parts, p)
		}
	}
	conjuncts(tree.Expr())
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if c := comparison(tree, x); c != nil && c.Operator != Is && slices.Contains(e.variables, c.Variable) {
			comparisons = append(comparisons, *c)
		}
	}))
	for _, p := range parts {
		if p.Comparison != nil && p.Comparison.Operator == Is {
			comparisons = append(comparisons, *p.Comparison)
		}
	}
	return parts, comparisons, nil
}

// comparison returns nil for what does not compare a variable with literals.
func comparison(tree *ast.AST, x ast.Expr) *Comparison {
	if variable, key := place(tree, x); variable != "" {
		return &Comparison{Variable: variable, Key: key, Operator: Is}
	}
	if x.Kind() != ast.CallKind || len(x.AsCall().Args()) != 2 {
		return nil
	}
	left, right := x.AsCall().Args()[0], x.AsCall().Args()[1]
	switch x.AsCall().FunctionName() {
	case operators.Equals:
		return against(tree, left, right, Equals)
	case operators.NotEquals:
		return against(tree, left, right, Differs)
	case operators.In:
		if variable, key := place(tree, left); variable != "" {
			if right.Kind() != ast.ListKind {
				return nil
			}
			c := &Comparison{Variable: variable, Key: key, Operator: In}
			for _, item := range right.AsList().Elements() {
				v, ok := literal(item)
				if !ok {
					return nil
				}
				c.Values = append(c.Values, v)
			}
			return c
		}
		variable, key := place(tree, right)
		if v, ok := literal(left); ok && variable != "" {
			return &Comparison{Variable: variable, Key: key, Operator: Has, Values: []any{v}}
		}
	}
	return nil
}

func against(tree *ast.AST, left, right ast.Expr, op Operator) *Comparison {
	if _, is := literal(left); is {
		left, right = right, left
	}
	variable, key := place(tree, left)
	v, ok := literal(right)
	if variable == "" || !ok {
		return nil
	}
	return &Comparison{Variable: variable, Key: key, Operator: op, Values: []any{v}}
}

// place returns the variable, and the key of it, that an expression is.
func place(tree *ast.AST, x ast.Expr) (variable, key string) {
	if variable = variableOf(tree, x); variable != "" {
		return variable, ""
	}
	switch {
	case x.Kind() == ast.SelectKind && !x.AsSelect().IsTestOnly():
		return variableOf(tree, x.AsSelect().Operand()), x.AsSelect().FieldName()
	case x.Kind() == ast.CallKind && x.AsCall().FunctionName() == operators.Index:
		if s, ok := literal(x.AsCall().Args()[1]); ok {
			if key, ok = s.(string); ok {
				return variableOf(tree, x.AsCall().Args()[0]), key
			}
		}
	}
	return "", ""
}

// literal returns a literal as a string, a bool or a float64.
func literal(x ast.Expr) (any, bool) {
	if x.Kind() != ast.LiteralKind {
		return nil, false
	}
	switch v := x.AsLiteral().(type) {
	case types.String:
		return string(v), true
	case types.Bool:
		return bool(v), true
	case types.Int:
		return float64(v), true
	case types.Uint:
		return float64(v), true
	case types.Double:
		return float64(v), true
	}
	return nil, false
}

// Made is what is known of a text before the variables are.
type Made struct {
	// Prefix is how it begins, and all of it if it is Whole.
	Prefix string
	Whole  bool
}

// Can reports whether the text can be s.
func (m Made) Can(s string) bool {
	return s == m.Prefix || !m.Whole && strings.HasPrefix(s, m.Prefix)
}

// Makes returns what is known of the texts that an expression can have as its value, or
// as the items of it; one that is not known at all begins with "".
func (e *Env) Makes(text string) ([]Made, error) {
	checked, issues := e.env.Compile(text)
	if issues.Err() != nil {
		return nil, e.fault(text, issues)
	}
	return makes(checked.NativeRep().Expr()), nil
}

func makes(x ast.Expr) []Made {
	switch x.Kind() {
	case ast.LiteralKind:
		if s, ok := literal(x); ok {
			if text, ok := s.(string); ok {
				return []Made{{text, true}}
			}
		}
	case ast.ListKind:
		all := []Made{}
		for _, item := range x.AsList().Elements() {
			all = append(all, makes(item)...)
		}
		return all
	case ast.CallKind:
		switch args := x.AsCall().Args(); x.AsCall().FunctionName() {
		case operators.Add:
			return sum(makes(args[0]), args[1])
		case operators.Conditional:
			return append(makes(args[1]), makes(args[2])...)
		}
	case ast.ComprehensionKind:
		return mapped(x.AsComprehension())
	}
	return []Made{{}}
}

// sum is what is known of a text and another one after it, or of two lists.
func sum(first []Made, second ast.Expr) []Made {
	if second.Kind() == ast.ListKind {
		return append(first, makes(second)...)
	}
	rest := makes(second)
	var all []Made
	for _, f := range first {
		for _, r := range rest {
			if !f.Whole {
				r = Made{f.Prefix, false}
			} else {
				r.Prefix = f.Prefix + r.Prefix
			}
			all = append(all, r)
		}
	}
	return all
}

// mapped is what is known of the items of list.map(x, text).
func mapped(c ast.ComprehensionExpr) []Made {
	step := c.LoopStep()
	if step.Kind() == ast.CallKind && step.AsCall().FunctionName() == operators.Conditional {
		step = step.AsCall().Args()[1]
	}
	if step.Kind() == ast.CallKind && step.AsCall().FunctionName() == operators.Add {
		if added := step.AsCall().Args()[1]; added.Kind() == ast.ListKind && len(added.AsList().Elements()) == 1 {
			return makes(added.AsList().Elements()[0])
		}
	}
	return []Made{{}}
}
