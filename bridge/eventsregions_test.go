package bridge

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
)

// eventsOfRegions are bridges in two regions whose events are in the store of one.
type eventsOfRegions struct {
	*storetest.Regions
	t         *testing.T
	near, far *events.Durable
	bridge    *rig // in the region without the store
	noted     int
	seen      map[string]bool
}

func newEventsOfRegions(t *testing.T) *eventsOfRegions {
	t.Helper()
	r := storetest.StartRegions(t, 3)
	e := &eventsOfRegions{Regions: r, t: t, near: durable(t, r.Brokers), seen: map[string]bool{}}
	e.far = e.another()
	e.bridge = newRig(t, rigOptions{config: func(c *Config) { c.Events = e.far }})
	e.bridge.eventually("the log to be readable", func() bool { _, err := e.far.End(t.Context()); return err == nil })
	return e
}

// another is the log of a further bridge in the region without the store.
func (e *eventsOfRegions) another() *events.Durable { return durableAt(e.t, e.Brokers, e.FarURLs()) }

// note has a bridge note n events.
func (e *eventsOfRegions) note(l *events.Durable, n int) {
	e.t.Helper()
	for range n {
		err := l.Append(context.Background(), api.Event{Type: api.EventClusterConnected, Tenant: "acme", Cluster: "prod", Detail: fmt.Sprint(e.noted)}, "")
		if err != nil {
			e.t.Fatal(err)
		}
		e.noted++
	}
}

// catchUp reads a stream until all that was noted has come, each event once.
func (e *eventsOfRegions) catchUp(s *eventStream) {
	e.t.Helper()
	for len(e.seen) < e.noted {
		take(e.t, s, e.seen)
	}
}

// end waits until the end of the log, as the bridge in the region with the store has it, is
// or is no longer at a position.
func (e *eventsOfRegions) end(is bool, position string) (at string) {
	e.t.Helper()
	e.bridge.eventually("the other region's bridge to have read what is written", func() (ok bool) {
		var err error
		at, err = e.near.End(e.t.Context())
		return err == nil && (at == position) == is
	})
	return at
}

// page asks a bridge for a page.
func (e *eventsOfRegions) page(r *rig, query string) (status int, list api.EventList, problem string, took time.Duration) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 20*time.Second) // a stream that begins has no end
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/v1/events"+query, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	began := time.Now()
	res, err := r.h2.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return res.StatusCode, list, string(body), time.Since(began)
}

// refused expects a clear 503 within a time.
func (e *eventsOfRegions) refused(r *rig, query string, within time.Duration) {
	e.t.Helper()
	status, _, problem, took := e.page(r, query)
	if status != http.StatusServiceUnavailable || !strings.Contains(problem, `"code":"`+answer.StoreUnavailable.Code+`"`) || !strings.Contains(problem, "not connected to theirs") {
		e.t.Errorf("%s: %d %s, want a 503 that says what is wrong", query, status, problem)
	}
	if took > within {
		e.t.Errorf("%s: answered after %v, want %v", query, took, within)
	}
	e.t.Logf("%s: %d after %v: %s", query, status, took, problem)
}

// TestEventsOfARegionThatIsCutOff: without the gateways a stream at a bridge of the region
// without the store stays, and has each event once when they are back: those of the other
// region, and those that the bridge itself noted meanwhile. What needs the store is answered
// by a 503 within its bound, and what does not as before.
func TestEventsOfARegionThatIsCutOff(t *testing.T) {
	for name, lose := range map[string]struct {
		cut, mend func(*eventsOfRegions)
		bound     time.Duration
	}{
		"closed":  {func(e *eventsOfRegions) { e.Cut() }, func(e *eventsOfRegions) { e.Mend() }, 3 * time.Second},
		"stalled": {func(e *eventsOfRegions) { e.Stall() }, func(e *eventsOfRegions) { e.Resume() }, 11 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEventsOfRegions(t)
			s := e.bridge.stream(t, e.bridge.h2, e.bridge.token, "?type=cluster.*", "")
			e.note(e.near, 20)
			e.catchUp(s)
			e.end(true, s.id)

			lose.cut(e)
			e.note(e.far, 20)
			e.note(e.near, 20)
			// Whoever was served by a bridge of the other region has read more than this one.
			ahead := e.end(false, s.id)
			e.refused(e.bridge, "?follow=false&after="+ahead, lose.bound)
			e.refused(e.bridge, "?after="+ahead, lose.bound)
			if status, list, problem, took := e.page(e.bridge, "?follow=false&after="+s.id); status != http.StatusOK || len(list.Events) > 0 || list.Next != s.id || took > time.Second {
				t.Errorf("what is in memory: %d %s after %v, want an empty page", status, problem, took)
			}
			second := e.bridge.stream(t, e.bridge.h1, e.bridge.token, "?type=cluster.*", s.id)
			started := newRig(t, rigOptions{config: func(c *Config) { c.Events = e.another() }})
			started.eventually("the bridge to know why it has no events", func() bool {
				_, _, problem, _ := e.page(started, "?follow=false")
				return !strings.Contains(problem, "not read yet")
			})
			e.refused(started, "", time.Second)

			lose.mend(e)
			began, before := time.Now(), len(e.seen)
			e.catchUp(s)
			t.Logf("all is there %v after the gateways", time.Since(began))
			again := &eventsOfRegions{t: t, noted: e.noted - before, seen: map[string]bool{}}
			again.catchUp(second)
			e.note(e.near, 1)
			e.note(e.far, 1)
			e.catchUp(s)
		})
	}
}
