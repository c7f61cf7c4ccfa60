package oidc

import (
	"testing"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// TestVouch: a caller that is absent is known for as long as its issuer is.
func TestVouch(t *testing.T) {
	a := &Authenticator{issuers: map[string]*issuer{"https://idp": {config: Issuer{Name: "idp"}}}}
	jane := &access.Caller{Name: "jane", Method: access.MethodOIDC, Issuer: "idp"}
	if now, known, err := a.Vouch(jane); now != jane || !known || err != nil {
		t.Errorf("%+v, %v, %v", now, known, err)
	}
	if _, known, err := a.Vouch(&access.Caller{Name: "jane", Method: access.MethodOIDC, Issuer: "other"}); !known || err == nil {
		t.Errorf("of an issuer that was removed: %v, %v", known, err)
	}
	if _, known, err := a.Vouch(&access.Caller{Name: "jane", Method: access.MethodToken}); known || err != nil {
		t.Errorf("of another method: %v, %v", known, err)
	}
}
