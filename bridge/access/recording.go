package access

import (
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
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

// recording is judged only where a grant demands recordings: it needs the request
// parsed, and most have no other use for that.
func (a *Admission) recording() recording { return judgeRecording(&a.request, a.upgrade) }

func recordable(info *requestinfo.Info) bool {
	return info.IsResource && info.APIGroup == "" && info.Resource == "pods" && info.Namespace != "" && info.Name != "" &&
		(info.Subresource == "exec" || info.Subresource == "attach")
}

// checkRecording refuses a request that a decision demands a recording of, and that
// cannot be recorded.
func (a *Admission) checkRecording(d *Decision) *answer.Failure {
	if !d.Record || a.recording() == notASession {
		return nil
	}
	if a.recording() == unrecordable {
		return answer.Failf(answer.Forbidden, "grant %q demands that sessions are recorded, and of sessions only exec and attach can be: "+
			"not port-forward, other upgraded connections, the proxy of a node, or an ambiguous path; "+
			"a grant without \"record: true\" would allow it; nothing was executed", d.Grant)
	}
	return nil
}

// Recorded reports whether the request opens a session that must be recorded.
func (a *Admission) Recorded() bool { return a.Decision.Record && a.recording() == aSession }

// becomesRecorded reports whether a new decision demands a recording of a session that
// has begun without one.
func (a *Admission) becomesRecorded(d *Decision) bool {
	return d.Record && !a.Decision.Record && a.recording() != notASession
}
