package answer

import (
	"context"
	"errors"
	"time"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects"
)

// Record is what the log line and the metrics say about a request. The request's
// handler fills it in; it is not safe for concurrent use.
type Record struct {
	ID      string
	Start   time.Time
	Span    *span.Span // of the request; nil: nothing is traced
	Route   string     // the pattern of its path, such as /v1/clusters/{cluster}; "" if nothing is served there
	Cluster string     // as the caller wrote it, "" if none is concerned
	Tenant  string     // "" until it is known to exist
	Caller  string
	UID     string
	Groups  []string            // of the caller
	Extra   map[string][]string // likewise
	Method  string              // how the caller was authenticated, "" if it was not
	Issuer  string              // the issuer that vouches for the caller, "" for the bridge itself
	Grant   string              // the name of the grant that lets the request in, or would once it is approved
	// As is the user as whom the request is executed; nil: as the agent itself.
	As *subjects.Identity
	// Request returns how an API server reads a request to a cluster; nil: the
	// request is not to a cluster.
	Request interface {
		Info() (*requestinfo.Info, error)
	}
	// Notes are what the audit event says beyond the request, such as the id of an access
	// request and whose it is.
	Notes []Note
	// Ports are those to which a port-forward has opened connections, as far as its stream
	// says.
	Ports []uint16
	// Target is what the API server of a cluster gets, "" if none gets anything.
	Target string
	// Instance is the agent instance that executed the request, or was the last to be
	// tried; "" if none was.
	Instance string
	// Trail writes the stages of the request down for audit; nil: nothing does.
	Trail  Trail
	Remote string // the caller's address, as trusted proxies name it
	Status int
	// Upstream is the API server's status where it is only a part of the response; 0:
	// Status is it.
	Upstream int
	// LastSent is when a streamed response last had nothing more to send; zero: it was
	// never so.
	LastSent time.Time
	// Sent and Received are body bytes to and from the client.
	Sent, Received int64
	Failure        *Failure // what the bridge answered, or would have answered
	Aborted        error    // why the response broke
	Broken         error    // why an upgraded connection did
	// Revoked is why the bridge ended a running request whose caller may no longer
	// reach the cluster. nil: it did not.
	Revoked *Failure

	// Values of the response's header, kept here to save an allocation.
	idValue, lengthValue [1]string
}

// Trail hears of the stages of a request, for audit.
type Trail interface {
	// Admitted is called when it is decided that the request may be executed, before
	// it is. A failure means that it must not be, because that cannot be written down.
	Admitted(ctx context.Context) *Failure
	// Started is called when the response of a request that may last has begun.
	Started()
}

// Admitted tells the trail that the request is about to be executed, and returns why
// it must not be, nil if it may.
func (r *Record) Admitted(ctx context.Context) *Failure {
	if r.Trail == nil {
		return nil
	}
	return r.Trail.Admitted(ctx)
}

// Started tells the trail that a response which may last has begun.
func (r *Record) Started() {
	if r.Trail != nil {
		r.Trail.Started()
	}
}

// UpstreamStatus is the status of what was asked for: that of the API server, or the
// bridge's own.
func (r *Record) UpstreamStatus() int {
	if r.Upstream != 0 {
		return r.Upstream
	}
	return r.Status
}

// Ended returns the code of what ended the request before its time, "" if nothing did,
// and whether that was somebody's fault: a client may hang up whenever it likes.
func (r *Record) Ended() (code string, fault bool) {
	for _, err := range []error{r.Aborted, r.Broken} {
		if re, ok := errors.AsType[*subjects.ResetError](err); ok {
			code = FromReset("", re).Kind.Code
			if re.Code == subjects.CodeCanceled {
				code = ClientGone.Code
			}
		} else if f, ok := errors.AsType[*Failure](err); ok {
			code = f.Kind.Code
		} else if err != nil {
			code = "aborted"
		}
	}
	if r.Revoked != nil {
		code = r.Revoked.Kind.Code
	}
	if r.Failure != nil {
		code = r.Failure.Kind.Code
	}
	return code, code != "" && code != ClientGone.Code
}

// IDValue is the request's id as the value of a header.
func (r *Record) IDValue() []string {
	r.idValue[0] = r.ID
	return r.idValue[:]
}

// LengthValue is s, the length of a body, as the value of a header.
func (r *Record) LengthValue(s string) []string {
	r.lengthValue[0] = s
	return r.lengthValue[:]
}

// Note is a key and a value of [Record.Notes].
type Note struct{ Key, Value string }
