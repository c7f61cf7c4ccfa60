package helm_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestAgentBrokerOptions: each value is an argument, and secrets are in files.
func TestAgentBrokerOptions(t *testing.T) {
	all := render(t, agentChart, with("--set", "server={wss://b,ws://c}", "--set", "broker.insecureTransport=true",
		"--set", "broker.tlsServerName=inner.example", "--set", "broker.clientCertSecret=mtls", "--set", "broker.headers={X-A: b,X-C: d}",
		"--set-literal", "broker.headerFile=X-Token: hunter2", "--set", "caBundle.existingSecret=ca", "--set", "broker.caAddSystem=true")...)
	d := get[*appsv1.Deployment](t, all, agentName)
	pod := d.Spec.Template.Spec
	for _, want := range []string{
		"--server=wss://b", "--server=ws://c", "--insecure-transport", "--tls-server-name=inner.example", "--header=X-A: b", "--header=X-C: d",
		"--ca-add-system", "--client-cert=/etc/fairlead/client/tls.crt", "--client-key=/etc/fairlead/client/tls.key",
	} {
		if !slices.Contains(pod.Containers[0].Args, want) {
			t.Errorf("no argument %q in %q", want, pod.Containers[0].Args)
		}
	}
	secret, key := mounted(t, pod, "--header-file=")
	if got := string(get[*corev1.Secret](t, all, secret).Data[key]); got != "X-Token: hunter2" {
		t.Errorf("the file holds %q", got)
	}
	for _, o := range all {
		if o.Kind != "Secret" && strings.Contains(string(o.text), "hunter2") {
			t.Errorf("%s shows the header", o)
		}
	}
	i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == "client" })
	if i < 0 || pod.Volumes[i].Secret == nil || pod.Volumes[i].Secret.SecretName != "mtls" || len(pod.Volumes[i].Secret.Items) != 2 {
		t.Errorf("volumes %+v", pod.Volumes)
	}
	changed := render(t, agentChart, with("--set", "server=wss://b", "--set", "broker.existingHeaderSecret=own", "--set", "broker.existingHeaderSecretKey=lines")...)
	if name, key := mounted(t, get[*appsv1.Deployment](t, changed, agentName).Spec.Template.Spec, "--header-file="); name != "own" || key != "lines" {
		t.Errorf("headers from %s, key %s", name, key)
	}
}
