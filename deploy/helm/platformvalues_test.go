package helm_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// platformContent is content for the chart's Secrets. It contains no real key.
var platformContent = map[string]string{
	"config.resolverConf": "operator: eyJ0\nresolver {}\nresolver_preload: {}\n",
	"config.guardCreds":   "-----BEGIN NATS USER JWT-----\n",
	"config.bridgeKey":    "SAEXAMPLE\n",
	"config.tenants":      "acme: AEXAMPLE, # and {more}\n",
	"config.tokens":       "tokens:\n- name: admin\n",
	"tls.crt":             "-----BEGIN CERTIFICATE-----\n1\n",
	"tls.key":             "-----BEGIN PRIVATE KEY-----\n",
	"tls.ca":              "-----BEGIN CERTIFICATE-----\n2\n",
}

// contentArgs passes content in files, as the README does.
func contentArgs(t *testing.T, content map[string]string) (args []string) {
	t.Helper()
	dir := t.TempDir()
	for _, key := range slices.Sorted(maps.Keys(content)) {
		file := filepath.Join(dir, key)
		if err := os.WriteFile(file, []byte(content[key]), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--set-file", key+"="+file)
	}
	return args
}

func TestPlatformSecrets(t *testing.T) {
	all := render(t, platformChart, contentArgs(t, platformContent)...)
	all.check(t)
	platformInvariants(t, all)
	secrets := map[string]map[string]string{
		platformName: {
			"resolver.conf": "config.resolverConf", "guard.creds": "config.guardCreds", "bridge.nk": "config.bridgeKey",
			"tenants.yaml": "config.tenants", "tokens.yaml": "config.tokens",
		},
		platformName + "-tls": {"tls.crt": "tls.crt", "tls.key": "tls.key", "ca.crt": "tls.ca"},
	}
	for name, keys := range secrets {
		secret := get[*corev1.Secret](t, all, name)
		if len(secret.Data) != len(keys) {
			t.Errorf("Secret %s has %d keys, want %d", name, len(secret.Data), len(keys))
		}
		for key, value := range keys {
			if got := string(secret.Data[key]); got != platformContent[value] {
				t.Errorf("Secret %s: %s is %q, want %q", name, key, got, platformContent[value])
			}
		}
	}
	// If it makes no Secrets, the chart uses the user's own of the same names.
	own := render(t, platformChart)
	for _, all := range []objects{all, own} {
		brokers, bridges := platformWorkloads(t, all)
		wantMounted(t, "broker", brokers.Spec.Template.Spec, platformName+"/guard.creds", platformName+"/resolver.conf",
			platformName+"-tls/ca.crt", platformName+"-tls/tls.crt", platformName+"-tls/tls.key")
		wantMounted(t, "bridge", bridges.Spec.Template.Spec, platformName+"/bridge.nk", platformName+"/tenants.yaml", platformName+"/tokens.yaml",
			platformName+"-tls/ca.crt", platformName+"-tls/tls.crt", platformName+"-tls/tls.key")
	}
}

// wantMounted: each component mounts only the parts of the Secrets that it needs, and
// its arguments name files that exist.
func wantMounted(t *testing.T, component string, spec corev1.PodSpec, want ...string) {
	t.Helper()
	var got []string
	files := map[string]bool{}
	for _, v := range spec.Volumes {
		if v.Projected == nil {
			continue
		}
		for _, s := range v.Projected.Sources {
			for _, item := range s.Secret.Items {
				got = append(got, s.Secret.Name+"/"+item.Key)
				files["/etc/fairlead/"+item.Path] = true
			}
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s mounts %v, want %v", component, got, want)
	}
	for _, a := range spec.Containers[0].Args {
		if _, file, _ := strings.Cut(a, "="); strings.HasPrefix(file, "/etc/") && !files[file] {
			t.Errorf("%s: %s is not mounted", component, a)
		}
	}
}

// TestPlatformRestarts: pods are replaced only if a value changes that they read once.
func TestPlatformRestarts(t *testing.T) {
	brokers, bridges := platformWorkloads(t, render(t, platformChart, contentArgs(t, platformContent)...))
	for key, replaced := range map[string]struct{ brokers, bridges bool }{
		"config.resolverConf": {brokers: true}, "config.guardCreds": {}, "config.bridgeKey": {bridges: true},
		"config.tenants": {}, "config.tokens": {}, "tls.crt": {}, "tls.key": {}, "tls.ca": {},
	} {
		content := maps.Clone(platformContent)
		content[key] = strings.Replace(content[key], "\n", "x\n", 1)
		newBrokers, newBridges := platformWorkloads(t, render(t, platformChart, contentArgs(t, content)...))
		if got := !reflect.DeepEqual(newBrokers.Spec.Template, brokers.Spec.Template); got != replaced.brokers {
			t.Errorf("%s: brokers are replaced: %v", key, got)
		}
		if got := !reflect.DeepEqual(newBridges.Spec.Template, bridges.Spec.Template); got != replaced.bridges {
			t.Errorf("%s: bridges are replaced: %v", key, got)
		}
	}
	// Another account in the preload does not mean another operator.
	content := maps.Clone(platformContent)
	content["config.resolverConf"] = strings.Replace(content["config.resolverConf"], "preload: {}", "preload: { A: b }", 1)
	newBrokers, _ := platformWorkloads(t, render(t, platformChart, contentArgs(t, content)...))
	if !reflect.DeepEqual(newBrokers.Spec.Template, brokers.Spec.Template) {
		t.Error("brokers are replaced for an account that they get by a push")
	}
}

// TestPlatformBridgeCertificate: kubeconfigs name the private CA if callers see a
// certificate of it, and no CA if they see a public certificate.
func TestPlatformBridgeCertificate(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		ca   []string
		url  []string
		cert string
	}{
		"alone":       {nil, []string{"/etc/fairlead/ca.crt"}, nil, platformName + "-tls"},
		"ingress":     {[]string{"--set", "bridge.ingress.enabled=true,bridge.ingress.host=f.example.com"}, nil, []string{"https://f.example.com"}, platformName + "-tls"},
		"its own":     {[]string{"--set", "bridge.tlsSecret=public"}, nil, nil, "public"},
		"as is said":  {[]string{"--set", "bridge.tlsSecret=public,bridge.kubeconfigCA=private"}, []string{"/etc/fairlead/ca.crt"}, nil, "public"},
		"a URL":       {[]string{"--set", "bridge.publicURL=https://x.example.com/fl"}, []string{"/etc/fairlead/ca.crt"}, []string{"https://x.example.com/fl"}, platformName + "-tls"},
		"behind both": {[]string{"--set", "bridge.ingress.enabled=true,bridge.ingress.host=f.example.com,bridge.publicURL=https://x"}, nil, []string{"https://x"}, platformName + "-tls"},
	} {
		t.Run(name, func(t *testing.T) {
			_, bridges := platformWorkloads(t, render(t, platformChart, test.args...))
			spec := bridges.Spec.Template.Spec
			if got := arguments(spec.Containers[0], "tls-ca"); !slices.Equal(got, test.ca) {
				t.Errorf("kubeconfigs have the CA %v, want %v", got, test.ca)
			}
			if got := arguments(spec.Containers[0], "public-url"); !slices.Equal(got, test.url) {
				t.Errorf("the public URL is %v, want %v", got, test.url)
			}
			if got := argument(t, spec.Containers[0], "broker-ca"); got != "/etc/fairlead/ca.crt" {
				t.Errorf("brokers are verified by %s", got)
			}
			sources := spec.Volumes[0].Projected.Sources
			if got := sources[len(sources)-1].Secret.Name; got != test.cert {
				t.Errorf("the certificate is of %s, want %s", got, test.cert)
			}
		})
	}
}

// TestPlatformIngress checks the annotations for an nginx in front.
func TestPlatformIngress(t *testing.T) {
	all := render(t, platformChart, "--set", "bridge.ingress.enabled=true,bridge.ingress.host=f.example.com",
		"--set", "broker.ingress.enabled=true,broker.ingress.host=f.example.com,broker.ingress.path=/-/fairlead/",
		"--set-string", `broker.ingress.annotations.nginx\.ingress\.kubernetes\.io/proxy-read-timeout=60`)
	for component, timeout := range map[string]string{"bridge": "3600", "broker": "60"} {
		i := get[*networkingv1.Ingress](t, all, platformName+"-"+component)
		for key, want := range map[string]string{
			"backend-protocol": "HTTPS", "proxy-buffering": "off", "proxy-request-buffering": "off", "proxy-body-size": "0",
			"proxy-read-timeout": timeout, "proxy-send-timeout": "3600", "proxy-http-version": "1.1",
			"proxy-ssl-verify": "on", "proxy-ssl-secret": releaseNamespace + "/" + platformName + "-tls",
			"proxy-ssl-name": platformName + "-" + component + "." + releaseNamespace + ".svc", "proxy-ssl-server-name": "on",
		} {
			if got := i.Annotations["nginx.ingress.kubernetes.io/"+key]; got != want {
				t.Errorf("%s: %s is %q, want %q", component, key, got, want)
			}
		}
		backend := i.Spec.Rules[0].HTTP.Paths[0].Backend.Service
		service := get[*corev1.Service](t, all, backend.Name)
		if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == backend.Port.Name }) {
			t.Errorf("%s: the Service has no port %s", component, backend.Port.Name)
		}
	}
	plain := render(t, platformChart, "--set", "broker.ingress.enabled=true,broker.ingress.host=f,broker.websocket.tls=false")
	i := get[*networkingv1.Ingress](t, plain, platformName+"-broker")
	if got := i.Annotations["nginx.ingress.kubernetes.io/backend-protocol"]; got != "HTTP" {
		t.Errorf("without TLS behind, the protocol is %q", got)
	}
	brokers, _ := platformWorkloads(t, plain)
	if !slices.Contains(brokers.Spec.Template.Spec.Containers[0].Args, "--websocket-plain") {
		t.Error("the brokers are not configured for it")
	}
}

func TestPlatformAutoscaling(t *testing.T) {
	all := render(t, platformChart, "--set", "bridge.autoscaling.enabled=true")
	_, bridges := platformWorkloads(t, all)
	if bridges.Spec.Replicas != nil {
		t.Error("every upgrade would undo what the autoscaler has done")
	}
	if h := get[*autoscalingv2.HorizontalPodAutoscaler](t, all, platformName+"-bridge"); h.Spec.ScaleTargetRef.Name != bridges.Name {
		t.Errorf("it scales %v", h.Spec.ScaleTargetRef)
	}
}

// TestPlatformOpenShift: if the cluster assigns user ids to namespaces, the chart
// sets none.
func TestPlatformOpenShift(t *testing.T) {
	all := render(t, platformChart, "--set", "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null")
	all.check(t)
	for _, o := range all {
		if pod := o.pod(); pod != nil {
			if c := pod.Spec.SecurityContext; c.RunAsUser != nil || c.RunAsGroup != nil || c.FSGroup != nil {
				t.Errorf("%s names a user or group: %v", o, c)
			}
		}
	}
}

// TestPlatformMonitored: each ServiceMonitor finds one Service, with its port.
func TestPlatformMonitored(t *testing.T) {
	all := render(t, platformChart, "--set", "metrics.serviceMonitor.enabled=true")
	ports := map[string]int32{platformName + "-broker": 8082, platformName + "-bridge": 8081}
	for _, o := range all {
		if o.Kind != "ServiceMonitor" {
			continue
		}
		var m struct {
			Spec struct {
				Selector  struct{ MatchLabels map[string]string }
				Endpoints []struct{ Port string }
			}
		}
		if err := yaml.Unmarshal(o.text, &m); err != nil {
			t.Fatal(err)
		}
		var found []int32
		for _, other := range all {
			s, ok := other.typed.(*corev1.Service)
			if !ok || !labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
				continue
			}
			for _, port := range s.Spec.Ports {
				if port.Name == m.Spec.Endpoints[0].Port {
					found = append(found, port.Port)
				}
			}
		}
		if len(found) != 1 || found[0] != ports[o.Name] {
			t.Errorf("%s scrapes the ports %v, want %d", o, found, ports[o.Name])
		}
		delete(ports, o.Name)
	}
	if len(ports) > 0 {
		t.Errorf("not monitored: %v", ports)
	}
}
