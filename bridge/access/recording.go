package access

import (
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

// recording is what a grant that demands recordings means for a request.
type recording int

const (
	notASession  recording = iota // nothing to record
	aSession                      // a session that can be recorded
	unrecordable                  // it could be one that cannot
)

// judgeRecording decides about a request by what its API server makes of it. A request
// that could open a session in any other way than exec and attach is unrecordable:
//
//   - Whatever upgrades its connection, other than a watch: port-forward, and the
//     proxies of pods and services.
//   - The proxy of a node, whose kubelet executes commands without an upgrade too.
//   - A path that servers read in different ways.
func judgeRecording(req *Request, upgrade bool) recording {
	info, err := req.Info()
	switch {
	case err != nil || info.Ambiguous:
		return unrecordable
	case info.IsResource && info.Resource == "nodes" && (info.Subresource == "proxy" || info.Verb == "proxy"):
		return unrecordable
	case !upgrade:
		return notASession
	case recordable(info):
		return aSession
	case info.Verb == "watch" && info.Subresource == "": // and not what has only ?watch=1
		return notASession
	}
	return unrecordable
}

// asksUpgrade reports whether a request may upgrade its connection.
func asksUpgrade(h http.Header) bool {
	return len(h["Upgrade"]) > 0 && !strings.EqualFold(h["Upgrade"][0], "h2c") // which no proxy forwards
}

func recordable(info *requestinfo.Info) bool {
	return info.IsResource && info.APIGroup == "" && info.Resource == "pods" && info.Namespace != "" && info.Name != "" &&
		(info.Subresource == "exec" || info.Subresource == "attach")
}

// Recording says what the demand of a recording means for a request: whether it opens a
// session that is recorded, or why it is refused, since it could open one that cannot be.
// upgrade says that the request may upgrade its connection.
func (d *Decision) Recording(req *Request, upgrade bool) (recorded bool, refusal *answer.Failure) {
	if !d.Record { // most requests need not be parsed for anything else
		return false, nil
	}
	switch judgeRecording(req, upgrade) {
	case aSession:
		return true, nil
	case unrecordable:
		return false, answer.Failf(answer.Forbidden, "grant %q demands that sessions are recorded, and of sessions only exec and attach can be: "+
			"not port-forward, other upgraded connections, the proxy of a node, or an ambiguous path; "+
			"a grant without \"record: true\" would allow it; nothing was executed", d.Grant)
	}
	return false, nil
}

// checkRecording refuses a request that a decision demands a recording of, and that
// cannot be recorded.
func (a *Admission) checkRecording(d *Decision) *answer.Failure {
	_, refusal := d.Recording(&a.request, a.upgrade)
	return refusal
}

// Recorded reports whether the request opens a session that must be recorded.
func (a *Admission) Recorded() bool {
	recorded, _ := a.Decision.Recording(&a.request, a.upgrade)
	return recorded
}

// Recorder records the session as the rules demand that let the request in; nil: it
// cannot be recorded.
func (a *Admission) Recorder() *record.Recorder { return a.rules.Recorder }

// becomesRecorded reports whether a new decision demands a recording of a session that
// has begun without one.
func (a *Admission) becomesRecorded(d *Decision) bool {
	return d.Record && !a.Decision.Record && judgeRecording(&a.request, a.upgrade) != notASession
}
