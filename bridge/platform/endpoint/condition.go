package endpoint

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Condition is on which state of what it writes a request may write it. The zero value is
// on any.
type Condition struct {
	Version string // the one that it must have; "": any
	Exists  bool   // there must be one
	Absent  bool   // there must be none
}

// versionPattern is what versions look like: resource versions of Kubernetes, which are
// opaque, but numbers everywhere, and those of the platform's own.
var versionPattern = regexp.MustCompile(`^[0-9A-Za-z._-]{1,128}$`)

// IsVersion reports whether a text looks like one.
func IsVersion(s string) bool { return versionPattern.MatchString(s) }

// ReadCondition reads If-Match, with the ETag of an earlier answer, and If-None-Match. none
// is what If-None-Match: * means, such as "there are no settings".
func ReadCondition(r *http.Request, none string) (Condition, *answer.Failure) {
	match, unless := r.Header.Values("If-Match"), r.Header.Values("If-None-Match")
	switch {
	case len(match) > 1 || len(unless) > 1 || len(match) > 0 && len(unless) > 0:
		return Condition{}, answer.Failf(answer.BadRequest, "If-Match and If-None-Match: give one of them, once")
	case len(unless) == 1:
		if strings.TrimSpace(unless[0]) != "*" {
			return Condition{}, answer.Failf(answer.BadRequest, "If-None-Match: want *, which is that %s", none)
		}
		return Condition{Absent: true}, nil
	case len(match) == 0:
		return Condition{}, nil
	case strings.TrimSpace(match[0]) == "*":
		return Condition{Exists: true}, nil
	}
	tag := strings.TrimSpace(match[0])
	version, open := strings.CutPrefix(tag, `"`)
	version, closed := strings.CutSuffix(version, `"`)
	if !open || !closed || !IsVersion(version) {
		return Condition{}, answer.Failf(answer.BadRequest, "If-Match: want *, or the ETag of an earlier answer, in its quotes")
	}
	return Condition{Version: version, Exists: true}, nil
}
