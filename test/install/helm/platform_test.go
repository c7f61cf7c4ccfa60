package helm

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
)

// platformRelease is the README's name for the release.
const platformRelease = "fairlead"

// platformSpace is a namespace with its own Fairlead: brokers and bridges of the
// chart, with the files of 'fairlead-broker init'.
type platformSpace struct {
	*space
	fl   string // the directory
	name string // prefix of the names of the release's objects
	cli  *http.Client
}

func newPlatformSpace(t *testing.T, release string) *platformSpace {
	t.Helper()
	p := &platformSpace{space: newSpace(t), fl: filepath.Join(t.TempDir(), "fl"), name: release}
	if !strings.Contains(release, "fairlead") {
		p.name = release + "-fairlead"
	}
	ns := p.space.name
	p.broker("init", "--dir", p.fl, "--tenant", "acme", "--cluster", "prod", "--host", "fairlead.example.com",
		"--host", "*."+p.name+"-broker-headless."+ns+".svc", "--host", p.name+"-broker."+ns+".svc", "--host", p.bridgeHost())
	if err := os.WriteFile(p.file("resolver.conf"), []byte(p.broker("nats-config", "--dir", p.fl)), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *platformSpace) file(parts ...string) string {
	return filepath.Join(append([]string{p.fl}, parts...)...)
}

// broker runs fairlead-broker to its end and returns what it printed.
func (p *platformSpace) broker(args ...string) string {
	p.t.Helper()
	out, err := p.system.BrokerCommand(p.t.Context(), args...)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *platformSpace) bridgeHost() string { return p.name + "-bridge." + p.space.name + ".svc" }

// applySecrets makes or changes the two Secrets by the README's commands.
func (p *platformSpace) applySecrets() {
	p.t.Helper()
	p.apply("create", "secret", "generic", p.name, "--from-file="+p.file("resolver.conf"), "--from-file="+p.file("guard.creds"),
		"--from-file="+p.file("keys", "bridge.nk"), "--from-file="+p.file("tenants.yaml"), "--from-file="+p.file("tokens.yaml"),
		"--from-file="+p.file("keys", "store.nk"), "--from-file="+p.file("store.account"))
	p.apply("create", "secret", "generic", p.name+"-tls", "--type=kubernetes.io/tls", "--from-file=tls.crt="+p.file("tls", "server.crt"),
		"--from-file=tls.key="+p.file("tls", "server.key"), "--from-file="+p.file("tls", "ca.crt"))
}

func (p *platformSpace) apply(args ...string) {
	p.t.Helper()
	object := p.kubectl(append(args, "--dry-run=client", "--output=yaml")...)
	if _, err := p.kube.Run(p.t.Context(), object, "apply", "--namespace", p.space.name, "--filename=-"); err != nil {
		p.t.Fatal(err)
	}
}

func (p *platformSpace) chart() string { return filepath.Join(p.root, "deploy", "helm", "fairlead") }

// built returns the arguments for the images that were built here.
func built(more ...string) []string {
	return append([]string{"--set", "image.tag=dev,image.pullPolicy=Never", "--set", smallRequests}, more...)
}

// smallRequests lets several platforms run side by side on a node of two cores:
// pods are scheduled by the resources that they request.
const smallRequests = "broker.resources.requests.cpu=10m,bridge.resources.requests.cpu=10m"

// rollout waits until all pods are of the last revision, and ready.
func (p *platformSpace) rollout() {
	p.t.Helper()
	for _, workload := range []string{"statefulset/" + p.name + "-broker", "deployment/" + p.name + "-bridge"} {
		p.kubectl("rollout", "status", workload, "--timeout="+within.String())
	}
}

// installAgent installs the agents' chart in the same namespace. The agents
// connect to url.
func (p *platformSpace) installAgent(release, url, creds string, more ...string) {
	p.t.Helper()
	p.helm(append([]string{"install", release, filepath.Join(p.root, "deploy", "helm", "fairlead-agent"), "--set", "server=" + url,
		"--set-file", "creds=" + creds, "--set-file", "caBundle.pem=" + p.file("tls", "ca.crt"),
		"--set", "image.tag=dev,image.pullPolicy=Never,drainTimeoutSeconds=5,resources.requests.cpu=10m",
		"--set", "rbac.preset=edit,rbac.namespaces={" + p.space.name + "}", "--wait", "--timeout", within.String()}, more...)...)
}

func (p *platformSpace) brokerURL() string {
	return "tls://" + p.name + "-broker." + p.space.name + ".svc:4222"
}

// serviceIP is a Service's address, which this machine reaches as its pods do.
func (p *platformSpace) serviceIP(name string) string {
	p.t.Helper()
	service, err := p.admin.CoreV1().Services(p.space.name).Get(p.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	return service.Spec.ClusterIP
}

// client calls the bridges by their Service, with its name in the certificate.
func (p *platformSpace) client() *http.Client {
	p.t.Helper()
	if p.cli != nil {
		return p.cli
	}
	ca, err := os.ReadFile(p.file("tls", "ca.crt"))
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	address := net.JoinHostPort(p.serviceIP(p.name+"-bridge"), "8443")
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		// A dial outlives its request, and nobody answers while a bridge is replaced.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, address)
		},
		DisableKeepAlives: true, // each request may go to another bridge
	}
	p.cli = &http.Client{Transport: transport, Timeout: 20 * time.Second}
	return p.cli
}

// get asks the bridges, as the first caller unless another token is given.
func (p *platformSpace) get(ctx context.Context, path, token string) (int, []byte, error) {
	return p.call(ctx, http.MethodGet, path, token, "")
}

// call is get for any method, with a body.
func (p *platformSpace) call(ctx context.Context, method, path, token, body string) (int, []byte, error) {
	if token == "" {
		b, err := os.ReadFile(p.file("token"))
		if err != nil {
			return 0, nil, err
		}
		token = strings.TrimSpace(string(b))
	}
	req, err := http.NewRequestWithContext(ctx, method, "https://"+p.bridgeHost()+":8443"+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := p.client().Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

// state waits until the bridges report the wanted state of a cluster.
func (p *platformSpace) state(cluster, want string, within time.Duration) {
	p.t.Helper()
	err := harness.Until(p.t.Context(), cluster+" to be "+want, within, nil, func(ctx context.Context) error {
		code, body, err := p.get(ctx, "/v1/clusters/"+cluster, "")
		if err != nil {
			return err
		}
		if code != http.StatusOK || !bytes.Contains(body, []byte(`"state":"`+want+`"`)) {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// tunnel returns the first caller's kubeconfig for a cluster.
func (p *platformSpace) tunnel(cluster string) string {
	p.t.Helper()
	return p.tunnelAs(cluster, "")
}

// tunnelAs returns a kubeconfig for a cluster, with the token of the first caller or
// another one. Its server is the Service's address, since the Service's name does not
// resolve on this machine. The certificate is still verified against the name.
func (p *platformSpace) tunnelAs(cluster, token string) string {
	p.t.Helper()
	p.state(cluster, "connected", within)
	code, body, err := p.get(p.t.Context(), "/v1/clusters/"+cluster+"/kubeconfig", token)
	if err != nil || code != http.StatusOK {
		p.t.Fatalf("kubeconfig: %d %s %v", code, body, err)
	}
	host := regexp.MustCompile(`server: https://` + regexp.QuoteMeta(p.bridgeHost()) + `:8443`)
	if !host.Match(body) {
		p.t.Fatalf("the kubeconfig does not name https://%s:8443", p.bridgeHost())
	}
	body = host.ReplaceAll(body, []byte("tls-server-name: "+p.bridgeHost()+"\n        server: https://"+p.serviceIP(p.name+"-bridge")+":8443"))
	kubeconfig := filepath.Join(p.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, body, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return kubeconfig
}

// works lists the release's own pods with kubectl, through bridges, brokers and
// agents.
func (p *platformSpace) works(cluster string) (kubeconfig string) {
	p.t.Helper()
	kubeconfig = p.tunnel(cluster)
	out, err := harness.Kubectl(p.t.Context(), p.kube.Kubectl, kubeconfig, "", "get", "pods", "--namespace", p.space.name)
	if err != nil {
		p.t.Fatal(err)
	}
	if !strings.Contains(out, p.name+"-broker-0") {
		p.t.Errorf("kubectl sees %s", out)
	}
	return kubeconfig
}

// forward runs the README's port-forward to a broker until the test ends, and
// returns the broker's URL.
func (p *platformSpace) forward() (url string) {
	p.t.Helper()
	process := p.start("port-forward", p.kube.Kubeconfig, "port-forward", "service/"+p.name+"-broker", ":4222")
	line := regexp.MustCompile(`Forwarding from 127\.0\.0\.1:(\d+)`)
	return "tls://localhost:" + process.says(line)[1]
}

// pods are the release's pods by name.
func (p *platformSpace) pods(component string) map[string]corev1.Pod {
	p.t.Helper()
	list, err := p.admin.CoreV1().Pods(p.space.name).List(p.t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + component})
	if err != nil {
		p.t.Fatal(err)
	}
	pods := map[string]corev1.Pod{}
	for _, pod := range list.Items {
		if pod.DeletionTimestamp == nil {
			pods[pod.Name] = pod
		}
	}
	return pods
}

// unmoved checks that no broker and no bridge was replaced or restarted.
func (p *platformSpace) unmoved(before map[string]corev1.Pod, component string) {
	p.t.Helper()
	now := p.pods(component)
	for name, b := range before {
		n, ok := now[name]
		if !ok || n.UID != b.UID || n.Status.ContainerStatuses[0].RestartCount != b.Status.ContainerStatuses[0].RestartCount {
			p.t.Errorf("%s was replaced or restarted", name)
		}
	}
}
