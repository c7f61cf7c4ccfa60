package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/fairlead-io/fairlead/test/harness"
)

// The limits of TestLimits, of all bridges together.
const (
	limitBridges  = 2
	limitRequests = 20      // a second, of each caller
	limitBytes    = 2 << 20 // a second, of the cluster
)

// limited is a Fairlead whose callers are limited.
func limited(sp *space, burst int) *guarded {
	sp.t.Helper()
	g := newGuarded(sp)
	g.replace(g.idTokens("fairlead") + fmt.Sprintf(`limits:
  bridges: %d
  caller: {requestsPerSecond: %d, burst: %d}
  cluster: {bytesPerSecond: %d}
grants:
  - name: devs
    clusters: [prod.acme]
    when: [caller.issuer == "idp"]
    as: {user: caller.name, groups: '["%s:devs"]'}
`, limitBridges, limitRequests, burst, limitBytes, sp.name))
	g.start(harness.SystemOptions{Binaries: sp.plain})
	sp.allow("Group", sp.name+":devs", rule("*", "configmaps", "pods", "pods/exec", "services", "endpoints", "events"))
	return g
}

// config is that of client-go without its own limit.
func (s side) config(t *testing.T) *rest.Config {
	t.Helper()
	c, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	c.QPS, c.Burst = -1, -1
	return c
}

// refusals is how often a bridge has refused for a limit of requests.
func (g *guarded) refusals() float64 {
	g.sp.t.Helper()
	m, err := g.system.Metrics(g.sp.t.Context(), g.system.Bridge)
	if err != nil {
		g.sp.t.Fatal(err)
	}
	return m.Sum("fairlead_bridge_limited_total", `limit="requests"`)
}

// TestLimits: client-go and kubectl wait where they are over a limit and succeed, and
// two bridges allow together what the limit says.
func TestLimits(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	g := limited(sp, limitRequests)
	sp.configMap("seen", nil)

	ann := g.person("ann").config(t)
	client, err := rest.HTTPClientFor(ann)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	set, err := kubernetes.NewForConfigAndClient(ann, client)
	if err != nil {
		t.Fatal(err)
	}
	const lists = 50
	began := time.Now()
	err = each(lists, 8, func(int) error {
		list, err := set.CoreV1().ConfigMaps(sp.name).List(t.Context(), metav1.ListOptions{})
		if err == nil && len(list.Items) == 0 {
			err = fmt.Errorf("an empty list")
		}
		return err
	})
	took := time.Since(began)
	if err != nil {
		t.Errorf("client-go: %v", err)
	}
	if n := g.refusals(); n == 0 {
		t.Error("nothing was refused: the test proves nothing")
	}
	// One bridge allows its part, and its part of the burst.
	if least := time.Second * (lists - limitRequests/limitBridges - 1) * limitBridges / limitRequests; took < least {
		t.Errorf("%d lists took %s, want at least %s", lists, took, least)
	}
	t.Logf("%d lists of client-go took %s, after %g refusals", lists, took, g.refusals())

	g.refusesKubectl()
	g.share()
}

// refusesKubectl: kubectl, of a caller who is at the limit, waits as it is told and then
// succeeds. On a busy machine it may begin so late that there is room again: then once more.
func (g *guarded) refusesKubectl() {
	sp, t := g.sp, g.sp.t
	t.Helper()
	carol := g.person("carol")
	const most = 10
	for range most {
		for sent := 0; ; sent++ {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, carol.server+sp.path("/configmaps/seen"), nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := ask(t, carol, req); a.status == http.StatusTooManyRequests {
				break
			} else if sent > 10*limitRequests {
				t.Fatalf("%d requests were allowed at once", sent)
			}
		}
		before := g.refusals()
		if out := sp.must(sp.on(carol, "get", "configmaps,pods,services,endpoints,events")); !strings.Contains(out, "configmap/seen") {
			t.Errorf("kubectl get: %s", out)
		}
		if g.refusals() > before {
			return
		}
	}
	t.Errorf("kubectl was not refused in %d runs: the test proves nothing", most)
}

// share sends more than the limit to two bridges, and counts what they allow.
func (g *guarded) share() {
	sp, t := g.sp, g.sp.t
	t.Helper()
	first := g.person("dave")
	_, second := sp.bridgeBeside(g.system, first, 2)
	second.client = first.client
	const lasts = 5 * time.Second
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var allowed, refused atomic.Int64
	var all sync.WaitGroup
	for _, s := range []side{first, second, first, second} {
		all.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server+sp.path("/configmaps/seen"), nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := s.client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				switch {
				case resp.StatusCode == http.StatusOK:
					allowed.Add(1)
				case resp.StatusCode == http.StatusTooManyRequests && resp.Header.Get("Retry-After") != "" && resp.Header.Get("RateLimit-ResetTime") != "":
					refused.Add(1)
					time.Sleep(5 * time.Millisecond) // a caller who does not wait for as long as it is told
				default:
					t.Errorf("%s: %s, %v", s.name, resp.Status, resp.Header)
				}
			}
		})
	}
	all.Wait()
	most := limitRequests*(lasts.Seconds()+1) + limitBridges // with the burst and a whole request of each bridge
	if n := float64(allowed.Load()); n > most || n < 0.8*most {
		t.Errorf("two bridges allowed %g requests in %s, want up to %g, and 80 %% of them", n, lasts, most)
	}
	t.Logf("two bridges allowed %d requests in %s and refused %d", allowed.Load(), lasts, refused.Load())
}

// TestSessionBesideBulk: keys of an exec session pass at once, though the downloads of
// another caller take all bytes that the cluster may send.
func TestSessionBesideBulk(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	g := limited(sp, 100)
	sp.pod("box", idle, "")
	bulk := g.person("bulk").config(t)
	var bytes atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	t.Cleanup(func() { cancel(); all.Wait() })
	for range 8 {
		client, err := kubernetes.NewForConfig(bulk)
		if err != nil {
			t.Fatal(err)
		}
		req := client.CoreV1().RESTClient().Post().Resource("pods").Namespace(sp.name).Name("box").SubResource("exec").
			VersionedParams(&corev1.PodExecOptions{Command: []string{"cat", "/dev/zero"}, Stdout: true}, scheme.ParameterCodec)
		executor, err := remotecommand.NewWebSocketExecutor(bulk, http.MethodGet, req.URL().String())
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: counter{&bytes}})
			if ctx.Err() == nil {
				t.Errorf("a download ended: %v", err)
			}
		})
	}
	const rate = limitBytes / limitBridges // one bridge
	sp.until("the downloads to use up the burst", func(context.Context) error {
		if n := bytes.Load(); n < 2*rate {
			return fmt.Errorf("%d bytes", n)
		}
		return nil
	})
	session := sp.start(sp.on(g.person("keys"), "exec", "-i", "box", "--", "cat"))
	session.say("first\n")
	session.expect("first\n")
	began, before := time.Now(), bytes.Load()
	var echoes []time.Duration
	for i := range 20 {
		line, sent := fmt.Sprintf("line-%d\n", i), time.Now()
		session.say(line)
		session.expect(line)
		echoes = append(echoes, time.Since(sent))
	}
	// The downloads go on for long enough to be measured.
	sp.until("two seconds of downloads", func(context.Context) error {
		if time.Since(began) < 2*time.Second {
			return fmt.Errorf("%s", time.Since(began))
		}
		return nil
	})
	took := time.Since(began).Seconds()
	perSecond := float64(bytes.Load()-before) / took
	slices.Sort(echoes)
	median := echoes[len(echoes)/2]
	t.Logf("an echo took %s, at worst %s, beside %.2f MiB/s", median, echoes[len(echoes)-1], perSecond/(1<<20))
	if perSecond < 0.7*rate || perSecond > 1.3*rate {
		t.Errorf("the downloads got %.0f bytes a second, want %d: they did not use the limit up, or exceeded it", perSecond, rate)
	}
	// With the pieces of all callers in one queue it took 105 ms.
	if median > 50*time.Millisecond {
		t.Errorf("an echo took %s", median)
	}
}
