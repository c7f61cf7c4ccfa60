package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
)

// send sends a request in a goroutine of a test; status 0: there was no answer.
func (q *queueing) send(req *http.Request) (status int, text string) {
	res, err := q.h1.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(b)
}

// TestOneKeyAtTwoBridges: requests with one key that come to two bridges at the same moment, of
// two bodies, make one operation. Who has sent its body
// is told of it, who has sent another is refused, and it is executed once.
func TestOneKeyAtTwoBridges(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 3)
	one := newQueueing(t, b, rigOptions{})
	two := newQueueing(t, b, rigOptions{nats: one.nats})
	bridges := []*queueing{one, two}
	const keys, each = 12, 8
	type answer struct {
		status int
		text   string
		body   int
	}
	ids := map[string]string{} // the value of the operation that was made, by id
	for k := range keys {
		answers := make([]answer, each)
		var all sync.WaitGroup
		for i := range answers {
			q := bridges[i%2]
			body := i / 2 % 2
			req := q.request("POST", "/v1/clusters/prod/operations", strings.NewReader(applyOf(fmt.Sprint("c-", k), fmt.Sprint(body))))
			req.Header.Set("Idempotency-Key", fmt.Sprint("k", k))
			all.Go(func() {
				status, text := q.send(req)
				answers[i] = answer{status, text, body}
			})
		}
		all.Wait()
		made, winner, id := 0, -1, ""
		for _, a := range answers {
			if a.status == http.StatusAccepted {
				made++
				winner, id = a.body, operationOf(t, a.text).ID
			}
		}
		if made != 1 {
			t.Fatalf("key %d: %d were made: %+v", k, made, answers)
		}
		ids[fmt.Sprint("c-", k)] = fmt.Sprint(winner)
		for _, a := range answers {
			switch {
			case a.body == winner && (a.status != http.StatusAccepted && a.status != http.StatusOK || operationOf(t, a.text).ID != id):
				t.Errorf("key %d: the same body: %d %s", k, a.status, a.text)
			case a.body != winner && (a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text, id)):
				t.Errorf("key %d: another body: %d %s", k, a.status, a.text)
			}
		}
	}
	server := &objectServer{}
	two.agent("default", "prod", server.handle)
	last := one.queue("prod", "last", applyOf("last", "1"))
	one.ends("prod", last.ID, api.OperationSucceeded)
	seen := map[string]int{}
	for _, got := range server.requests() {
		seen[got.target]++
		for name, value := range ids {
			if strings.Contains(got.target, "/"+name+"?") && !strings.Contains(got.body, `"v":"`+value+`"`) && !strings.Contains(got.body, `"v": "`+value+`"`) {
				t.Errorf("%s: executed %s, want %s", name, got.body, value)
			}
		}
	}
	for target, n := range seen {
		if n != 1 {
			t.Errorf("%s was executed %d times", target, n)
		}
	}
	if len(seen) != keys+1 {
		t.Errorf("%d were executed, want %d", len(seen), keys+1)
	}
}

// TestOneKeyForTheLastPlace: requests with one key that come at the same moment to a queue with
// one place left all get the operation, and none is told that the queue is full.
func TestOneKeyForTheLastPlace(t *testing.T) {
	t.Parallel()
	b := storetest.Start(t, 1)
	one := newQueueing(t, b, rigOptions{})
	two := newQueueing(t, b, rigOptions{nats: one.nats})
	for i := range 99 {
		one.queue("prod", fmt.Sprint(i), applyOf("c", fmt.Sprint(i)))
	}
	two.eventually("both know all", func() bool {
		res, text := two.call(two.token, "GET", "/v1/clusters/prod/operations?limit=200", "", "")
		return res.StatusCode == http.StatusOK && strings.Count(text, `"state":"queued"`) == 99
	})
	statuses := make([]int, 20)
	var all sync.WaitGroup
	for i := range statuses {
		q := []*queueing{one, two}[i%2]
		req := q.request("POST", "/v1/clusters/prod/operations", strings.NewReader(applyOf("c", "last")))
		req.Header.Set("Idempotency-Key", "last")
		all.Go(func() { statuses[i], _ = q.send(req) })
	}
	all.Wait()
	made := map[int]int{}
	for _, s := range statuses {
		made[s]++
	}
	if made[http.StatusAccepted] != 1 || made[http.StatusOK] != len(statuses)-1 {
		t.Errorf("%v", made)
	}
}
