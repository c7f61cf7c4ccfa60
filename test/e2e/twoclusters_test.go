package e2e

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fairlead-io/fairlead/test/harness"
)

// twoClusters is a Fairlead with two clusters, prod and lab, each of which has a grant of
// its own. Both are the API server that all tests share, so that both have to tell the same.
type twoClusters struct {
	*guarded
	lab  *harness.Node // the agent of lab
	both []string      // the names of the clusters
	ann  side          // a caller with both grants
}

const prod, lab = "prod.acme", "lab.acme"

func newTwoClusters(sp *space) *twoClusters {
	sp.t.Helper()
	c := &twoClusters{guarded: newGuarded(sp), both: []string{prod, lab}}
	c.grant(prod, lab)
	c.start(harness.SystemOptions{Brokers: 1})
	c.lab = c.addCluster("lab")
	c.ann = c.person("ann", "devs")
	return c
}

// grant lets group devs do in these clusters, and in no other one, what an agent may do.
func (c *twoClusters) grant(clusters ...string) {
	c.sp.t.Helper()
	text := c.idTokens("fairlead") + "grants:\n"
	if len(clusters) == 0 {
		text = c.idTokens("fairlead") + "grants: []\n"
	}
	for _, name := range clusters {
		text += fmt.Sprintf("  - {name: %s, clusters: [%s], when: ['\"devs\" in caller.groups'], as: {agent: true}}\n", strings.ReplaceAll(name, ".", "-"), name)
	}
	c.replace(text)
}

// addCluster starts the agent of another cluster.
func (g *guarded) addCluster(name string) *harness.Node {
	g.sp.t.Helper()
	s := g.system
	if _, err := s.BrokerCommand(g.sp.t.Context(), "cluster", "add", "--dir", s.Config, "--tenant", s.Options.Tenant, "--cluster", name); err != nil {
		g.sp.t.Fatal(err)
	}
	creds := filepath.Join(s.Config, "creds", name+"."+s.Options.Tenant+".creds")
	n, err := s.StartAgent(g.sp.t.Context(), harness.AgentOptions{Name: "agent-" + name, Creds: creds})
	if err != nil {
		g.sp.t.Fatal(err)
	}
	return n
}

// admin is a call of kubectl of the administrator, at the API server itself, in the test's namespace.
func (g *guarded) admin(stdin string, args ...string) string {
	g.sp.t.Helper()
	out, err := g.sp.kube.Run(g.sp.t.Context(), stdin, append(args, "-n", g.sp.name)...)
	if err != nil {
		g.sp.t.Fatal(err)
	}
	return out
}
