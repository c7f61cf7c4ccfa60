package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

const (
	deleteByUID     = `{"kind": "delete", "path": "/api/v1/namespaces/default/configmaps/c", "preconditions": {"uid": "u-1"}}`
	deleteByVersion = `{"kind": "delete", "path": "/api/v1/namespaces/default/configmaps/c", "preconditions": {"resourceVersion": "7"}}`
	mergePatch      = `{"kind": "patch", "patchType": "merge", "path": "/api/v1/namespaces/default/configmaps/c", "body": {"metadata": {"resourceVersion": "7"}, "data": {"v": "2"}}}`
	notFound        = `{"kind": "Status", "reason": "NotFound", "message": "not found"}`
	conflict        = `{"kind": "Status", "reason": "Conflict", "message": "the object has been modified"}`
	recreated       = `{"kind": "Status", "reason": "Conflict", "message": "Operation cannot be fulfilled on ConfigMap \"c\": the UID in the precondition (u-1) does not match the UID in record (u-2). The object might have been deleted and then recreated"}`
	otherUID        = `{"kind": "Status", "reason": "Conflict", "message": "Precondition failed: UID in precondition: u-1, UID in object meta: u-2"}`
)

// TestBridgeDiesWhileItExecutes: another bridge takes over, sends what was running again,
// and says what that came to. What comes after it in the queue waits until then.
func TestBridgeDiesWhileItExecutes(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		operation string
		status    int // of the answer to the repetition
		body      string
		want      api.OperationState
	}{
		"apply":                           {applyOf("c", "1"), 200, `{}`, api.OperationSucceeded},
		"apply, refused":                  {applyOf("c", "1"), 409, conflict, api.OperationUnknown},
		"delete, gone":                    {deleteByUID, 404, notFound, api.OperationSucceeded},
		"delete, there is another object": {deleteByUID, 409, otherUID, api.OperationSucceeded},
		"delete, it was made again":       {deleteByUID, 409, recreated, api.OperationSucceeded},
		"delete of a version, changed":    {deleteByVersion, 409, conflict, api.OperationUnknown},
		"patch, not executed before":      {mergePatch, 200, `{}`, api.OperationSucceeded},
		"patch, perhaps executed":         {mergePatch, 409, conflict, api.OperationUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := storetest.Start(t, 1)
			one := newQueueing(t, b, rigOptions{})
			began, over := make(chan struct{}), make(chan struct{})
			server := &objectServer{answer: func(n int, _ taken) (int, string) {
				switch n {
				case 1:
					close(began)
					<-over
					return 0, "" // nobody is there to get it
				case 2:
					return tt.status, tt.body
				}
				return 200, "{}"
			}}
			defer close(over)
			one.agent("default", "prod", server.handle)
			first := one.queue("prod", "1", tt.operation)
			<-began
			second := one.queue("prod", "2", applyOf("later", "1"))
			two := newQueueing(t, b, rigOptions{nats: one.nats})
			one.crash()
			eventually.Within(t, 90*time.Second, "the other bridge has executed both", func() error {
				if s := two.look("prod", second.ID).State; s != api.OperationSucceeded {
					return fmt.Errorf("the second is %s", s)
				}
				return nil
			})
			o := two.look("prod", first.ID)
			if o.State != tt.want || o.Attempts != 2 || o.Result == nil || o.Result.Status != tt.status {
				t.Errorf("%+v, %+v", o, o.Result)
			}
			seen := server.requests()
			if len(seen) != 3 || seen[0].target != seen[1].target || seen[0].body != seen[1].body || !strings.Contains(seen[2].target, "later") {
				t.Errorf("%+v", seen)
			}
		})
	}
}

// TestOperationIsTriedAgain: what was surely not executed is queued again, and the API
// server's own failures are waited out. An answer of the owner's allow-list is final.
func TestOperationIsTriedAgain(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, storetest.Start(t, 1), rigOptions{})
	server := &objectServer{answer: func(n int, _ taken) (int, string) {
		return map[int]int{1: 429, 2: 503, 3: 201, 4: 422}[n], `{"kind":"Status"}`
	}}
	q.agent("default", "prod", server.handle)
	first, second := q.queue("prod", "1", applyOf("c", "1")), q.queue("prod", "2", applyOf("d", "1"))
	if o := q.ends("prod", first.ID, api.OperationSucceeded); o.Attempts != 3 || o.Result.Status != 201 {
		t.Errorf("%+v", o)
	}
	if o := q.ends("prod", second.ID, api.OperationFailed); o.Attempts != 1 || o.Result.Status != 422 || o.Result.Body != `{"kind":"Status"}` {
		t.Errorf("%+v", o)
	}
}

// TestTokenIsRemoved: what its caller has queued is not executed.
func TestTokenIsRemoved(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, storetest.Start(t, 1), rigOptions{})
	res, text := q.call(q.acme, "POST", "/v1/clusters/prod.acme/operations", "k", applyOf("c", "1"))
	if res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	id := operationOf(t, text).ID
	b, err := os.ReadFile(q.tokensFile)
	if err != nil {
		t.Fatal(err)
	}
	_, others, _ := strings.Cut(string(b), "tokens:\n")
	before, _, _ := strings.Cut(others, "- name: acme-ci")
	q.writeTokensText("tokens:\n" + before)
	q.eventually("the token is no longer accepted", func() bool {
		res, _ := q.call(q.acme, "GET", "/v1/clusters/prod.acme/operations", "", "")
		return res.StatusCode == http.StatusUnauthorized
	})
	server := &objectServer{}
	q.agent("acme", "prod", server.handle)
	o := q.ends("prod.acme", id, api.OperationFailed)
	if o.Problem == nil || o.Problem.Code != "unauthenticated" || !strings.Contains(o.Problem.Detail, "acme-ci") || o.Result != nil {
		t.Errorf("%+v, %+v", o, o.Problem)
	}
	if n := len(server.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestQueueIsFull: a cluster's queue has a limit, which others do not feel.
func TestQueueIsFull(t *testing.T) {
	t.Parallel()
	q := newQueueing(t, storetest.Start(t, 1), rigOptions{})
	const most = 100
	var last api.Operation
	for i := range most {
		last = q.queue("prod", strconv.Itoa(i), applyOf("c", strconv.Itoa(i)))
	}
	const path = "/v1/clusters/prod/operations"
	res, text := q.call(q.token, "POST", path, "more", applyOf("c", "more"))
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Fairlead-Error") != "queue-full" || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %q %s", res.StatusCode, res.Header.Get("Retry-After"), text)
	}
	q.queue("other", "k", applyOf("c", "1"))
	if res, _ := q.call(q.token, "POST", path, "99", applyOf("c", "99")); res.StatusCode != http.StatusOK {
		t.Errorf("one that is queued already: %d", res.StatusCode)
	}
	q.call(q.token, "POST", path+"/"+last.ID+"/cancel", "", "")
	q.queue("prod", "more", applyOf("c", "more"))
}

// TestWithoutAStore: operations are refused, and the answer says what to configure.
func TestWithoutAStore(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	req := r.request("POST", "/v1/clusters/prod/operations", strings.NewReader(applyOf("c", "1")))
	req.Header.Set("Idempotency-Key", "k")
	if res, text := r.do(r.h1, req); res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, "store-unavailable") || !strings.Contains(text, "--store-account") {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}

// TestNothingAcknowledgedIsLost: while operations are queued and executed, brokers are
// killed one after the other, the leader among them, and so is a bridge. Each one that was
// acknowledged ends, in order, and has had its effect.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	b := storetest.Start(t, 3)
	one := newQueueing(t, b, rigOptions{})
	two := newQueueing(t, b, rigOptions{nats: one.nats})
	three := newQueueing(t, b, rigOptions{nats: one.nats})
	clusters := []string{"a", "b", "c", "d"}
	servers := map[string]*objectServer{}
	for _, c := range clusters {
		servers[c] = &objectServer{answer: func(int, taken) (int, string) {
			time.Sleep(20 * time.Millisecond) // as a real one takes, so that there is something to interrupt
			return 200, "{}"
		}}
		two.agent("default", c, servers[c].handle)
	}
	var (
		posters      sync.WaitGroup
		mu           sync.Mutex
		acknowledged = map[string][]string{} // ids in order, by cluster
		refused      int
	)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	for _, c := range clusters {
		posters.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				q := []*queueing{two, three}[i%2]
				id, status := q.post(ctx, c, strconv.Itoa(i))
				mu.Lock()
				if id != "" {
					acknowledged[c] = append(acknowledged[c], id)
				} else if refused++; status != http.StatusServiceUnavailable && status != http.StatusTooManyRequests && ctx.Err() == nil {
					t.Errorf("status %d", status)
				}
				mu.Unlock()
			}
		})
	}
	count := func() (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, ids := range acknowledged {
			n += len(ids)
		}
		return n
	}
	more := func() { // are acknowledged, whatever was killed
		was := count()
		eventually.Within(t, 90*time.Second, "acknowledge 40 more", func() error {
			if n := count() - was; n < 40 {
				return fmt.Errorf("%d", n)
			}
			return nil
		})
	}
	more()
	i := b.KillLeader(subjects.StoreBucketStream(subjects.StoreOperations))
	more()
	one.crash()
	more()
	b.Run(i)
	more()
	j := b.KillLeader(subjects.StoreBucketStream(subjects.StoreLeases))
	more()
	b.Run(j)
	more()
	stop()
	posters.Wait()
	total := 0
	for _, c := range clusters {
		total += len(acknowledged[c])
		eventually.Within(t, 120*time.Second, "all of cluster "+c+" have ended", func() error { return ended(two, c, acknowledged[c]) })
		inOrder(t, c, servers[c].requests())
	}
	t.Logf("%d operations acknowledged and executed, %d refused", total, refused)
}

// post queues an operation whose id is in its object's name, and returns "" if it was not
// acknowledged.
func (q *queueing) post(ctx context.Context, cluster, key string) (id string, status int) {
	req := q.request("POST", "/v1/clusters/"+cluster+"/operations", strings.NewReader(applyOf("c-"+key, key))).WithContext(ctx)
	req.Header.Set("Idempotency-Key", key)
	res, err := q.h1.Do(req)
	if err != nil {
		return "", 0
	}
	defer res.Body.Close()
	var o api.Operation
	if res.StatusCode != http.StatusAccepted && res.StatusCode != http.StatusOK || decodeInto(res, &o) != nil {
		return "", res.StatusCode
	}
	return o.ID, res.StatusCode
}

// ended says which operation has not succeeded yet.
func ended(q *queueing, cluster string, ids []string) error {
	for _, id := range ids {
		res, text := q.call(q.token, "GET", "/v1/clusters/"+cluster+"/operations/"+id, "", "")
		if res.StatusCode != http.StatusOK {
			return errors.New(text)
		}
		if !strings.Contains(text, `"state":"succeeded"`) {
			return errors.New(text)
		}
	}
	return nil
}

// inOrder wants each object once, in order, or again at once after a lost answer.
func inOrder(t *testing.T, cluster string, seen []taken) {
	t.Helper()
	last, again := -1, 0
	for _, got := range seen {
		_, name, _ := strings.Cut(got.target, "configmaps/c-")
		text, _, _ := strings.Cut(name, "?")
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(got.target)
		}
		switch {
		case n == last:
			again++
		case n < last:
			t.Errorf("cluster %s: %d after %d", cluster, n, last)
		}
		last = n
	}
	t.Logf("cluster %s: %d requests, %d of them repeated", cluster, len(seen), again)
}
