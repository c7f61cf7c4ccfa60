package tunnel

import (
	"net/http"
	"slices"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/tunnel/rbac"
	"github.com/fairlead-io/fairlead/subjects"
)

// refusalTimeout bounds how long the head of a 403 waits for its body, which says
// whether the cluster's access control refused the request. Agents send the head of
// exec, attach, port-forward and watch requests on its own, and the body follows at
// once: this is time for one lost message to be sent again.
const refusalTimeout = 500 * time.Millisecond

// awaitRefusal waits for as much of a 403's body as [rbac.Refusal] searches, if that
// can matter.
func (rl *relay) awaitRefusal(head *subjects.ResponseHead) {
	if rl.to.refusal(rl.rec, head.Status) == nil || rl.r.Method == http.MethodHead || head.ContentLength == 0 {
		return
	}
	rl.x.awaitRefusal(head.ContentLength)
}

// awaitRefusal waits for as much of a body as [rbac.Refusal] searches; length is that of
// the body, -1 if it is unknown. It is bounded by refusalTimeout.
func (x *exchange) awaitRefusal(length int64) {
	want := int64(rbac.MaxBody)
	if length > 0 {
		want = min(want, length)
	}
	if int64(len(x.rest)) >= want || x.st.Ended() {
		return
	}
	_ = x.st.SetReadDeadline(time.Now().Add(refusalTimeout))
	for int64(len(x.rest)) < want {
		if x.more() != nil {
			break // at the deadline; any other error, and the end, come again
		}
	}
	_ = x.st.SetReadDeadline(time.Time{})
}

// refusal is what a warning about a request is made from; nil: there is none, as the
// API server did not answer 403, or access control cannot be why.
func (to *Destination) refusal(rec *answer.Record, status int) *rbac.Refusal {
	if status != http.StatusForbidden || to.Review || rec.Request == nil {
		return nil
	}
	info, err := rec.Request.Info()
	if err != nil || !rbac.Explains(info) {
		return nil
	}
	return &rbac.Refusal{Cluster: to.Name, As: to.As, Info: info}
}

// warnOfRBAC adds a warning to the header of a response if the cluster's own access
// control refused the request: as whom it was executed, and what would allow it. body
// is the part of the response that has arrived.
func (to *Destination) warnOfRBAC(h http.Header, rec *answer.Record, status int, body []byte) {
	refusal := to.refusal(rec, status)
	if refusal == nil {
		return
	}
	refusal.Body = body
	if w := refusal.Warning(); w != "" {
		h["Warning"] = append(slices.Clip(h["Warning"]), w) // what there is belongs to the head
	}
}
