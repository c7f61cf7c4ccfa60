package reach

import (
	"fmt"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// CutRegularly tells a loss that is one of several after the same time from others: then
// a device on the way has a limit. cuts are the lifetimes of the connections that others
// closed, and lasted is the one of the connection that is lost because of f.
func CutRegularly(cuts *cause.Regular, f *cause.Failure, lasted time.Duration) *cause.Failure {
	if f.Cause != cause.ConnectionLost {
		return f
	}
	every, regular := cuts.Add(lasted)
	if !regular {
		return f
	}
	cut := *f
	cut.Cause, cut.Do = cause.CutRegularly, ""
	cut.Got = fmt.Sprintf("the last connections were closed after %s each", every)
	return &cut
}
