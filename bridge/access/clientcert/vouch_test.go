package clientcert

import (
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// TestVouch: a caller that is absent is known until its certificate expires.
func TestVouch(t *testing.T) {
	a := &Authenticator{}
	for name, tt := range map[string]struct {
		caller access.Caller
		known  bool
		good   bool
	}{
		"valid":   {access.Caller{Method: access.MethodCertificate, Expires: time.Now().Add(time.Hour)}, true, true},
		"expired": {access.Caller{Method: access.MethodCertificate, Expires: time.Now().Add(-time.Second)}, true, false},
		"other":   {access.Caller{Method: access.MethodToken, Expires: time.Now().Add(-time.Second)}, false, true},
	} {
		if _, known, err := a.Vouch(&tt.caller); known != tt.known || (err == nil) != tt.good {
			t.Errorf("%s: %v, %v", name, known, err)
		}
	}
}
