package upstream

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects/cause"
)

func TestProbeTellsAnswersApart(t *testing.T) {
	for _, test := range []struct {
		status int
		want   string // "" for reachable
	}{
		{200, ""}, {403, ""}, {404, ""},
		{401, "does not accept the agent's credentials"},
		{500, "not ready: answered 500 Internal Server Error: [-]etcd failed"},
	} {
		s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/version" {
				w.WriteHeader(http.StatusForbidden) // must not matter
				return
			}
			w.WriteHeader(test.status)
			_, _ = io.WriteString(w, "[-]etcd failed")
		})
		up, err := New(agenttest.ConfigFor(s), agenttest.Discard())
		if err != nil {
			t.Fatal(err)
		}
		p := NewProber("x", agenttest.Discard(), func() {}, func(*cause.Failure) {})
		err = p.probe(t.Context(), up)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("status %d: got %v, want %q", test.status, err, test.want)
		}
		up.Close()
	}
}

func TestLivenessIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewProber("x", agenttest.Discard(), nil, nil)
		if _, err := p.Alive(t.Context()); err != nil {
			t.Errorf("at first: %v", err)
		}
		time.Sleep(stuckAfter - time.Second)
		if _, err := p.Alive(t.Context()); err != nil {
			t.Errorf("short of the limit: %v", err)
		}
		time.Sleep(3 * time.Second)
		if _, err := p.Alive(t.Context()); err == nil {
			t.Error("a loop that has stood still for minutes is called alive")
		}
	})
}

func TestProberGoesOnAskingAndTellsOfChanges(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	var asked atomic.Int32
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if broken.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		} else if r.URL.Path == "/version" {
			_, _ = io.WriteString(w, `{"gitVersion":"v1.2.3"}`)
		}
	})
	up, err := New(agenttest.ConfigFor(s), agenttest.Discard())
	if err != nil {
		t.Fatal(err)
	}
	defer up.Close()
	changed := make(chan struct{}, 10)
	p := NewProber("x", agenttest.Discard(), func() { changed <- struct{}{} }, func(*cause.Failure) {})
	if _, err := p.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "not probed yet") {
		t.Errorf("before the first answer: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); p.Run(ctx, func() (*Client, error) { return up, nil }, func(*Client) {}) }()
	agenttest.Within(t, 5*time.Second, "told of the first answer", changed)
	broken.Store(false)
	agenttest.Within(t, 5*time.Second, "told of the recovery", changed)
	if version, reachable := p.State(); version != "v1.2.3" || !reachable {
		t.Errorf("got %q, %v", version, reachable)
	}
	cancel()
	<-done
}
