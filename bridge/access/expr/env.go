package expr

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
)

// Bounds of expressions. A condition of 2048 bytes fills 25 lines; the other bounds
// are enough for one of that length.
const (
	maxText         = 2048
	maxNodes        = 1000
	maxDepth        = 40
	maxRegexProgram = 1000
)

// Env has the variables that expressions may use. It is safe for concurrent use.
type Env struct {
	env       *cel.Env
	variables []string // sorted
}

// Variables are names and their types. A name may have a dot: request.verb is a
// variable, and request itself is not. That lets the compiler refuse request.verbs,
// and evaluations need no reflection.
type Variables map[string]*cel.Type

// Types of variables.
var (
	StringType  = cel.StringType
	BoolType    = cel.BoolType
	StringsType = cel.ListType(cel.StringType)
	LabelsType  = cel.MapType(cel.StringType, cel.StringType)
	ClaimsType  = cel.MapType(cel.StringType, cel.DynType)
)

// NewEnv makes an environment. It panics where the variables are none that CEL
// accepts: they are constants of a program.
func NewEnv(v Variables) *Env {
	options := []cel.EnvOption{
		cel.CrossTypeNumericComparisons(true), // numbers of claims are doubles
		cel.DefaultUTCTimeZone(true),
		cel.EnableMacroCallTracking(), // so that parts of an expression can be written
		cel.ParserExpressionSizeLimit(maxText),
		cel.ExpressionNodeLimit(maxNodes),
		cel.ParserRecursionLimit(maxDepth),
		cel.RegexProgramSizeLimit(maxRegexProgram),
		// A literal that is not a valid duration, timestamp or regular expression is an
		// error when it is compiled, not at the first request.
		cel.ASTValidators(cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals(),
			cel.ValidateRegexLiterals(), cel.ValidateComprehensionNestingLimit(2)),
	}
	options = append(options, functions()...)
	for name, t := range v {
		options = append(options, cel.Variable(name, t))
	}
	env, err := cel.NewEnv(options...)
	if err != nil {
		panic(fmt.Sprintf("variables of an expression: %v", err))
	}
	return &Env{env: env, variables: slices.Sorted(maps.Keys(v))}
}

// Error is a fault in the text of an expression. Line and Column count from 1.
type Error struct {
	Line, Column int
	text         string
}

func (e *Error) Error() string {
	if e.Line > 1 {
		return fmt.Sprintf("expression, line %d column %d: %s", e.Line, e.Column, e.text)
	}
	return fmt.Sprintf("expression, column %d: %s", e.Column, e.text)
}

// fault makes an error of the first of the compiler's.
func (e *Env) fault(text string, issues *cel.Issues) error {
	errs := issues.Errors()
	if len(errs) == 0 { // of the parser's limits
		return &Error{Line: 1, Column: 1, text: firstLine(issues.Err().Error())}
	}
	first := errs[0]
	line, column := max(first.Location.Line(), 1), max(first.Location.Column(), 0)
	lines := strings.Split(text, "\n")
	rest := []rune(lines[min(line, len(lines))-1])
	return &Error{Line: line, Column: column + 1, text: firstLine(e.say(first, string(rest[min(column, len(rest)):])))}
}

// maxFault bounds the compiler's text, which can repeat the expression.
const maxFault = 300

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if len(s) > maxFault {
		s = strings.ToValidUTF8(s[:maxFault], "") + "..."
	}
	return s
}
