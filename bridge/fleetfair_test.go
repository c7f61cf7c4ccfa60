package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// crowd connects the agents of so many clusters, which are called c0 and so on.
func (r *rig) crowd(n int, h handler) (names []string) {
	names = make([]string, n)
	var made sync.WaitGroup
	hands := make(chan struct{}, 16)
	for i := range n {
		names[i] = fmt.Sprintf("c%d", i)
		hands <- struct{}{}
		made.Go(func() {
			defer func() { <-hands }()
			r.agent("default", names[i], h)
		})
	}
	made.Wait()
	return names
}

// TestFleetCallLeavesOthersTheirTurn: while a fleet call of a thousand clusters has all
// concurrent requests of a grant, another caller of the grant gets its turn: it is not
// refused, and waits about as long as a request takes.
func TestFleetCallLeavesOthersTheirTurn(t *testing.T) {
	if raceEnabled {
		t.Skip("it measures times")
	}
	const all, atOnce = 1000, 20
	const took = 60 * time.Millisecond
	i := issuer.ForTest(t)
	file := newAccessFile(t, i.Section("gitlab")+fmt.Sprintf(`limits: {}
grants:
- {name: jobs, clusters: ["*"], when: ['caller.issuer == "gitlab"'], as: {agent: true}, limits: {concurrentRequests: %d}}
`, atOnce))
	r := newRig(t, rigOptions{config: file.configure})
	names, err := json.Marshal(r.crowd(all, func(_ *subjects.RequestHead, s *stream.Stream) {
		time.Sleep(took)
		reply(s, 200, "{}", "Content-Type", "application/json")
	}))
	if err != nil {
		t.Fatal(err)
	}
	as := func(name string, req *http.Request) *http.Request {
		req.Header.Set("Authorization", "Bearer "+i.Token(t, name))
		return req
	}
	// Twice what the grant allows, so that its requests always wait for their turn too.
	body := fmt.Sprintf(`{"clusters": %s, "path": "/version", "concurrency": %d}`, names, 2*atOnce)
	res, err := r.h2.Do(as("fleet", r.request("POST", "/v1/requests", strings.NewReader(body))))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	done := make(chan struct{})
	var got fleetLines
	go func() {
		defer close(done)
		got = r.readFleet(res.Body)
	}()
	served, worst := 0, time.Duration(0)
	for running := true; running; served++ {
		begun := time.Now()
		res, err := r.h1.Do(as("other", r.request("GET", fmt.Sprintf("/k8s/clusters/c%d/version", served), nil)))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Fatalf("request %d of the other caller: %s %s", served, res.Status, b)
		}
		worst = max(worst, time.Since(begun))
		select {
		case <-done:
			running = false
		default:
		}
	}
	t.Logf("%d requests beside the fleet call (%s), %v at worst; %+v", served, got.summary.Duration, worst, got.summary)
	if got.summary.Responses["2xx"] != all || served < 5 || worst > 2*time.Second {
		t.Errorf("summary %+v; %d requests, %v at worst", got.summary, served, worst)
	}
}
