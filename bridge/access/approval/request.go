package approval

import (
	"errors"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// State is where a request stands.
type State string

// The states.
const (
	Pending  State = "pending"
	Approved State = "approved"
	Denied   State = "denied"
	Ended    State = "ended" // was approved, or was pending for too long
)

// Who is a caller as far as it tells one from another.
type Who struct {
	Name   string        `json:"name"`
	Issuer string        `json:"issuer,omitempty"`
	Method access.Method `json:"method"`
}

func who(c *access.Caller) Who { return Who{Name: c.Name, Issuer: c.Issuer, Method: c.Method} }

// Request is a request for access. It is a value: changes are made by a [Desk].
type Request struct {
	ID     string `json:"id"`
	Caller Who    `json:"caller"`
	// Names are what is known of the person or program behind the caller, see names.
	Names   []string `json:"names,omitempty"`
	Grant   string   `json:"grant"`
	Cluster string   `json:"cluster"` // as [subjects.ClusterRef] writes it
	Reason  string   `json:"reason"`
	// Duration is for how long, from the approval on.
	Duration time.Duration `json:"duration"`
	Created  time.Time     `json:"created"`
	State    State         `json:"state"`
	// DecidedBy, DecidedAt and Note are of the decision; zero without one.
	DecidedBy Who       `json:"decidedBy"`
	DecidedAt time.Time `json:"decidedAt"`
	Note      string    `json:"note,omitempty"`
	// EndedBy and EndedAt are of an end before its time; zero without one.
	EndedBy Who       `json:"endedBy"`
	EndedAt time.Time `json:"endedAt"`
	// Until is the end of the approval, or of the waiting.
	Until time.Time `json:"until"`
	// Version is the [Store]'s, which tells one state of the request from another.
	Version uint64 `json:"-"`
}

// at returns the request as it is at a time.
func (r Request) at(now time.Time) Request {
	if (r.State == Approved || r.State == Pending) && !now.Before(r.Until) {
		r.State = Ended
	}
	return r
}

// Forgotten reports whether a request has ended for long enough to be dropped.
func (r Request) Forgotten(now time.Time) bool { return now.Sub(r.Until) > KeptFor }

// open reports whether a request is pending or approved.
func (r Request) open(now time.Time) bool {
	s := r.at(now).State
	return s == Pending || s == Approved
}

// FullError wraps [ErrFull] where it is known when there is room again.
type FullError struct {
	// Most is how many a caller may have pending, or have made within Window.
	Most   int64
	Window time.Duration
	// After is how long it takes if nobody decides or ends a request before.
	After time.Duration
	err   error
}

// Error implements error.
func (e *FullError) Error() string { return e.err.Error() }

// Unwrap returns what wraps [ErrFull].
func (e *FullError) Unwrap() error { return e.err }

// Errors of a [Desk], whose texts may be shown to the caller.
var (
	ErrUnknown = errors.New("there is no such access request")
	ErrDecided = errors.New("the access request has been decided already")
	ErrOwn     = errors.New("nobody can approve an access request of their own")
	ErrFull    = errors.New("too many access requests are kept")
	ErrBad     = errors.New("bad access request")
	// ErrStore is wrapped where access requests cannot be read, or a change of one could
	// not be written.
	ErrStore = errors.New("access requests cannot be read or changed now")
)
