package upstream

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/subjects"
)

// The query of a refused target must not get into logs.
func TestRefusedTargetsKeepTheirQuery(t *testing.T) {
	u := &Client{base: url.URL{Scheme: "https", Host: "h", Path: "/prefix"}}
	if _, err := u.Target("/a/../b?command=secret"); codeOf(err) != subjects.CodeBadRequest || strings.Contains(err.Error(), "secret") {
		t.Errorf("dot segments: %v", err)
	}
	u.base.Path = ""
	if _, err := u.Target("//a%zz?command=secret"); codeOf(err) != subjects.CodeBadRequest || strings.Contains(err.Error(), "secret") {
		t.Errorf("bad escape: %v", err)
	}
}

// codeOf returns the code of the fault that err wraps, or 0.
func codeOf(err error) subjects.Code {
	if f := fault.In(err); f != nil {
		return f.Code
	}
	return 0
}
