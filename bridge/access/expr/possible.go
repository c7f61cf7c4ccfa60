package expr

import (
	"context"
	"slices"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/parser"
)

// Possible reports whether a condition is true, or may be where the variables named
// unknown have some other value. A part that has no value, as a claim is missing, can
// neither be true nor false. Each part that is not made of others by && || ! or ?: has
// the bound of an evaluation.
func (p *Program) Possible(ctx context.Context, vars cel.Activation, unknown ...string) bool {
	tree, err := p.partial()
	if err != nil {
		return false
	}
	patterns := make([]*cel.AttributePatternType, len(unknown))
	for i, name := range unknown {
		patterns[i] = cel.AttributePattern(name)
	}
	known, err := cel.PartialVars(vars, patterns...)
	if err != nil {
		return false
	}
	return tree.outcome(ctx, known).yes
}

// partial is a condition that is evaluated where some variables are unknown. CEL itself
// takes "error && unknown" for unknown, although it is never true.
type partial struct {
	operator string // "" for a leaf
	args     []*partial
	leaf     cel.Program
}

// outcome says what a condition can be. One without a value can be neither.
type outcome struct{ yes, no bool }

func (e *Env) partial(tree *ast.AST, x ast.Expr) (*partial, error) {
	if x.Kind() == ast.CallKind {
		switch f := x.AsCall().FunctionName(); f {
		case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
			made := &partial{operator: f}
			for _, a := range x.AsCall().Args() {
				arg, err := e.partial(tree, a)
				if err != nil {
					return nil, err
				}
				made.args = append(made.args, arg)
			}
			return made, nil
		}
	}
	text, err := parser.Unparse(x, tree.SourceInfo())
	if err != nil {
		return nil, err
	}
	checked, issues := e.env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	leaf, err := e.env.Program(checked, append(slices.Clone(bounded), cel.EvalOptions(cel.OptPartialEval))...)
	return &partial{leaf: leaf}, err
}

func (p *partial) outcome(ctx context.Context, vars cel.PartialActivation) outcome {
	switch p.operator {
	case operators.LogicalAnd:
		all := outcome{yes: true}
		for _, a := range p.args {
			one := a.outcome(ctx, vars)
			all.yes, all.no = all.yes && one.yes, all.no || one.no
		}
		return all
	case operators.LogicalOr:
		either := outcome{no: true}
		for _, a := range p.args {
			one := a.outcome(ctx, vars)
			either.yes, either.no = either.yes || one.yes, either.no && one.no
		}
		return either
	case operators.LogicalNot:
		one := p.args[0].outcome(ctx, vars)
		return outcome{yes: one.no, no: one.yes}
	case operators.Conditional:
		var either outcome
		test := p.args[0].outcome(ctx, vars)
		for i, taken := range []bool{test.yes, test.no} {
			if taken {
				one := p.args[i+1].outcome(ctx, vars)
				either.yes, either.no = either.yes || one.yes, either.no || one.no
			}
		}
		return either
	}
	v, _, err := p.leaf.ContextEval(ctx, vars)
	if err != nil {
		return outcome{}
	}
	unknown := types.IsUnknown(v)
	return outcome{yes: unknown || v == types.True, no: unknown || v == types.False}
}
