package helm_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// bridgePod is the pod of the bridges.
func bridgePod(t *testing.T, all objects) corev1.PodTemplateSpec {
	t.Helper()
	return get[*appsv1.Deployment](t, all, platformName+"-bridge").Spec.Template
}

// hides checks that only Secrets hold a text.
func hides(t *testing.T, all objects, secret string) {
	t.Helper()
	for _, o := range all {
		if o.Kind != "Secret" && strings.Contains(string(o.text), secret) {
			t.Errorf("%s shows %q", o, secret)
		}
	}
}

// TestPlatformBrokersElsewhere: each value of bridge.broker is an argument, and secrets are
// in files.
func TestPlatformBrokersElsewhere(t *testing.T) {
	all := render(t, platformChart, "--set", "bridge.broker.servers={wss://b/x,ws://c}", "--set", "bridge.broker.insecureTransport=true",
		"--set", "bridge.broker.tlsServerName=inner.example", "--set", "bridge.broker.clientCertSecret=mtls",
		"--set", "bridge.broker.headers={X-A: b,X-C: d}", "--set-literal", "bridge.broker.headerFile=X-Token: hunter2",
		"--set", "bridge.broker.caBundle.existingSecret=ca", "--set", "bridge.broker.caBundle.key=corp.pem", "--set", "bridge.broker.caAddSystem=true")
	pod := bridgePod(t, all).Spec
	for _, want := range []string{
		"--broker-insecure-transport", "--broker-tls-server-name=inner.example", "--broker-header=X-A: b", "--broker-header=X-C: d",
		"--broker-ca-add-system", "--broker-client-cert=/etc/fairlead-broker/client/tls.crt", "--broker-client-key=/etc/fairlead-broker/client/tls.key",
	} {
		if !slices.Contains(pod.Containers[0].Args, want) {
			t.Errorf("no argument %q in %q", want, pod.Containers[0].Args)
		}
	}
	if got, want := arguments(pod.Containers[0], "broker-url"), []string{"wss://b/x", "ws://c"}; !slices.Equal(got, want) {
		t.Errorf("brokers %q, want %q and none of the release", got, want)
	}
	secret, key := mounted(t, pod, "--broker-header-file=")
	if got := string(get[*corev1.Secret](t, all, secret).Data[key]); got != "X-Token: hunter2" {
		t.Errorf("the file holds %q", got)
	}
	hides(t, all, "hunter2")
	if name, key := mounted(t, pod, "--broker-ca="); name != "ca" || key != "corp.pem" {
		t.Errorf("CA from %s, key %s", name, key)
	}
	i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "broker-client" })
	if i < 0 || pod.Volumes[i].Secret == nil || pod.Volumes[i].Secret.SecretName != "mtls" || len(pod.Volumes[i].Secret.Items) != 2 {
		t.Errorf("volumes %+v", pod.Volumes)
	}
	own := render(t, platformChart, "--set", "bridge.broker.servers={wss://b}", "--set", "bridge.broker.existingHeaderSecret=own",
		"--set", "bridge.broker.existingHeaderSecretKey=lines")
	if name, key := mounted(t, bridgePod(t, own).Spec, "--broker-header-file="); name != "own" || key != "lines" {
		t.Errorf("headers from %s, key %s", name, key)
	}
	if got := argument(t, bridgePod(t, own).Spec.Containers[0], "broker-ca"); got != "/etc/fairlead/ca.crt" {
		t.Errorf("without a bundle the CA is %s", got)
	}
}

// TestPlatformProxy: the proxies' URLs and their login come from Secrets, and the
// cluster's own services are reached directly. A new login replaces no pods, another proxy
// does, since variables are read once.
func TestPlatformProxy(t *testing.T) {
	const proxy = "bridge.proxy.httpsProxy=http://jane:hunter2@proxy.example.com:3128"
	all := render(t, platformChart, "--set", proxy, "--set", `bridge.proxy.noProxy=.corp.example\,10.0.0.0/8`, "--set-literal", `bridge.proxy.credentials=CORP\jane:hunter3`)
	pod := bridgePod(t, all)
	secret, key := mounted(t, pod.Spec, "--broker-proxy-credentials=")
	if got := string(get[*corev1.Secret](t, all, secret).Data[key]); got != `CORP\jane:hunter3` {
		t.Errorf("the file holds %q", got)
	}
	hides(t, all, "hunter")
	env := map[string]corev1.EnvVar{}
	for _, e := range pod.Spec.Containers[0].Env {
		env[e.Name] = e
	}
	ref := env["HTTPS_PROXY"].ValueFrom.SecretKeyRef
	if got := string(get[*corev1.Secret](t, all, ref.Name).Data[ref.Key]); !strings.HasPrefix(got, "http://jane:") {
		t.Errorf("HTTPS_PROXY is %q", got)
	}
	for _, name := range []string{"HTTP_PROXY", "ALL_PROXY"} {
		if ref := env[name].ValueFrom.SecretKeyRef; ref.Optional == nil || !*ref.Optional {
			t.Errorf("pods do not start without %s", name)
		}
	}
	if got, want := env["NO_PROXY"].Value, "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,::1,.svc,.cluster.local,.corp.example,10.0.0.0/8"; got != want {
		t.Errorf("NO_PROXY is %q, want %q", got, want)
	}
	for _, u := range arguments(pod.Spec.Containers[0], "broker-url") {
		if !strings.HasSuffix(u, ".svc:4222") {
			t.Errorf("%s of this release is reached through the proxy", u)
		}
	}
	const sum = "checksum/proxy"
	login := render(t, platformChart, "--set", proxy, "--set", "bridge.proxy.credentials=u:p")
	if was, is := pod.Annotations[sum], bridgePod(t, login).Annotations[sum]; was != is || was == "" {
		t.Errorf("%s is %q with one login and %q with another", sum, was, is)
	}
	other := render(t, platformChart, "--set", "bridge.proxy.httpsProxy=http://other:3128")
	if pod.Annotations[sum] == bridgePod(t, other).Annotations[sum] {
		t.Error("bridges keep their old proxy")
	}
}

// TestPlatformProxyFilesOfYourOwn: Secrets and ConfigMaps that the chart does not make.
func TestPlatformProxyFilesOfYourOwn(t *testing.T) {
	all := render(t, platformChart, "--set", "bridge.proxy.existingSecret=urls", "--set", "bridge.proxy.existingCredentialsSecret=corp",
		"--set", "bridge.proxy.existingCredentialsSecretKey=login", "--set", "bridge.proxy.caBundle.existingConfigMap=trust", "--set", "bridge.proxy.caBundle.key=corp.pem")
	pod := bridgePod(t, all).Spec
	if name, key := mounted(t, pod, "--broker-proxy-credentials="); name != "corp" || key != "login" {
		t.Errorf("credentials from %s, key %s", name, key)
	}
	if name, key := mounted(t, pod, "--broker-proxy-ca="); name != "trust" || key != "corp.pem" {
		t.Errorf("CA from %s, key %s", name, key)
	}
	if all.has("Secret") || all.has("ConfigMap") {
		t.Errorf("the chart makes some as well: %v", all)
	}
}

// TestPlatformPolicyOfTheLink: the bridges' policy lets them reach brokers elsewhere and the
// proxy, and opens no port without them.
func TestPlatformPolicyOfTheLink(t *testing.T) {
	ports := func(args ...string) (all []int) {
		p := get[*networkingv1.NetworkPolicy](t, render(t, platformChart, append(args, "--set", "networkPolicy.enabled=true")...), platformName+"-bridge")
		for _, rule := range p.Spec.Egress[2:] { // behind DNS and the release's brokers
			for _, port := range rule.Ports {
				all = append(all, port.Port.IntValue())
			}
		}
		return all
	}
	if got := ports(); len(got) != 0 {
		t.Errorf("open without need: %v", got)
	}
	got := ports("--set", "bridge.broker.servers={wss://b,tls://c,tls://d:4443}", "--set", "bridge.proxy.httpsProxy=http://p:3128", "--set", "bridge.proxy.allProxy=socks5h://s")
	if want := []int{443, 4222, 4443, 3128, 1080}; !slices.Equal(got, want) {
		t.Errorf("open are %v, want %v", got, want)
	}
}

// TestPlatformLinkRefusals: a mistake in bridge.broker and bridge.proxy is refused, and
// secrets are not shown.
func TestPlatformLinkRefusals(t *testing.T) {
	bundle := filepath.Join(t.TempDir(), "ca")
	for name, test := range map[string]struct{ set, want string }{
		"no broker URL":         {"bridge.broker.servers={https://b}", "bridge.broker.servers: \"https://b\" is not a broker URL"},
		"in clear":              {"bridge.broker.servers={ws://b}", "is not encrypted"},
		"headers for TLS":       {"bridge.broker.headers={X-A: b}", "only mean something with a wss:// URL"},
		"no header":             {"bridge.broker.servers={wss://b},bridge.broker.headers={hunter2}", "bridge.broker.headers[0]: this is not of the form"},
		"no header in the file": {"bridge.broker.servers={wss://b},bridge.broker.headerFile=hunter2", "bridge.broker.headerFile: a line is not"},
		"two header files":      {"bridge.broker.headerFile=A: b,bridge.broker.existingHeaderSecret=x", "bridge.broker: headerFile and existingHeaderSecret"},
		"two bundles":           {"bridge.broker.caBundle.existingSecret=x,bridge.broker.caBundle.existingConfigMap=y", "bridge.broker.caBundle: pem, existingConfigMap and existingSecret"},
		"a bundle's name":       {"bridge.proxy.caBundle.pem=" + bundle, "bridge.proxy.caBundle.pem: this holds no PEM certificate"},
		"a key in a bundle":     {"bridge.broker.caBundle.pem=BEGIN CERTIFICATE PRIVATE KEY hunter2", "bridge.broker.caBundle.pem: this holds a private key"},
		"no proxy URL":          {"bridge.proxy.httpsProxy=jane:hunter2@proxy", "bridge.proxy.httpsProxy: this is not a URL"},
		"two proxies":           {"bridge.proxy.httpsProxy=http://p,bridge.proxy.existingSecret=x", "bridge.proxy: existingSecret and the URLs"},
		"no login":              {"bridge.proxy.credentials=hunter2", "bridge.proxy.credentials: this is not user:password"},
		"two logins":            {"bridge.proxy.credentials=a:hunter2,bridge.proxy.existingCredentialsSecret=x", "bridge.proxy: credentials and existingCredentialsSecret"},
		"a typo":                {"bridge.proxy.httpProxi=x", "additional properties 'httpProxi' not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := refusal(t, platformChart, "--set", test.set)
			if !strings.Contains(got, test.want) || strings.Contains(got, "hunter2") {
				t.Errorf("helm says:\n%s\nwant: %s", got, test.want)
			}
		})
	}
}
