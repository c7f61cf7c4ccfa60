package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// noticesAgents: while the agents are cut off, requests fail at once and say
// since when. When they are back, the cluster serves again without any help.
func (s *system) noticesAgents() {
	ctx, cancel := context.WithTimeout(s.t.Context(), 8*time.Minute)
	defer cancel()
	outside := s.network("outside")
	agents := []string{"agent-a", "agent-b"}
	cutOff := s.watch(ctx, "/api/v1/namespaces?watch=true")
	defer cutOff.Close()
	for _, agent := range agents {
		s.docker("network", "disconnect", outside, s.container(agent))
	}
	cut := time.Now()
	// No connection is closed: only pings, every 20 s, stay unanswered.
	err := harness.Until(ctx, "the cluster to be offline", 90*time.Second, nil, func(ctx context.Context) error {
		asked, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		_, err := s.get(asked, "/version")
		if e, ok := err.(*statusError); ok && e.status == http.StatusServiceUnavailable && e.code == "cluster-offline" {
			return nil
		}
		return fmt.Errorf("the answer is %v", err)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("offline %.1f s after the agents were cut off", time.Since(cut).Seconds())
	began := time.Now()
	_, err = s.get(ctx, "/version")
	took := time.Since(began)
	if e, ok := err.(*statusError); !ok || e.code != "cluster-offline" || took > time.Second {
		s.t.Errorf("while it is offline: %v after %v, want cluster-offline at once", err, took)
	}
	if _, err := io.Copy(io.Discard, cutOff.r); err == nil {
		s.t.Error("a watch that was cut off ended as if nothing were missing")
	}
	s.t.Logf("while it is offline an answer takes %v", took)
	s.awaitHealth("agent-a", "unhealthy", "broker: not connected", 2*time.Minute)

	for _, agent := range agents {
		s.docker("network", "connect", "--alias", agent, outside, s.container(agent))
	}
	back := time.Now()
	err = harness.Until(ctx, "the cluster to be back", 2*time.Minute, nil, func(ctx context.Context) error {
		_, err := s.get(ctx, "/version")
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("online %.1f s after they were let out again", time.Since(back).Seconds())
	for _, agent := range agents {
		s.awaitHealth(agent, "healthy", "", 2*time.Minute)
		if n := s.inspect(agent).RestartCount; n != 0 {
			s.t.Errorf("%s was restarted %d times", agent, n)
		}
	}
}

// revokes: a revoked credential is cut off within seconds, and the agents say
// why. With a new one they reconnect without a restart.
func (s *system) revokes() {
	ctx := s.t.Context()
	out := s.compose(time.Minute, "run", "--rm", "-T", "admin", "cluster", "revoke", "--cluster", "prod")
	revoked := time.Now()
	for _, node := range []string{"broker-1", "broker-2", "broker-3"} {
		if !strings.Contains(out, node) {
			s.t.Errorf("revoke printed %q, which does not say that %s was notified", out, node)
		}
	}
	err := harness.Until(ctx, "the revoked agents to be cut off", 5*time.Second, nil, func(ctx context.Context) error {
		state, err := s.state(ctx)
		if err == nil && state == "connected" {
			err = errors.New("the bridge says that the cluster is connected")
		}
		return err
	})
	if err != nil {
		s.t.Error(err)
	}
	s.t.Logf("cut off %.1f s after the revocation", time.Since(revoked).Seconds())
	// A request waits for --reconnect-grace, 4 s, in case the agents come back.
	err = harness.Until(ctx, "the revoked cluster to be offline", 15*time.Second, nil, func(ctx context.Context) error {
		asked := time.Since(revoked)
		_, err := s.get(ctx, "/version")
		if err == nil && asked > 5*time.Second {
			s.t.Errorf("a request %v after the revocation was served", asked)
		}
		if e, ok := err.(*statusError); ok && e.status == http.StatusServiceUnavailable {
			return nil
		}
		return fmt.Errorf("the answer is %v", err)
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("offline %.1f s after the revocation", time.Since(revoked).Seconds())
	s.awaitHealth("agent-a", "unhealthy", "revoked", 2*time.Minute)
	s.awaitHealth("agent-b", "unhealthy", "revoked", 2*time.Minute)

	s.compose(time.Minute, "run", "--rm", "-T", "admin", "cluster", "add", "--cluster", "prod")
	s.compose(time.Minute, "run", "--rm", "-T", "init")
	given := time.Now()
	// A refused agent tries again after a longer pause.
	err = harness.Until(ctx, "the cluster to be back with new credentials", 3*time.Minute, nil, func(ctx context.Context) error {
		_, err := s.get(ctx, "/version")
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Logf("online %.1f s after it was given new credentials", time.Since(given).Seconds())
	s.awaitHealth("agent-a", "healthy", "", 3*time.Minute)
	s.awaitHealth("agent-b", "healthy", "", 3*time.Minute)
}

// state is the bridge's record of the cluster.
func (s *system) state(ctx context.Context) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/v1/clusters/prod", nil)
	if err != nil {
		return "", err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var answer struct{ State string }
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return answer.State, err
}

// comesUpAgain: after a stop and a start the system has the same keys, and the
// private cluster has the same objects.
func (s *system) comesUpAgain() {
	s.compose(3*time.Minute, "--profile", "monitoring", "stop")
	s.start()
	err := harness.Until(s.t.Context(), "kubectl to work as before", time.Minute, nil, func(ctx context.Context) error {
		out, err := harness.Kubectl(ctx, s.kubectl, s.kubeconfig, "", "-n", "playground", "get", "configmap", "greeting", "-o", "jsonpath={.data.text}")
		if err == nil && out != "ahoy" {
			err = fmt.Errorf("the config map says %q", out)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}
