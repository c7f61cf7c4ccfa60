package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
	kubeapi "k8s.io/client-go/tools/clientcmd/api"
)

// config reads a kubeconfig.
func (r *rig) config(file string) *kubeapi.Config {
	r.t.Helper()
	c, err := clientcmd.LoadFromFile(file)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// TestUse: a context that works with client-go, in a file that did not exist.
func TestUse(t *testing.T) {
	r, _ := newBridgeRig(t)
	file := os.Getenv("KUBECONFIG")
	r.must("use", "prod.acme")
	c := r.config(file)
	host := strings.TrimPrefix(r.bridge.URL, "https://")
	name, user := "prod.acme@"+host, "fairlead@"+host
	if c.CurrentContext != name || c.Contexts[name] == nil || c.Contexts[name].AuthInfo != user || c.AuthInfos[user] == nil ||
		c.Clusters[name] == nil || c.Clusters[name].Server != r.bridge.URL+"/k8s/clusters/prod.acme" {
		t.Fatalf("got %+v", c)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r.noSecret(string(text))

	// As kubectl: it runs kubectl-fairlead, which it finds in PATH.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(r.home, execCommand)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", r.home+":"+os.Getenv("PATH"))
	t.Setenv(asPlugin, "1")
	rest, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := discovery.NewDiscoveryClientForConfig(rest)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := d.ServerVersion(); err != nil || v.GitVersion != "v1.34.4" {
		t.Errorf("version %v, %v", v, err)
	}
}

// TestUseWithoutOneCluster: what is wrong with the command line is told in our words.
func TestUseWithoutOneCluster(t *testing.T) {
	r, _ := newBridgeRig(t)
	r.fails([]string{"use"}, "give a cluster, such as prod.acme; kubectl fairlead clusters lists those that you may use")
	r.fails([]string{"use", "a", "b"}, `give one cluster and nothing else: "b" is too much`)
}

// TestUseOfNoCluster: a bridge that lets its caller do everything makes a kubeconfig of any
// name. One of a tenant that it does not know is refused, and one that it never heard is told.
func TestUseOfNoCluster(t *testing.T) {
	r, _ := newBridgeRig(t)
	r.fails([]string{"use", "typo"}, "the tenant is not known (404 unknown-cluster", "kubectl fairlead clusters lists those that you may use")
	r.fails([]string{"use", "prod.nobody"}, "the tenant is not known (404 unknown-cluster", "; did you mean prod.acme?")
	if _, err := os.Stat(os.Getenv("KUBECONFIG")); !os.IsNotExist(err) {
		t.Errorf("there is a kubeconfig: %v", err)
	}
	if _, stderr := r.must("use", "new.acme"); !strings.Contains(stderr, "has never heard of cluster new.acme: check its name") {
		t.Errorf("never connected: %s", stderr)
	}
	if _, stderr := r.must("use", "prod.acme"); strings.Contains(stderr, "never") {
		t.Errorf("connected: %s", stderr)
	}
}

// TestHelpHasOneDefault: that of a flag with a variable is told in its text, and the
// variable's value not at all.
func TestHelpHasOneDefault(t *testing.T) {
	r, _ := newBridgeRig(t)
	t.Setenv("FAIRLEAD_TOKEN_FILE", "/secret/token")
	t.Setenv("FAIRLEAD_BRIDGE_CA", "/secret/ca.crt")
	for _, args := range [][]string{{"clusters", "--help"}, {"logs", "--help"}} {
		stdout, _ := r.must(args...)
		for line := range strings.Lines(stdout) {
			if strings.Count(line, "(default") > 1 || strings.Contains(line, "/secret/") {
				t.Errorf("%v: %s", args, line)
			}
		}
	}
}

// TestReasonOfALoss: people read what happened, and not how the program noticed it.
func TestReasonOfALoss(t *testing.T) {
	for err, want := range map[error]string{
		fmt.Errorf("failed to get reader: failed to read frame header: %w", io.EOF):                           "it was closed on the way, or by the bridge",
		fmt.Errorf("failed to get reader: %w", &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}): "connection reset by peer",
		errors.New("no sign of life for 12s"):                                                                 "no sign of life for 12s",
	} {
		if got := reason(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// TestUseBesideOthers: what the user has stays, and what the user set in the context
// too.
func TestUseBesideOthers(t *testing.T) {
	r, b := newBridgeRig(t)
	first, second := filepath.Join(r.home, "first"), filepath.Join(r.home, "second")
	const others = `apiVersion: v1
kind: Config
current-context: dev
clusters: [{name: dev, cluster: {server: "https://dev.example.com", certificate-authority: ca.crt}}]
users: [{name: dev, user: {token: mine}}]
contexts: [{name: dev, context: {cluster: dev, user: dev, namespace: shop}}]
`
	for _, file := range []string{first, second} {
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(others, "dev", filepath.Base(file))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("KUBECONFIG", first+":"+second)
	r.must("use", "prod.acme")
	host := strings.TrimPrefix(r.bridge.URL, "https://")
	name := "prod.acme@" + host
	c := r.config(first)
	if c.CurrentContext != name || c.Clusters["first"].CertificateAuthority != "ca.crt" || c.AuthInfos["first"].Token != "mine" ||
		c.Contexts["first"].Namespace != "shop" || len(c.Contexts) != 2 || len(c.AuthInfos) != 2 {
		t.Errorf("first file: %+v", c)
	}
	if text, err := os.ReadFile(second); err != nil || string(text) != strings.ReplaceAll(others, "dev", "second") {
		t.Errorf("the second file has changed: %s, %v", text, err)
	}

	c.Contexts[name].Namespace = "mine"
	if err := clientcmd.WriteToFile(*c, first); err != nil {
		t.Fatal(err)
	}
	r.must("use", "prod.acme", "--host-style")
	c = r.config(first)
	if c.Contexts[name].Namespace != "mine" || c.Clusters[name].Server != "https://prod--acme.k8s.example.com" || len(c.Contexts) != 2 {
		t.Errorf("used again: %+v", c)
	}
	if last := b.asked[len(b.asked)-1]; last != "/v1/clusters/prod.acme/kubeconfig?auth=exec&style=host" {
		t.Errorf("asked %s", last)
	}
	c.AuthInfos["fairlead@"+host] = &kubeapi.AuthInfo{Token: "by hand"}
	if err := clientcmd.WriteToFile(*c, first); err != nil {
		t.Fatal(err)
	}
	r.fails([]string{"use", "prod.acme"}, "did not make")
}

// TestHostileKubeconfig: a bridge decides about the server of its cluster, and about
// nothing else on the user's computer.
func TestHostileKubeconfig(t *testing.T) {
	r, b := newBridgeRig(t)
	b.kubeconfig = `{"current-context":"dev","contexts":[{"name":"dev","context":{"cluster":"dev","user":"dev"}}],` +
		`"users":[{"name":"dev","user":{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"sh","args":["-c","touch /tmp/x"],"interactiveMode":"Never"}}}],` +
		`"clusters":[{"name":"dev","cluster":{"server":"https://evil.example.com","insecure-skip-tls-verify":true,"certificate-authority":"/etc/shadow","proxy-url":"http://evil"}}]}`
	r.must("use", "prod.acme")
	c := r.config(os.Getenv("KUBECONFIG"))
	host := strings.TrimPrefix(r.bridge.URL, "https://")
	name := "prod.acme@" + host
	if len(c.Contexts) != 1 || len(c.AuthInfos) != 1 || len(c.Clusters) != 1 {
		t.Errorf("got %+v", c)
	}
	exec := c.AuthInfos["fairlead@"+host].Exec
	if exec.Command != execCommand || !slices.Equal(exec.Args, []string{"token", "--bridge=" + r.bridge.URL}) {
		t.Errorf("it runs %s %q", exec.Command, exec.Args)
	}
	if k := c.Clusters[name]; k.InsecureSkipTLSVerify || k.CertificateAuthority != "" || k.ProxyURL != "" || len(k.CertificateAuthorityData) == 0 {
		t.Errorf("cluster %+v", k)
	}
	for kubeconfig, want := range map[string]string{
		`{"clusters":[{"name":"c","cluster":{"server":"http://evil.example.com"}}]}`: "want an https URL",
		`{"clusters":[]}`: "0 clusters",
		`- no`:            "kubeconfig of the bridge",
	} {
		b.kubeconfig = kubeconfig
		r.fails([]string{"use", "prod.acme"}, want)
	}
}
