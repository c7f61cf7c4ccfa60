package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	kubeapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-io/fairlead/bridge/cmd/kubectl-fairlead/profile"
	"github.com/fairlead-io/fairlead/test/harness"
)

// installed makes the test binary be kubectl-fairlead in PATH.
func (r *rig) installed() {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(r.home, execCommand)); err != nil {
		r.t.Fatal(err)
	}
	r.t.Setenv("PATH", r.home+":"+os.Getenv("PATH"))
	r.t.Setenv(asPlugin, "1")
}

// file writes a file of the user.
func (r *rig) file(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// machine is a rig without a login, whose token is in a file.
func machine(t *testing.T) (r *rig, b *fakeBridge, flags []string) {
	b = &fakeBridge{token: "fl_machine"}
	b.rig = newRig(t, b)
	return b.rig, b, []string{"--token-file", b.rig.file("token", "fl_machine\n"), "--bridge-ca", b.rig.bridgeCA}
}

// providers reads the list of access providers in docs/ecosystem.md, as programs do that
// read ClusterProfiles.
func providers(t *testing.T, tokenFile string) map[string]*kubeapi.ExecConfig {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", "ecosystem.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "```json\n")
	text, _, _ = strings.Cut(text, "```")
	var file struct {
		Providers []struct {
			Name       string
			ExecConfig *kubeapi.ExecConfig
		}
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "/var/run/secrets/fairlead/token", tokenFile)), &file); err != nil {
		t.Fatal(err)
	}
	all := map[string]*kubeapi.ExecConfig{}
	for _, p := range file.Providers {
		all[p.Name] = p.ExecConfig
	}
	return all
}

// TestClusterProfileLeadsToTheCluster: who reads a profile as KEP-5339 says, with the
// command of the documents, reaches the cluster.
func TestClusterProfileLeadsToTheCluster(t *testing.T) {
	r, _, flags := machine(t)
	r.installed()
	stdout, _ := r.must(append(flags, "clusterprofiles", "-n", "fleet")...)
	documents := strings.Split(stdout, "---\n")
	if len(documents) != 3 || documents[0] != "" {
		t.Fatalf("want two profiles:\n%s", stdout)
	}
	var p profile.Profile
	if err := yaml.UnmarshalStrict([]byte(documents[1]), &p); err != nil {
		t.Fatal(err)
	}
	if p.Name != "prod.acme" || p.Namespace != "fleet" || p.APIVersion != "multicluster.x-k8s.io/v1alpha1" || p.Kind != "ClusterProfile" {
		t.Errorf("profile %+v", p)
	}
	access := p.Status.AccessProviders[0]
	command := providers(t, flags[1])[access.Name]
	if command == nil {
		t.Fatalf("the documents have no access provider %q", access.Name)
	}
	d, err := discovery.NewDiscoveryClientForConfig(&rest.Config{
		Host: access.Cluster.Server, TLSClientConfig: rest.TLSClientConfig{CAData: access.Cluster.CertificateAuthorityData}, ExecProvider: command,
	})
	if err != nil {
		t.Fatal(err)
	}
	if v, err := d.ServerVersion(); err != nil || v.GitVersion != "v1.34.4" {
		t.Errorf("version %v, %v", v, err)
	}
	if stdout, _ = r.must(append(flags, "clusterprofiles", "--public-url", "https://fairlead.example.com/base/")...); !strings.Contains(stdout, "server: https://fairlead.example.com/base/k8s/clusters/prod.acme\n") {
		t.Errorf("with a public URL:\n%s", stdout)
	}
}

// hubServer is a hub that has no profiles and keeps none. It tells of each list.
func hubServer(t *testing.T, listed chan<- struct{}) (kubeconfig string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case !strings.HasPrefix(r.URL.Path, "/apis/multicluster.x-k8s.io/v1alpha1/namespaces/fleet/clusterprofiles"):
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodGet:
			listed <- struct{}{}
			fmt.Fprint(w, `{"kind":"ClusterProfileList","apiVersion":"multicluster.x-k8s.io/v1alpha1","items":[]}`)
		default:
			fmt.Fprint(w, `{"kind":"ClusterProfile","apiVersion":"multicluster.x-k8s.io/v1alpha1","metadata":{"name":"x"}}`)
		}
	}))
	t.Cleanup(s.Close)
	return fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"hub","clusters":[{"name":"hub","cluster":{"server":%q}}],
		"contexts":[{"name":"hub","context":{"cluster":"hub","namespace":"fleet"}}]}`, s.URL)
}

// TestClusterProfilesAreKept: in the namespace of the hub's context, once or until stopped;
// and clusters that may be missing are told.
func TestClusterProfilesAreKept(t *testing.T) {
	r, _, flags := machine(t)
	listed := make(chan struct{}, 100)
	flags = append(flags, "clusterprofiles", "--kubeconfig", r.file("hub", hubServer(t, listed)))
	_, stderr, err := r.run(append(flags, "--apply")...)
	if err == nil || !strings.Contains(err.Error(), "tenant lab may be missing: no broker") || !strings.Contains(stderr, "in namespace fleet: 2 written, 0 deleted") {
		t.Errorf("once: %v, %s", err, stderr)
	}
	r.fails(append(flags, "--apply", "-n", "other"), "install the CRD")
	r.fails(append(flags, "--watch", "--every", "1ms"), "at least 1s")
	r.fails(append(flags, "--apply", "--context", "nowhere"), "kubeconfig of the hub")

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	<-listed // by --apply
	done := make(chan error, 1)
	go func() { done <- r.plugin.run(ctx, append(flags, "--watch", "--every", "1s", "--bridge", r.bridge.URL)) }()
	for range 2 {
		select {
		case <-listed:
		case <-ctx.Done():
			t.Error("the hub was not asked twice")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped: %v", err)
	}
	if out := r.stderr.String(); strings.Count(out, "2 written") < 1 || !strings.Contains(out, "tenant lab may be missing") {
		t.Errorf("told: %s", out)
	}
}

// TestPruneIsOfWhatIsChosen: with --tenant and -l only the profiles of such clusters are
// deleted, and the others are another keeper's.
func TestPruneIsOfWhatIsChosen(t *testing.T) {
	r, b, flags := machine(t)
	b.whole = true
	var mu sync.Mutex
	var deleted []string
	const item = `{"metadata":{"name":%q,"uid":"u","resourceVersion":"1"},"spec":{"clusterManager":{"name":"fairlead"}},
		"status":{"properties":[{"name":"fairlead.io/tenant","value":%q},{"name":"env","value":%q}]}}`
	items := fmt.Sprintf(item+","+item+","+item, "gone.acme", "acme", "prod", "dev.acme", "acme", "dev", "one.lab", "lab", "prod")
	hub := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.Method {
		case http.MethodGet:
			fmt.Fprintf(w, `{"kind":"ClusterProfileList","apiVersion":"multicluster.x-k8s.io/v1alpha1","items":[%s]}`, items)
			return
		case http.MethodDelete:
			mu.Lock()
			deleted = append(deleted, path.Base(r.URL.Path))
			mu.Unlock()
		}
		fmt.Fprint(w, `{"kind":"ClusterProfile","apiVersion":"multicluster.x-k8s.io/v1alpha1","metadata":{"name":"x"}}`)
	}))
	t.Cleanup(hub.Close)
	flags = append(flags, "clusterprofiles", "--apply", "--prune", "-n", "fleet", "--kubeconfig", r.file("hub", fmt.Sprintf(
		`{"apiVersion":"v1","kind":"Config","current-context":"hub","clusters":[{"name":"hub","cluster":{"server":%q}}],
		"contexts":[{"name":"hub","context":{"cluster":"hub"}}]}`, hub.URL)))
	for _, tt := range []struct {
		chosen []string
		want   string
	}{
		{[]string{"--tenant", "acme", "-l", "env=prod"}, "[gone.acme]"},
		{[]string{"--tenant", "acme"}, "[dev.acme gone.acme]"},
		{[]string{"-l", "env in (prod)"}, "[gone.acme one.lab]"},
		{nil, "[dev.acme gone.acme one.lab]"},
	} {
		deleted = nil
		r.must(append(slices.Clone(flags), tt.chosen...)...)
		slices.Sort(deleted)
		if got := fmt.Sprint(deleted); got != tt.want {
			t.Errorf("%v: deleted %s, want %s", tt.chosen, got, tt.want)
		}
	}
	r.fails(append(flags, "-l", "((("), "--selector")
}

// TestTokenFile is read each time, and never shown.
func TestTokenFile(t *testing.T) {
	r, b, flags := machine(t)
	r.must(append(flags, "whoami")...)
	b.token = "fl_renewed"
	r.fails(append(flags, "whoami"), "the token is unknown")
	r.file("token", b.token)
	r.must(append(flags, "whoami")...)
	stdout, _ := r.must("token", "--token-file", flags[1])
	if !strings.Contains(stdout, `"token":"fl_renewed"`) || strings.Contains(stdout, "expirationTimestamp") {
		t.Errorf("token: %s", stdout)
	}
	r.file("token", "x.eyJleHAiOjIwMDAwMDAwMDB9.x")
	if stdout, _ = r.must("token", "--token-file", flags[1]); !strings.Contains(stdout, `"expirationTimestamp":"2033-05-18T03:33:20Z"`) {
		t.Errorf("a token that says when it expires: %s", stdout)
	}
	for _, bad := range []string{"", " \n", "SECRET two", "SECRET\x00", "SECRET" + strings.Repeat("x", maxToken)} {
		r.file("token", bad)
		_, _, err := r.run(append(flags, "whoami")...)
		if err == nil || !strings.Contains(err.Error(), "no single token") || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%.10q: %v", bad, err)
		}
	}
	r.fails([]string{"token", "--token-file", r.home + "/none"}, "--token-file")
}

// TestUseWithATokenFile: the kubeconfig says where the token is, and does not hold it.
func TestUseWithATokenFile(t *testing.T) {
	r, _, flags := machine(t)
	r.installed()
	r.must(append(flags, "use", "prod.acme")...)
	text, err := os.ReadFile(os.Getenv("KUBECONFIG"))
	if err != nil || strings.Contains(string(text), "fl_machine") || !strings.Contains(string(text), "--token-file="+flags[1]) {
		t.Errorf("%v\n%s", err, text)
	}
}
