package expr

import (
	"github.com/google/cel-go/common/overloads"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
)

// costs are those that CEL does not know, or counts too low.
func costs() (options []interpreter.CostTrackerOption) {
	for _, overload := range []string{"fairlead_lower_ascii", "fairlead_split", "fairlead_replace"} {
		options = append(options, interpreter.OverloadCostTracker(overload, readAndWritten))
	}
	// A comparison goes down into lists and maps, of which CEL counts the items of the
	// uppermost only.
	for _, overload := range []string{overloads.Equals, overloads.NotEquals, overloads.InList} {
		options = append(options, interpreter.OverloadCostTracker(overload, compared))
	}
	return options
}

// readAndWritten is as much as CEL counts for reading the arguments and writing as
// much again.
func readAndWritten(args []ref.Val, _ ref.Val) *uint64 {
	cost := uint64(1)
	for _, a := range args {
		if s, ok := a.(types.String); ok {
			cost += uint64(len(s))/5 + 1
		}
	}
	return &cost
}

func compared(args []ref.Val, _ ref.Val) *uint64 {
	cost := uint64(1)
	for _, a := range args {
		cost += extent(a)
	}
	return &cost
}

// extent is one for each value in v, and for each ten bytes of text.
func extent(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return 1 + uint64(len(v))/10
	case types.Bytes:
		return 1 + uint64(len(v))/10
	case traits.Mapper:
		n := uint64(1)
		for it := v.Iterator(); it.HasNext() == types.True; {
			k := it.Next()
			n += extent(k) + extent(v.Get(k))
		}
		return n
	case traits.Lister:
		n := uint64(1)
		for it := v.Iterator(); it.HasNext() == types.True; {
			n += extent(it.Next())
		}
		return n
	}
	return 1
}
