package expr

import (
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// Functions beyond CEL's own: what names made from claims need. Those of cel-go's
// library of strings can make a string of gigabytes from a short text before the
// cost is counted, so that these are not used.
const (
	lowerASCII = "lowerAscii"
	split      = "split"
	replace    = "replace"
)

// maxString bounds what replace makes, in bytes.
const maxString = 16 << 10

func functions() []cel.EnvOption {
	str := cel.StringType
	return []cel.EnvOption{
		cel.Function(lowerASCII, cel.MemberOverload("fairlead_lower_ascii", []*cel.Type{str}, str,
			cel.UnaryBinding(func(s ref.Val) ref.Val { return types.String(lower(string(s.(types.String)))) }))),
		cel.Function(split, cel.MemberOverload("fairlead_split", []*cel.Type{str, str}, cel.ListType(str),
			cel.BinaryBinding(func(s, by ref.Val) ref.Val {
				return types.NewStringList(types.DefaultTypeAdapter, strings.Split(string(s.(types.String)), string(by.(types.String))))
			}))),
		cel.Function(replace, cel.MemberOverload("fairlead_replace", []*cel.Type{str, str, str}, str,
			cel.FunctionBinding(replaced))),
	}
}

// isOurs reports whether a function is one of the above, whose cost CEL cannot tell
// when it compiles an expression.
func isOurs(name string) bool { return name == lowerASCII || name == split || name == replace }

// lower leaves letters beyond ASCII as they are.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + ('a' - 'A')
		}
		return r
	}, s)
}

func replaced(args ...ref.Val) ref.Val {
	s, old, next := string(args[0].(types.String)), string(args[1].(types.String)), string(args[2].(types.String))
	if size := len(s) + strings.Count(s, old)*max(len(next)-len(old), 0); size > maxString {
		return types.NewErr("replace: a result of %d bytes, at most %d allowed", size, maxString)
	}
	return types.String(strings.ReplaceAll(s, old, next))
}
