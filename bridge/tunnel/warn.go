package tunnel

import (
	"net/http"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/rbac"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// refusalTimeout bounds how long the head of a 403 waits for its body, which says
// whether the cluster's access control refused the request. Agents send the head of
// exec, attach, port-forward and watch requests on its own, and the body follows at
// once: this is time for one lost message to be sent again.
const refusalTimeout = 500 * time.Millisecond

// awaitRefusal waits for as much of a 403's body as [rbac.Refusal] searches, if that
// can matter. It is bounded by refusalTimeout.
func (rl *relay) awaitRefusal(head *subjects.ResponseHead) {
	info := rl.to.refused(rl.rec, head.Status)
	if info == nil || !rbac.Explains(info) || rl.r.Method == http.MethodHead || head.ContentLength == 0 {
		return
	}
	want := int64(rbac.MaxBody)
	if head.ContentLength > 0 {
		want = min(want, head.ContentLength)
	}
	if int64(len(rl.x.rest)) >= want || rl.x.st.Ended() {
		return
	}
	_ = rl.x.st.SetReadDeadline(time.Now().Add(refusalTimeout))
	for int64(len(rl.x.rest)) < want {
		if rl.x.more() != nil {
			break // at the deadline; any other error, and the end, come again
		}
	}
	_ = rl.x.st.SetReadDeadline(time.Time{})
}

// refused returns what the API server made of a request that it answered with 403;
// nil: it did not, or that is not known.
func (to *Destination) refused(rec *answer.Record, status int) *requestinfo.Info {
	if status != http.StatusForbidden || to.Review || rec.Request == nil {
		return nil
	}
	info, err := rec.Request.Info()
	if err != nil {
		return nil
	}
	return info
}

// warnOfRBAC adds a warning to the header of a response if the cluster's own access
// control refused the request: as whom it was executed, and what would allow it. body
// is the part of the response that has arrived.
func (to *Destination) warnOfRBAC(h http.Header, rec *answer.Record, status int, body []byte) {
	info := to.refused(rec, status)
	if info == nil {
		return
	}
	refusal := rbac.Refusal{Cluster: to.Name, As: to.As, Info: info, Body: body}
	if w := refusal.Warning(); w != "" {
		h["Warning"] = append(slices.Clip(h["Warning"]), w) // what there is belongs to the head
	}
}
