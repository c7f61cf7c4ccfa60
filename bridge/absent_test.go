package bridge

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func TestClustersThatAreNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{clusters: []string{"known"}, directory: directory.Config{ReconnectGrace: 300 * time.Millisecond}})
	get := func(name string) (*http.Response, string, time.Duration) {
		start := time.Now()
		res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/"+name+"/api", nil))
		return res, body, time.Since(start)
	}
	for name, want := range map[string]*answer.Kind{
		"prod.nobody": answer.UnknownCluster, "typo.lab": answer.UnknownCluster, "known.lab": answer.NeverConnected, "prod": answer.NeverConnected,
		"PROD": answer.BadClusterName, "a.b.c": answer.BadClusterName, "pr_od": answer.BadClusterName, "-a": answer.BadClusterName, "a%2eb": answer.BadClusterName,
		"*": answer.BadClusterName, "a.": answer.BadClusterName, ".": answer.BadClusterName, "..": answer.BadClusterName, strings.Repeat("a", 64): answer.BadClusterName, "": answer.BadClusterName,
	} {
		res, body, _ := get(name)
		s := wantFailure(t, res, body, want)
		if want == answer.NeverConnected && !strings.Contains(s.Message, `"`+name+`"`) {
			t.Errorf("%s: message %q does not name the cluster", name, s.Message)
		}
	}

	a := r.agent("default", "prod", hello)
	if res, body, _ := get("prod"); body != "hello" {
		t.Fatalf("got %d %s", res.StatusCode, body)
	}
	before := time.Now()
	_ = a.Close() // says goodbye
	r.eventually("the goodbye is heard", func() bool {
		res, _, _ := get("prod")
		return res.StatusCode == 503
	})
	fastest := time.Hour
	for range 5 {
		res, body, took := get("prod")
		s := wantFailure(t, res, body, answer.Offline)
		fastest = min(fastest, took)
		since, err := time.Parse(time.RFC3339, s.Details.Causes[1].Message)
		if err != nil || since.Before(before.Add(-2*time.Second)) || since.After(time.Now()) || !strings.Contains(s.Message, s.Details.Causes[1].Message) {
			t.Errorf("offline since %v (%v); message %q", since, err, s.Message)
		}
		if s.Details.Name != "prod" || s.Details.Kind != "clusters" {
			t.Errorf("details %+v", s.Details)
		}
	}
	if fastest > 50*time.Millisecond {
		t.Errorf("a cluster known to be offline was answered after %v at best", fastest)
	}
}

func TestOwnLinkIsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{directory: directory.Config{ReconnectGrace: 100 * time.Millisecond}})
	r.agent("default", "prod", hello)
	conn, err := r.pool.Acquire(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	r.nats.Stop()
	r.eventually("the bridge knows", func() bool {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := conn.Directory().Pick(ctx, "prod", new(directory.Attempt))
		return err != nil
	})
	res, body := r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil))
	wantFailure(t, res, body, answer.BrokerDown)
}

func TestPeerLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{
		stream:    stream.Config{PeerTimeout: 300 * time.Millisecond, PingInterval: 50 * time.Millisecond},
		directory: directory.Config{ReconnectGrace: 100 * time.Millisecond},
	})
	// An agent that is subscribed and never answers anything.
	nc := r.nats.Agent(t, "default", "prod")
	instance := subjects.NewID('a')
	if _, err := nc.SubscribeSync(subjects.AgentFrames("prod", instance)); err != nil {
		t.Fatal(err)
	}
	conn, err := r.pool.Acquire(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	announce := func() {
		b, err := subjects.AppendPresence(nil, &subjects.Presence{Protocol: [2]int{1, 1}, State: subjects.PresenceUp})
		if err != nil {
			t.Fatal(err)
		}
		r.eventually("the bridge hears it", func() bool {
			if err := nc.Publish(subjects.UpAll("prod", instance), b); err != nil {
				t.Fatal(err)
			}
			return conn.Directory().Connected() == 1
		})
	}
	announce()
	res, body := r.do(r.h1, r.request("POST", "/k8s/clusters/prod/x", strings.NewReader("x")))
	wantFailure(t, res, body, answer.OutcomeUnknown)
	announce()
	res, body = r.do(r.h1, r.request("GET", "/k8s/clusters/prod/x", nil))
	wantFailure(t, res, body, answer.Offline) // tried again, found nobody
}
