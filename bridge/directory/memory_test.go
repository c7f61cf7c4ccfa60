package directory

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestGoneInstancesAreForgotten: without a request for their cluster, and without
// another instance of it.
func TestGoneInstancesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		for i := range 1000 {
			for j := range maxInstances {
				d.Presence(fmt.Sprintf("c%d", i), fmt.Sprintf("a%d", j), presence(subjects.PresenceUp))
			}
		}
		if d.instances != 1000*maxInstances {
			t.Fatalf("%d instances, want %d", d.instances, 1000*maxInstances)
		}
		time.Sleep(sweepInterval)
		d.Presence("live", "a1", presence(subjects.PresenceUp))
		if d.instances != 1 {
			t.Errorf("%d instances are kept a minute later, want that of the cluster that is connected", d.instances)
		}
		if n := len(d.Clusters()); n != 1001 {
			t.Errorf("%d clusters known, want all", n)
		}
	})
}

// TestBusyInstancesAreKept: an instance does not give way to another while it
// has streams.
func TestBusyInstancesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		var picked []*Instance
		for i := range maxInstances {
			d.Presence("prod", fmt.Sprintf("a%d", i), presence(subjects.PresenceUp))
		}
		for range maxInstances {
			in, err := pickNow(t, d, "prod")
			if err != nil {
				t.Fatal(err)
			}
			picked = append(picked, in)
		}
		known := func(name string) bool {
			for _, in := range d.Cluster("prod").Instances {
				if in.Name == name {
					return true
				}
			}
			return false
		}
		d.Presence("prod", "new", presence(subjects.PresenceUp))
		if known("new") {
			t.Error("an instance with streams gave way")
		}
		picked[7].Release()
		d.Presence("prod", "new", presence(subjects.PresenceUp))
		if !known("new") || known(picked[7].Name()) || d.instances != maxInstances {
			t.Errorf("the one without streams did not give way; %d instances", d.instances)
		}
	})
}

// TestMemoryIsBounded: the owner of a tenant's signing key, who can make as many
// clusters and instances as they like and have them say what they like, fills
// no more than the package documentation says.
func TestMemoryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that none is gone by the time the last one comes
		const bound = 128 << 20
		d := New(Config{})
		before := heap()
		name, version := strings.Repeat("n", 50), strings.Repeat("v", 3*subjects.MaxVersion)
		said := fmt.Appendf(nil, `{"protocol":[1,1],"state":"up","version":%q,"kubernetes":%q,"started":"2026-01-02T03:04:05+05:45",
			"last_cause":{"hop":%q,"cause":%q,"at":"2026-01-02T03:04:05+05:45","text":%q}}`, version, version, name[:32], name[:32], version)
		labels, fields := map[string]string{}, slices.Repeat([]string{"f"}, subjects.MaxSettingsFields)
		for i := range subjects.MaxLabels {
			labels[fmt.Sprintf("key-%02d", i)] = strings.Repeat("v", 40)
		}
		parsed, err := subjects.ParsePresence(said)
		if err != nil {
			t.Fatal(err)
		}
		for i := range maxHeard + 100 {
			for j := range 3 {
				p := *parsed // with strings of its own, as if it had been parsed
				p.Version, p.Kubernetes = strings.Clone(p.Version), strings.Clone(p.Kubernetes)
				last := *p.LastCause
				last.Hop, last.Cause, last.Text = strings.Clone(last.Hop), strings.Clone(last.Cause), strings.Clone(last.Text)
				p.LastCause = &last
				p.Labels, p.Detail = maps.Clone(labels), &subjects.Detail{Pod: strings.Repeat("p", 253), Node: strings.Repeat("n", 253)}
				p.Settings = &subjects.SettingsState{Error: strings.Repeat("e", 256), Accepts: slices.Clone(fields), Overridden: slices.Clone(fields)}
				// As natslink hands them over: the names are parts of the subject.
				parts := strings.Split(fmt.Sprintf("up._.%s-%06d.%s-%06d", name, i, name, j), ".")
				d.Presence(parts[2], parts[3], &p)
			}
		}
		if d.optional > maxOptional || d.optional < maxOptional/2 {
			t.Errorf("%d bytes of optional parts, want most of %d", d.optional, maxOptional)
		}
		if d.instances != maxAllInstances || len(d.clusters) != maxHeard {
			t.Errorf("%d clusters with %d instances, want as many as there may be", len(d.clusters), d.instances)
		}
		used := heap() - before
		t.Logf("%d clusters, %d instances: %.1f MiB", len(d.clusters), d.instances, float64(used)/(1<<20))
		if used > bound {
			t.Errorf("%d bytes, want at most %d", used, bound)
		}
		runtime.KeepAlive(d)
	})
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
