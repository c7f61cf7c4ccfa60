package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// TestAgentRollingUpgrade replaces every agent, from the previous chart to this
// one, while requests and a watch run through the tunnel.
func TestAgentRollingUpgrade(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	sp.installChart(previousAgentChart, "--set", "rbac.preset=edit", "--set", "rbac.namespaces={"+sp.name+"}")
	sp.rollout()
	before := sp.running(2)

	load := sp.beginLoad()
	sp.helm("upgrade", agentRelease, sp.chart(), "--reset-then-reuse-values", "--set", "podAnnotations.now=other")
	sp.rollout()
	sp.until("the old agents to be gone", func(ctx context.Context) error {
		for _, old := range before {
			if _, err := sp.admin.CoreV1().Pods(sp.name).Get(ctx, old.Name, metav1.GetOptions{}); gone(err) != nil {
				return fmt.Errorf("%s: %w", old.Name, gone(err))
			}
		}
		return nil
	})
	load.goesOn()
	load.end()
	for _, p := range sp.running(2) {
		if slices.ContainsFunc(before, func(b corev1.Pod) bool { return b.UID == p.UID }) {
			t.Errorf("%s was not replaced", p.Name)
		}
	}
}

// TestAgentCredentialsRotation gives the agents new credentials, and revokes the
// old ones once the new ones are in use, while requests and a watch run through
// the tunnel. No pod is restarted.
func TestAgentCredentialsRotation(t *testing.T) {
	sp := newAgentSpace(t)
	t.Parallel()
	sp.install("--set", "rbac.preset=edit", "--set", "rbac.namespaces={"+sp.name+"}")
	sp.rollout()
	before := sp.running(2)

	load := sp.beginLoad()
	old := sp.user
	fresh, _ := sp.mint(0)
	sp.helm("upgrade", agentRelease, sp.chart(), "--reset-then-reuse-values", "--set-file", "creds="+fresh)
	err := harness.Until(t.Context(), "both agents to use the new credentials", credsDelay, nil, func(ctx context.Context) error {
		for _, p := range before {
			log, err := sp.kube.Run(ctx, "", "logs", p.Name, "--namespace", sp.name)
			if err != nil {
				return err
			}
			if !strings.Contains(log, "now using new credentials") {
				return fmt.Errorf("%s has not", p.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	load.goesOn()
	sp.revoke(old)
	load.goesOn()
	load.end()
	sp.sameRun(before)
}

// load is a stream of GETs and POSTs through the tunnel, each of which must
// succeed, and a watch that must see every object that the POSTs make.
type load struct {
	sp     *space
	client *kubernetes.Clientset
	idle   func()
	watch  *watchtools.RetryWatcher

	requests   func() // ends the requests and waits for those under way
	stopOnce   sync.Once
	done       sync.WaitGroup // of the requests
	watchEnded sync.WaitGroup

	mu    sync.Mutex // guards all below
	gets  int
	posts []string
	seen  map[string]int
	errs  []error
}

const (
	// loadWorkers is how many requests of each kind are under way at a time.
	loadWorkers = 3
	// loadEvery is the pause between two requests of a worker: enough requests
	// to hit every moment of a change, few enough for a busy machine.
	loadEvery = 20 * time.Millisecond
	// loadRequest bounds one request: a bridge that takes longer is at fault.
	loadRequest = 30 * time.Second
)

// beginLoad puts load on the test's own cluster.
func (sp *agentSpace) beginLoad() *load {
	sp.t.Helper()
	return sp.space.beginLoad(sp.tunnel())
}

// beginLoad puts load on the cluster of a kubeconfig, in the test's namespace.
func (sp *space) beginLoad(kubeconfig string) *load {
	sp.t.Helper()
	client, connections, err := testbed.NewClientset(kubeconfig)
	if err != nil {
		sp.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{sp: sp, client: client, idle: connections.CloseIdleConnections, seen: map[string]int{}}
	l.requests = func() {
		cancel()
		l.done.Wait()
	}
	sp.t.Cleanup(l.stop)
	objects := client.CoreV1().ConfigMaps(sp.name)
	list, err := objects.List(ctx, metav1.ListOptions{})
	if err != nil {
		sp.t.Fatal(err)
	}
	l.watch, err = watchtools.NewRetryWatcherWithContext(context.Background(), list.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = "load"
			return objects.Watch(ctx, o)
		},
	})
	if err != nil {
		sp.t.Fatal(err)
	}
	l.watchEnded.Go(l.watching)
	for i := range loadWorkers {
		l.done.Go(func() { l.repeat(ctx, l.get) })
		n := 0
		l.done.Go(func() {
			l.repeat(ctx, func(ctx context.Context) error {
				n++
				return l.post(ctx, fmt.Sprintf("load-%d-%d", i, n))
			})
		})
	}
	l.goesOn()
	return l
}

// repeat makes requests until ctx ends. It finishes a request that has begun.
func (l *load) repeat(ctx context.Context, request func(context.Context) error) {
	ticker := time.NewTicker(loadEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		began := time.Now()
		bound, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadRequest)
		err := request(bound)
		cancel()
		if err != nil {
			l.mu.Lock()
			l.errs = append(l.errs, fmt.Errorf("after %s: %w", time.Since(began).Round(time.Millisecond), err))
			l.mu.Unlock()
		}
	}
}

func (l *load) get(ctx context.Context) error {
	_, err := l.client.CoreV1().ConfigMaps(l.sp.name).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("GET: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gets++
	return nil
}

func (l *load) post(ctx context.Context, name string) error {
	_, err := l.client.CoreV1().ConfigMaps(l.sp.name).Create(ctx,
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"load": ""}}}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("POST: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.posts = append(l.posts, name)
	return nil
}

// watching records what the watch sees. A RetryWatcher never lists again: it
// resumes the watch where it was, or ends with an error.
func (l *load) watching() {
	for event := range l.watch.ResultChan() {
		l.mu.Lock()
		if o, ok := event.Object.(*corev1.ConfigMap); ok && event.Type == watch.Added {
			l.seen[o.Name]++
		} else {
			l.errs = append(l.errs, fmt.Errorf("the watch got %s %v", event.Type, event.Object))
		}
		l.mu.Unlock()
	}
}

// goesOn waits until a good number of further requests of each kind were
// answered, and the watch has seen the objects that they made.
func (l *load) goesOn() {
	l.sp.t.Helper()
	l.mu.Lock()
	gets, posts, seen := l.gets+100, len(l.posts)+100, len(l.seen)+100
	l.mu.Unlock()
	l.sp.until("requests to be answered", func(context.Context) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.gets < gets || len(l.posts) < posts || len(l.seen) < seen {
			return fmt.Errorf("%d of %d GETs, %d of %d POSTs, %d of %d events; errors: %w",
				l.gets, gets, len(l.posts), posts, len(l.seen), seen, errors.Join(l.errs...))
		}
		return nil
	})
}

// end stops the requests and checks their results.
func (l *load) end() {
	t := l.sp.t
	t.Helper()
	l.requests() // no more of them
	l.sp.until("the watch to see every object", func(context.Context) error {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, name := range l.posts {
			if l.seen[name] == 0 {
				return fmt.Errorf("%s was not seen; errors: %w", name, errors.Join(l.errs...))
			}
		}
		return nil
	})
	l.stop()
	if len(l.errs) > 0 {
		t.Errorf("the first of %d failures: %v", len(l.errs), errors.Join(l.errs[:min(len(l.errs), 5)]...))
	}
	for name, n := range l.seen {
		if n != 1 {
			t.Errorf("the watch saw %s %d times", name, n)
		}
	}
	t.Logf("%d GETs, %d POSTs, %d events, %d failures", l.gets, len(l.posts), len(l.seen), len(l.errs))
}

func (l *load) stop() {
	l.requests()
	l.stopOnce.Do(func() {
		if l.watch == nil {
			return
		}
		l.watch.Stop()
		<-l.watch.Done()
	})
	l.watchEnded.Wait()
	l.idle()
}
