package policy

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// The limits of the file hold, for everyone and for a grant, and follow it.
func TestLimitsAreFollowed(t *testing.T) {
	r := newRig(t)
	jane, joe := r.token("jane"), r.token("joe")
	r.write(r.issuers(), grantFor("jane", "ci")+grantFor("joe", "ci")+"  limits: {concurrentRequests: 1}\nlimits:\n  caller: {concurrentRequests: 2}\n")
	r.until(jane, nil)
	r.until(jane, answer.RateLimited) // nothing of what was let in has ended
	r.until(joe, nil)
	if _, f := r.enter(joe); f == nil || f.Kind != answer.RateLimited || !strings.Contains(f.Detail, `grant "for-joe"`) {
		t.Errorf("got %v, want a refusal for the grant", f)
	}
	r.write(r.issuers(), grantFor("jane", "ci")+grantFor("joe", "ci"))
	r.until(jane, nil)
	r.until(joe, nil)
}
