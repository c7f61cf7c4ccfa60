package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/test/harness"
)

// queue queues an operation through a bridge that must take it.
func (sp *space) queue(client *http.Client, s *harness.System, key string, spec api.OperationSpec) (o api.Operation) {
	sp.t.Helper()
	body, err := json.Marshal(spec)
	if err != nil {
		sp.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(sp.t.Context(), http.MethodPost, s.URL("/v1/clusters/"+s.Ref()+"/operations"), strings.NewReader(string(body)))
	if err != nil {
		sp.t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	a := ask(sp.t, side{name: "operations", client: client}, req)
	if err := json.Unmarshal(a.body, &o); err != nil || a.status != http.StatusAccepted {
		sp.t.Fatalf("operation %s: %d %s", key, a.status, a.body)
	}
	return o
}

// operation reads an operation.
func (sp *space) operation(ctx context.Context, client *http.Client, s *harness.System, id string) (o api.Operation, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL("/v1/clusters/"+s.Ref()+"/operations/"+id), nil)
	if err != nil {
		return o, err
	}
	a := ask(sp.t, side{name: "operations", client: client}, req)
	if a.status != http.StatusOK {
		return o, fmt.Errorf("%d %s", a.status, a.body)
	}
	return o, json.Unmarshal(a.body, &o)
}

// executed waits until an operation has ended.
func (sp *space) executed(client *http.Client, s *harness.System, id string) (o api.Operation) {
	sp.t.Helper()
	sp.until("operation "+id+" to end", func(ctx context.Context) (err error) {
		if o, err = sp.operation(ctx, client, s, id); err == nil && !o.State.Final() {
			err = fmt.Errorf("it is %s: %+v", o.State, o.Problem)
		}
		return err
	})
	return o
}

// TestOperationsOfAClusterThatWasAway: while no agent is there, requests of each kind are
// queued. When it is back a real API server executes them in order, and what it refuses
// failed, with its Status.
func TestOperationsOfAClusterThatWasAway(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{Brokers: 1, Store: true})
	maps := sp.admin.CoreV1().ConfigMaps(sp.name)
	was := map[string]*corev1.ConfigMap{}
	for _, name := range []string{"doomed", "replaced", "patched", "changed"} {
		sp.configMap(name, map[string]string{"v": "1"})
		var err error
		if was[name], err = maps.Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	sp.stopAgent(s) // an attempt at one that is about to be known as offline would count
	patch := func(name string) api.OperationSpec {
		return api.OperationSpec{Kind: api.OperationPatch, PatchType: "merge", Path: sp.path("/configmaps/" + name),
			Body: fmt.Appendf(nil, `{"metadata": {"resourceVersion": %q}, "data": {"v": "2"}}`, was[name].ResourceVersion)}
	}
	apply := func(name, value string) api.OperationSpec {
		return api.OperationSpec{Kind: api.OperationApply, FieldManager: "ci", Path: sp.path("/configmaps/" + name),
			Body: fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": %q}, "data": {"v": %q}}`, name, value)}
	}
	remove := func(name string) api.OperationSpec {
		return api.OperationSpec{Kind: api.OperationDelete, Path: sp.path("/configmaps/" + name), Preconditions: &api.OperationPreconditions{UID: string(was[name].UID)}}
	}
	nowhere := apply("made", "1")
	nowhere.Path = "/api/v1/namespaces/" + sp.name + "-none/configmaps/made"
	cases := []struct {
		name   string
		spec   api.OperationSpec
		state  api.OperationState
		status int
		answer string
	}{
		{"apply makes", apply("made", "1"), api.OperationSucceeded, 201, `"ConfigMap"`},
		{"apply changes what the one before has made", apply("made", "2"), api.OperationSucceeded, 200, `"ConfigMap"`},
		{"apply over the fields of another manager", apply("patched", "3"), api.OperationFailed, 409, "conflict"},
		{"delete", remove("doomed"), api.OperationSucceeded, 200, "Success"},
		{"delete of an object that was replaced", remove("replaced"), api.OperationFailed, 409, "the UID in the precondition"},
		{"patch", patch("patched"), api.OperationSucceeded, 200, `"ConfigMap"`},
		{"patch of an object that was changed", patch("changed"), api.OperationFailed, 409, "the object has been modified"},
		{"in a namespace that is not there", nowhere, api.OperationFailed, 404, "not found"},
	}
	ids := make([]string, len(cases))
	for i, c := range cases {
		o := sp.queue(s.Client(), s, fmt.Sprint("key-", i), c.spec)
		if o.State != api.OperationQueued {
			t.Errorf("%s: %+v", c.name, o)
		}
		ids[i] = o.ID
	}
	sp.replaceMaps(was)
	if err := s.Restart(t.Context(), s.Agents[0]); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		o := sp.executed(s.Client(), s, ids[i])
		if o.State != c.state || o.Attempts != 1 || o.Result == nil || o.Result.Status != c.status || !strings.Contains(o.Result.Body, c.answer) {
			t.Errorf("%s: %+v, %+v, %+v", c.name, o, o.Result, o.Problem)
		}
	}
	for name, want := range map[string]string{"made": "2", "replaced": "new", "patched": "2", "changed": "new"} {
		if m, err := maps.Get(t.Context(), name, metav1.GetOptions{}); err != nil || m.Data["v"] != want {
			t.Errorf("%s: %v, %v, want %s", name, m.Data, err, want)
		}
	}
	if _, err := maps.Get(t.Context(), "doomed", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("doomed: %v", err)
	}
}

// TestPausedBridgeExecutesNothing: a bridge that is suspended in the middle of an operation
// is replaced by another one. When it goes on it executes nothing, and what it writes is
// refused.
func TestPausedBridgeExecutesNothing(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	s := sp.ownSystem(harness.SystemOptions{Brokers: 1, Store: true})
	second, beside := sp.bridgeBeside(s, sp.sideOf(s, s.Ref()), 2)
	other := *s // to ask the second bridge
	other.Bridge = &harness.Node{Address: strings.TrimPrefix(strings.TrimSuffix(beside.server, "/k8s/clusters/"+s.Ref()), "https://")}
	signal := func(p interface{ Signal(syscall.Signal) error }, signal syscall.Signal) {
		t.Helper()
		if err := p.Signal(signal); err != nil {
			t.Fatal(err)
		}
	}
	apply := func(value string) api.OperationSpec {
		return api.OperationSpec{Kind: api.OperationApply, FieldManager: "ci", Path: sp.path("/configmaps/made"),
			Body: fmt.Appendf(nil, `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"v": %q}}`, value)}
	}
	signal(second, syscall.SIGSTOP) // so that the first has the lease
	signal(s.Agents[0], syscall.SIGSTOP)
	one, two := sp.queue(s.Client(), s, "1", apply("1")), sp.queue(s.Client(), s, "2", apply("2"))
	sp.until("the first bridge to have begun", func(ctx context.Context) error {
		o, err := sp.operation(ctx, s.Client(), s, one.ID)
		if err == nil && o.State != api.OperationRunning {
			err = fmt.Errorf("it is %s", o.State)
		}
		return err
	})
	signal(s.Bridge, syscall.SIGSTOP)
	signal(s.Agents[0], syscall.SIGCONT)
	signal(second, syscall.SIGCONT)
	if o := sp.executed(beside.client, &other, one.ID); o.State != api.OperationSucceeded || o.Attempts != 2 {
		t.Errorf("the one that was interrupted: %+v, %+v", o, o.Problem)
	}
	last := sp.executed(beside.client, &other, two.ID)
	if last.State != api.OperationSucceeded || last.Attempts != 1 {
		t.Errorf("the one behind it: %+v, %+v", last, last.Problem)
	}
	maps := sp.admin.CoreV1().ConfigMaps(sp.name)
	was, err := maps.Get(t.Context(), "made", metav1.GetOptions{})
	if err != nil || was.Data["v"] != "2" {
		t.Fatalf("%+v, %v", was, err)
	}
	signal(s.Bridge, syscall.SIGCONT)
	third := sp.queue(beside.client, &other, "3", apply("3"))
	if o := sp.executed(s.Client(), s, third.ID); o.State != api.OperationSucceeded || o.Attempts != 1 {
		t.Errorf("one that is queued later: %+v, %+v", o, o.Problem)
	}
	sp.until("the first bridge to have noticed", func(context.Context) error {
		if text := harness.Tail(s.Bridge.Log(), 200); !strings.Contains(text, "this bridge has lost the lease") {
			return errors.New("it has not lost the lease")
		}
		return nil
	})
	now, err := maps.Get(t.Context(), "made", metav1.GetOptions{})
	if err != nil || now.Data["v"] != "3" {
		t.Errorf("%+v, %v", now, err)
	}
	for _, id := range []string{one.ID, two.ID} {
		if o, err := sp.operation(t.Context(), s.Client(), s, id); err != nil || o.State != api.OperationSucceeded || o.Ended.After(*last.Ended) {
			t.Errorf("%+v, %v", o, err)
		}
	}
}

// replaceMaps does directly to two objects what an operation does not expect.
func (sp *space) replaceMaps(was map[string]*corev1.ConfigMap) {
	sp.t.Helper()
	maps := sp.admin.CoreV1().ConfigMaps(sp.name)
	if err := maps.Delete(sp.t.Context(), "replaced", metav1.DeleteOptions{}); err != nil {
		sp.t.Fatal(err)
	}
	sp.configMap("replaced", map[string]string{"v": "new"})
	changed := was["changed"].DeepCopy()
	changed.Data["v"] = "new"
	if _, err := maps.Update(sp.t.Context(), changed, metav1.UpdateOptions{}); err != nil {
		sp.t.Fatal(err)
	}
}
