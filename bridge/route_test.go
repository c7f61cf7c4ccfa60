package bridge

import (
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/platform"
	"github.com/fairlead-io/fairlead/subjects"
)

// FuzzTarget: what a client sends after the prefix is what the API server
// gets, and nothing gets out of the prefix.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/k8s/clusters/prod/api", "/k8s/clusters/prod?x", "http://h/k8s/clusters/prod//..", "*", "h:443", "://", "", "/", "/k8s/clusters/", "a://?"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		target, ok := originForm(uri)
		if !ok {
			return
		}
		if !strings.HasPrefix(target, "/") {
			t.Fatalf("%q: origin form %q", uri, target)
		}
		if strings.HasPrefix(uri, "/") && target != uri {
			t.Fatalf("%q changed to %q", uri, target)
		}
		rest, ok := strings.CutPrefix(target, platform.ClustersPrefix)
		if !ok {
			return
		}
		name, sent := splitCluster(rest)
		if !strings.HasPrefix(sent, "/") || strings.ContainsAny(name, "/?") {
			t.Fatalf("%q: cluster %q, target %q", uri, name, sent)
		}
		if !strings.HasSuffix(uri, sent) && sent != "/" && !strings.HasSuffix(uri, sent[1:]) {
			t.Fatalf("%q: target %q is not what was sent", uri, sent)
		}
		if _, err := subjects.ParseClusterRef(name); err == nil && strings.Contains(name, "%") {
			t.Fatalf("%q: escaped name %q was taken", uri, name)
		}
	})
}
