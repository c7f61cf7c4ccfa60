package bridge

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// alone is an API server that notes whether it executes two requests at once. The first
// takes until its bridge gives up.
type alone struct {
	objectServer
	t       *testing.T
	running sync.Mutex
	ended   chan time.Time // of the first
}

func (a *alone) handle(head *subjects.RequestHead, s *stream.Stream) {
	if !a.running.TryLock() {
		a.t.Error("two requests are executed at once")
		return
	}
	defer a.running.Unlock()
	if len(a.requests()) > 0 {
		a.objectServer.handle(head, s)
		return
	}
	a.answer = nil
	a.mu.Lock()
	a.seen = append(a.seen, taken{method: head.Method, target: head.Target})
	a.mu.Unlock()
	<-s.Context().Done()
	a.ended <- time.Now()
}

// TestLeaseIsLostInTheMiddle: a bridge that can no longer renew its lease ends the request
// that it makes before another bridge makes it again, although its own way to the cluster
// is whole. It writes nothing more, and executes nothing more.
func TestLeaseIsLostInTheMiddle(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	one := newQueueing(t, b, rigOptions{})
	server := &alone{t: t, ended: make(chan time.Time, 1)}
	one.agent("default", "prod", server.handle)
	first := one.queue("prod", "1", applyOf("c", "1"))
	one.eventually("it is executed", func() bool { return len(server.requests()) == 1 })
	second := one.queue("prod", "2", applyOf("d", "1"))
	two := newQueueing(t, b, rigOptions{nats: one.nats})
	one.store.Close() // and nothing else of the bridge
	eventually.Within(t, 90*time.Second, "the other bridge has executed both", func() error {
		if o := two.look("prod", second.ID); o.State != api.OperationSucceeded {
			return fmt.Errorf("the second is %s", o.State)
		}
		return nil
	})
	o := two.look("prod", first.ID)
	if o.State != api.OperationSucceeded || o.Attempts != 2 {
		t.Errorf("%+v", o)
	}
	if ended := within(t, "the first request has ended", time.Second, server.ended); !ended.Before(*o.Ended) {
		t.Errorf("the first attempt ended at %v, the operation at %v", ended, o.Ended)
	}
	if seen := server.requests(); len(seen) != 3 || seen[0].target != seen[1].target || !strings.Contains(seen[2].target, "/d?") {
		t.Errorf("%+v", seen)
	}
}

// TestOperationExpires: one that was not begun in time is not executed. One that had begun,
// and whose outcome is not known, is unknown.
func TestOperationExpires(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	q := newQueueing(t, b, rigOptions{})
	thief := &storeThief{t, b.As(0, "b-thief")}
	honest := q.queue("other", "k", applyOf("c", "1"))
	is := thief.take("other", honest.ID)
	made := func(n int, state string, attempts string) string { // as if it had been queued long ago
		id := fmt.Sprintf("%024d", n)
		v := maps.Clone(thief.forged(is, map[string]string{"id": `"` + id + `"`, "cluster": `"prod"`, "expires": `"2026-01-01T00:00:00Z"`}))
		v["state"], v["attempts"] = []byte(state), []byte(attempts)
		thief.put("prod", id, v)
		return id
	}
	queued := made(1, `"queued"`, "0")
	o := q.ends("prod", queued, api.OperationExpired)
	if o.Ended == nil || o.Attempts != 0 || o.Started != nil {
		t.Errorf("%+v", o)
	}
	q.eventually("the event is there", func() bool { return strings.Contains(strings.Join(q.events(queued), " "), "operation.expired") })
	running, tried := made(2, `"running"`, "1"), made(3, `"queued"`, "2")
	server := &objectServer{}
	q.agent("default", "prod", server.handle)
	if o := q.ends("prod", running, api.OperationUnknown); o.Problem == nil || o.Problem.Code != "outcome-unknown" {
		t.Errorf("%+v", o)
	}
	q.ends("prod", tried, api.OperationExpired)
	if n := len(server.requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	for _, ttl := range []string{"59s", "169h", "1d", "-1h", "x"} {
		res, text := q.call(q.token, "POST", "/v1/clusters/prod/operations", "ttl"+ttl, strings.Replace(applyOf("c", "1"), "{", `{"ttl": "`+ttl+`", `, 1))
		if res.StatusCode != http.StatusBadRequest || !strings.Contains(text, "ttl") {
			t.Errorf("%s: %d %s", ttl, res.StatusCode, text)
		}
	}
}

// TestQuorumIsLost: while most brokers are gone nothing is acknowledged, and the answer
// says whether it may have been queued. The same request with the same key queues it once
// they are back, once.
func TestQuorumIsLost(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 3)
	q := newQueueing(t, b, rigOptions{})
	kept := q.queue("prod", "kept", applyOf("a", "1"))
	bucket := subjects.StoreBucketStream(subjects.StoreOperations)
	i := b.KillLeader(bucket)
	eventually.Within(t, 60*time.Second, "go on with two brokers", func() error {
		if res, text := q.call(q.token, "POST", queueOnProd, "two", applyOf("b", "1")); res.StatusCode >= 300 {
			return fmt.Errorf("%d %s", res.StatusCode, text)
		}
		return nil
	})
	b.KillLeader(bucket)
	for n := range 2 {
		begun := time.Now()
		res, text := q.call(q.token, "POST", queueOnProd, "k", applyOf("c", "1"))
		if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Fairlead-Error") != "store-unavailable" || res.Header.Get("Retry-After") != "" {
			t.Errorf("%d: %d %s", n, res.StatusCode, text)
		}
		if !strings.Contains(text, "nothing was queued") && !strings.Contains(text, "whether the operation was queued is not known: send it again with the same Idempotency-Key") {
			t.Errorf("it does not say whether it was queued: %s", text)
		}
		if took := time.Since(begun); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
	}
	for _, path := range []string{"/" + kept.ID, "/" + kept.ID + "/cancel"} {
		method := map[bool]string{true: "POST", false: "GET"}[strings.HasSuffix(path, "cancel")]
		if res, text := q.call(q.token, method, queueOnProd+path, "", ""); res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s %s: %d %s", method, path, res.StatusCode, text)
		}
	}
	b.Run(i)
	var o api.Operation
	eventually.Within(t, 90*time.Second, "queue it", func() error {
		res, text := q.call(q.token, "POST", queueOnProd, "k", applyOf("c", "1"))
		if res.StatusCode >= 300 {
			return fmt.Errorf("%d %s", res.StatusCode, text)
		}
		o = operationOf(t, text)
		return nil
	})
	server := &objectServer{}
	q.agent("default", "prod", server.handle)
	eventually.Within(t, 60*time.Second, "execute it", func() error {
		if o := q.look("prod", o.ID); o.State != api.OperationSucceeded {
			return fmt.Errorf("it is %s", o.State)
		}
		return nil
	})
	if n := len(server.requests()); n != 3 && !(n == 2 && q.look("prod", kept.ID).State == api.OperationCanceled) {
		t.Errorf("%d requests: %+v", n, server.requests())
	}
}
