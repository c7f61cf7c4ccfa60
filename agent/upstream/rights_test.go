package upstream

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestRightsThatAreMissing: of the rights that a 403 makes suspect, those that the API
// server denies are told with their rule, each once.
func TestRightsThatAreMissing(t *testing.T) {
	var asked atomic.Int32
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		review, _ := io.ReadAll(r.Body)
		w.WriteHeader(http.StatusCreated)
		allowed := "false"
		if strings.Contains(string(review), `"resource":"pods"`) {
			allowed = "true"
		}
		_, _ = io.WriteString(w, `{"status":{"allowed":`+allowed+`}}`)
	})
	up, err := New(agenttest.ConfigFor(s), agenttest.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	var log strings.Builder
	told := make(chan *cause.Failure, 10)
	p := NewProber("x", slog.New(slog.NewTextHandler(&log, nil)), func() {}, func(f *cause.Failure) { told <- f })
	for _, right := range []authorizationv1.ResourceAttributes{
		{Verb: "list", Resource: "pods", Namespace: "shop"},
		{Verb: "get", Resource: "secrets", Namespace: "shop", Name: "a"},
		{Verb: "get", Resource: "secrets", Namespace: "shop", Name: "b"},
		{Verb: "impersonate", Resource: "users", Name: "jane"},
	} {
		up.NoteForbidden(right)
	}
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { p.watchRights(ctx, up) })
	for _, want := range []string{`verb get, API group "", resource secrets, in namespace shop`, `verb impersonate, API group "", resource users, name jane`} {
		if f := <-told; f.Cause != cause.RBACMissing || f.Hop != cause.Kubernetes || !strings.HasSuffix(f.Got, want) {
			t.Errorf("told %s, want %q", f.Full(), want)
		}
	}
	stop()
	wg.Wait()
	if n := strings.Count(log.String(), "cause=rbac-missing"); n != 2 || asked.Load() != 3 || len(told) != 0 {
		t.Errorf("%d events and %d questions, want 2 and 3:\n%s", n, asked.Load(), &log)
	}
	for range 2 * maxSuspected { // nobody listens any more
		up.NoteForbidden(authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets"})
	}
}
