package endpoint

import (
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Absolute returns what is wrong with the request target that a body has as its path; nil:
// it begins with a slash. Its query, which may have a credential, is not shown: failures
// are logged.
func Absolute(target string) *answer.Failure {
	if strings.HasPrefix(target, "/") {
		return nil
	}
	if target == "" {
		return answer.Failf(answer.BadRequest, `path: none given; want an absolute path, such as "/version"`)
	}
	path, _, _ := strings.Cut(target, "?")
	return answer.Failf(answer.BadRequest, "path: %q does not begin with a slash", answer.Clip(path))
}
