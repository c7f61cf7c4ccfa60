package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// TestMergedWatch: while kubectl makes changes, two clusters are watched by one stream. The
// agent of one is killed; the bridge is stopped once and killed once, and the client comes
// back with the versions that it has. Of each cluster it learns what a watch at the API
// server itself learns: each event once, in its order. A version that the API server has
// forgotten is a reset; when a grant is taken back the events of its cluster end, and no
// others; and a bookmark of the API server moves on where a watch would go on.
func TestMergedWatch(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	c := newTwoClusters(sp)
	path := sp.path("/configmaps?labelSelector=watched")
	truth := c.direct(path)
	changes := sp.keepChanging()
	v := c.view(path, nil, c.both...)
	v.reach("both clusters to have started", func() bool { return v.state(prod) == "started" && v.state(lab) == "started" })

	changes.more()
	if err := c.lab.Kill(); err != nil {
		t.Fatal(err)
	}
	v.reach("lab to be away", func() bool { return strings.HasPrefix(v.state(lab), "waiting cluster-") })
	changes.more()
	if err := c.system.Restart(t.Context(), c.lab); err != nil {
		t.Fatal(err)
	}
	v.reach("lab to go on", func() bool { return v.state(lab) == "resumed" })
	changes.more()
	c.losesBridge(v, changes, func() error { return c.system.Bridge.Stop(stopWithin) })
	c.losesBridge(v, changes, c.system.Bridge.Kill)
	v.stop()
	changes.more()
	v = c.view(v.path, v, c.both...) // as a client does that was started again

	changes.end()
	for _, name := range c.both {
		v.reach(name+" to have told everything", func() bool {
			return len(v.events(name)) >= len(truth.events(prod)) && len(truth.events(prod)) >= changes.made
		})
		if got, want := v.events(name), truth.events(prod); !slices.Equal(got, want) {
			t.Errorf("%s: the client learned\n%s\nand directly\n%s", name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	t.Logf("%d events of each cluster, all there, in order and once; lab: %s", len(v.events(lab)), v.all(lab))
	v.stop()
	c.away()
	c.revoked(path)
}

// losesBridge ends the bridge in the midst of changes, and starts it again. The client goes
// on by itself.
func (c *twoClusters) losesBridge(v *view, changes *changes, end func() error) {
	t := c.sp.t
	t.Helper()
	before := map[string]int{}
	for _, name := range c.both {
		before[name] = v.times(name, api.WatchResumed)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	changes.more()
	if err := c.system.Restart(t.Context(), c.system.Bridge); err != nil {
		t.Fatal(err)
	}
	for _, name := range c.both {
		v.reach(name+" to go on", func() bool { return v.times(name, api.WatchResumed) > before[name] })
	}
	changes.more()
}

// things defines a kind of which the API server remembers nothing when it is defined again.
const things = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: mergedthings.fairlead.test}
spec:
  group: fairlead.test
  scope: Namespaced
  names: {plural: mergedthings, kind: MergedThing}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
`

// define defines the kind, and makes an object of it.
func (c *twoClusters) define(object string) {
	c.admin(things, "create", "-f", "-")
	c.admin("", "wait", "--for=condition=Established", "crd/mergedthings.fairlead.test")
	c.admin(fmt.Sprintf("{apiVersion: fairlead.test/v1, kind: MergedThing, metadata: {name: %s}}", object), "create", "-f", "-")
}

func (c *twoClusters) undefine() {
	if _, err := c.sp.kube.Run(context.Background(), things, "delete", "--ignore-not-found", "-f", "-"); err != nil {
		c.sp.t.Error(err)
	}
}

// away: while lab is away its API server forgets what happened to one kind, and tells how
// far it is for another one of which there was no event. When lab is back the client is told
// that what it has of the first is void, and what there is; and the second goes on from where
// the API server was.
func (c *twoClusters) away() {
	t := c.sp.t
	t.Helper()
	quiet := c.view(c.sp.path("/configmaps?labelSelector=watched%3Dnever"), nil, lab)
	started := c.bookmark(quiet)
	t.Cleanup(c.undefine)
	c.define("one")
	v := c.view("/apis/fairlead.test/v1/namespaces/"+c.sp.name+"/mergedthings", nil, lab)
	v.reach("the first object", func() bool { return v.state(lab) == "started" })
	if err := c.lab.Stop(stopWithin); err != nil {
		t.Fatal(err)
	}
	c.undefine()
	c.define("two")
	if err := c.system.Restart(t.Context(), c.lab); err != nil {
		t.Fatal(err)
	}
	v.reach("lab to be told again", func() bool { return v.state(lab) == "started" && slices.Contains(v.all(lab), "reset") })
	if got := v.events(lab); len(got) != 1 || !strings.HasPrefix(got[0], "ADDED two ") {
		t.Errorf("after the reset the client has %q, want what there is", got)
	}
	quiet.reach("the quiet watch to go on", func() bool { return quiet.state(lab) == "resumed" })
	if got := quiet.version(lab); got == started || len(quiet.events(lab)) != 0 {
		t.Errorf("a watch without events went on from version %s, as it had started, in spite of a bookmark", got)
	}
	t.Logf("states while lab was away: %q and %q", v.all(lab), quiet.all(lab))
	v.stop()
	quiet.stop()
}

// revoked: the grant for lab is taken back. Its events end, and those of prod go on.
func (c *twoClusters) revoked(path string) {
	sp := c.sp
	sp.t.Helper()
	v := c.view(path, nil, c.both...)
	v.reach("both clusters to have started", func() bool { return v.state(prod) == "started" && v.state(lab) == "started" })
	before := time.Now()
	c.grant(prod)
	v.reach("lab to end", func() bool { return strings.HasPrefix(v.state(lab), "ended ") })
	took, told := time.Since(before), len(v.events(lab))
	if state := v.state(lab); took > 5*time.Second || state != "ended forbidden" {
		sp.t.Errorf("lab: %s, %s after its grant was taken back", state, took)
	}
	sp.t.Logf("lab ended %s after its grant was taken back", took)
	sp.must(sp.on(sp.direct, "create", "configmap", "after"))
	sp.must(sp.on(sp.direct, "label", "configmap", "after", "watched=later"))
	v.reach("what comes later from prod", func() bool { return strings.HasPrefix(v.events(prod)[len(v.events(prod))-1], "ADDED after ") })
	if got := len(v.events(lab)); got != told {
		sp.t.Errorf("%d events of lab after its grant was taken back", got-told)
	}
	v.stop()
}

// bookmark waits for the bookmark that an API server sends each minute, to a watch that has
// no events too. It is told to nobody: what is seen of it is that the agent sends something.
// It returns the version at which the watch has started.
func (c *twoClusters) bookmark(quiet *view) (started string) {
	t := c.sp.t
	t.Helper()
	quiet.reach("the quiet watch to have started", func() bool { return quiet.state(lab) == "started" })
	sent := func() (bytes int64, at time.Time) {
		one, err := quiet.client.Cluster(t.Context(), lab)
		if err != nil || len(one.Instances) != 1 {
			t.Fatalf("%+v, %v", one, err)
		}
		return one.Instances[0].BytesDown, one.Instances[0].LastSeen
	}
	before, since := sent()
	testbed.Until(t, "lab to be quiet for some seconds, and a bookmark", 3*time.Minute, func(context.Context) error {
		now, at := sent()
		settled := at.Sub(since) > 5*time.Second
		if now != before && settled {
			return nil
		}
		if now != before {
			before, since = now, at
		}
		return fmt.Errorf("%d bytes since %s", now, since)
	})
	t.Logf("the API server sent a bookmark %s after lab was quiet", time.Since(since).Round(time.Second))
	return quiet.version(lab)
}
