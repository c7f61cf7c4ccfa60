package answer

import (
	"fmt"
	"time"
)

// Failure is the reason why the bridge answers a request itself. It is an error, so
// it can be returned, or be the cause of a context. Once shared, it must not be
// changed.
type Failure struct {
	Kind    *Kind
	Detail  string    // one sentence for people
	Cluster string    // as the caller wrote it, "" if none is concerned
	Since   time.Time // since when the cluster has been disconnected; zero if never connected

	// Grant is the grant that would let the request in if the reason did not stand; ""
	// if there is none, or another part knows it.
	Grant string
	// Quota is the limit that the request is over; nil: none.
	Quota *Quota
	// TimeLimit is the one that ended the request; nil: none did, or whose it was is not
	// known.
	TimeLimit *TimeLimit
	// Request is the id of the request that failed, where it was made for another; "": it
	// is that which is answered.
	Request string

	// Partly: a part of the request was executed, after which it cannot be repeated as it is.
	Partly bool

	err error // what it was made from, for errors.Is and errors.As
}

// Failf makes a failure whose detail is formatted as by [fmt.Errorf]: %w keeps
// its cause.
func Failf(k *Kind, format string, args ...any) *Failure {
	err := fmt.Errorf(format, args...)
	return &Failure{Kind: k, Detail: err.Error(), err: err}
}

// For returns the failure with the name of the cluster that it concerns. It
// leaves f as it is.
func (f *Failure) For(cluster string) *Failure {
	named := *f
	named.Cluster = cluster
	return &named
}

// With returns the failure with more said after its detail. It leaves f as it is.
func (f *Failure) With(more string) *Failure {
	longer := *f
	longer.Detail += more
	return &longer
}

// TimeLimit is how long a request might take.
type TimeLimit struct {
	Of    string // whose it is: caller, bridge or agent
	After time.Duration
}

// Timed returns the failure with the time limit that it is about. It leaves f as it is.
func (f *Failure) Timed(l TimeLimit) *Failure {
	timed := *f
	timed.TimeLimit = &l
	return &timed
}

// Of returns the failure with the id of the request that failed. It leaves f as it is.
func (f *Failure) Of(request string) *Failure {
	of := *f
	of.Request = request
	return &of
}

// Error implements error.
func (f *Failure) Error() string { return f.Kind.Code + ": " + f.Detail }

// Unwrap returns what the failure was made from.
func (f *Failure) Unwrap() error { return f.err }
