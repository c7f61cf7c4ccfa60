package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"

	"github.com/fairlead-io/fairlead/test/harness"
)

// TestKubectlWatch sees each change when it happens, not in lumps.
func TestKubectlWatch(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	w := sp.start(sp.on(sp.tunnel, "get", "configmaps", "--watch-only", "--output-watch-events", "--no-headers"))
	// kubectl does not say when it watches; the first event that it shows tells.
	sp.until("the watch to have begun", func(ctx context.Context) error {
		_, err := sp.admin.CoreV1().ConfigMaps(sp.name).Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "try-"}}, metav1.CreateOptions{})
		if err == nil && !strings.Contains(w.stdout.String(), "ADDED") {
			err = errors.New("no event yet")
		}
		return err
	})
	for i := range 5 {
		name := fmt.Sprintf("seen-%d", i)
		sp.configMap(name, nil)
		w.expect("ADDED      " + name)
		sp.must(sp.on(sp.direct, "label", "configmap", name, "a=b"))
		w.expect("MODIFIED   " + name)
		sp.must(sp.on(sp.direct, "delete", "configmap", name))
		w.expect("DELETED    " + name)
	}
	w.interrupt()
	w.wait(10 * time.Second)
}

// TestWatchEventsAreNotHeldBack: an event reaches the caller through the
// tunnel as soon as directly, give or take what two busy cores cost.
func TestWatchEventsAreNotHeldBack(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	type arrival struct {
		name string
		at   time.Time
	}
	arrivals := make(map[string]chan arrival)
	for _, side := range []side{sp.direct, sp.tunnel} {
		body := openWatch(t, side, sp.path("/configmaps?watch=true&labelSelector=timed"))
		ch := make(chan arrival, 64)
		arrivals[side.name] = ch
		go func() { // ends with the body, which ends with the test
			defer close(ch)
			for scanner := bufio.NewScanner(body.Body); scanner.Scan(); {
				var event struct {
					Object struct{ Metadata struct{ Name string } }
				}
				if json.Unmarshal(scanner.Bytes(), &event) == nil {
					ch <- arrival{event.Object.Metadata.Name, time.Now()}
				}
			}
		}()
	}
	const most = time.Second
	for i := range 20 {
		name := fmt.Sprintf("timed-%d", i)
		_, err := sp.admin.CoreV1().ConfigMaps(sp.name).Create(t.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"timed": ""}}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		direct, tunnel := <-arrivals["direct"], <-arrivals["tunnel"]
		if direct.name != name || tunnel.name != name {
			t.Fatalf("event of %q directly and of %q through the tunnel, want %q", direct.name, tunnel.name, name)
		}
		if late := tunnel.at.Sub(direct.at); late > most {
			t.Errorf("event %d came %s later through the tunnel, at most %s is expected", i, late, most)
		}
	}
}

// openWatch opens a watch and returns when the API server has answered. The
// body is closed when the test ends.
func openWatch(t *testing.T, s side, path string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatalf("open watch (%s): %v", s.name, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("open watch (%s): %s", s.name, resp.Status)
	}
	return resp
}

// TestInformers runs client-go's reflector, cache and event handlers, with
// resyncs, over the tunnel: the cache ends up equal to what there is.
func TestInformers(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	client, connections, err := newClientset(sp.tunnel.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	defer connections.CloseIdleConnections()
	var added, updated, deleted, resynced atomic.Int64
	factory := informers.NewSharedInformerFactoryWithOptions(client, 2*time.Second, informers.WithNamespace(sp.name))
	informer := factory.Core().V1().ConfigMaps().Informer()
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
		UpdateFunc: func(before, after any) {
			if before.(*corev1.ConfigMap).ResourceVersion == after.(*corev1.ConfigMap).ResourceVersion {
				resynced.Add(1)
			} else {
				updated.Add(1)
			}
		},
	}
	if _, err := informer.AddEventHandler(handler); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	defer cancel()
	if !cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		t.Fatal("the cache was never in sync")
	}

	const objects = 100
	maps := sp.admin.CoreV1().ConfigMaps(sp.name)
	before := added.Load()
	if err := each(objects, 4, func(i int) error {
		name := fmt.Sprintf("object-%d", i)
		m, err := maps.Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		m.Data = map[string]string{"changed": "yes"}
		if _, err = maps.Update(t.Context(), m, metav1.UpdateOptions{}); err != nil || i%2 == 0 {
			return err
		}
		return maps.Delete(t.Context(), name, metav1.DeleteOptions{})
	}); err != nil {
		t.Fatal(err)
	}
	sp.until("every event to arrive", func(context.Context) error {
		a, u, d := added.Load()-before, updated.Load(), deleted.Load()
		if a != objects || u != objects || d != objects/2 {
			return fmt.Errorf("%d added, %d updated, %d deleted, want %d, %d, %d", a, u, d, objects, objects, objects/2)
		}
		return nil
	})
	sp.until("a resync", func(context.Context) error {
		if resynced.Load() == 0 {
			return errors.New("none yet")
		}
		return nil
	})
	list, err := maps.List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(informer.GetStore().ListKeys()); got != len(list.Items) {
		t.Errorf("the cache holds %d objects, the API server %d", got, len(list.Items))
	}
	for _, want := range list.Items {
		got, ok, err := informer.GetStore().GetByKey(sp.name + "/" + want.Name)
		if err != nil || !ok || got.(*corev1.ConfigMap).ResourceVersion != want.ResourceVersion {
			t.Errorf("%s: cached: %v, %v, want version %s", want.Name, ok, err, want.ResourceVersion)
		}
	}
}

// footprint is what watches cost, in each place where it may be left behind.
type footprint struct {
	bridgeGoroutines, agentGoroutines float64
	bridgeFiles, agentFiles           float64
	subscriptions                     float64 // of the broker
	connections                       float64 // from the agent to the API server
	watches                           float64 // as the API server counts them
}

func (sp *space) footprint(ctx context.Context) (f footprint, err error) {
	bridge, err := sp.system.Metrics(ctx, sp.system.Bridge)
	if err != nil {
		return f, err
	}
	agentNode := sp.system.Agents[0]
	agent, err := sp.system.Metrics(ctx, agentNode)
	if err != nil {
		return f, err
	}
	api, err := harness.Scrape(ctx, sp.direct.client, sp.direct.server+"/metrics")
	if err != nil {
		return f, err
	}
	address := strings.TrimPrefix(sp.kube.Server, "https://")
	connections, err := agentNode.ConnectedTo(address)
	return footprint{
		bridgeGoroutines: bridge.Sum("go_goroutines"), bridgeFiles: bridge.Sum("process_open_fds"),
		agentGoroutines: agent.Sum("go_goroutines"), agentFiles: agent.Sum("process_open_fds"),
		subscriptions: bridge.Sum("fairlead_broker_subscriptions"),
		watches:       api.Sum("apiserver_longrunning_requests", `resource="configmaps"`, `verb="WATCH"`),
		connections:   float64(connections),
	}, err
}

// TestCancelStorm opens 1,000 watches and cancels them all at once. What they
// took returns to where it was on each side.
func TestCancelStorm(t *testing.T) {
	sp := newSpace(t) // not parallel: it counts what others would use too
	const watches = 1000
	// One request warms what stays: pools, lazily started goroutines.
	if answer, err := sp.tunnel.client.Get(sp.tunnel.server + "/version"); err != nil {
		t.Fatal(err)
	} else {
		answer.Body.Close()
	}
	before, err := sp.footprint(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	client, err := sp.system.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bodies := make([]*http.Response, watches)
	err = each(watches, 16, func(i int) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, sp.tunnel.server+sp.path("/configmaps?watch=true"), nil)
		if err != nil {
			return err
		}
		if bodies[i], err = client.Do(req); err != nil {
			return err
		}
		if bodies[i].StatusCode != http.StatusOK {
			return fmt.Errorf("watch %d: %s", i, bodies[i].Status)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	during, err := sp.footprint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("before %+v", before)
	t.Logf("during %+v", during)
	if during.watches-before.watches < watches {
		t.Errorf("the API server has %g watches more, want %d", during.watches-before.watches, watches)
	}
	if grew := during.subscriptions - before.subscriptions; grew != 0 {
		t.Errorf("%g subscriptions more with %d watches: a stream must not need one", grew, watches)
	}

	cancel()
	at := time.Now()
	for _, b := range bodies {
		b.Body.Close()
	}
	client.CloseIdleConnections()
	sp.until("the API server's watches to end", func(ctx context.Context) error {
		now, err := sp.footprint(ctx)
		if err == nil && now.watches > before.watches {
			err = fmt.Errorf("%g watches, before it were %g", now.watches, before.watches)
		}
		return err
	})
	t.Logf("the API server's watches were gone after %s", time.Since(at).Round(time.Millisecond))
	// Idle connections may stay in the agent's pool for as long as pools keep
	// them (90 s), so that much time is given; streams go at once.
	err = harness.Until(t.Context(), "everything to return to where it was", 2*time.Minute, nil, func(ctx context.Context) error {
		now, err := sp.footprint(ctx)
		if err != nil {
			return err
		}
		for _, c := range []struct {
			what                string
			now, before, excess float64
		}{
			// A pooled connection has two goroutines; scrapes are of the moment.
			{"goroutines of the bridge", now.bridgeGoroutines, before.bridgeGoroutines, 10},
			{"goroutines of the agent", now.agentGoroutines, before.agentGoroutines, 10},
			{"open files of the bridge", now.bridgeFiles, before.bridgeFiles, 3},
			{"open files of the agent", now.agentFiles, before.agentFiles, 3},
			{"subscriptions", now.subscriptions, before.subscriptions, 0},
			{"connections of agent and API server", now.connections, before.connections, 1},
		} {
			if c.now > c.before+c.excess {
				return fmt.Errorf("%s: %g, before it were %g", c.what, c.now, c.before)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("all was back after %s", time.Since(at).Round(time.Millisecond))
}
