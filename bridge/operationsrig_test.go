package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// queueing is a bridge with a store, which executes operations.
type queueing struct {
	*rig
	store *store.Store
	stop  context.CancelFunc
	ended chan struct{}
	once  sync.Once
}

// newQueueing starts a bridge. Several may have the same brokers of tenants and of the
// store.
func newQueueing(t *testing.T, b *storetest.Brokers, o rigOptions) *queueing {
	t.Helper()
	q := &queueing{ended: make(chan struct{})}
	id, log := subjects.NewID('b'), slog.New(slog.NewTextHandler(t.Output(), nil))
	var err error
	q.store, err = store.Open(store.Config{ID: id, Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.store.Close)
	config := o.config
	o.config = func(c *Config) {
		c.Store, c.ID = q.store, id
		if config != nil {
			config(c)
		}
	}
	q.rig = newRig(t, o)
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	go func() {
		defer close(q.ended)
		if err := q.server.Operations(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(q.halt)
	q.eventually("the operations are known", func() bool {
		res, _ := q.call(q.token, "GET", "/v1/clusters/prod/operations", "", "")
		return res.StatusCode == http.StatusOK
	})
	return q
}

// halt stops executing, as a bridge does that stops.
func (q *queueing) halt() {
	q.once.Do(q.stop)
	<-q.ended
}

// crash cuts the bridge off from its brokers, so that nothing more is written or sent.
func (q *queueing) crash() {
	q.store.Close()
	q.pool.Close()
	q.halt()
}

// call makes a request of the platform API.
func (q *queueing) call(token, method, path, key, body string) (*http.Response, string) {
	q.t.Helper()
	req := q.request(method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	return q.do(q.h1, req)
}

// queue queues an operation that must be accepted.
func (q *queueing) queue(cluster, key, body string) api.Operation {
	q.t.Helper()
	res, text := q.call(q.token, "POST", "/v1/clusters/"+cluster+"/operations", key, body)
	if res.StatusCode != http.StatusAccepted {
		q.t.Fatalf("%d %s", res.StatusCode, text)
	}
	return operationOf(q.t, text)
}

func operationOf(t testing.TB, text string) (o api.Operation) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

// look reads an operation.
func (q *queueing) look(cluster, id string) api.Operation {
	q.t.Helper()
	res, text := q.call(q.token, "GET", "/v1/clusters/"+cluster+"/operations/"+id, "", "")
	if res.StatusCode != http.StatusOK {
		q.t.Fatalf("%d %s", res.StatusCode, text)
	}
	return operationOf(q.t, text)
}

// ends waits until an operation has a state, and returns it.
func (q *queueing) ends(cluster, id string, state api.OperationState) (o api.Operation) {
	q.t.Helper()
	q.eventually(fmt.Sprintf("operation %s is %s", id, state), func() bool {
		o = q.look(cluster, id)
		return o.State == state
	})
	return o
}

// events are those of an operation.
func (q *queueing) events(id string) (types []string) {
	q.t.Helper()
	page, err := q.server.cfg.Events.Read(q.t.Context(), "", &events.Filter{}, 1000)
	if err != nil {
		q.t.Fatal(err)
	}
	for _, e := range page.Events {
		if e.Operation == id {
			types = append(types, string(e.Type))
		}
	}
	return types
}

// applyOf is the body of an operation that applies a ConfigMap.
func applyOf(name, value string) string {
	return fmt.Sprintf(`{"kind": "apply", "path": "/api/v1/namespaces/default/configmaps/%s", "fieldManager": "ci",
		"body": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "%s"}, "data": {"v": "%s"}}}`, name, name, value)
}

// taken is a request that an API server got.
type taken struct {
	method, target, contentType, body string
	id, user                          string // user: as whom; "": as the agent itself
}

// objectServer answers as one would, and keeps what it gets.
type objectServer struct {
	mu   sync.Mutex
	seen []taken
	// answer decides; nil: a 200 with an object.
	answer func(n int, got taken) (status int, body string)
}

// handle is the handler of an agent.
func (a *objectServer) handle(head *subjects.RequestHead, s *stream.Stream) {
	b, err := io.ReadAll(s)
	if err != nil {
		return
	}
	got := taken{head.Method, head.Target, head.Header.Get("Content-Type"), string(b), head.RequestID, userOf(head)}
	a.mu.Lock()
	a.seen = append(a.seen, got)
	n := len(a.seen)
	a.mu.Unlock()
	status, body := 200, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"uid":"u-1","resourceVersion":"42"}}`
	if a.answer != nil {
		status, body = a.answer(n, got)
	}
	if status != 0 {
		reply(s, status, body, "Content-Type", "application/json")
	}
}

// userOf is the user as whom an agent is to execute a request.
func userOf(head *subjects.RequestHead) string {
	for _, e := range head.Extensions {
		if e.ID == subjects.ExtensionIdentity {
			if as, err := subjects.ParseIdentity(e.Value); err == nil {
				return as.User
			}
		}
	}
	return ""
}

func (a *objectServer) requests() []taken {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]taken(nil), a.seen...)
}

func decodeInto(res *http.Response, v any) error { return json.NewDecoder(res.Body).Decode(v) }
