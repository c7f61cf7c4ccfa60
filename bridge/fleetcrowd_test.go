package bridge

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// crowdOf is n, or less with the race detector: in one process with it, a thousand agents and
// their broker are more than two busy cores can carry. The whole crowd has a run without it.
func crowdOf(n int) int {
	if raceEnabled {
		return n * 2 / 5
	}
	return n
}

// TestFleetCallOfAThousand: of a thousand clusters a hundred are away, of each kind of
// absence some. It takes no more than 1.5 times as long as the slowest of the others.
func TestFleetCallOfAThousand(t *testing.T) {
	all, away := crowdOf(1000), crowdOf(100)
	slowest := 1500 * time.Millisecond
	if raceEnabled { // most of the time would be its own
		slowest = 5 * time.Second
	}
	r := newRig(t, rigOptions{directory: directory.Config{ReconnectGrace: 30 * time.Second}})
	quick := func(_ *subjects.RequestHead, s *stream.Stream) {
		time.Sleep(20 * time.Millisecond)
		reply(s, 200, `{"gitVersion": "v1.34.4"}`, "Content-Type", "application/json")
	}
	slow := func(_ *subjects.RequestHead, s *stream.Stream) {
		time.Sleep(slowest)
		reply(s, 200, `{}`, "Content-Type", "application/json")
	}
	names := make([]string, all)
	var made sync.WaitGroup
	hands := make(chan struct{}, 16)
	for i := range all {
		names[i] = fmt.Sprintf("c%d", i)
		if i < away/4 {
			continue // never connected
		}
		hands <- struct{}{}
		made.Go(func() {
			defer func() { <-hands }()
			h := quick
			if i == all-1 { // the last of the list
				h = slow
			}
			a := r.agent("default", names[i], h)
			if i < away/2 {
				_ = a.Close() // it says goodbye
			}
		})
	}
	made.Wait()
	conn, err := r.pool.Acquire(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	lost := map[string]bool{}
	for i := away / 2; i < away; i++ { // the broker says that they are gone, without a goodbye
		lost[names[i]] = true
		conn.Directory().Absent(names[i], "")
	}
	list, err := json.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	got := r.fleet(`{"clusters": ` + string(list) + `, "path": "/version"}`)
	took := time.Since(began)
	slowestTook := time.Duration(0) // of those that have answered: on a busy machine any may be
	for name, l := range got.of {
		d, err := time.ParseDuration(l.Duration)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if l.Problem == nil {
			slowestTook = max(slowestTook, d)
		}
	}
	t.Logf("%d clusters, %d away, in %v; the slowest took %v; %+v", all, away, took.Round(time.Millisecond), slowestTook.Round(time.Millisecond), got.summary)
	if took > slowestTook*3/2 {
		t.Errorf("it took %v, the slowest %v", took, slowestTook)
	}
	if s := got.summary; !s.Complete || s.Total != all || s.Failed["cluster-never-connected"] != away/4 || s.Failed["cluster-offline"] != away/4 ||
		s.Responses["2xx"]+s.Failed["cluster-reconnecting"] != all-away/2 || s.Responses["2xx"] < all-away {
		t.Errorf("summary %+v", s)
	}
	if last := got.order[len(got.order)-1]; got.of[last].Problem != nil && !lost[last] {
		t.Errorf("the last line is of %s, which is away", last)
	}
}
