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

	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// TestKubectlWatch sees each change when it happens, not in batches.
func TestKubectlWatch(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	w := sp.start(sp.on(sp.tunnel, "get", "configmaps", "--watch-only", "--output-watch-events", "--no-headers"))
	// kubectl does not say when it watches, so wait for the first event.
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

// TestWatchEventsAreNotHeldBack: an event reaches the caller through the tunnel
// as soon as it does directly, within what two busy cores allow.
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
// resyncs, over the tunnel: the cache ends up equal to the cluster's objects.
func TestInformers(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	client, connections, err := testbed.NewClientset(sp.tunnel.kubeconfig)
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
