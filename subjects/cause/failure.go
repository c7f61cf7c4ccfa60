package cause

import (
	"errors"
	"log/slog"
)

// Hop is the step of a connection that failed. The hops are in the order in which a
// connection takes them.
type Hop string

// The hops.
const (
	DNS         Hop = "dns"          // resolve a name
	TCP         Hop = "tcp"          // connect to an address
	Proxy       Hop = "proxy"        // have a forward proxy connect
	TLS         Hop = "tls"          // agree on TLS, and verify certificates
	HTTPUpgrade Hop = "http-upgrade" // turn an HTTP request into a WebSocket
	NATS        Hop = "nats"         // speak the protocol of NATS
	JWT         Hop = "jwt"          // have the credentials accepted
	Permission  Hop = "permission"   // use the subjects of the role
	Kubernetes  Hop = "kubernetes"   // reach and use the API server
)

// Hops are all hops, in their order.
func Hops() []Hop {
	return []Hop{DNS, TCP, Proxy, TLS, HTTPUpgrade, NATS, JWT, Permission, Kubernetes}
}

// Failure is one failed connection: the structured event of it, and an error.
type Failure struct {
	// Hop is where it failed.
	Hop Hop
	// Cause is the likely cause.
	Cause ID
	// Tried says what was tried, such as "connect to 10.0.0.7:4222". The same
	// failure has the same text each time: no ports of this end, no durations.
	Tried string
	// Got says what came back, in the words of the other end where there are any.
	Got string
	// Do replaces the catalogue's text about what to do, "" for that one.
	Do string
	// Err is the error that it was made from, or nil.
	Err error
}

// Error says where it failed, why, and what came back; it does not say what to do.
func (f *Failure) Error() string {
	text := string(f.Hop) + ": " + f.Cause.Info().Title
	if f.Tried != "" {
		text += " (" + f.Tried + ")"
	}
	if f.Got != "" {
		text += ": " + f.Got
	}
	return text
}

// Full is Error with the cause's ID and what to do.
func (f *Failure) Full() string {
	return f.Error() + " [" + string(f.Cause.Info().ID) + "] " + f.Cure()
}

// Unwrap returns the error that the failure was made from.
func (f *Failure) Unwrap() error { return f.Err }

// Cure says what to do.
func (f *Failure) Cure() string {
	if f.Do != "" {
		return f.Do
	}
	return f.Cause.Info().Do
}

// LogValue implements [slog.LogValuer]: the event's fields.
func (f *Failure) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("hop", string(f.Hop)),
		slog.String("cause", string(f.Cause)),
		slog.String("tried", f.Tried),
		slog.String("got", f.Got),
		slog.String("likely", f.Cause.Info().Means),
		slog.String("do", f.Cure()),
		slog.String("url", f.Cause.URL()),
	)
}

// Of returns the failure in err's chain, nil if there is none.
func Of(err error) *Failure {
	f, _ := errors.AsType[*Failure](err)
	return f
}
