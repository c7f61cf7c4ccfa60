package settings

import (
	"slices"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/tenant"
)

// auditTicks is in how many ticks each cluster is looked at once, whether there is news of it
// or not: for what only time changes, which is how many instances there are.
const auditTicks = 60

// tenantDesk is the documents of a tenant. Desk.mu guards it.
type tenantDesk struct {
	clusters map[string]*cluster
	due      map[string]struct{} // of clusters, to be looked at
	states   counts              // of instances, as they were last seen
	round    []string            // clusters of which the audit comes

	conn *tenant.Conn // whose news are followed; it may have been released
	news *directory.News
}

func newTenantDesk() *tenantDesk {
	return &tenantDesk{clusters: map[string]*cluster{}, due: map[string]struct{}{}}
}

// follow has the news of a connection followed, and all clusters looked at if it is another
// one than before.
func (t *tenantDesk) follow(dir *directory.Directory, conn *tenant.Conn) {
	if t.conn == conn {
		return
	}
	t.unfollow()
	t.conn, t.news = conn, dir.News()
	for name := range t.clusters {
		t.due[name] = struct{}{}
	}
}

func (t *tenantDesk) unfollow() {
	if t.news != nil {
		t.news.Stop()
	}
	t.conn, t.news = nil, nil
}

// remove forgets a cluster.
func (t *tenantDesk) remove(name string) {
	if c := t.clusters[name]; c != nil {
		t.states.count(c.seen, -1)
	}
	delete(t.clusters, name)
	delete(t.due, name)
}

// prune forgets a tenant without documents.
func (d *Desk) prune(name string, t *tenantDesk) {
	if len(t.clusters) == 0 {
		t.unfollow()
		delete(d.tenants, name)
	}
}

// audit appends the clusters whose turn it is.
func (t *tenantDesk) audit(names []string) []string {
	if len(t.round) == 0 {
		for name := range t.clusters {
			t.round = append(t.round, name)
		}
	}
	n := min((len(t.clusters)+auditTicks-1)/auditTicks, len(t.round))
	rest := len(t.round) - n
	names = append(names, t.round[rest:]...)
	t.round = t.round[:rest]
	return names
}

// counts are how many instances are in each state of worst.
type counts [len(worst)]int

func (n *counts) count(instances []seen, by int) {
	for i := range instances {
		n[slices.Index(worst[:], instances[i].state)] += by
	}
}

func (n *counts) add(other *counts) {
	for i := range other {
		n[i] += other[i]
	}
}
