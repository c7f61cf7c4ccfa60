package doctor_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/agent/doctor"
	"github.com/fairlead-io/fairlead/agent/link"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

func TestMain(m *testing.M) {
	klog.SetSlogLogger(agenttest.Discard())
	goleak.VerifyTestMain(m)
}

// reviewed is an API server that answers reviews: may says whether an access is
// allowed, by verb and resource.
func reviewed(t *testing.T, may func(review string) bool) *httptest.Server {
	return agenttest.Kube(t, func(w http.ResponseWriter, r *http.Request) {
		b := make([]byte, 4096)
		n, _ := r.Body.Read(b)
		w.Header().Set("Content-Type", "application/json")
		switch {
		case strings.HasSuffix(r.URL.Path, "/selfsubjectreviews"):
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"status":{"userInfo":{"username":"system:serviceaccount:fairlead:agent"}}}`))
		case strings.HasSuffix(r.URL.Path, "/selfsubjectaccessreviews"):
			w.WriteHeader(http.StatusCreated)
			if may(string(b[:n])) {
				_, _ = w.Write([]byte(`{"status":{"allowed":true}}`))
			} else {
				_, _ = w.Write([]byte(`{"status":{"allowed":false}}`))
			}
		case strings.HasSuffix(r.URL.Path, "/selfsubjectrulesreviews"):
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"status":{"resourceRules":[{"verbs":["create"],"resources":["selfsubjectreviews"]}],"incomplete":false}}`))
		}
	})
}

func all(string) bool { return true }

// config is one with which everything works.
func config(t *testing.T, b *agenttest.Broker) doctor.Config {
	t.Helper()
	file, _ := b.Creds(b.Agents, "prod", time.Now().Add(100*24*time.Hour))
	kube := agenttest.ConfigFor(reviewed(t, all))
	return doctor.Config{
		Link:     link.Config{Servers: []string{b.URL()}, CredsFile: file, Transport: transport.Config{CAFile: b.CAFile}},
		LoadKube: func() (*rest.Config, error) { return kube, nil },
		Timeout:  10 * time.Second, Version: "v1.2.3",
	}
}

func examine(t *testing.T, cfg doctor.Config) *diagnosis.Report {
	t.Helper()
	r, err := doctor.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := r.WriteTable(&text, diagnosis.Style{}); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(agenttest.ReadFile(t, cfg.Link.CredsFile)) {
		if line = strings.TrimSpace(line); len(line) > 40 && strings.Contains(text.String(), line) {
			t.Errorf("the report shows %q of the credentials", line)
		}
	}
	t.Log(text.String())
	return r
}

// wantFailure checks that the first target fails at a hop: those before it are passed
// or not used, and those behind it not reached.
func wantFailure(t *testing.T, r *diagnosis.Report, hop cause.Hop, texts ...string) {
	t.Helper()
	target := r.Targets[0]
	if hop == cause.Kubernetes {
		target = r.Targets[len(r.Targets)-1]
	}
	c := target.Failed()
	if c == nil || c.Hop != hop || r.ExitCode != diagnosis.Code(hop) || r.OK || target.OK {
		t.Fatalf("want a failure at %s and exit code %d, got %+v and %d", hop, diagnosis.Code(hop), c, r.ExitCode)
	}
	text := c.Failure.Title + c.Failure.Tried + c.Failure.Got + c.Failure.Do
	for _, want := range texts {
		if !strings.Contains(text, want) {
			t.Errorf("want %q in %+v", want, c.Failure)
		}
	}
	behind := false
	for _, other := range target.Checks {
		reached := other.Status == diagnosis.OK || other.Status == diagnosis.NotUsed
		switch {
		case other == c:
			behind = true
		case behind && other.Status != diagnosis.NotReached, !behind && !reached:
			t.Errorf("%s is %s", other.Hop, other.Status)
		}
	}
}

func TestEverythingWorks(t *testing.T) {
	b := agenttest.NewBroker(t)
	r := examine(t, config(t, b))
	if !r.OK || r.ExitCode != 0 || len(r.Targets) != 2 {
		t.Fatalf("report: %+v", r)
	}
	broker, kube := r.Targets[0], r.Targets[1]
	if broker.Name != b.URL() || !strings.HasPrefix(kube.Name, "API server 127.0.0.1:") {
		t.Errorf("targets %q and %q", broker.Name, kube.Name)
	}
	for hop, want := range map[cause.Hop]diagnosis.Status{
		cause.DNS: diagnosis.NotUsed, cause.TCP: diagnosis.OK, cause.Proxy: diagnosis.NotUsed, cause.TLS: diagnosis.OK,
		cause.HTTPUpgrade: diagnosis.NotUsed, cause.NATS: diagnosis.OK, cause.JWT: diagnosis.OK, cause.Permission: diagnosis.OK,
	} {
		if c := broker.Check(hop); c.Status != want || c.Found == "" {
			t.Errorf("%s: %+v", hop, c)
		}
	}
	for _, c := range []struct {
		check     *diagnosis.Check
		key, want string
	}{
		{broker.Check(cause.TCP), "address", strings.TrimPrefix(b.URL(), "tls://")},
		{broker.Check(cause.TLS), "version", "TLS 1.3"},
		{broker.Check(cause.TLS), "issuer", "CN=broker"},
		{broker.Check(cause.JWT), "cluster", "prod"},
		{broker.Check(cause.JWT), "account", b.Account.Subject},
		{kube.Checks[0], "kubernetes", "v1.34.4"},
		{kube.Checks[0], "user", "system:serviceaccount:fairlead:agent"},
		{kube.Checks[0], "may", "do everything"},
	} {
		if got := c.check.Facts[c.key]; got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.check.Hop, c.key, got, c.want)
		}
	}
	// The certificates of tests are good for an hour.
	if w := broker.Check(cause.TLS).Warnings; len(w) == 0 || !strings.Contains(w[0], "in 0 hours") {
		t.Errorf("no warning of the certificate's end: %q", w)
	}
}

// TestSeveralServers: one that works is enough, and the other's failure is shown.
func TestSeveralServers(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg := config(t, b)
	cfg.Link.Servers = []string{"tls://" + freeport.AddressFor(t), b.URL()}
	r := examine(t, cfg)
	if !r.OK || r.ExitCode != 0 || r.Targets[0].OK || !r.Targets[1].OK {
		t.Fatalf("report: %+v", r)
	}
	var text strings.Builder
	_ = r.WriteTable(&text, diagnosis.Style{})
	if want := "WARNING: it works, but not everything does: " + cfg.Link.Servers[0] + " fails at tcp."; !strings.Contains(text.String(), want) {
		t.Errorf("no %q in\n%s", want, text.String())
	}
}

func TestConfigurationThatCannotWork(t *testing.T) {
	_, err := doctor.Run(t.Context(), doctor.Config{Link: link.Config{Servers: []string{"nats://broker.test"}}})
	if err == nil || !strings.Contains(err.Error(), "use tls://") {
		t.Errorf("got %v", err)
	}
}

// TestNoCredentials: the path is looked at as far as it goes without them.
func TestNoCredentials(t *testing.T) {
	b := agenttest.NewBroker(t)
	cfg := config(t, b)
	cfg.Link.Cluster = "other"
	wantFailure(t, examine(t, cfg), cause.JWT, `for cluster "prod", not for "other"`)
	cfg.Link.CredsFile = filepath.Join(t.TempDir(), "none")
	agenttest.WriteFile(t, cfg.Link.CredsFile, "nothing")
	wantFailure(t, examine(t, cfg), cause.JWT, "not a NATS credentials file")
}

// TestNoCredentialsAndNoServer: the second fault is told before the first is mended.
func TestNoCredentialsAndNoServer(t *testing.T) {
	cfg := config(t, agenttest.NewBroker(t))
	cfg.Link.Servers = []string{"tls://" + freeport.AddressFor(t)}
	agenttest.WriteFile(t, cfg.Link.CredsFile, "nothing")
	r := examine(t, cfg)
	wantFailure(t, r, cause.TCP)
	if w := r.Targets[0].Check(cause.JWT).Warnings; len(w) != 1 || !strings.Contains(w[0], "not a NATS credentials file") {
		t.Errorf("warnings %q", w)
	}
}
