package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
)

// TestOperationWaitsForItsCluster: what is queued for a cluster that is offline is
// executed once it is back, once, in order, and its result is kept.
func TestOperationWaitsForItsCluster(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, storetest.Start(t, 1), rigOptions{})
	var ids []string
	for i := range 3 {
		o := q.queue("prod.acme", fmt.Sprint("key-", i), applyOf(fmt.Sprint("c", i), "1"))
		if o.State != api.OperationQueued || o.Name != "prod.acme" || o.Tenant != "acme" || o.Caller != "admin" || o.Grant == "" || o.Attempts != 0 || o.IdempotencyKey != fmt.Sprint("key-", i) {
			t.Errorf("%+v", o)
		}
		ids = append(ids, o.ID)
	}
	if got := q.metric("fairlead_bridge_operations"); got != 3 {
		t.Errorf("%v operations wait", got)
	}
	server := &objectServer{}
	q.agent("acme", "prod", server.handle)
	o := q.ends("prod.acme", ids[2], api.OperationSucceeded)
	if o.Result == nil || o.Result.Status != 200 || o.Result.UID != "u-1" || o.Result.ResourceVersion != "42" || o.Attempts != 1 || o.Started == nil || o.Ended == nil || o.Problem != nil {
		t.Errorf("%+v", o)
	}
	seen := server.requests()
	if len(seen) != 3 {
		t.Fatalf("%d requests", len(seen))
	}
	for i, got := range seen {
		want := fmt.Sprintf("/api/v1/namespaces/default/configmaps/c%d?fieldManager=ci&force=false", i)
		if got.method != "PATCH" || got.target != want || got.contentType != "application/apply-patch+yaml" || !strings.Contains(got.body, fmt.Sprintf(`"name": "c%d"`, i)) {
			t.Errorf("%+v", got)
		}
		if q.look("prod.acme", ids[i]).State != api.OperationSucceeded {
			t.Errorf("operation %d has not succeeded", i)
		}
	}
	want := []string{"operation.queued", "operation.started", "operation.succeeded"}
	q.eventually("the events are there", func() bool { return slices.Equal(q.events(ids[0]), want) })
	q.eventually("all are counted", func() bool { return q.metric("fairlead_bridge_operations_executed_total") == 3 })
}

// TestOperationIsMadeOnce: an Idempotency-Key makes one operation of one caller, at
// whatever bridge.
func TestOperationIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	one := newQueueing(t, b, rigOptions{})
	two := newQueueing(t, b, rigOptions{nats: one.nats})
	const path = "/v1/clusters/prod.acme/operations"
	first := one.queue("prod.acme", "k", applyOf("c", "1"))
	for _, q := range []*queueing{one, two} {
		res, text := q.call(q.token, "POST", path, `"k"`, applyOf("c", "1")) // a structured field
		if o := operationOf(t, text); res.StatusCode != http.StatusOK || o.ID != first.ID || !o.Created.Equal(first.Created) || res.Header.Get("Location") == "" {
			t.Errorf("again: %d %s", res.StatusCode, text)
		}
		res, text = q.call(q.token, "POST", path, "k", applyOf("c", "2"))
		if res.StatusCode != http.StatusUnprocessableEntity || res.Header.Get("Fairlead-Error") != "idempotency-key-reused" {
			t.Errorf("another body: %d %s", res.StatusCode, text)
		}
	}
	res, text := two.call(two.acme, "POST", path, "k", applyOf("c", "2"))
	if o := operationOf(t, text); res.StatusCode != http.StatusAccepted || o.ID == first.ID {
		t.Errorf("another caller: %d %s", res.StatusCode, text)
	}
	server := &objectServer{}
	two.agent("acme", "prod", server.handle)
	one.ends("prod.acme", first.ID, api.OperationSucceeded)
	if res, text := one.call(one.token, "POST", path, "k", applyOf("c", "1")); res.StatusCode != http.StatusOK || operationOf(t, text).State != api.OperationSucceeded {
		t.Errorf("after its end: %d %s", res.StatusCode, text)
	}
	one.eventually("both are executed", func() bool { return len(server.requests()) == 2 })
}

// TestOperationsOfOneMomentAreMadeOnce: many requests with one key make one operation.
func TestOperationsOfOneMomentAreMadeOnce(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	one := newQueueing(t, b, rigOptions{})
	two := newQueueing(t, b, rigOptions{nats: one.nats})
	answers := make(chan string, 20)
	for i := range cap(answers) {
		q := []*queueing{one, two}[i%2]
		req := q.request("POST", "/v1/clusters/prod/operations", strings.NewReader(applyOf("c", "1")))
		req.Header.Set("Idempotency-Key", "k")
		go func() {
			res, err := q.h1.Do(req)
			if err != nil {
				answers <- err.Error()
				return
			}
			defer res.Body.Close()
			answers <- fmt.Sprint(res.StatusCode)
		}()
	}
	made := map[string]int{}
	for range cap(answers) {
		made[<-answers]++
	}
	if made["202"] != 1 || made["200"] != cap(answers)-1 {
		t.Errorf("%v", made)
	}
	_, text := one.call(one.token, "GET", "/v1/clusters/prod/operations", "", "")
	if n := strings.Count(text, `"id"`); n != 1 {
		t.Errorf("%d operations: %s", n, text)
	}
}

// TestOperationIsCanceled: one that is queued can be canceled, and is not executed.
func TestOperationIsCanceled(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, storetest.Start(t, 1), rigOptions{})
	first, second := q.queue("prod", "1", applyOf("a", "1")), q.queue("prod", "2", applyOf("b", "1"))
	cancel := func(id string) (*http.Response, string) {
		return q.call(q.token, "POST", "/v1/clusters/prod/operations/"+id+"/cancel", "", "")
	}
	for range 2 {
		res, text := cancel(first.ID)
		if o := operationOf(t, text); res.StatusCode != http.StatusOK || o.State != api.OperationCanceled || o.CanceledBy != "admin" || o.Ended == nil {
			t.Errorf("%d %s", res.StatusCode, text)
		}
	}
	began, release := make(chan struct{}), make(chan struct{})
	server := &objectServer{answer: func(int, taken) (int, string) {
		close(began)
		<-release
		return 200, "{}"
	}}
	q.agent("default", "prod", server.handle)
	<-began
	if res, text := cancel(second.ID); res.StatusCode != http.StatusConflict || res.Header.Get("Fairlead-Error") != "operation-not-queued" || !strings.Contains(text, "running") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	close(release)
	q.ends("prod", second.ID, api.OperationSucceeded)
	if res, text := cancel(second.ID); res.StatusCode != http.StatusConflict || !strings.Contains(text, "succeeded") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
	if got := q.events(first.ID); !slices.Equal(got, []string{"operation.queued", "operation.canceled"}) {
		t.Errorf("%q", got)
	}
	if res, _ := cancel("0123456789abcdefghijklmn"); res.StatusCode != http.StatusNotFound {
		t.Errorf("%d", res.StatusCode)
	}
	if n := len(server.requests()); n != 1 {
		t.Errorf("%d requests", n)
	}
}

// TestOperationsAreListed: by state, in pages, the newest first.
func TestOperationsAreListed(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, storetest.Start(t, 1), rigOptions{})
	var want []string
	for i := range 5 {
		want = append([]string{q.queue("prod", fmt.Sprint(i), applyOf("a", fmt.Sprint(i))).ID}, want...)
	}
	q.call(q.token, "POST", "/v1/clusters/prod/operations/"+want[0]+"/cancel", "", "")
	list := func(query string) (ids []string, next string) {
		res, text := q.call(q.token, "GET", "/v1/clusters/prod/operations"+query, "", "")
		if res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %d %s", query, res.StatusCode, text)
		}
		l := decode[api.OperationList](t, text)
		for _, o := range l.Operations {
			ids = append(ids, o.ID)
		}
		return ids, l.Next
	}
	if got, next := list(""); !slices.Equal(got, want) || next != "" {
		t.Errorf("%q, %q", got, next)
	}
	got, next := list("?limit=3")
	rest, last := list("?limit=3&after=" + next)
	if !slices.Equal(append(got, rest...), want) || last != "" {
		t.Errorf("%q, %q, %q", got, rest, last)
	}
	if got, _ := list("?state=canceled"); !slices.Equal(got, want[:1]) {
		t.Errorf("%q", got)
	}
	if got, _ := list("?state=queued,running"); !slices.Equal(got, want[1:]) {
		t.Errorf("%q", got)
	}
	for _, query := range []string{"?state=x", "?limit=0", "?limit=201", "?after=x", "?after=0", "?stat=queued"} {
		if res, text := q.call(q.token, "GET", "/v1/clusters/prod/operations"+query, "", ""); res.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, res.StatusCode, text)
		}
	}
}

// TestGoClientOfOperations: an operation is queued once however often it is sent, awaited,
// listed and canceled.
func TestGoClientOfOperations(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, storetest.Start(t, 1), rigOptions{})
	c, ctx := q.goClient(q.token), t.Context()
	spec := decode[api.OperationSpec](t, applyOf("c", "1"))
	first, err := c.QueueOperation(ctx, "prod", "k", spec)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := c.QueueOperation(ctx, "prod", "k", spec); err != nil || again.ID != first.ID {
		t.Errorf("again: %+v, %v", again, err)
	}
	other := spec
	other.Force = true
	if _, err := c.QueueOperation(ctx, "prod", "k", other); !errors.Is(err, client.ErrIdempotencyKeyReused) {
		t.Errorf("another one with the key: %v", err)
	}
	var made []string
	for range 2 { // each has a key of its own
		o, err := c.QueueOperation(ctx, "prod", "", spec)
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, o.ID)
	}
	for range 2 {
		if o, err := c.CancelOperation(ctx, "prod", made[0]); err != nil || o.State != api.OperationCanceled || !o.State.Final() {
			t.Errorf("%+v, %v", o, err)
		}
	}
	soon, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	if o, err := c.AwaitOperation(soon, "prod", first.ID); !errors.Is(err, context.DeadlineExceeded) || o.State.Final() {
		t.Errorf("it waits: %+v, %v", o, err)
	}
	q.agent("default", "prod", (&objectServer{}).handle)
	if o, err := c.AwaitOperation(ctx, "prod", made[1]); err != nil || o.State != api.OperationSucceeded || o.Result.Status != http.StatusOK {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := c.CancelOperation(ctx, "prod", first.ID); !errors.Is(err, client.ErrOperationNotQueued) {
		t.Errorf("canceled after its end: %v", err)
	}
	var all []string
	for o, err := range c.EachOperation(ctx, "prod", client.OperationFilter{Limit: 1, States: []api.OperationState{api.OperationSucceeded, api.OperationCanceled}}) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o.ID)
	}
	if want := []string{made[1], made[0], first.ID}; !slices.Equal(all, want) {
		t.Errorf("%q, want %q", all, want)
	}
	if _, err := c.Operation(ctx, "prod", "0123456789abcdefghijklmn"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("one that is not there: %v", err)
	}
}
