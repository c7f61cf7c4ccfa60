package dial

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Step is one step of an attempt, successful or not, as [Dialer.Trace] gets it.
type Step struct {
	// Hop says which step it was: DNS, TCP, Proxy, TLS or HTTPUpgrade.
	Hop cause.Hop
	// Proxy is the proxy that the attempt goes through, without user and password,
	// "" for none. Its DNS and TCP steps lead to the proxy, not to the server.
	Proxy string
	// Target is what was resolved, connected to, verified or requested.
	Target string
	// Addresses are those of a name, after a DNS step.
	Addresses []string
	// TLS is the state after a TLS step, and after a Proxy step over TLS; nil if
	// there is none.
	TLS *tls.ConnectionState
	// Date is the clock of the other end, of the proxy after a Proxy step, by the header
	// Date of its response, to the second, and zero without one.
	Date time.Time
	// Took is how long the step took.
	Took time.Duration
	// Err is why it failed, nil if it did not.
	Err error
}

// trace notes a step, and gives it to Trace, if there is one. It began at began.
func (d *Dialer) trace(began time.Time, s Step) {
	if !s.Date.IsZero() && s.Hop != cause.Proxy { // the proxy's is noted with its name
		d.noteClock("the other end", s.Date)
	}
	if d.Trace == nil {
		return
	}
	s.Proxy, s.Took = d.via, time.Since(began)
	d.Trace(s)
}

// dateOf is the header Date of a response.
func dateOf(h http.Header) time.Time {
	t, _ := http.ParseTime(h.Get("Date")) // the zero time after an error
	return t
}
