package pullsecret

import (
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

// condition is on which state of a Secret a request may change it.
type condition struct{ endpoint.Condition }

func readCondition(r *http.Request) (condition, *answer.Failure) {
	c, f := endpoint.ReadCondition(r, "there is no Secret of the name")
	return condition{c}, f
}

// holds returns why a Secret is not in the state that is asked for; nil: it is. s is nil
// if there is none.
func (c condition) holds(s *secret) *answer.Failure {
	switch {
	case c.Absent && s != nil:
		return answer.Failf(answer.PreconditionFailed, "there is a Secret of the name; nothing was changed")
	case c.Exists && s == nil:
		return answer.Failf(answer.PreconditionFailed, "there is no Secret of the name; nothing was changed")
	case c.Version != "" && s.Metadata.ResourceVersion != c.Version:
		return changed()
	}
	return nil
}

// changed is that a Secret has another version than the one that was asked for.
func changed() *answer.Failure {
	return answer.Failf(answer.PreconditionFailed, "the Secret has changed since the version that If-Match gives; nothing was changed")
}

// partly is a failure after the Secret was changed. On a condition the request cannot be
// repeated: the change itself has made it false.
func (c condition) partly(f *answer.Failure) *answer.Failure {
	said := *f
	said.Partly = c != condition{}
	return &said
}
