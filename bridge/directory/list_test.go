package directory

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
)

// TestAllIsClusters: one at a time they are the same as all at once, however many instances
// the one before had, and from any name on.
func TestAllIsClusters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		for i := range 3*some + 1 {
			for j := range 1 + i%3 {
				d.Presence(fmt.Sprintf("c%03d", i), fmt.Sprintf("a%d", j), presence(subjects.PresenceUp))
			}
		}
		_, _ = d.Pick(t.Context(), "asked", new(Attempt)) // and never heard
		all := d.Clusters()
		if len(all) != 3*some+1 || !slices.IsSortedFunc(all, func(a, b Cluster) int { return strings.Compare(a.Name, b.Name) }) {
			t.Fatalf("%d clusters, want %d in order", len(all), 3*some+1)
		}
		for _, from := range []string{"", "a", "c000", "c005", "c0055", "c192", "c193", "d"} {
			want := slices.DeleteFunc(slices.Clone(all), func(c Cluster) bool { return c.Name < from })
			got := []Cluster{}
			for c := range d.All(from) {
				one := *c
				one.Instances = slices.Clone(c.Instances)
				got = append(got, one)
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("from %q: %d clusters, want %d as Clusters has them", from, len(got), len(want))
			}
		}
	})
}

// TestNamesComeAndGo: whatever adds or removes a name, the next list has it or not.
func TestNamesComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{ForgetAfter: time.Hour})
		want := func(what string, names ...string) {
			t.Helper()
			var got []string
			for c := range d.All("") {
				got = append(got, c.Name)
			}
			if !slices.Equal(got, names) {
				t.Errorf("%s: %v, want %v", what, got, names)
			}
		}
		want("at first")
		d.Presence("b", "a1", presence(subjects.PresenceUp))
		want("heard", "b")
		d.Presence("a", "a1", presence(subjects.PresenceUp))
		want("another", "a", "b")
		d.Recall("c", time.Now())
		want("recalled", "a", "b", "c")
		d.SetClusters([]string{"z", "b"})
		want("configured", "b", "z")
		_, _ = d.Pick(t.Context(), "z", new(Attempt))
		want("asked for", "b", "z")
		d.SetClusters(nil)
		want("not configured", "b")
		time.Sleep(time.Hour)
		want("expired")
		d.Presence("b", "a1", presence(subjects.PresenceUp))
		want("back", "b")
	})
}

// TestAllHoldsNoLock: who goes through the clusters keeps nobody from changing them, and
// sees those that stay once.
func TestAllHoldsNoLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := New(Config{})
		for i := range 2 * some {
			d.Presence(fmt.Sprintf("c%03d", i), "a1", presence(subjects.PresenceUp))
		}
		seen := map[string]int{}
		for c := range d.All("") {
			name := c.Name
			if seen[name]++; name == "c000" {
				d.SetClusters(namesFrom(d, some+1))
			}
			d.Presence(name, "a2", presence(subjects.PresenceUp))
			d.Presence("c"+name, "a1", presence(subjects.PresenceUp))
		}
		for i := range 2 * some {
			name, want := fmt.Sprintf("c%03d", i), 1
			if i == some {
				want = 0 // removed before it was read
			}
			if seen[name] != want {
				t.Errorf("%s was seen %d times, want %d", name, seen[name], want)
			}
		}
	})
}

func namesFrom(d *Directory, i int) (names []string) {
	for _, c := range d.Clusters()[i:] {
		names = append(names, c.Name)
	}
	return names
}
