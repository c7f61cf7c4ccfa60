package helm

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// ingressHost is the host of both Ingresses. The certificate is valid for it.
const ingressHost = "fairlead.example.com"

// TestPlatformIngress configures a real nginx as ingress-nginx would by the
// Ingresses' annotations. Through it an agent connects by WebSocket on a sub-path,
// and kubectl makes the requests that proxies tend to break.
func TestPlatformIngress(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if testbed.Required() {
			t.Fatal(err)
		}
		t.Skip("needs nginx (Debian: apt-get install nginx-light)")
	}
	p.applySecrets()
	values := filepath.Join(p.root, "deploy", "examples", "ingress-nginx-values.yaml")
	p.helm(append([]string{"install", platformRelease, p.chart(), "--values", values, "--wait", "--timeout", within.String()}, built()...)...)

	address := p.startNginx(nginx)
	_, port, _ := net.SplitHostPort(address)
	p.helm("install", "fairlead-agent", filepath.Join(p.root, "deploy", "helm", "fairlead-agent"),
		"--set", "server=wss://"+ingressHost+":"+port+"/-/fairlead/", "--set", "hostAliases[0].ip="+p.kube.NodeIP+",hostAliases[0].hostnames={"+ingressHost+"}",
		"--set-file", "creds="+p.file("creds", "prod.acme.creds"), "--set-file", "caBundle.pem="+p.file("tls", "ca.crt"),
		"--set", "image.tag=dev,image.pullPolicy=Never,drainTimeoutSeconds=5,resources.requests.cpu=10m,rbac.preset=admin", "--wait", "--timeout", within.String())
	kubeconfig := p.tunnelVia("prod.acme", "https://"+address)
	p.proxied(kubeconfig)
}

// tunnelVia is tunnel through a proxy whose host is ingressHost.
func (p *platformSpace) tunnelVia(cluster, url string) string {
	p.t.Helper()
	p.state(cluster, "connected", within)
	_, body, err := p.get(p.t.Context(), "/v1/clusters/"+cluster+"/kubeconfig", "")
	if err != nil {
		p.t.Fatal(err)
	}
	named := regexp.MustCompile(`server: https://` + regexp.QuoteMeta(ingressHost) + `/`)
	if !named.Match(body) || bytes.Contains(body, []byte("certificate-authority")) {
		p.t.Fatal("the kubeconfig does not name the Ingress, or a CA that is not the Ingress' own")
	}
	// The proxy's certificate is of the private CA here.
	body = named.ReplaceAll(body, []byte("tls-server-name: "+ingressHost+"\n        certificate-authority: "+p.file("tls", "ca.crt")+"\n        server: "+url+"/"))
	kubeconfig := filepath.Join(p.t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, body, 0o600); err != nil {
		p.t.Fatal(err)
	}
	return kubeconfig
}

// proxied makes requests that fail behind a proxy that buffers, limits bodies or
// does not upgrade.
func (p *platformSpace) proxied(kubeconfig string) {
	p.t.Helper()
	run := func(ctx context.Context, stdin string, args ...string) (string, error) {
		return harness.Kubectl(ctx, p.kube.Kubectl, kubeconfig, stdin, append([]string{"--namespace", p.space.name}, args...)...)
	}
	must := func(stdin string, args ...string) string {
		p.t.Helper()
		out, err := run(p.t.Context(), stdin, args...)
		if err != nil {
			p.t.Fatal(err)
		}
		return out
	}
	pod := strings.ReplaceAll(proxiedPod, "IMAGE", p.kube.Images["busybox"])
	must(pod, "create", "--filename=-")
	must("", "wait", "--for=condition=Ready", "pod/proxied", "--timeout="+within.String())
	if got := must("b\na\n", "exec", "-i", "proxied", "--", "sort"); got != "a\nb\n" {
		p.t.Errorf("sort gave %q", got)
	}

	// A line arrives when it is written, not when a buffer is full.
	ctx, cancel := context.WithCancel(p.t.Context())
	defer cancel()
	log := filepath.Join(p.t.TempDir(), "logs")
	follow, err := harness.Start(harness.Spec{
		Name: "logs -f", Path: p.kube.Kubectl, Log: log,
		Args: []string{"--kubeconfig", kubeconfig, "--namespace", p.space.name, "logs", "--follow", "proxied"},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	must("", "exec", "proxied", "--", "sh", "-c", "echo now > /proc/1/fd/1")
	began := time.Now()
	err = harness.Until(ctx, "the line in the log", 10*time.Second, follow, func(context.Context) error {
		text, err := os.ReadFile(log)
		if err == nil && !strings.Contains(string(text), "now\n") {
			err = errors.New("not there")
		}
		return err
	})
	if err != nil {
		p.t.Error(err)
	}
	p.t.Logf("a line of the log was there after %s", time.Since(began).Round(time.Millisecond))
	if err := follow.Stop(10 * time.Second); err != nil {
		p.t.Error(err)
	}

	// More than nginx accepts or buffers by default, in both directions.
	big := filepath.Join(p.t.TempDir(), "big")
	content := make([]byte, 24<<20)
	_, _ = rand.Read(content) // never fails
	if err := os.WriteFile(big, content, 0o600); err != nil {
		p.t.Fatal(err)
	}
	must("", "cp", big, p.space.name+"/proxied:/tmp/big")
	must("", "cp", p.space.name+"/proxied:/tmp/big", big+".back")
	back, err := os.ReadFile(big + ".back")
	if err != nil || !bytes.Equal(back, content) {
		p.t.Errorf("%d bytes came back, differing from %d: %v", len(back), len(content), err)
	}
	// A body over nginx's default of 1 MB, by a plain request.
	must(fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\nbinaryData: {x: %s}\n", strings.Repeat("AAAA", 300<<10)),
		"create", "--filename=-")
}

const proxiedPod = `
apiVersion: v1
kind: Pod
metadata: {name: proxied}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 65532, seccompProfile: {type: RuntimeDefault}}
  containers:
    - name: main
      image: IMAGE
      imagePullPolicy: Never
      command: [tail, -f, /dev/null]
      securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
`

// startNginx runs nginx in front of the release's pods, and returns its address.
func (p *platformSpace) startNginx(path string) (address string) {
	p.t.Helper()
	address, err := freeport.AddressOn(p.kube.NodeIP)
	if err != nil {
		p.t.Fatal(err)
	}
	dir := p.t.TempDir()
	conf := filepath.Join(dir, "nginx.conf")
	var locations strings.Builder
	for _, component := range []string{"broker", "bridge"} {
		locations.WriteString(p.location(component))
	}
	// The parts of ingress-nginx's configuration around the locations that matter.
	text := fmt.Sprintf(`
daemon off;
pid %[1]s/pid;
error_log stderr notice;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  proxy_ssl_session_reuse on;
%[2]s
  server {
    server_name %[3]s;
    listen %[4]s ssl http2;
    ssl_certificate %[5]s;
    ssl_certificate_key %[6]s;
%[7]s
  }
}
`, dir, p.upstreams(), ingressHost, address, p.file("tls", "server.crt"), p.file("tls", "server.key"), locations.String())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	process, err := harness.Start(harness.Spec{Name: "nginx", Path: path, Args: []string{"-p", dir, "-c", conf}, Log: filepath.Join(dir, "log"), TermWithUs: true})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if p.t.Failed() {
			p.t.Log(harness.Tail(process.Log(), 25))
		}
		if err := process.Stop(10 * time.Second); err != nil {
			p.t.Error(err)
		}
	})
	err = harness.Until(p.t.Context(), "nginx to listen", within, process, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close() // the connection was only to see whether it listens
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return address
}

// upstreams are the pods themselves: an Ingress controller bypasses Services.
func (p *platformSpace) upstreams() string {
	var b strings.Builder
	for component, port := range map[string]string{"broker": "4223", "bridge": "8443"} {
		fmt.Fprintf(&b, "  upstream %s {\n    keepalive 32;\n", component)
		for _, pod := range p.pods(component) {
			fmt.Fprintf(&b, "    server %s;\n", net.JoinHostPort(pod.Status.PodIP, port))
		}
		b.WriteString("  }\n")
	}
	return b.String()
}

// location is what ingress-nginx writes for a component's Ingress.
func (p *platformSpace) location(component string) string {
	p.t.Helper()
	ingress, err := p.admin.NetworkingV1().Ingresses(p.space.name).Get(p.t.Context(), p.name+"-"+component, metav1.GetOptions{})
	if err != nil {
		p.t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `    location %s {
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_connect_timeout 5s;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 3;
`, ingressPath(ingress))
	scheme := ""
	for key, value := range ingress.Annotations {
		directive, ok := strings.CutPrefix(key, "nginx.ingress.kubernetes.io/")
		if !ok {
			continue
		}
		switch directive {
		case "backend-protocol":
			scheme = strings.ToLower(value)
		case "proxy-read-timeout", "proxy-send-timeout":
			fmt.Fprintf(&b, "      %s %ss;\n", strings.ReplaceAll(directive, "-", "_"), value)
		case "proxy-body-size":
			fmt.Fprintf(&b, "      client_max_body_size %s;\n", value)
		case "proxy-ssl-secret":
			if want := p.space.name + "/" + p.name + "-tls"; value != want {
				p.t.Errorf("%s is %s, want %s", key, value, want)
			}
			fmt.Fprintf(&b, "      proxy_ssl_trusted_certificate %s;\n      proxy_ssl_certificate %s;\n      proxy_ssl_certificate_key %s;\n",
				p.file("tls", "ca.crt"), p.file("tls", "server.crt"), p.file("tls", "server.key"))
		case "proxy-http-version", "proxy-buffering", "proxy-request-buffering", "proxy-ssl-verify", "proxy-ssl-name", "proxy-ssl-server-name":
			fmt.Fprintf(&b, "      %s %s;\n", strings.ReplaceAll(directive, "-", "_"), value)
		default:
			p.t.Errorf("no directive is known for %s", key)
		}
	}
	fmt.Fprintf(&b, "      proxy_pass %s://%s;\n    }\n", scheme, component)
	return b.String()
}

func ingressPath(ingress *networkingv1.Ingress) string {
	return ingress.Spec.Rules[0].HTTP.Paths[0].Path
}
