package access

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// claimed returns the first header in alphabetical order that asks to impersonate
// another user, "" if there is none.
func claimed(h http.Header) string {
	first := ""
	for k := range h {
		if subjects.Impersonates(k) && (first == "" || k < first) {
			first = k
		}
	}
	return first
}

// noImpersonation refuses a request with a header that asks to impersonate another
// user. It would be executed with the rights of the agent, which may be greater.
func noImpersonation(header string) *answer.Failure {
	return answer.Failf(answer.Impersonation, "impersonation through this bridge is not allowed: the request has the header %q; "+
		"nothing was executed", answer.Clip(header))
}

// impersonated returns the user as whom the headers of a request ask to act, as
// kubectl --as sends them; nil: there are none. Headers that an API server might
// read in another way than the bridge are refused: a name that it does not know, a
// second user, an empty value, or groups without a user.
func impersonated(h http.Header) (*subjects.Identity, *answer.Failure) {
	first := claimed(h)
	if first == "" {
		return nil, nil
	}
	id := &subjects.Identity{}
	for k, values := range h {
		if !subjects.Impersonates(k) {
			continue
		}
		for _, v := range values {
			if v == "" || !claim(id, k, v) {
				return nil, noImpersonation(k)
			}
		}
	}
	if id.User == "" {
		return nil, noImpersonation(first)
	}
	return id, nil
}

// extraPrefix begins the name of a header with one of the user's extra attributes.
const extraPrefix = "Impersonate-Extra-"

// claim adds what one line of a header says. Its name is in canonical form.
func claim(id *subjects.Identity, name, value string) bool {
	switch {
	case name == "Impersonate-User" && id.User == "":
		id.User = value
	case name == "Impersonate-Uid" && id.UID == "":
		id.UID = value
	case name == "Impersonate-Group":
		id.Groups = append(id.Groups, value)
	case strings.HasPrefix(name, extraPrefix) && len(name) > len(extraPrefix):
		key := strings.ToLower(name[len(extraPrefix):])
		// As the API server reads it: a key that cannot be decoded is taken as it is.
		if decoded, err := url.PathUnescape(key); err == nil {
			key = decoded
		}
		if id.Extra == nil {
			id.Extra = make(map[string][]string)
		}
		id.Extra[key] = append(id.Extra[key], value)
	default:
		return false
	}
	return true
}
