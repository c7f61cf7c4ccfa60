package e2e

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	kubeapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// desk is a computer of somebody with kubectl and the plugin.
type desk struct {
	*guarded
	people *issuer.People
	side   side // of the kubeconfig that the plugin writes
	env    []string
}

const (
	cliClient = "fairlead-cli"
	cliSecret = "a secret+of/the=client"
)

func newDesk(sp *space) *desk {
	sp.t.Helper()
	d := &desk{guarded: newGuarded(sp)}
	d.people = d.issuer.AddPeople(cliClient)
	d.people.SetClientSecret(cliSecret, issuer.SecretBasic)
	d.people.SetClaims(func(c map[string]any) { c["groups"] = []string{"devs"} })
	d.replace(d.idTokens(cliClient) + `grants:
  - name: devs
    clusters: [prod.acme]
    when: ['caller.issuer == "idp"', '"devs" in caller.groups']
    as: {user: caller.name, groups: '["` + sp.name + `:devs"]'}
`)
	d.start(harness.SystemOptions{})
	sp.allow("Group", sp.name+":devs", rule("get,list,watch", "configmaps"))
	home := filepath.Join(d.dir, "home")
	if err := os.MkdirAll(home, 0o700); err != nil {
		sp.t.Fatal(err)
	}
	d.side = side{name: sp.name, kubeconfig: filepath.Join(home, "kubeconfig")}
	d.env = []string{
		"PATH=" + filepath.Dir(sp.race.Plugin) + ":" + os.Getenv("PATH"), "DISPLAY=", "WAYLAND_DISPLAY=", "FAIRLEAD_BRIDGE=",
		"XDG_CACHE_HOME=" + filepath.Join(home, "cache"), "XDG_CONFIG_HOME=" + filepath.Join(home, "config"),
	}
	return d
}

// fairlead is a call of the plugin.
func (d *desk) fairlead(args ...string) call {
	return call{side: d.side, args: append([]string{"fairlead"}, args...), env: d.env}
}

// kubectl is a call of kubectl itself in the test's namespace.
func (d *desk) kubectl(args ...string) call { return d.sp.on(d.side, args...).with(d.env...) }

// loginFlags are those of the first login.
func (d *desk) loginFlags() []string {
	d.sp.t.Helper()
	secret := filepath.Join(d.dir, "client-secret")
	if err := os.WriteFile(secret, []byte(cliSecret+"\n"), 0o600); err != nil {
		d.sp.t.Fatal(err)
	}
	return []string{
		"login", "--bridge", d.system.URL(""), "--bridge-ca", d.system.CAFile(), "--issuer", d.issuer.URL(), "--ca", d.issuer.CAFile(),
		"--client-id", cliClient, "--client-secret-file", secret,
	}
}

// browse opens the page of the issuer that a login shows, and is sent back from there.
func (d *desk) browse(login *running) {
	d.sp.t.Helper()
	page := regexp.MustCompile(`https://\S+/authorize\?\S+`)
	if !login.stderr.wait("/authorize?", time.Minute, login.done) || !login.stderr.wait("\n\n", time.Minute, login.done) {
		d.sp.t.Fatalf("no URL: %s", login.stderr)
	}
	ca, err := os.ReadFile(d.issuer.CAFile())
	if err != nil {
		d.sp.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	defer client.CloseIdleConnections()
	resp, err := client.Get(page.FindString(login.stderr.String()))
	if err != nil {
		d.sp.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		d.sp.t.Fatalf("the browser got %s", resp.Status)
	}
}

// TestPeople: somebody logs in with the browser, or with another device, and kubectl
// works from then on. Tokens are renewed for as long as the issuer agrees.
func TestPeople(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	d := newDesk(sp)
	sp.configMap("seen", nil)

	login := sp.start(d.fairlead(d.loginFlags()...))
	d.browse(login)
	if code := login.wait(time.Minute); code != 0 || !strings.Contains(login.stderr.String(), " as "+sp.name+":alice.") {
		t.Fatalf("login: exit code %d, %s", code, login.stderr)
	}
	if got := sp.must(d.fairlead("clusters")); !strings.Contains(got, "prod.acme") || !strings.Contains(got, "connected") {
		t.Errorf("clusters:\n%s", got)
	}
	if got := sp.must(d.fairlead("whoami")); !strings.Contains(got, sp.name+":alice") || !strings.Contains(got, "devs") {
		t.Errorf("whoami:\n%s", got)
	}
	sp.must(d.fairlead("use", "prod.acme"))
	if got := sp.must(d.kubectl("get", "configmaps", "-o", "name")); !strings.Contains(got, "configmap/seen") {
		t.Errorf("kubectl get:\n%s", got)
	}
	if got := sp.must(d.kubectl("auth", "whoami")); !strings.Contains(got, sp.name+":alice") || !strings.Contains(got, sp.name+":devs") {
		t.Errorf("kubectl auth whoami:\n%s", got)
	}
	config, err := os.ReadFile(d.side.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range d.people.Secrets() {
		if strings.Contains(string(config), secret) {
			t.Error("a token is in the kubeconfig")
		}
	}

	// From now on each kubectl finds a token that is about to expire.
	d.people.SetLifetime(50 * time.Second)
	d.people.SetDevice("authorization_pending")
	if r := sp.do(d.fairlead("login", "--device")); r.code != 0 || !strings.Contains(r.stderr, "ABCD-EFGH") {
		t.Fatalf("login --device: exit code %d, %s", r.code, r.stderr)
	}
	before := d.issuer.Requests(issuer.PathToken)
	sp.must(d.kubectl("get", "configmaps"))
	sp.must(d.kubectl("get", "configmaps"))
	if n := d.issuer.Requests(issuer.PathToken) - before; n != 2 {
		t.Errorf("%d requests for tokens of two calls of kubectl, want 2", n)
	}
	if _, refused := d.people.Usable(); refused != 0 {
		t.Errorf("%d refresh tokens were used twice", refused)
	}
	d.people.RevokeAll()
	r := sp.do(d.kubectl("get", "configmaps"))
	if r.code == 0 || !strings.Contains(r.stderr, "the issuer has ended the login") || !strings.Contains(r.stderr, "kubectl fairlead login --bridge "+d.system.URL("")) {
		t.Errorf("after the issuer has ended the login: exit code %d, %s", r.code, r.stderr)
	}
}

// TestPeopleWatch: a watch ends with its token, with the reason. Informers go on with the
// next token.
func TestPeopleWatch(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	d := newDesk(sp)
	sp.configMap("seen", nil)
	const lives = 12 * time.Second
	d.people.SetLifetime(lives)
	sp.must(d.fairlead(append(d.loginFlags(), "--device")...))
	sp.must(d.fairlead("use", "prod.acme"))
	watch := sp.start(d.kubectl("get", "configmaps", "-w"))
	watch.expect("seen")

	config, err := clientcmd.BuildConfigFromFlags("", d.side.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	// The variables of this process are not those of the desk.
	config.ExecProvider.Command = sp.race.Plugin
	for _, e := range d.env {
		name, value, _ := strings.Cut(e, "=")
		config.ExecProvider.Env = append(config.ExecProvider.Env, kubeapi.ExecEnvVar{Name: name, Value: value})
	}
	set, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	stop, arrived := make(chan struct{}), newOutput()
	factory := informers.NewSharedInformerFactoryWithOptions(set, 0, informers.WithNamespace(sp.name))
	informer := factory.Core().V1().ConfigMaps().Informer()
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: func(o any) {
		_, _ = arrived.Write([]byte(o.(metav1.Object).GetName() + "\n"))
	}}); err != nil {
		t.Fatal(err)
	}
	factory.Start(stop)
	t.Cleanup(func() { close(stop); factory.Shutdown() })
	if !arrived.wait("seen\n", time.Minute, nil) {
		t.Fatal("the informer has seen nothing")
	}
	before := d.issuer.Requests(issuer.PathToken)
	watch.ends(lives+20*time.Second, "expired")
	sp.until("the informer to renew its token", func(context.Context) error {
		if n := d.issuer.Requests(issuer.PathToken); n == before {
			return fmt.Errorf("%d requests", n)
		}
		return nil
	})
	sp.configMap("later", nil)
	if !arrived.wait("later\n", time.Minute, nil) {
		t.Error("the informer did not go on after its token expired")
	}
}
