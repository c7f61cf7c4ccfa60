package answer

import (
	"time"

	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// Record is what the log line and the metrics say about a request. The request's
// handler fills it in; it is not safe for concurrent use.
type Record struct {
	ID      string
	Start   time.Time
	Cluster string // as the caller wrote it, "" if none is concerned
	Tenant  string // "" until it is known to exist
	Caller  string
	Groups  []string // of the caller
	Method  string   // how the caller was authenticated, "" if it was not
	Issuer  string   // the issuer that vouches for the caller, "" for the bridge itself
	Grant   string   // the name of the grant that let the request in
	// As is the user as whom the request is executed; nil: as the agent itself.
	As *subjects.Identity
	// Request returns how an API server reads a request to a cluster; nil: the
	// request is not to a cluster.
	Request interface {
		Info() (*requestinfo.Info, error)
	}
	Remote string // the caller's address, as trusted proxies name it
	Status int
	// Sent and Received are body bytes to and from the client.
	Sent, Received int64
	Failure        *Failure // what the bridge answered, or would have answered
	Aborted        error    // why the response broke
	// Revoked is why the bridge ended a running request whose caller may no longer
	// reach the cluster. nil: it did not.
	Revoked *Failure

	// Values of the response's header, kept here to save an allocation.
	idValue, lengthValue [1]string
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
