package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/passage"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// regions are two brokers in west, which keep the store, and one in east, joined by
// gateways. Cluster prod has its agent in west, cluster away in east, and each region has a
// bridge.
type regions struct {
	sp       *space
	s        *harness.System
	gateways []*passage.Passage // the way to each broker for the other region
	bridges  map[string]*harness.Node
}

// regionsWithin bounds each wait. All of them together take about 15 s of the test's 45, of which
// the start and the orderly stop of seven processes that look for races take half, and 55 at
// a load of seven on two cores: no step may depend on how fast the machine is. Where a time
// is promised, it is measured by itself.
const regionsWithin = 3 * time.Minute

func (r *regions) until(what string, check func(context.Context) error) {
	r.sp.t.Helper()
	testbed.Until(r.sp.t, what, regionsWithin, check)
}

func newRegions(sp *space) *regions {
	sp.t.Helper()
	r := &regions{sp: sp}
	ways := map[string]*passage.Passage{}
	r.s = sp.ownSystem(harness.SystemOptions{
		Regions: []int{2, 1}, Store: true, BridgeFlags: []string{"--store-replicas", "2"},
		Gateway: func(address string) string {
			if ways[address] == nil {
				ways[address] = passage.New(sp.t, address)
				r.gateways = append(r.gateways, ways[address])
			}
			return ways[address].Address()
		},
	})
	west, err := r.s.StartBridge(sp.t.Context(), "bridge-west", r.s.RegionURLs(0))
	if err != nil {
		sp.t.Fatal(err)
	}
	r.bridges = map[string]*harness.Node{"west": west, "east": r.s.Bridge}
	if _, err := r.s.BrokerCommand(sp.t.Context(), "cluster", "add", "--dir", r.s.Config, "--tenant", "acme", "--cluster", "away"); err != nil {
		sp.t.Fatal(err)
	}
	_, err = r.s.StartAgent(sp.t.Context(), harness.AgentOptions{Name: "away", Servers: r.s.RegionURLs(1), Creds: filepath.Join(r.s.Config, "creds", "away.acme.creds")})
	if err != nil {
		sp.t.Fatal(err)
	}
	return r
}

// side is the way to a cluster through the bridge of a region.
func (r *regions) side(region, cluster string) side {
	sp := r.sp
	sp.t.Helper()
	client, err := r.s.NewClient(harness.NoCompression)
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(client.CloseIdleConnections)
	ca, err := os.ReadFile(r.s.CAFile())
	if err != nil {
		sp.t.Fatal(err)
	}
	_, port, _ := strings.Cut(r.bridges[region].Address, ":")
	server := "https://localhost:" + port + "/k8s/clusters/" + cluster + ".acme"
	kubeconfig, err := harness.WriteKubeconfig(filepath.Join(sp.t.TempDir(), "config"), server, ca, r.s.Token)
	if err != nil {
		sp.t.Fatal(err)
	}
	return side{name: cluster + "-from-" + region, kubeconfig: kubeconfig, server: server, client: client}
}

// status asks for the version of the API server.
func (r *regions) status(ctx context.Context, s side) (status int, kind string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.server+"/version", nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Fairlead-Error"), nil
}

// comes waits until a cluster answers, or is refused as kind says, and returns how long
// that took.
func (r *regions) comes(s side, kind string) time.Duration {
	r.sp.t.Helper()
	began := time.Now()
	r.until(s.name+" to answer "+kind, func(ctx context.Context) error {
		status, got, err := r.status(ctx, s)
		if err == nil && (got != kind || kind == "" && status != http.StatusOK) {
			err = fmt.Errorf("%d %s", status, got)
		}
		return err
	})
	return time.Since(began)
}

// cut closes the gateways, and returns when the brokers know.
func (r *regions) cut() {
	r.sp.t.Helper()
	for _, p := range r.gateways {
		p.Close()
	}
	r.connected(0)
}

func (r *regions) mend() {
	r.sp.t.Helper()
	for _, p := range r.gateways {
		p.Open(r.sp.t)
	}
	r.connected(1)
}

func (r *regions) connected(want float64) {
	r.sp.t.Helper()
	for _, b := range r.s.Brokers {
		r.until(b.Name()+" to know what is connected", func(ctx context.Context) error {
			m, err := r.s.Metrics(ctx, b)
			if err == nil && m.Sum("fairlead_broker_region_connected") != want {
				err = fmt.Errorf("not %g", want)
			}
			return err
		})
	}
}

// TestTwoRegions: a bridge serves the clusters of another region as those of its own. An
// agent that is killed is offline there as soon as at home, and an operation waits for it in
// a store that the other region keeps. A short loss of the gateways is not noticed. While it
// lasts each region serves its own, what crossed it ends as broken, and all comes back
// without a restart.
func TestTwoRegions(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	r := newRegions(sp)
	o := sp.newOrigin()
	sp.pod("box", idle, "")
	began := time.Now()
	prod, away := r.side("east", "prod"), r.side("west", "away") // across
	home, other := r.side("west", "prod"), r.side("east", "away")
	for _, s := range []side{prod, away, home, other} {
		r.comes(s, "")
	}
	var wg sync.WaitGroup
	for _, s := range []side{prod, away} {
		wg.Go(func() { r.works(s, o) })
	}
	wg.Wait()
	t.Logf("used after %s", time.Since(began))

	r.killed(prod, home)
	r.shortCut(prod, away)
	r.longCut(prod, away, home, other)
	t.Logf("done after %s", time.Since(began))
}

// works uses a cluster in each way that there is.
func (r *regions) works(s side, o *origin) {
	sp := r.sp
	sp.configMap("seen-"+s.name, nil)
	if got := sp.must(sp.on(s, "get", "configmaps", "-o", "name")); !strings.Contains(got, "seen-"+s.name) {
		sp.t.Errorf("%s: kubectl get prints %q", s.name, got)
	}
	if err := errors.Join(sp.upload(s, o, 1, 16<<20), sp.download(s, o, 2, 16<<20)); err != nil {
		sp.t.Errorf("%s: %v", s.name, err)
	}
}

// ongoing is what runs for longer.
type ongoing struct {
	r       *regions
	side    side
	watch   *http.Response
	session *running
	n       int
}

func (r *regions) begin(s side) *ongoing {
	r.sp.t.Helper()
	g := &ongoing{r: r, side: s}
	g.watch = openWatch(r.sp.t, s, r.sp.path("/configmaps?watch=true&labelSelector=to%3D"+s.name))
	g.session = r.sp.start(r.sp.on(s, "exec", "-i", "box", "--", "cat"))
	g.goesOn()
	return g
}

// goesOn expects an event and an echo.
func (g *ongoing) goesOn() {
	sp := g.r.sp
	sp.t.Helper()
	g.n++
	name := fmt.Sprintf("%s-%d-%d", g.side.name, g.session.cmd.Process.Pid, g.n)
	sp.must(sp.on(sp.direct, "create", "configmap", name))
	sp.must(sp.on(sp.direct, "label", "configmap", name, "to="+g.side.name))
	g.session.say(name + "\n")
	g.session.expect(name)
	seen := make(chan error, 1)
	go func() {
		line := make([]byte, 1<<16)
		for text := ""; ; {
			n, err := g.watch.Body.Read(line)
			text += string(line[:n])
			if strings.Contains(text, `"name":"`+name+`"`) {
				err = nil
			} else if err == nil {
				continue
			}
			seen <- err
			return
		}
	}()
	select {
	case err := <-seen:
		if err != nil {
			sp.t.Errorf("%s: the watch ended: %v", g.side.name, err)
		}
	case <-time.After(20 * time.Second):
		sp.t.Errorf("%s: the watch does not see %s", g.side.name, name)
	}
}

// broken expects that both end, and do not look complete.
func (g *ongoing) broken(within time.Duration) {
	sp := g.r.sp
	sp.t.Helper()
	began := time.Now()
	ended := make(chan error, 1)
	go func() {
		_, _, err := digest(g.watch.Body)
		ended <- err
	}()
	select {
	case err := <-ended:
		if err == nil {
			sp.t.Errorf("%s: the watch looks complete", g.side.name)
		}
		sp.t.Logf("%s: the watch ended after %s: %v", g.side.name, time.Since(began), err)
	case <-time.After(within):
		sp.t.Errorf("%s: the watch is still open after %s", g.side.name, within)
	}
	code := g.session.wait(within)
	if code == 0 {
		sp.t.Errorf("%s: kubectl exec looks complete", g.side.name)
	}
	sp.t.Logf("%s: exec ended after %s with %d: %s", g.side.name, time.Since(began), code, g.session.stderr)
}

// killed kills the agent in west, and has an operation wait for it.
func (r *regions) killed(across, home side) {
	sp := r.sp
	sp.t.Helper()
	agent := r.s.Agents[0]
	if err := agent.Kill(); err != nil {
		sp.t.Fatal(err)
	}
	// As in TestClusterThatIsNotThere.
	far, near := r.comes(across, "cluster-offline"), r.comes(home, "cluster-offline")
	sp.t.Logf("the killed agent is offline in the other region after %s, at home %s later", far, near)
	if soon := 9 * time.Second; far > soon || near > soon {
		sp.t.Errorf("want both within %s", soon)
	}
	waits := sp.queue(r.s.Client(), r.s, "waits", mapApplied(sp, "waited"))
	if err := r.s.Restart(sp.t.Context(), agent); err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Logf("it is back for the other region %s after its start, at home %s later", r.comes(across, ""), r.comes(home, ""))
	if done := sp.executed(r.s.Client(), r.s, waits.ID); done.State != api.OperationSucceeded || done.Attempts != 1 {
		sp.t.Errorf("the operation: %+v, %+v", done, done.Problem)
	}
}

func (r *regions) shortCut(sides ...side) {
	var all []*ongoing
	for _, s := range sides {
		all = append(all, r.begin(s))
	}
	began := time.Now()
	r.cut()
	r.mend()
	r.sp.t.Logf("the gateways were lost for %s", time.Since(began))
	for _, g := range all {
		g.goesOn()
	}
}

func (r *regions) longCut(prod, away, home, other side) {
	sp := r.sp
	var all []*ongoing
	for _, s := range []side{prod, away} {
		all = append(all, r.begin(s))
	}
	stays := r.begin(home)
	r.cut()
	for _, s := range []side{prod, away} {
		sp.t.Logf("%s is offline %s after the loss", s.name, r.comes(s, "cluster-offline"))
	}
	for _, s := range []side{home, other} {
		r.comes(s, "")
	}
	for _, g := range all {
		g.broken(20 * time.Second) // after ten seconds, on a machine that is idle
	}
	stays.goesOn()
	r.alone()
	r.mend()
	for _, s := range []side{prod, away} {
		sp.t.Logf("%s is back %s after the gateways", s.name, r.comes(s, ""))
	}
	for region := range r.bridges {
		r.tells(region, "[+]store connected\n")
	}
	r.sp.queue(r.s.Client(), r.s, "mended", mapApplied(sp, "mended"))
}

// alone expects that every process is ready without the other region, and says what it
// lacks: brokers their gateways, and the bridge in east the store.
func (r *regions) alone() {
	sp := r.sp
	sp.t.Helper()
	for _, b := range r.s.Brokers {
		if text, err := r.s.Get(sp.t.Context(), b, "/readyz"); err != nil || !strings.Contains(text, "not connected to region region-") {
			sp.t.Errorf("%s: %v, %s", b.Name(), err, text)
		}
	}
	body, err := json.Marshal(mapApplied(sp, "lost"))
	if err != nil {
		sp.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(sp.t.Context(), http.MethodPost, r.s.URL("/v1/clusters/away.acme/operations"), bytes.NewReader(body))
	if err != nil {
		sp.t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", "lost")
	began := time.Now()
	a := ask(sp.t, side{name: "operations", client: r.s.Client()}, req)
	if a.status != http.StatusServiceUnavailable {
		sp.t.Errorf("an operation without the store: %d %s, want 503", a.status, a.body)
	}
	sp.t.Logf("an operation without the store is refused after %s: %s", time.Since(began), a.body)
	r.tells("west", "[+]store connected\n")
	r.tells("east", "[+]store connected, but for ")
}

// tells waits until the bridge of a region is ready and says something of its store.
func (r *regions) tells(region, text string) {
	r.sp.t.Helper()
	r.until("the bridge of "+region+" to say "+text, func(ctx context.Context) error {
		got, err := r.s.Get(ctx, r.bridges[region], "/readyz")
		if err == nil && !strings.Contains(got, text) {
			err = errors.New(got)
		}
		return err
	})
}

// mapApplied is an operation that makes a config map.
func mapApplied(sp *space, name string) api.OperationSpec {
	return api.OperationSpec{
		Kind: api.OperationApply, FieldManager: "ci", Path: sp.path("/configmaps/" + name),
		Body: []byte(`{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "` + name + `"}}`),
	}
}
