package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/client"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
)

// listsSoon waits for the first list of a bridge and returns the states of clusters, and how
// long it took.
func (w *watching) listsSoon() (states map[string]string, took time.Duration) {
	w.t.Helper()
	began := time.Now()
	list, err := w.goClient(w.token).Clusters(w.t.Context(), client.ClusterFilter{Tenant: "acme"})
	if err != nil {
		w.t.Fatal(err)
	}
	states = make(map[string]string)
	for i := range list.Clusters {
		states[list.Clusters[i].Cluster] = fmt.Sprint(list.Clusters[i].State, " ", len(list.Clusters[i].Instances))
	}
	return states, time.Since(began)
}

// TestRollCall: a bridge that is started asks the agents that the store knows, so that its
// first list is right before they announce themselves. One that does not answer may be on its
// way back: then the list waits as long as it would without.
func TestRollCall(t *testing.T) {
	b := storetest.Start(t, 1)
	one := newWatching(t, b, rigOptions{})
	up := subjects.Presence{Reachable: true}
	one.join("two", up)
	_, kill := one.join("two", up)
	stays, _ := one.join("stays", up)
	back, _ := one.join("back", up)
	for _, cluster := range []string{"two", "stays", "back"} {
		one.tells(cluster, "cluster.connected ")
	}
	_ = back.Close()
	one.tells("back", "cluster.connected ", "cluster.disconnected goodbye")
	one.halt()
	one.join("back", up) // no bridge is there to hear it

	second := newWatching(t, b, rigOptions{nats: one.nats})
	states, took := second.listsSoon()
	if states["two"] != "connected 2" || states["stays"] != "connected 1" || states["back"] != "connected 1" {
		t.Errorf("%v", states)
	}
	// It takes a second; 5.5 s without the call.
	if took > 4*time.Second {
		t.Errorf("the first list took %v, want at most 4 s", took)
	} else {
		t.Logf("the first list took %v", took)
	}
	second.halt()
	kill()
	_ = stays.Close()
	began := time.Now() // it listens before it is asked
	third := newWatching(t, b, rigOptions{nats: one.nats})
	states, _ = third.listsSoon()
	if took = time.Since(began); states["two"] != "connected 1" || states["stays"] != "offline 0" || took < 4*time.Second {
		t.Errorf("%v after %v: of two one agent is gone, of stays the only one, which may come back", states, took)
	}
	third.tells("back", "cluster.connected ", "cluster.disconnected goodbye", "cluster.connected ")
}
