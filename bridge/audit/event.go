package audit

import (
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// Stage is when in the life of a request an event was made, as in Kubernetes' audit.
type Stage string

// The stages.
const (
	// StageReceived is before the request goes on to its cluster; only where audit is
	// required.
	StageReceived Stage = "RequestReceived"
	// StageStarted is when the response of a watch, a followed log, or a session has
	// begun.
	StageStarted Stage = "ResponseStarted"
	// StageComplete is when the request has ended, however it did.
	StageComplete Stage = "ResponseComplete"
)

// Type and schema of the events. An incompatible change makes a v2.
const (
	eventType   = "io.fairlead.request.v1"
	eventSchema = "urn:fairlead:schema:audit-event:v1"
)

// Bounds of an event, in bytes, besides what JSON's escapes add, and in elements. A
// name of Kubernetes has at most 253 bytes.
const (
	maxText    = answer.MaxShown
	maxList    = 64
	maxCommand = 4 << 10
	// maxLists bounds the groups and extra attributes of a user together.
	maxLists = 16 << 10
)

// headOf is what all events of a bridge have in common after their id.
func headOf(source string) string {
	e := encoder{b: []byte(`"`)} // of the id
	e.str("source", source)
	e.str("type", eventType)
	return string(e.b[1:])
}

// append appends the event of a stage, and a newline.
func (q *Request) append(b []byte, stage Stage, now time.Time) []byte {
	e := encoder{b: append(append(b, `{"specversion":"1.0","id":"`...), q.id[:]...)}
	e.b = append(append(append(e.b, '/'), stage...), '"')
	e.b = append(e.b, q.log.head...)
	e.time("time", now)
	at := e.b[len(e.b)-len(timeFormat)-len(`""`):]
	e.str("subject", q.rec.Cluster)
	e.b = append(e.b, `,"datacontenttype":"application/json","dataschema":"`+eventSchema+`","data":{"auditID":"`...)
	e.b = append(append(e.b, q.id[:]...), '"')
	e.str("requestID", q.rec.ID)
	e.str("stage", string(stage))
	e.request(q)
	q.log.whos.append(&e, q.rec)
	e.from(q.rec.Remote, q.r.RemoteAddr)
	e.str("userAgent", q.userAgent)
	e.str("tenant", q.rec.Tenant)
	e.str("cluster", q.rec.Cluster)
	e.str("instance", q.rec.Instance)
	e.outcome(q.rec, stage)
	e.time("requestReceivedTimestamp", q.rec.Start)
	e.key("stageTimestamp")
	e.b = append(e.b, at...)
	if stage == StageComplete {
		e.seconds("durationSeconds", now.Sub(q.rec.Start))
		e.int("receivedBytes", q.rec.Received)
		e.int("sentBytes", q.rec.Sent)
	}
	e.annotations(q)
	if e.cut {
		e.b = append(e.b, `,"truncated":true`...)
	}
	return append(e.b, '}', '}', '\n')
}

// request appends what was asked for.
func (e *encoder) request(q *Request) {
	info := q.info()
	if info == nil { // of the bridge itself, or what no API server would understand
		e.str("verb", verbOf(q.r.Method))
		e.str("path", q.r.URL.Path)
		return
	}
	e.str("verb", info.Verb)
	e.str("path", info.Path)
	if info.IsResource {
		e.open("objectRef")
		e.str("resource", info.Resource)
		e.str("namespace", info.Namespace)
		e.str("name", info.Name)
		e.str("apiGroup", info.APIGroup)
		e.str("apiVersion", info.APIVersion)
		e.str("subresource", info.Subresource)
		e.close()
	}
	if isSession(info) {
		e.session(q.rec)
	}
}

// verbOf is a method as Kubernetes writes it for what is not a resource.
func verbOf(method string) string {
	switch method {
	case http.MethodGet:
		return "get"
	case http.MethodPost:
		return "post"
	case http.MethodHead:
		return "head"
	}
	return strings.ToLower(answer.Clip(method))
}

// from appends from where the request came, and through which front proxy.
func (e *encoder) from(remote, peer string) {
	from, via := hostOf(remote), hostOf(peer)
	e.key("sourceIPs")
	e.b = append(e.b, '[')
	e.text(from, maxText)
	if via != from {
		e.comma()
		e.text(via, maxText)
	}
	e.b = append(e.b, ']')
}

// hostOf is an address without its port.
func hostOf(address string) string {
	if strings.IndexByte(address, ':') < 0 {
		return address // SplitHostPort would make an error
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func (e *encoder) user(k string, id *subjects.Identity) {
	e.listed = 0
	e.open(k)
	e.str("username", id.User)
	e.str("uid", id.UID)
	e.strings("groups", id.Groups)
	if len(id.Extra) > 0 {
		e.open("extra")
		var some [8]string // most users have no more
		keys := slices.AppendSeq(some[:0], maps.Keys(id.Extra))
		slices.Sort(keys)
		for i, k := range keys {
			if !e.room(i, k) {
				break
			}
			e.comma()
			e.text(k, maxText)
			e.b = append(e.b, ':')
			e.list(id.Extra[k])
		}
		e.close()
	}
	e.close()
}

// outcome appends how the request ended, as far as it has.
func (e *encoder) outcome(rec *answer.Record, stage Stage) {
	if stage == StageReceived {
		return
	}
	f := rec.Failure
	e.open("responseStatus")
	e.int("code", int64(rec.UpstreamStatus()))
	if f != nil {
		e.str("reason", f.Kind.Reason)
		e.str("message", f.Detail)
	}
	e.close()
	if f != nil {
		e.open("failure")
		e.str("code", f.Kind.Code)
		e.str("lock", string(f.Kind.Lock))
		e.close()
	}
	if rec.Revoked != nil {
		e.str("revoked", rec.Revoked.Detail)
	}
	switch {
	case rec.Aborted != nil:
		e.str("aborted", rec.Aborted.Error())
	case rec.Broken != nil:
		e.str("aborted", rec.Broken.Error())
	}
}

// decision is what the locks before the cluster's RBAC decided; "" if none did.
func decision(rec *answer.Record) string {
	switch f := rec.Failure; {
	case f != nil && f.Kind == answer.ApprovalsUnavailable:
		return "" // the grant waits for what is not known
	case f != nil && f.Kind.Lock != "" && f.Kind.Lock != answer.LockLimit: // whose callers are allowed
		return "forbid"
	case rec.Grant != "":
		return "allow"
	}
	return ""
}

// annotations has what an API server's authorization would say.
func (e *encoder) annotations(q *Request) {
	decision := decision(q.rec)
	info := q.info()
	ambiguous := info != nil && info.Ambiguous
	if decision == "" && !ambiguous && q.rec.Notes == nil {
		return
	}
	e.open("annotations")
	e.str("authorization.k8s.io/decision", decision)
	for _, n := range q.rec.Notes {
		e.str("fairlead.io/"+n.Key, n.Value)
	}
	if ambiguous {
		e.str("fairlead.io/ambiguous-path", "true")
	}
	e.close()
}

// info is what an API server makes of the request; nil: it is not one to a cluster.
func (q *Request) info() *requestinfo.Info {
	if q.rec.Request == nil {
		return nil
	}
	info, err := q.rec.Request.Info()
	if err != nil {
		return nil
	}
	return info
}
