package bridge

import (
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
)

// older are the presences, as they were on the wire, of an agent that was built of commit
// aa6f005: the first complete one, before settings, labels and details of an instance.
var older = map[string]string{
	"up":       `{"protocol":[1,1],"state":"up","version":"devel","started":"2026-11-29T09:22:02.094354499Z","kubernetes":"v1.34.4","reachable":true,"streams":0}`,
	"draining": `{"protocol":[1,1],"state":"draining","version":"devel","started":"2026-11-29T09:22:02.094354499Z","kubernetes":"v1.34.4","reachable":true,"streams":0}`,
	"bye":      `{"protocol":[1,1],"state":"bye","version":"devel","started":"2026-11-29T09:22:02.094354499Z","kubernetes":"v1.34.4","reachable":true,"streams":0}`,
}

// TestOlderAgent: a bridge hears an agent that is older than much of what presence tells
// now, tells what that one told, says that it takes no settings, and follows it until it is
// gone.
func TestOlderAgent(t *testing.T) {
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{})
	conn, err := s.pool.Acquire(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	nc, instance := s.nats.Agent(t, "default", "prod"), subjects.NewID('a')
	says := func(state string) {
		t.Helper()
		if err := nc.Publish(subjects.UpAll("prod", instance), []byte(older[state])); err != nil {
			t.Fatal(err)
		}
	}
	c := s.goClient(s.token)
	// becomes repeats what the agent says, as it does itself.
	becomes := func(said, state string, instances int) (got *api.Cluster) {
		t.Helper()
		s.eventually("the cluster is "+state, func() bool {
			says(said)
			one, err := c.Cluster(t.Context(), "prod")
			got = one
			return err == nil && one.State == state && len(one.Instances) == instances
		})
		return got
	}
	one := becomes("up", "connected", 1)
	started := time.Date(2026, 11, 29, 9, 22, 2, 94354499, time.UTC)
	if in := one.Instances[0]; in.Name != instance || !in.Compatible || in.Version != "devel" || in.Kubernetes != "v1.34.4" || !in.APIServerReachable ||
		in.Started == nil || !in.Started.Equal(started) || in.Pod != "" || in.ConnectedSince != nil || in.CredentialExpires != nil || one.Kubernetes != "v1.34.4" || len(one.Labels) != 0 {
		t.Errorf("cluster %+v", one)
	}
	s.put("prod", `{"labels":{"env":"prod"}}`)
	if got := s.becomes("prod", api.SettingsUnsupported); len(got.Instances) != 1 || got.Instances[0].Error != "" {
		t.Errorf("settings %+v", got)
	}
	becomes("draining", "draining", 1)
	becomes("bye", "offline", 0)
	if res, body := s.do(s.h1, s.request("GET", "/k8s/clusters/prod/version", nil)); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a request to the cluster that is gone: %d %s", res.StatusCode, body)
	}
}
