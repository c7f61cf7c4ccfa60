package upstream

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/deploy/redact"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestFailuresHaveCauses: why the API server is not reachable, by real connections.
func TestFailuresHaveCauses(t *testing.T) {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	for name, test := range map[string]struct {
		status int
		change func(*rest.Config)
		want   cause.ID
		do     string
	}{
		"ready":      {200, nil, "", ""},
		"forbidden":  {403, nil, "", ""},
		"refused":    {401, nil, cause.TokenRefused, "service account"},
		"not ready":  {500, nil, cause.APIServerRefused, "/readyz?verbose"},
		"nobody":     {200, func(c *rest.Config) { c.Host = "https://127.0.0.1:1" }, cause.Refused, "Service kubernetes"},
		"no name":    {200, func(c *rest.Config) { c.Host = "https://no-such-host.invalid" }, cause.UnknownHost, "kubeconfig"},
		"wrong CA":   {200, func(c *rest.Config) { c.CAData = testca.New(t, "other").PEM() }, cause.CertificateUnknown, "certificate-authority"},
		"wrong name": {200, func(c *rest.Config) { c.ServerName = "other.test" }, cause.CertificateName, "tls-server-name"},
	} {
		t.Run(name, func(t *testing.T) {
			s := agenttest.Server(t, true, answer(test.status))
			config := agenttest.ConfigFor(s)
			if test.change != nil {
				test.change(config)
			}
			up, err := New(config, agenttest.Discard())
			if err != nil {
				t.Fatal(err)
			}
			defer up.Close()
			counted := 0
			p := NewProber("x", agenttest.Discard(), func() {}, func(*cause.Failure) { counted++ })
			p.note(p.probe(t.Context(), up))
			f, since := p.Outage()
			if test.want == "" {
				if f != nil || counted != 0 {
					t.Errorf("got %v, want none", f)
				}
				return
			}
			if f == nil || f.Hop != cause.Kubernetes || f.Cause != test.want || !strings.Contains(f.Cure(), test.do) || since.IsZero() || counted != 1 {
				t.Fatalf("got %v (%d), want %s, to do: %s", f, counted, test.want, test.do)
			}
			if _, err := p.Check(t.Context()); !strings.Contains(err.Error(), "["+string(test.want)+"]") || !strings.Contains(err.Error(), f.Cure()) {
				t.Errorf("readiness: %v", err)
			}
		})
	}
}

// TestNoWayHasACause: neither may what gets a credential fail without one.
func TestNoWayHasACause(t *testing.T) {
	if f := noWay(errors.New("open kubeconfig: no such file")); f.Cause != cause.APIServerConfig || !strings.Contains(f.Got, "kubeconfig") {
		t.Errorf("got %v", f)
	}
	u := &Client{}
	if f := u.unreachable(&credentialError{errors.New("exec: plugin failed")}); f.Cause != cause.APIServerConfig || !strings.Contains(f.Got, "plugin") {
		t.Errorf("got %v", f)
	}
}

// TestEchoedCredentialIsNotShown: an API server, or what stands in front of it, that shows
// the request in its answers brings the agent's token into no failure and no version.
func TestEchoedCredentialIsNotShown(t *testing.T) {
	const token = "0123456789-agent-token"
	for _, status := range []int{http.StatusUnauthorized, http.StatusInternalServerError, http.StatusOK} {
		s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
			sent := r.Header.Get("Authorization")
			if r.URL.Path == "/version" {
				_, _ = io.WriteString(w, `{"gitVersion":"v1 `+sent+`"}`)
				return
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, `{"status":{"userInfo":{"username":"`+sent+`"}}, "sent": "`+sent+`", "b64": "`+base64.StdEncoding.EncodeToString([]byte(sent))+`"}`)
		})
		config := agenttest.ConfigFor(s)
		config.BearerToken = token
		up, err := New(config, agenttest.Discard())
		if err != nil {
			t.Fatal(err)
		}
		defer up.Close()
		found, failed := up.Checkup(t.Context(), "x")
		p := NewProber("x", agenttest.Discard(), func() {}, func(*cause.Failure) {})
		p.note(p.probe(t.Context(), up))
		version, _ := p.State()
		outage, _ := p.Outage()
		shown := fmt.Sprint(found, failed, version, outage)
		for _, secret := range []string{token, base64.StdEncoding.EncodeToString([]byte("Bearer " + token))[12:]} {
			if strings.Contains(shown, secret) {
				t.Errorf("status %d: shows the token: %s", status, shown)
			}
		}
		if !strings.Contains(shown, redact.Shown) {
			t.Errorf("status %d: the answer is not shown: %s", status, shown)
		}
	}
}
