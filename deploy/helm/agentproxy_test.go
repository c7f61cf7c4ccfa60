package helm_test

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// TestAgentProxyCredentials: user and password are in a file, from a Secret, and in
// neither arguments nor environment; a new password replaces no pods.
func TestAgentProxyCredentials(t *testing.T) {
	const proxy = "proxy.allProxy=socks5h://proxy.example.com"
	all := render(t, agentChart, with("--set", proxy, "--set-literal", `proxy.credentials=CORP\jane:hunter2`)...)
	d := get[*appsv1.Deployment](t, all, agentName)
	pod := d.Spec.Template.Spec
	secret, key := mounted(t, pod, "--proxy-credentials=")
	if got := string(get[*corev1.Secret](t, all, secret).Data[key]); got != `CORP\jane:hunter2` {
		t.Errorf("the file holds %q", got)
	}
	for _, o := range all {
		if o.Kind != "Secret" && strings.Contains(string(o.text), "hunter2") {
			t.Errorf("%s shows the password", o)
		}
	}
	for _, e := range pod.Containers[0].Env {
		if e.Name == "ALL_PROXY" {
			ref := e.ValueFrom.SecretKeyRef
			if got := string(get[*corev1.Secret](t, all, ref.Name).Data[ref.Key]); got != "socks5h://proxy.example.com" {
				t.Errorf("ALL_PROXY is %q", got)
			}
		}
	}
	const sum = "checksum/proxy"
	rotated := render(t, agentChart, with("--set", proxy, "--set", "proxy.credentials=u:p", "--set-literal", "proxy.caBundle.pem=-----BEGIN CERTIFICATE-----")...)
	was, is := d.Spec.Template.Annotations[sum], get[*appsv1.Deployment](t, rotated, agentName).Spec.Template.Annotations[sum]
	if was != is || was == "" {
		t.Errorf("%s is %q with one password and %q with another", sum, was, is)
	}
}

// TestAgentProxyFilesOfYourOwn: Secrets and ConfigMaps that the chart does not make.
func TestAgentProxyFilesOfYourOwn(t *testing.T) {
	all := render(t, agentChart, with("--set", "proxy.existingSecret=urls", "--set", "proxy.existingCredentialsSecret=corp",
		"--set", "proxy.existingCredentialsSecretKey=login", "--set", "proxy.caBundle.existingConfigMap=trust", "--set", "proxy.caBundle.key=corp.pem")...)
	pod := get[*appsv1.Deployment](t, all, agentName).Spec.Template.Spec
	if name, key := mounted(t, pod, "--proxy-credentials="); name != "corp" || key != "login" {
		t.Errorf("credentials from %s, key %s", name, key)
	}
	if name, key := mounted(t, pod, "--proxy-ca="); name != "trust" || key != "corp.pem" {
		t.Errorf("CA from %s, key %s", name, key)
	}
	for _, o := range all {
		if o.Kind == "Secret" && strings.Contains(string(o.text), "proxy") {
			t.Errorf("%s is made as well", o)
		}
	}
}

// mounted returns the Secret or ConfigMap, and its key, of the file that an argument
// of the agent names.
func mounted(t *testing.T, pod corev1.PodSpec, argument string) (name, key string) {
	t.Helper()
	c := pod.Containers[0]
	for _, arg := range c.Args {
		path, ok := strings.CutPrefix(arg, argument)
		if !ok {
			continue
		}
		for _, m := range c.VolumeMounts {
			file, ok := strings.CutPrefix(path, m.MountPath+"/")
			if !ok {
				continue
			}
			for _, v := range pod.Volumes {
				if v.Name != m.Name {
					continue
				}
				name, items := "", []corev1.KeyToPath(nil)
				if v.Secret != nil {
					name, items = v.Secret.SecretName, v.Secret.Items
				} else {
					name, items = v.ConfigMap.Name, v.ConfigMap.Items
				}
				if len(items) == 1 && items[0].Path == file {
					return name, items[0].Key
				}
			}
		}
	}
	t.Fatalf("%s names no file of a volume: %q", argument, c.Args)
	return "", ""
}
