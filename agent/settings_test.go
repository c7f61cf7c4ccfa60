package agent

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
	wire "github.com/fairlead-io/fairlead/subjects/settings"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// settable is an agent with an allow-list, whose bridge is the test.
type settable struct {
	t        *testing.T
	bridge   *natslink.Bridge
	seen     *agenttest.Presences
	instance string
	level    slog.LevelVar
}

func newSettable(t *testing.T, list string, change func(*Config), h http.HandlerFunc) *settable {
	t.Helper()
	b := agenttest.NewBroker(t)
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	s := &settable{t: t}
	cfg := Config{
		Servers: []string{b.URL()}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile},
		LoadKube: loads(agenttest.ConfigFor(agenttest.Kube(t, h))), SettingsAccept: wire.Fields(), LogLevel: &s.level,
	}
	if list != "" {
		cfg.AllowFile = filepath.Join(t.TempDir(), "allow.yaml")
		agenttest.WriteFile(t, cfg.AllowFile, list)
	}
	if change != nil {
		change(&cfg)
	}
	s.bridge, s.seen = b.Bridge()
	runAgent(t, cfg)
	agenttest.WaitFor(t, "the agent", func() bool { s.instance = s.seen.Find(agenttest.IsUp); return s.instance != "" })
	return s
}

// send sends settings, and waits until the agent has told what it makes of them.
func (s *settable) send(revision int, rest string) *subjects.SettingsState {
	s.t.Helper()
	message := fmt.Sprintf(`{"revision":"%d"%s}`, revision, rest)
	if err := s.bridge.SendSettings("prod", []byte(message)); err != nil {
		s.t.Fatal(err)
	}
	var state *subjects.SettingsState
	agenttest.WaitFor(s.t, "the echo of "+message, func() bool {
		return s.seen.Find(func(p subjects.Presence) bool {
			state = p.Settings
			return state != nil && (state.Revision == fmt.Sprint(revision) || state.Refused == fmt.Sprint(revision))
		}) != ""
	})
	return state
}

// try makes a request, and returns its status or why there is none.
func (s *settable) try(method, target string) string {
	s.t.Helper()
	head := agenttest.Get(target)
	head.Method = method
	status, err := agenttest.Call(s.t, s.bridge, s.instance, head)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(status)
}

func ok(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }

const (
	pods       = "/api/v1/namespaces/default/pods"
	secrets    = "/api/v1/namespaces/default/secrets/a"
	exec       = "/api/v1/namespaces/default/pods/a/exec?command=sh"
	ofPlatform = "refused by a restriction that the platform has set"
	ofOwner    = "refused by the allow-list of the cluster's owner"
)

// TestHostileBridge: whatever a bridge sends as settings, a request that the owner's list
// does not allow is refused, and the agent goes on.
func TestHostileBridge(t *testing.T) {
	s := newSettable(t, "readOnly: true\nexec: false\nsecrets: false\n", nil, ok)
	locked := func(after string) {
		t.Helper()
		for method, target := range map[string]string{http.MethodDelete: pods + "/a", http.MethodGet: secrets, http.MethodPost: exec} {
			if got := s.try(method, target); !strings.Contains(got, ofOwner) {
				t.Errorf("after %s: %s %s: %s", after, method, target, got)
			}
		}
		if got := s.try(http.MethodGet, pods); got != "200" {
			t.Errorf("after %s: a read: %s", after, got)
		}
	}
	locked("nothing")
	for i, rest := range []string{
		`,"restrict":{"readOnly":false,"exec":true,"secrets":true}`, `,"restrict":{"exec":true}`, `,"restrict":null`, `,"restrict":{}`,
		`,"allow":{"readOnly":false}`, `,"as":{"agent":true}`, `,"restrict":{"readOnly":true,"readOnly":false}`, `,"labels":{"fairlead.io/allow":"all"}`,
		`,"limits":{"maxStreams":-1}`, `,"limits":{"maxStreams":16384}`, `,"logLevel":{"level":"debug"}`,
	} {
		s.send(i+1, rest)
		locked(rest)
	}
	for _, raw := range []string{"", "null", "{}", "[]", strings.Repeat("{", 4000), strings.Repeat("x", 1<<20), "\x00", `{"revision":1}`} {
		if err := s.bridge.SendSettings("prod", []byte(raw)); err != nil {
			t.Fatal(err)
		}
	}
	s.send(100, "")
	locked("all of it")
}

// TestRestrictions: a restriction counts besides the list or without one, for what runs
// too, and goes as it came.
func TestRestrictions(t *testing.T) {
	for name, list := range map[string]string{"with a list": "readOnly: false\n", "without": ""} {
		t.Run(name, func(t *testing.T) {
			arrived := make(chan struct{}, 1)
			s := newSettable(t, list, nil, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/secrets") {
					w.(http.Flusher).Flush()
					arrived <- struct{}{}
					<-r.Context().Done()
				}
			})
			if got := s.try(http.MethodDelete, pods+"/a"); got != "200" {
				t.Fatalf("before: %s", got)
			}
			watch := s.open("/api/v1/secrets?watch=true")
			agenttest.MustHead(t, watch)
			agenttest.Within(t, 10*time.Second, "the watch to arrive", arrived)
			s.send(1, `,"restrict":{"readOnly":true,"secrets":false}`)
			if _, err := io.ReadAll(watch); subjects.CodeOf(err) != subjects.CodeRevoked || !strings.Contains(err.Error(), ofPlatform) {
				t.Errorf("a watch that the restriction does not leave: %v", err)
			}
			for method, target := range map[string]string{http.MethodDelete: pods + "/a", http.MethodGet: secrets, http.MethodPost: pods} {
				if got := s.try(method, target); !strings.Contains(got, ofPlatform) {
					t.Errorf("%s %s: %s", method, target, got)
				}
			}
			if got := s.try(http.MethodGet, pods); got != "200" {
				t.Errorf("a read: %s", got)
			}
			s.send(2, "")
			if got := s.try(http.MethodDelete, pods+"/a"); got != "200" {
				t.Errorf("after it: %s", got)
			}
		})
	}
}

func (s *settable) open(target string) *stream.Stream {
	s.t.Helper()
	first, err := subjects.AppendRequestHead(nil, agenttest.Get(target))
	if err != nil {
		s.t.Fatal(err)
	}
	st, err := s.bridge.Open(s.t.Context(), "prod", s.instance, first, true)
	if err != nil {
		s.t.Fatal(err)
	}
	return st
}

// TestSettingsOfAnAgent: labels, level and limit count at once, and a restarted agent is
// without.
func TestSettingsOfAnAgent(t *testing.T) {
	hold := make(chan struct{})
	defer close(hold)
	arrived := make(chan struct{}, 1)
	s := newSettable(t, "", func(c *Config) { c.Labels = map[string]string{"site": "a"} }, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/hold") {
			arrived <- struct{}{}
			<-hold
		}
	})
	at := time.Now()
	s.send(1, `,"labels":{"env":"prod","site":"b"},"logLevel":{"level":"debug"},"limits":{"maxStreams":1}`)
	t.Logf("echoed after %v", time.Since(at))
	p := subjects.Presence{}
	s.seen.Find(func(q subjects.Presence) bool { p = q; return true })
	if p.Labels["env"] != "prod" || p.Labels["site"] != "a" || len(p.Settings.Overridden) != 1 || p.Settings.Overridden[0] != "labels.site" || len(p.Settings.Accepts) != 4 {
		t.Errorf("labels %v, settings %+v", p.Labels, p.Settings)
	}
	if s.level.Level() != slog.LevelDebug {
		t.Errorf("level %v", s.level.Level())
	}
	held := s.open("/api/hold")
	defer held.Close()
	agenttest.Within(t, 10*time.Second, "the request to arrive", arrived)
	if got := s.try(http.MethodGet, pods); !strings.Contains(got, subjects.CodeOverloaded.String()) {
		t.Errorf("a second request with a limit of one: %s", got)
	}
	s.send(2, "")
	if got := s.try(http.MethodGet, pods); got != "200" {
		t.Errorf("after it: %s", got)
	}
}
