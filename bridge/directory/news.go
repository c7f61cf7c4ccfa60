package directory

// News are the clusters of which an instance has said something new, or has come back, so
// that who works on those alone need not look at all others. That only time has passed is
// no news: see [Follower]. It is for one goroutine, and takes memory for each cluster with
// news until it is asked.
type News struct {
	dir      *Directory
	clusters map[string]struct{} // guarded by dir.mu
}

// News returns news from now on. It must be stopped.
func (d *Directory) News() *News {
	n := &News{dir: d, clusters: map[string]struct{}{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.news == nil {
		d.news = map[*News]struct{}{}
	}
	d.news[n] = struct{}{}
	return n
}

// AppendTo appends the clusters of which there was news since it was last called, in no
// order.
func (n *News) AppendTo(list []string) []string {
	n.dir.mu.Lock()
	defer n.dir.mu.Unlock()
	for name := range n.clusters {
		list = append(list, name)
	}
	clear(n.clusters)
	return list
}

// Stop ends it.
func (n *News) Stop() {
	n.dir.mu.Lock()
	defer n.dir.mu.Unlock()
	delete(n.dir.news, n)
}

// Hears reports whether the link is up.
func (d *Directory) Hears() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.link.up()
}

// tell notes that there is news of a cluster. The caller holds mu.
func (d *Directory) tell(cluster string) {
	for n := range d.news {
		n.clusters[cluster] = struct{}{}
	}
}
