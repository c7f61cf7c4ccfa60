package pullsecret

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// condition is on which state of a Secret a request may change it.
type condition struct {
	version string // the one it must have; "": any
	exists  bool   // there must be one
	absent  bool   // there must be none
}

// versionPattern is what a resource version of Kubernetes looks like. It is opaque, but a
// number everywhere.
var versionPattern = regexp.MustCompile(`^[0-9A-Za-z._-]{1,128}$`)

// readCondition reads If-Match, with the ETag of an earlier answer, and If-None-Match.
func readCondition(r *http.Request) (condition, *answer.Failure) {
	match, none := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	switch {
	case len(match) > 1 || len(none) > 1 || len(match) > 0 && len(none) > 0:
		return condition{}, answer.Failf(answer.BadRequest, "If-Match and If-None-Match: give one of them, once")
	case len(none) == 1:
		if strings.TrimSpace(none[0]) != "*" {
			return condition{}, answer.Failf(answer.BadRequest, "If-None-Match: want *, which is that there is no Secret of the name")
		}
		return condition{absent: true}, nil
	case len(match) == 0:
		return condition{}, nil
	case strings.TrimSpace(match[0]) == "*":
		return condition{exists: true}, nil
	}
	tag := strings.TrimSpace(match[0])
	version, open := strings.CutPrefix(tag, `"`)
	version, closed := strings.CutSuffix(version, `"`)
	if !open || !closed || !versionPattern.MatchString(version) {
		return condition{}, answer.Failf(answer.BadRequest, "If-Match: want *, or the ETag of an earlier answer, in its quotes")
	}
	return condition{version: version, exists: true}, nil
}

// holds returns why a Secret is not in the state that is asked for; nil: it is. s is nil
// if there is none.
func (c condition) holds(s *secret) *answer.Failure {
	switch {
	case c.absent && s != nil:
		return answer.Failf(answer.PreconditionFailed, "there is a Secret of the name; nothing was changed")
	case c.exists && s == nil:
		return answer.Failf(answer.PreconditionFailed, "there is no Secret of the name; nothing was changed")
	case c.version != "" && s.Metadata.ResourceVersion != c.version:
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
