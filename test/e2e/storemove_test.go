package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/install/docs"
)

// sharedStreams are what bridges share, as docs/store.md lists it.
var sharedStreams = []string{
	"FAIRLEAD_AUDIT", "FAIRLEAD_EVENTS", "KV_fairlead-approvals", "KV_fairlead-inventory", "KV_fairlead-leases", "KV_fairlead-operations", "KV_fairlead-settings", "OBJ_fairlead-recordings",
}

// TestFromOneBrokerToThree follows docs/store.md, whose commands it runs: a store with
// an approval, a recording and audit events moves from one broker to three. Each message
// is there afterwards, in three copies. The approval still counts, and its end, given at
// the new bridge, stops a watch. The recording can be played. An operation that was queued
// before is executed, settings reach the agent, and a webhook gets each event once.
func TestFromOneBrokerToThree(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	g := newGuarded(sp)
	g.replace("approvals: {shared: true}\nrecording: {shared: true}\naudit: {jetStream: {shared: true}, required: true}\n" +
		g.idTokens("fairlead") + "grants:\n" + discovery + `  - name: admin
    clusters: [prod.acme]
    when: ['"devs" in caller.groups']
    requires: approval
    record: true
    as: {user: caller.name, groups: '["` + sp.name + `:admins"]'}
  - name: leads
    clusters: [prod.acme]
    when: ['"leads" in caller.groups']
    approves: [admin]
`)
	h := newHook(sp, g.dir)
	one := harness.SystemOptions{Brokers: 1, Store: true, BridgeFlags: []string{"--webhooks", h.file}}
	g.start(one)
	old := g.system
	sp.allow("Group", sp.name+":admins", rule("*", "pods", "pods/exec", "configmaps"))
	sp.pod("box", idle, "")
	sp.configMap("seen", nil)
	alice, bob := g.person("alice", "devs"), g.person("bob", "leads")
	id := g.asks(alice, "admin")
	g.approves(bob, id)
	if got := sp.must(sp.on(alice, "exec", "box", "--", "echo", "kept")); got != "kept\n" {
		t.Errorf("kubectl exec printed %q", got)
	}
	const reads = 20
	for range reads {
		sp.must(sp.on(alice, "get", "configmap", "seen"))
	}

	g.set(alice, "kept")
	m := newStoreMove(g)
	h.eventually("the webhook to have events", 1, 0)
	h.goes(true) // so that the events of what is to come have to be moved
	if err := old.Agents[0].Stop(stopWithin); err != nil {
		t.Fatal(err)
	}
	waits := sp.queue(alice.client, old, "moves", api.OperationSpec{
		Kind: api.OperationApply, FieldManager: "ci", Path: sp.path("/configmaps/moved"),
		Body: []byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "moved"}}`),
	})
	h.eventually("the webhook to be sent what it does not take", 1, 1)
	if err := old.Bridge.Stop(stopWithin); err != nil {
		t.Fatal(err)
	}
	m.follow(old, "store-user")
	before := m.content(old, 1)
	m.follow(old, "store-save")
	if err := old.Stop(); err != nil {
		t.Fatal(err)
	}
	three := harness.SystemOptions{Brokers: 3, Store: true, Config: old.Config, Dir: filepath.Join(g.dir, "three"), BridgeFlags: one.BridgeFlags}
	three.BeforeBridge = func(s *harness.System) error {
		m.wholeStore(s, 0) // the document waits until each is ready
		m.restore(s)
		m.wholeStore(s, len(sharedStreams))
		h.goes(false)
		return m.compare(before, m.content(s, 3), reads)
	}
	g.start(three)

	alice, bob = g.person("alice", "devs"), g.person("bob", "leads")
	if r := sp.do(sp.on(g.person("carol", "devs"), "get", "configmaps")); r.code == 0 {
		t.Error("the approval counts for somebody else")
	}
	if o := sp.executed(alice.client, g.system, waits.ID); o.State != api.OperationSucceeded || o.Result.Status != http.StatusCreated || o.Attempts != 1 {
		t.Errorf("the operation that was queued before: %+v, %+v", o, o.Problem)
	}
	g.hasSet(alice, "kept")
	h.hasAll(g.system)
	watch := sp.start(sp.on(alice, "get", "configmaps", "-w"))
	watch.expect("moved")
	watch.expect("seen")
	m.played("kept")
	g.endsApproval(bob, id)
	watch.ends(10*time.Second, "approv")
}

// set puts a label on the cluster.
func (g *guarded) set(s side, label string) {
	g.sp.t.Helper()
	body, got := api.AgentSettings{Labels: map[string]string{"env": label}}, api.ClusterSettings{}
	if status := g.api(s, http.MethodPut, "/v1/clusters/prod.acme/settings", body, &got); status != http.StatusCreated {
		g.sp.t.Fatalf("PUT of settings: %d", status)
	}
}

// hasSet waits until the agent tells that it uses the label.
func (g *guarded) hasSet(s side, label string) {
	g.sp.t.Helper()
	g.sp.until("settings to be applied", func(context.Context) error {
		var got api.ClusterSettings
		if status := g.api(s, http.MethodGet, "/v1/clusters/prod.acme/settings", nil, &got); status != http.StatusOK || got.State != api.SettingsApplied || got.Settings.Labels["env"] != label {
			return fmt.Errorf("%d, %+v", status, got)
		}
		return nil
	})
}

// stopWithin bounds the orderly stop of a process; drains take up to 30 s.
const stopWithin = 45 * time.Second

// storeMove is somebody who follows the document.
type storeMove struct {
	g      *guarded
	dir    string // where the commands are run
	tools  string // where the programs are
	blocks []docs.Block
}

func newStoreMove(g *guarded) *storeMove {
	sp := g.sp
	sp.t.Helper()
	if err := harness.Make(sp.t.Context(), os.Environ(), ".cache/bin/nats"); err != nil {
		sp.t.Fatal(err)
	}
	const page = "docs/store.md"
	source, err := os.ReadFile(filepath.Join(sp.Root, page))
	if err != nil {
		sp.t.Fatal(err)
	}
	m := &storeMove{g: g, dir: sp.t.TempDir()}
	m.tools = strings.Join([]string{filepath.Join(sp.Root, ".cache", "bin"), filepath.Dir(sp.race.Broker), os.Getenv("PATH")}, ":")
	if m.blocks, err = docs.Parse(page, source); err != nil {
		sp.t.Fatal(err)
	}
	if err := os.Symlink(g.system.Config, filepath.Join(m.dir, "fairlead")); err != nil {
		sp.t.Fatal(err)
	}
	return m
}

// server is the document's name for the brokers.
const server = "tls://nats.example.com:4222"

// follow runs the document's commands of a scenario, with the address of real brokers.
func (m *storeMove) follow(s *harness.System, scenario string) {
	m.g.sp.t.Helper()
	if out, err := m.try(s, scenario); err != nil {
		m.g.sp.t.Fatalf("%s: %v:\n%s", scenario, err, out)
	}
}

// restore follows the document, also where a broker does not know yet where the messages
// are to go: what there is by then is deleted, and all is restored again.
func (m *storeMove) restore(s *harness.System) {
	t := m.g.sp.t
	t.Helper()
	for try := 1; ; try++ {
		out, err := m.try(s, "store-restore")
		if err == nil {
			return
		}
		if try == 3 || !strings.Contains(out, "no responders available") {
			t.Fatalf("store-restore: %v:\n%s", err, out)
		}
		t.Logf("restored again, after %s", out)
		js := m.steward(s)
		for _, name := range sharedStreams {
			if err := js.DeleteStream(name); err != nil && !errors.Is(err, nats.ErrStreamNotFound) {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
}

// try runs the document's commands of a scenario, and returns what they print.
func (m *storeMove) try(s *harness.System, scenario string) (string, error) {
	t := m.g.sp.t
	t.Helper()
	var mine []docs.Block
	for _, b := range m.blocks {
		if b.In(scenario) {
			mine = append(mine, b)
		}
	}
	if len(mine) == 0 {
		t.Fatalf("docs/store.md has no commands of %s", scenario)
	}
	logs := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", strings.ReplaceAll(docs.Script(mine, logs), server, s.BrokerURLs()))
	cmd.Dir = m.dir
	// What the reader has exported in the first commands counts for all.
	cmd.Env = append(os.Environ(), "HOME="+m.dir, "PATH="+m.tools,
		"NATS_URL="+s.BrokerURLs(), "NATS_CA=./fairlead/tls/ca.crt", "NATS_CREDS=alice.creds")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// steward connects as the steward until the test ends.
func (m *storeMove) steward(s *harness.System) nats.JetStreamContext {
	t := m.g.sp.t
	t.Helper()
	nc, err := nats.Connect(s.BrokerURLs(), nats.RootCAs(s.CAFile()), nats.UserCredentials(filepath.Join(m.dir, "alice.creds")),
		nats.CustomInboxPrefix("_INBOX_STEWARD.alice"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// content is a digest of each message of each stream, read as the steward. It expects
// so many copies of a stream.
func (m *storeMove) content(s *harness.System, replicas int) map[string]string {
	t := m.g.sp.t
	t.Helper()
	js := m.steward(s)
	all := map[string]string{}
	for _, name := range sharedStreams {
		var info *nats.StreamInfo
		m.answered(name, func() (err error) {
			info, err = js.StreamInfo(name)
			return err
		})
		if info.Config.Replicas != replicas {
			t.Errorf("%s: %d copies, want %d", name, info.Config.Replicas, replicas)
		}
		for seq := max(info.State.FirstSeq, 1); seq <= info.State.LastSeq; seq++ {
			var msg *nats.RawStreamMsg
			m.answered(fmt.Sprintf("%s, message %d", name, seq), func() (err error) {
				if msg, err = js.GetMsg(name, seq); errors.Is(err, nats.ErrMsgNotFound) {
					msg, err = nil, nil
				}
				return err
			})
			if msg == nil {
				continue // a key's earlier value
			}
			text, err := json.Marshal([]any{msg.Subject, msg.Header, msg.Data, msg.Time})
			if err != nil {
				t.Fatal(err)
			}
			all[fmt.Sprintf("%s %d", name, seq)] = fmt.Sprintf("%x", sha256.Sum256(text))
		}
	}
	return all
}

// answered asks again while a stream elects another leader, which three busy brokers may do.
func (m *storeMove) answered(what string, ask func() error) {
	m.g.sp.t.Helper()
	m.g.sp.until(what, func(context.Context) error { return ask() })
}

// compare expects every message, and at least as many events as kubectl made requests.
func (m *storeMove) compare(before, after map[string]string, requests int) error {
	events := 0
	for key := range before {
		if strings.HasPrefix(key, "FAIRLEAD_AUDIT ") {
			events++
		}
	}
	if events < requests {
		return fmt.Errorf("%d audit events of %d requests", events, requests)
	}
	if !maps.Equal(before, after) {
		return fmt.Errorf("the messages are not those of before\nbefore: %q\nafter:  %q",
			slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
	m.g.sp.t.Logf("%d messages, %d of them audit events, are all there", len(after), events)
	return nil
}

// wholeStore waits until each broker has its copy of so many streams.
func (m *storeMove) wholeStore(s *harness.System, streams int) {
	sp := m.g.sp
	sp.t.Helper()
	for _, n := range s.Brokers {
		sp.until(n.Name()+" to have every stream", func(ctx context.Context) error {
			text, err := s.Get(ctx, n, "/readyz")
			if err == nil && !strings.Contains(text, fmt.Sprintf("store has %d streams", streams)) {
				err = errors.New(text)
			}
			if err != nil {
				return err
			}
			metrics, err := s.Metrics(ctx, n)
			if err == nil && metrics.Sum("fairlead_broker_store_copies_behind")+metrics.Sum("fairlead_broker_store_streams_without_leader") > 0 {
				err = errors.New("copies are behind")
			}
			return err
		})
	}
}

// played plays the recording, from the store of the running brokers.
func (m *storeMove) played(want string) {
	sp, s := m.g.sp, m.g.system
	sp.t.Helper()
	account, err := os.ReadFile(filepath.Join(s.Config, "store.account"))
	if err != nil {
		sp.t.Fatal(err)
	}
	sessions := func(args ...string) string {
		sp.t.Helper()
		cmd := exec.CommandContext(sp.t.Context(), sp.race.Bridge, append([]string{"sessions",
			"--store-account", strings.TrimSpace(string(account)), "--store-key", filepath.Join(s.Config, "keys", "store.nk"),
			"--broker-url", s.BrokerURLs(), "--broker-ca", s.CAFile()}, args...)...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			sp.t.Fatalf("sessions %s: %v: %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	var listed struct{ ID string }
	if err := json.Unmarshal([]byte(sessions("list", "--json")), &listed); err != nil {
		sp.t.Fatal(err)
	}
	if out := sessions("play", "--speed", "100", listed.ID); !strings.Contains(out, want) {
		sp.t.Errorf("the recording plays %q, want %q", out, want)
	}
}
