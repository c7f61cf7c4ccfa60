package link

import (
	"crypto/tls"
	"testing"

	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
)

// TestTrialWithoutTrace: a trial that nobody follows verifies TLS like any other.
func TestTrialWithoutTrace(t *testing.T) {
	o := natslink.ConnectOptions{TLS: new(tls.Config)}
	new(Trial).apply(new(dial.Dialer), &o)
	if err := o.TLS.VerifyConnection(tls.ConnectionState{}); err != nil {
		t.Error(err)
	}
}
