package doctor_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/doctor"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

// against is a configuration whose API server is s.
func against(t *testing.T, b *agenttest.Broker, s *httptest.Server) doctor.Config {
	cfg := config(t, b)
	kube := agenttest.ConfigFor(s)
	cfg.LoadKube = func() (*rest.Config, error) { return kube, nil }
	return cfg
}

func TestAPIServer(t *testing.T) {
	b := agenttest.NewBroker(t)
	status := func(code int) *httptest.Server {
		return agenttest.Server(t, true, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "said so")
		})
	}
	wantFailure(t, examine(t, against(t, b, status(401))), cause.Kubernetes, "401 Unauthorized: said so")
	wantFailure(t, examine(t, against(t, b, status(503))), cause.Kubernetes, "503", "/readyz")
	public := agenttest.Kube(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
	wantFailure(t, examine(t, against(t, b, public)), cause.Kubernetes, "401", "/api")

	cfg := config(t, b)
	s := agenttest.Kube(t, nil)
	cfg.LoadKube = func() (*rest.Config, error) { return &rest.Config{Host: s.URL}, nil }
	wantFailure(t, examine(t, cfg), cause.Kubernetes, "certificate")
	cfg.LoadKube = func() (*rest.Config, error) { return &rest.Config{Host: "https://" + freeport.AddressFor(t)}, nil }
	wantFailure(t, examine(t, cfg), cause.Kubernetes, "refused")
	cfg.LoadKube = func() (*rest.Config, error) { return nil, errors.New("no token") }
	wantFailure(t, examine(t, cfg), cause.Kubernetes, "no token")
}

// TestAPIServerThatTellsLittle: one that has no reviews, or permits none, still works.
func TestAPIServerThatTellsLittle(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	r := examine(t, against(t, b, s))
	if c := r.Targets[1].Checks[0]; !r.OK || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "does not say what the agent may do") {
		t.Errorf("%+v", c)
	}
	nothing := reviewed(t, func(string) bool { return false })
	r = examine(t, against(t, b, nothing))
	if c := r.Targets[1].Checks[0]; !r.OK || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "no rights in namespace default") {
		t.Errorf("%+v", c)
	}
}

// TestAllowList: it is judged, and the rights to impersonate that it needs are asked for.
func TestAllowList(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg := against(t, b, reviewed(t, func(review string) bool { return !strings.Contains(review, "jane") }))
	cfg.AllowFile = filepath.Join(t.TempDir(), "allow.yaml")
	wantFailure(t, examine(t, cfg), cause.Kubernetes, "allow.yaml", "no such file")
	agenttest.WriteFile(t, cfg.AllowFile, "as: {users: [jane, joe], serviceAccounts: [shop/web]}")
	wantFailure(t, examine(t, cfg), cause.Kubernetes, "may not impersonate users jane", "impersonation")
	agenttest.WriteFile(t, cfg.AllowFile, "as: {users: [joe]}")
	r := examine(t, cfg)
	if c := r.Targets[1].Checks[0]; !r.OK || !strings.Contains(c.Found, "allow-list: ") {
		t.Errorf("%+v", c)
	}
}

// TestClocks: a clock that is off is warned about.
func TestClocks(t *testing.T) {
	b := agenttest.NewBroker(t)
	for _, ahead := range []time.Duration{3 * time.Second, time.Minute, -time.Minute} {
		inner := reviewed(t, all).Config.Handler
		s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
			inner.ServeHTTP(w, r)
		})
		r := examine(t, against(t, b, s))
		c := r.Targets[1].Checks[0]
		if off := ahead.Abs() > diagnosis.SkewWarning; !r.OK || off != (len(c.Warnings) == 1) {
			t.Errorf("clock %s ahead: %+v", ahead, c)
		} else if off && !strings.Contains(c.Warnings[0], "the clock of the other end is 1m") {
			t.Errorf("clock %s ahead: %q", ahead, c.Warnings)
		}
	}
}

// TestClockExplainsCredentials: the API server's clock shows that credentials have expired
// by this machine's clock only. Brokers behind tls:// send no date.
func TestClockExplainsCredentials(t *testing.T) {
	b := agenttest.NewBroker(t)
	for behind, want := range map[time.Duration]cause.ID{0: cause.UserExpired, 2 * time.Hour: cause.ClockSkew} {
		inner := reviewed(t, all).Config.Handler
		cfg := against(t, b, agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(-behind).UTC().Format(http.TimeFormat))
			inner.ServeHTTP(w, r)
		}))
		cfg.Link.CredsFile, _ = b.Creds(b.Agents, "prod", time.Now().Add(-time.Hour))
		r := examine(t, cfg)
		wantFailure(t, r, cause.JWT, "expired on")
		f := r.Targets[0].Failed().Failure
		if f.Cause != want || (behind != 0) != strings.Contains(f.Got, "this machine's clock is about 2h0m0s ahead of that of the API server") {
			t.Errorf("%s behind: %s: %s", behind, f.Cause, f.Got)
		}
	}
}
