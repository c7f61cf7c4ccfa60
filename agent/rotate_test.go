package agent

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nkeys"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func base64Of(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// secret is a mounted Secret: its files are links into ..data, a link that is
// replaced in one step, as the kubelet does.
type secret struct {
	t   *testing.T
	dir string
	n   int
}

func newSecret(t *testing.T, text string) *secret {
	s := &secret{t: t, dir: t.TempDir()}
	s.set(text)
	if err := os.Symlink("..data/agent.creds", s.file()); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *secret) file() string { return filepath.Join(s.dir, "agent.creds") }

func (s *secret) set(text string) {
	s.t.Helper()
	s.n++
	version := fmt.Sprintf("..v%d", s.n)
	if err := os.Mkdir(filepath.Join(s.dir, version), 0o700); err != nil {
		s.t.Fatal(err)
	}
	agenttest.WriteFile(s.t, filepath.Join(s.dir, version, "agent.creds"), text)
	next := filepath.Join(s.dir, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(s.dir, "..data")); err != nil {
		s.t.Fatal(err)
	}
}

// TestRotation: new credentials are taken up while requests and a stream run,
// of which none notices; the old ones can be revoked then.
func TestRotation(t *testing.T) {
	b := agenttest.NewBroker(t)
	tick := make(chan struct{})
	s := agenttest.Kube(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/watch" {
			return
		}
		w.(http.Flusher).Flush()
		for {
			select {
			case <-tick:
				_, _ = io.WriteString(w, "x")
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	expires := time.Now().Add(time.Hour).Truncate(time.Second)
	oldFile, oldUser := b.Creds(b.Agents, "prod", time.Time{})
	newFile, newUser := b.Creds(b.Agents, "prod", expires)
	mounted := newSecret(t, agenttest.ReadFile(t, oldFile))
	bridge, seen := b.Bridge()
	registry := prometheus.NewRegistry()
	a, _, log := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: mounted.file(), Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s)), Registry: registry})
	agenttest.WaitFor(t, "presence", func() bool { return seen.Find(agenttest.IsUp) != "" })
	instance := seen.Find(agenttest.IsUp)

	head, err := subjects.AppendRequestHead(nil, agenttest.Get("/watch"))
	if err != nil {
		t.Fatal(err)
	}
	limit, stop := context.WithTimeout(t.Context(), time.Minute) // no test may hang
	defer stop()
	watch, err := bridge.Open(limit, "prod", instance, head, true)
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Close()
	if _, err := agenttest.AnswerHead(watch); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	requests, slowest := 0, time.Duration(0)
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				status, err := agenttest.Call(t, bridge, instance, agenttest.Get("/api"))
				if status != 200 || err != nil {
					t.Errorf("a request failed: %d, %v", status, err)
				}
				mu.Lock()
				requests, slowest = requests+1, max(slowest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	mounted.set(agenttest.ReadFile(t, newFile))
	began := time.Now()
	eventually.True(t, "the new user is connected", func() bool { return strings.Contains(b.Users(), newUser) })
	eventually.True(t, "the old user is not any more", func() bool { return !strings.Contains(b.Users(), oldUser) })
	t.Logf("taken up within %s", time.Since(began).Round(time.Millisecond))
	b.Account.Revoke(oldUser)
	b.Push()
	select {
	case tick <- struct{}{}:
	case <-limit.Done():
		t.Fatal("the watch has ended")
	}
	if got, err := watch.Next(); err != nil || string(got) != "x" {
		t.Errorf("the watch: %q, %v", got, err)
	}
	cancel()
	wg.Wait()
	t.Logf("%d requests, the slowest took %s", requests, slowest.Round(time.Millisecond))
	if _, ok := brokerCheck(t, a); !ok || !strings.Contains(log.String(), "now using new credentials") || strings.Contains(log.String(), "WARN") {
		t.Errorf("log:\n%s", log)
	}
	checkMetrics(t, registry, map[string]float64{
		"fairlead_agent_creds_expiry_timestamp_seconds": float64(expires.Unix()), "fairlead_agent_creds_file_refused": 0,
	})
}

// TestBadRotation: if the new credentials cannot be used, the agent reports that and
// keeps the ones that work, even when the connection must be renewed.
func TestBadRotation(t *testing.T) {
	b := agenttest.NewBroker(t)
	s := agenttest.Kube(t, nil)
	goodFile, oldUser := b.Creds(b.Agents, "prod", time.Time{})
	freshFile, freshUser := b.Creds(b.Agents, "prod", time.Time{})
	otherFile, otherUser := b.Creds(b.Agents, "other", time.Time{})
	expiredFile, _ := b.Creds(b.Agents, "prod", time.Now().Add(-time.Hour))
	stranger, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	foreignFile, _ := b.Creds(stranger, "prod", time.Time{})
	wrongRoleFile, _ := b.Creds(b.Bridges, "prod", time.Time{})
	muteFile, _ := b.Creds(b.Role("mute", []string{"other"}, []string{"down.{{name()}}.>"}), "prod", time.Time{})
	mounted := newSecret(t, agenttest.ReadFile(t, goodFile))
	registry := prometheus.NewRegistry()
	a, _, log := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: mounted.file(), Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s)), Registry: registry})
	connected := func() bool { _, ok := brokerCheck(t, a); return ok }
	agenttest.WaitFor(t, "connected", connected)
	for _, bad := range []struct{ text, want string }{
		{"", "holds no user JWT"},
		{agenttest.ReadFile(t, foreignFile), "the broker refuses the credentials of cluster prod"},
		{agenttest.ReadFile(t, wrongRoleFile), "lack a permission that an agent needs"},
		{agenttest.ReadFile(t, expiredFile), "credentials of cluster prod expired on "},
		{agenttest.ReadFile(t, muteFile), "lack a permission that an agent needs"},
		{agenttest.ReadFile(t, otherFile), "it is for cluster other, while this agent serves prod"},
	} {
		mounted.set(bad.text)
		agenttest.WaitFor(t, bad.want, func() bool {
			text, ok := brokerCheck(t, a)
			if !ok {
				t.Fatalf("not ready any more: %s", text)
			}
			return strings.Contains(text, "credentials file is not in use") && strings.Contains(text, bad.want)
		})
		if n := strings.Count(log.String(), bad.want); n != 1 {
			t.Errorf("%q logged %d times", bad.want, n)
		}
		checkMetrics(t, registry, map[string]float64{"fairlead_agent_creds_file_refused": 1})
	}
	for _, bad := range []string{foreignFile, wrongRoleFile} { // the broker lets the second in, and no further
		mounted.set(agenttest.ReadFile(t, bad))
		b.Stop()
		agenttest.WaitFor(t, "the loss", func() bool { return !connected() })
		b.Start()
		eventually.True(t, "connected again, with the old credentials", connected)
		if !strings.Contains(b.Users(), oldUser) {
			t.Errorf("connected: %s", b.Users())
		}
		agenttest.WaitFor(t, "the file is complained about", func() bool {
			text, ok := brokerCheck(t, a)
			return ok && strings.Contains(text, "credentials file is not in use")
		})
	}
	mounted.set(agenttest.ReadFile(t, freshFile))
	agenttest.WaitFor(t, "the good ones are taken up", func() bool {
		text, ok := brokerCheck(t, a)
		return ok && !strings.Contains(text, "credentials file") && strings.Contains(b.Users(), freshUser)
	})
	checkMetrics(t, registry, map[string]float64{"fairlead_agent_creds_file_refused": 0})

	// Another cluster's are used when those of this one are of no use any more.
	b.Account.Revoke(freshUser)
	b.Push()
	agenttest.WaitFor(t, "revoked", func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, "[user-revoked]") })
	mounted.set(agenttest.ReadFile(t, otherFile))
	eventually.True(t, "serves the other cluster", func() bool { return connected() && strings.Contains(b.Users(), otherUser) })
}

// TestNoNewInstanceWhileDraining: an agent that is about to stop finishes what
// it has, over a new connection if need be, and does not begin to serve another
// cluster.
func TestNoNewInstanceWhileDraining(t *testing.T) {
	b := agenttest.NewBroker(t)
	file, user := b.Creds(b.Agents, "prod", time.Time{})
	otherFile, _ := b.Creds(b.Agents, "other", time.Time{})
	mounted := newSecret(t, agenttest.ReadFile(t, file))
	a, _, log := runAgent(t, Config{Servers: []string{b.URL()}, CredsFile: mounted.file(), Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(agenttest.Kube(t, nil)))})
	connected := func() bool { _, ok := brokerCheck(t, a); return ok }
	agenttest.WaitFor(t, "connected", connected)
	if err := a.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.Stop()
	agenttest.WaitFor(t, "the loss", func() bool { return !connected() })
	b.Start()
	eventually.True(t, "connected again", connected)
	mounted.set(agenttest.ReadFile(t, otherFile))
	b.Account.Revoke(user)
	b.Push()
	eventually.True(t, "the reason", func() bool { text, _ := brokerCheck(t, a); return strings.Contains(text, "the agent is stopping") })
	if strings.Contains(log.String(), "cluster=other") {
		t.Errorf("serves the other cluster:\n%s", log)
	}
}
