package daemon

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func startOps(t *testing.T, o OpsOptions) (*Ops, string) {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	ops, err := NewOps(o, discard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, discard(), time.Second, ops.Component()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("ops listener: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return ops, "http://" + ops.Addr()
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestReadyzPrintsGoodAndBadReasons(t *testing.T) {
	ops, url := startOps(t, OpsOptions{})
	var apiServer error
	ops.Ready("broker", func(context.Context) (string, error) { return "connected", nil })
	ops.Ready("api-server", func(context.Context) (string, error) { return "", apiServer })

	code, text := get(t, url+"/readyz")
	if want := "[+]broker connected\n[+]api-server ok\nreadyz check passed\n"; code != 200 || text != want {
		t.Errorf("got %d %q, want 200 %q", code, text, want)
	}
	apiServer = errors.New("dial tcp 10.0.0.1:443: refused\nsecond line")
	code, text = get(t, url+"/readyz")
	if want := "[+]broker connected\n[-]api-server: dial tcp 10.0.0.1:443: refused; second line\nreadyz check failed\n"; code != 503 || text != want {
		t.Errorf("got %d %q, want 503 %q", code, text, want)
	}
	if code, text = get(t, url+"/livez"); code != 200 || text != "livez check passed\n" {
		t.Errorf("livez: got %d %q; a failing readiness is not a reason to restart", code, text)
	}
}

func TestMetrics(t *testing.T) {
	_, url := startOps(t, OpsOptions{})
	code, text := get(t, url+"/metrics")
	for _, want := range []string{"fairlead_build_info{", "go_goroutines", "process_open_fds"} {
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("status %d, metrics lack %s", code, want)
		}
	}
}

func TestPprofIsOptIn(t *testing.T) {
	_, off := startOps(t, OpsOptions{})
	if code, _ := get(t, off+"/debug/pprof/"); code != 404 {
		t.Errorf("got %d without the flag, want 404", code)
	}
	_, on := startOps(t, OpsOptions{Pprof: true})
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/cmdline"} {
		if code, _ := get(t, on+path); code != 200 {
			t.Errorf("%s: got %d, want 200", path, code)
		}
	}
}

func TestOpsAddressInUseFailsTheStart(t *testing.T) {
	ops, _ := startOps(t, OpsOptions{})
	if _, err := NewOps(OpsOptions{Listen: ops.Addr()}, discard()); err == nil || !strings.Contains(err.Error(), "ops-listen") {
		t.Errorf("got %v, want an error that names ops-listen", err)
	}
}

func TestWrongOpsAddressIsAMistake(t *testing.T) {
	for _, address := range []string{"nonsense", "127.0.0.1:99999", "127.0.0.1:x"} {
		_, err := NewOps(OpsOptions{Listen: address}, discard())
		if _, ok := errors.AsType[*UsageError](err); !ok || !strings.Contains(err.Error(), "ops-listen") {
			t.Errorf("%s: got %v, want a UsageError that names ops-listen", address, err)
		}
	}
}

func TestOpsWithoutListener(t *testing.T) {
	ops, err := NewOps(OpsOptions{}, discard())
	if err != nil {
		t.Fatal(err)
	}
	if ops.Addr() != "" {
		t.Errorf("address %q", ops.Addr())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, discard(), time.Second, ops.Component()); err != nil {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	ops.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/livez", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /livez: %d", w.Code)
	}
}
