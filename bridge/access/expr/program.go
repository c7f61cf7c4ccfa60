package expr

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// MaxCost bounds an evaluation, in the units of CEL's cost model: about one for each
// step and for each ten bytes of text that are read. It takes a few milliseconds at
// most.
const MaxCost = 10_000

// smallCost is the highest cost for which an evaluation is not counted: it is known
// to be below it whatever the input is. Counting takes as long as such an evaluation
// itself.
const smallCost = 500

// interruptEvery is after how many rounds of a loop an evaluation looks whether its
// context has ended.
const interruptEvery = 100

// Program is a compiled expression. It is safe for concurrent use.
type Program struct {
	text     string
	program  cel.Program
	counted  bool                     // it may be expensive, and is stopped when it is
	simple   simple                   // nil where it is not
	partial  func() (*partial, error) // made when it is first asked for
	mentions map[string]bool
	literals map[string]bool
}

// Result is the type of an expression.
type Result int

// The types.
const (
	Condition Result = iota // bool
	Text                    // string
	Texts                   // a list of strings, or one string
)

// Compile checks and compiles an expression. The error is an [*Error].
func (e *Env) Compile(text string, result Result) (*Program, error) {
	if len(text) > maxText {
		return nil, &Error{Line: 1, Column: 1, text: fmt.Sprintf("%d bytes, at most %d allowed", len(text), maxText)}
	}
	tree, issues := e.env.Compile(text)
	if issues.Err() != nil {
		if result != Condition && fixed.MatchString(text) {
			return nil, &Error{Line: 1, Column: 1, text: fmt.Sprintf(`%s is not an expression: a fixed text has quotes of its own, as in '"%s"'`, text, text)}
		}
		return nil, e.fault(text, issues)
	}
	if err := result.check(tree.OutputType()); err != nil {
		return nil, err
	}
	p := &Program{text: text, mentions: make(map[string]bool), literals: make(map[string]bool)}
	ours := p.look(tree.NativeRep())
	p.simple = simplify(tree.NativeRep(), tree.NativeRep().Expr())
	estimate, err := e.env.EstimateCost(tree, sizes{})
	p.counted = err != nil || ours || estimate.Max > smallCost
	options := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize)}
	if p.counted {
		options = append(options, bounded...)
	}
	if p.program, err = e.env.Program(tree, options...); err != nil {
		return nil, &Error{Line: 1, Column: 1, text: firstLine(err.Error())}
	}
	p.partial = sync.OnceValues(func() (*partial, error) { return e.partial(tree.NativeRep(), tree.NativeRep().Expr()) })
	return p, nil
}

// bounded are the options of programs whose cost is counted.
var bounded = []cel.ProgramOption{
	cel.CostLimit(MaxCost), cel.InterruptCheckFrequency(interruptEvery),
	cel.CostTrackerOptions(costs()...),
}

func (r Result) check(t *cel.Type) error {
	var want string
	switch r {
	case Condition:
		if t.IsExactType(cel.BoolType) || t.Kind() == types.DynKind {
			return nil
		}
		want = "true or false"
	case Text:
		if t.IsExactType(cel.StringType) || t.Kind() == types.DynKind {
			return nil
		}
		want = "a string"
	case Texts:
		if t.IsExactType(cel.StringType) || t.Kind() == types.DynKind || t.Kind() == types.ListKind {
			return nil
		}
		want = "a list of strings, or a string"
	}
	return &Error{Line: 1, Column: 1, text: fmt.Sprintf("the expression is %s, and must be %s", typeName(cel.FormatCELType(t)), want)}
}

// look notes the variables and the texts that the expression has, and reports
// whether it calls a function of ours.
func (p *Program) look(tree *ast.AST) (ours bool) {
	references := tree.ReferenceMap()
	ast.PostOrderVisit(tree.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if r := references[x.ID()]; r != nil && r.Name != "" {
			p.mentions[r.Name] = true
		}
		switch x.Kind() {
		case ast.LiteralKind:
			if s, ok := x.AsLiteral().(types.String); ok {
				p.literals[string(s)] = true
			}
		case ast.CallKind:
			ours = ours || isOurs(x.AsCall().FunctionName())
		}
	}))
	return ours
}

// Text returns the expression as it was written.
func (p *Program) Text() string { return p.text }

// Mentions reports whether the expression uses a variable.
func (p *Program) Mentions(variable string) bool { return p.mentions[variable] }

// HasLiteral reports whether s stands in the expression, whole, as a string.
func (p *Program) HasLiteral(s string) bool { return p.literals[s] }

// Bool evaluates a condition. It is false wherever err says why it has no value.
func (p *Program) Bool(ctx context.Context, vars cel.Activation) (bool, error) {
	if p.simple != nil {
		if is, ok := p.simple(vars); ok {
			return is, nil
		}
	}
	v, err := p.eval(ctx, vars)
	if err != nil {
		return false, err
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, errors.New("it is neither true nor false")
	}
	return bool(b), nil
}

// Strings evaluates a text or a list of texts; a text is a list of one.
func (p *Program) Strings(ctx context.Context, vars cel.Activation) ([]string, error) {
	v, err := p.eval(ctx, vars)
	if err != nil {
		return nil, err
	}
	if s, ok := v.(types.String); ok {
		return []string{string(s)}, nil
	}
	list, ok := v.(interface {
		Size() ref.Val
		Get(ref.Val) ref.Val
	})
	if !ok || v.Type() != types.ListType {
		return nil, fmt.Errorf("it is a %s, not a string", v.Type().TypeName())
	}
	n := int(list.Size().(types.Int))
	all := make([]string, n)
	for i := range n {
		s, ok := list.Get(types.Int(i)).(types.String)
		if !ok {
			return nil, fmt.Errorf("item %d of the list is not a string", i)
		}
		all[i] = string(s)
	}
	return all, nil
}

// String evaluates a text.
func (p *Program) String(ctx context.Context, vars cel.Activation) (string, error) {
	v, err := p.eval(ctx, vars)
	if err != nil {
		return "", err
	}
	s, ok := v.(types.String)
	if !ok {
		return "", fmt.Errorf("it is a %s, not a string", v.Type().TypeName())
	}
	return string(s), nil
}

func (p *Program) eval(ctx context.Context, vars cel.Activation) (v ref.Val, err error) {
	if p.counted {
		v, _, err = p.program.ContextEval(ctx, vars)
	} else {
		v, _, err = p.program.Eval(vars)
	}
	if err != nil {
		return nil, errors.New(firstLine(err.Error()))
	}
	return v, nil
}

// sizes bounds the variables for the estimate of the cost. Those of which nothing is
// known make an expression one that is counted, if their size counts.
type sizes struct{}

// maxVariable bounds a variable of type string in bytes: no head of a request is
// longer, and no token.
const maxVariable = 64 << 10

func (sizes) EstimateSize(n checker.AstNode) *checker.SizeEstimate {
	if n.Type().IsExactType(cel.StringType) && len(n.Path()) == 1 {
		return &checker.SizeEstimate{Max: maxVariable}
	}
	return nil
}

func (sizes) EstimateCallCost(_, _ string, _ *checker.AstNode, _ []checker.AstNode) *checker.CallEstimate {
	return nil
}
