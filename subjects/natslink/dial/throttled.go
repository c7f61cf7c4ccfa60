package dial

import (
	"bytes"
	"errors"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// refusal is how a NATS server begins when it refuses a client. It does so in clear
// text, in place of a TLS handshake, if there are too many connections at once.
const refusal = "-ERR "

// errRefusedBeforeTLS is for what a server says in place of a handshake.
var errRefusedBeforeTLS = errors.New("refused before TLS")

// refusedBeforeTLS returns the failure of a TLS handshake if the server's first
// bytes are a refusal, nil otherwise. b may end after the first word.
func (d *Dialer) refusedBeforeTLS(b []byte) *cause.Failure {
	if !bytes.HasPrefix(b, []byte(refusal)) {
		return nil
	}
	f := &cause.Failure{Hop: cause.TLS, Cause: cause.RateLimited, Tried: "TLS with " + Address(d.Server), Err: errRefusedBeforeTLS}
	if line, _, whole := bytes.Cut(b, []byte("\r\n")); whole {
		f.Got = "the server answers " + d.said(line)
		switch { // NATS refuses for the number of connections likewise, not only for their rate
		case bytes.Contains(line, []byte("throttling")):
		case bytes.Contains(line, []byte("maximum connections")):
			f.Hop, f.Cause = cause.NATS, cause.BrokerFull
		default:
			f.Hop, f.Cause = cause.NATS, cause.ConnectionLost
		}
	}
	return f
}
