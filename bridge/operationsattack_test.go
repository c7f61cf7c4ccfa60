package bridge

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
)

// storeThief has the key of the store and nothing else of a bridge.
type storeThief struct {
	t  *testing.T
	js jetstream.JetStream
}

func operationSubject(cluster, id string) string {
	return "$KV." + subjects.StoreOperations + ".default." + cluster + "." + id
}

// take reads an operation.
func (s *storeThief) take(cluster, id string) map[string]json.RawMessage {
	s.t.Helper()
	st, err := s.js.Stream(s.t.Context(), subjects.StoreBucketStream(subjects.StoreOperations))
	if err != nil {
		s.t.Fatal(err)
	}
	m, err := st.GetLastMsgForSubject(s.t.Context(), operationSubject(cluster, id))
	if err != nil {
		s.t.Fatal(err)
	}
	return decode[map[string]json.RawMessage](s.t, string(m.Data))
}

// put writes one.
func (s *storeThief) put(cluster, id string, v map[string]json.RawMessage) {
	s.t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.js.Publish(s.t.Context(), operationSubject(cluster, id), b); err != nil {
		s.t.Fatal(err)
	}
}

// forged is an operation of which some fields of what was sealed are others.
func (s *storeThief) forged(v map[string]json.RawMessage, fields map[string]string) map[string]json.RawMessage {
	made := decode[map[string]json.RawMessage](s.t, string(v["made"]))
	for key, value := range fields {
		made[key] = json.RawMessage(value)
	}
	text, err := json.Marshal(made)
	if err != nil {
		s.t.Fatal(err)
	}
	v = maps.Clone(v)
	v["made"] = text
	return v
}

// TestStolenStoreKeyMakesNoOperation: who can read and write the store, and has no bridge's
// own key, cannot have anything executed that no bridge has let in, for whatever caller. It
// can have an operation executed again.
func TestStolenStoreKeyMakesNoOperation(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	q := newQueueing(t, b, rigOptions{})
	thief := &storeThief{t, b.As(0, "b-thief")}
	res, text := q.call(q.token, "POST", "/v1/clusters/prod/operations", "k", applyOf("c", "1"))
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	honest := operationOf(t, text)
	is := thief.take("prod", honest.ID)
	id := func(n int) string { return fmt.Sprintf("%024d", n) }
	named := func(n int) string { return `"` + id(n) + `"` }
	evil := `"/api/v1/namespaces/kube-system/configmaps/evil"`
	own, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	signed := thief.forged(is, map[string]string{"id": named(1), "target": evil})
	signature, err := own.Sign(append([]byte("fairlead-operation\n"), signed["made"]...))
	if err != nil {
		t.Fatal(err)
	}
	signed["seal"], _ = json.Marshal(signature)
	unsealed := thief.forged(is, map[string]string{"id": named(2), "target": evil})
	delete(unsealed, "seal")
	forged := []map[string]json.RawMessage{
		1: signed,
		2: unsealed,
		3: thief.forged(is, map[string]string{"id": named(3)}),
		4: thief.forged(is, map[string]string{"id": named(4), "caller": `{"name": "root", "method": "token", "groups": ["system:masters"]}`, "as": "null"}),
		5: thief.forged(is, map[string]string{"id": named(5), "body": `"eA=="`, "target": evil}),
	}
	for i, v := range forged {
		if i > 0 {
			thief.put("prod", id(i), v)
		}
	}
	// Elsewhere than it belongs, and what is no operation at all.
	thief.put("other", honest.ID, is)
	thief.put("prod", id(6), is)
	for i, junk := range []string{`{}`, `{"made": null}`, `{"made": "x", "state": "queued"}`, `[]`, `{"made": {}, "state": "queued"}`} {
		if _, err := thief.js.Publish(t.Context(), operationSubject("prod", id(20+i)), []byte(junk)); err != nil {
			t.Fatal(err)
		}
	}
	server, other := &objectServer{}, &objectServer{}
	q.agent("default", "prod", server.handle)
	q.agent("default", "other", other.handle)
	q.ends("prod", honest.ID, api.OperationSucceeded)
	for i := 1; i < len(forged); i++ {
		if o := q.ends("prod", id(i), api.OperationFailed); o.Problem == nil || o.Problem.Code != "unauthenticated" || !strings.Contains(o.Problem.Detail, "--bridge-key") {
			t.Errorf("%d: %+v", i, o.Problem)
		}
	}
	thief.put("prod", honest.ID, is) // as it was when it was queued
	q.eventually("it is executed again", func() bool { return len(server.requests()) > 1 })
	q.queue("prod", "last", applyOf("last", "1"))
	q.eventually("the last one is executed", func() bool { return len(server.requests()) > 2 })
	seen := server.requests()
	if seen[0].target != seen[1].target || seen[0].body != seen[1].body || !strings.Contains(seen[2].target, "last") || len(seen) != 3 || len(other.requests()) != 0 {
		t.Errorf("%+v, %+v", seen, other.requests())
	}
}

// TestStoredOperationHasNoCredential: what the store has of an operation is what its
// document says, and once it has ended neither its body nor its caller's groups.
func TestStoredOperationHasNoCredential(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	q := newQueueing(t, b, rigOptions{})
	thief := &storeThief{t, b.As(0, "b-thief")}
	o := q.queue("prod", "k", applyOf("c", "in-the-body"))
	stored := func() string {
		text, err := json.Marshal(thief.take("prod", o.ID))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := stored()
	q.agent("default", "prod", (&objectServer{}).handle)
	q.ends("prod", o.ID, api.OperationSucceeded)
	for _, text := range []string{first, stored()} {
		if strings.Contains(text, q.token) || strings.Contains(text, "Bearer") || strings.Contains(text, "Authorization") {
			t.Errorf("it has a credential: %s", text)
		}
	}
	if last := stored(); !strings.Contains(first, `"body"`) || !strings.Contains(first, `"remote"`) || strings.Contains(last, `"body":"e`) || strings.Contains(last, `"remote"`) || strings.Contains(last, `"seal"`) {
		t.Errorf("queued: %s\nended: %s", first, last)
	}
}
