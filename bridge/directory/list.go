package directory

import (
	"iter"
	"maps"
	"slices"
	"time"
)

// some is how many clusters [Directory.All] reads at a time: presences that come meanwhile
// wait for no more (about 20 µs).
const some = 64

// Clusters returns every cluster that was heard and not yet forgotten, or is
// configured, by name.
func (d *Directory) Clusters() []Cluster {
	d.mu.Lock()
	defer d.mu.Unlock()
	names := d.inOrder()
	return d.read(make([]Cluster, 0, len(names)), names)
}

// All is Clusters without a copy of all at once, from the cluster of a name, or the first
// after it, on. What is yielded may be kept only until the next, or the end. Clusters that
// come or go meanwhile may be among them or not.
func (d *Directory) All(from string) iter.Seq[*Cluster] {
	return func(yield func(*Cluster) bool) {
		d.mu.Lock()
		names := d.inOrder()
		d.mu.Unlock()
		at, _ := slices.BinarySearch(names, from)
		list := make([]Cluster, 0, some)
		for names := range slices.Chunk(names[at:], some) {
			d.mu.Lock()
			list = d.read(list[:0], names)
			d.mu.Unlock()
			for i := range list {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}

// inOrder returns the names of all clusters, heard or not, and of those that are configured,
// sorted. The caller holds mu. The result is never changed, and kept until a name comes or
// goes: there are more lists than that, and sorting takes longer than reading.
func (d *Directory) inOrder() []string {
	if d.names != nil {
		return d.names
	}
	d.names = slices.AppendSeq(make([]string, 0, len(d.clusters)), maps.Keys(d.clusters))
	if listed := d.listed.Load(); listed != nil {
		for name := range *listed {
			if d.clusters[name] == nil {
				d.names = append(d.names, name)
			}
		}
	}
	slices.Sort(d.names)
	return d.names
}

// read appends what is known of clusters, but for those that were only asked for, to list,
// whose memory it uses again. It forgets those that have expired. The caller holds mu.
func (d *Directory) read(list []Cluster, names []string) []Cluster {
	now, listed := time.Now(), d.listed.Load()
	for _, name := range names {
		c := d.clusters[name]
		switch {
		case c != nil && d.expired(c, now):
			d.forget(c)
		case c != nil && !c.heard.IsZero():
			var room []InstanceInfo
			if n := len(list); n < cap(list) {
				room = list[:n+1][n].Instances
			}
			list = append(list, d.snapshot(c, now, room))
		case listed != nil && (*listed)[name]:
			list = append(list, Cluster{Name: name, State: d.unheardState()})
		}
	}
	return list
}
