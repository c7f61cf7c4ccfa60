package helm_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// platformStoreContent is platformContent with what a store needs.
func platformStoreContent() map[string]string {
	content := maps.Clone(platformContent)
	content["config.storeKey"] = "SA" + strings.Repeat("A", 56) + "\n"
	content["config.storeAccount"] = "A" + strings.Repeat("B", 55) + "\n"
	return content
}

// TestPlatformStore: each broker has a volume of its own for the store, which outlasts
// the release, and bridges have the account and its key.
func TestPlatformStore(t *testing.T) {
	args := append(contentArgs(t, platformStoreContent()), "--set", "broker.store.enabled=true")
	all := render(t, platformChart, args...)
	all.check(t)
	platformInvariants(t, all)
	brokers, bridges := platformWorkloads(t, all)
	pod := brokers.Spec.Template.Spec.Containers[0]
	dir := argument(t, pod, "store-dir")
	if !slices.ContainsFunc(pod.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == "store" && m.MountPath == dir }) {
		t.Errorf("no volume at %s: %v", dir, pod.VolumeMounts)
	}
	if max := argument(t, pod, "store-max"); max != "9663676416" {
		t.Errorf("--store-max=%s, want nine tenths of 10Gi", max)
	}
	if got := claims(brokers); !slices.Equal(got, []string{"data 1Gi", "store 10Gi"}) {
		t.Errorf("claims %q", got)
	}
	if p := brokers.Spec.PersistentVolumeClaimRetentionPolicy; p.WhenDeleted != appsv1.RetainPersistentVolumeClaimRetentionPolicyType || p.WhenScaled != p.WhenDeleted {
		t.Errorf("an uninstall takes approvals and recordings away: %v", p)
	}

	secret := get[*corev1.Secret](t, all, platformName)
	if got := string(secret.Data["store.account"]); got != strings.TrimSpace(platformStoreContent()["config.storeAccount"]) {
		t.Errorf("store.account is %q: a variable takes it as it is", got)
	}
	wantMounted(t, "bridge", bridges.Spec.Template.Spec, platformName+"/bridge.nk", platformName+"/store.nk", platformName+"/tenants.yaml", platformName+"/tokens.yaml",
		platformName+"-tls/ca.crt", platformName+"-tls/tls.crt", platformName+"-tls/tls.key")
	bridge := bridges.Spec.Template.Spec.Containers[0]
	if got := argument(t, bridge, "store-key"); got != "/etc/fairlead/store.nk" {
		t.Errorf("--store-key=%s", got)
	}
	if len(arguments(bridge, "store-replicas")) > 0 {
		t.Errorf("arguments %v: three brokers keep three copies by default", bridge.Args)
	}
	if !slices.ContainsFunc(bridge.Env, func(e corev1.EnvVar) bool {
		return e.Name == "FAIRLEAD_STORE_ACCOUNT" && e.ValueFrom != nil && e.ValueFrom.SecretKeyRef.Name == platformName && e.ValueFrom.SecretKeyRef.Key == "store.account"
	}) {
		t.Errorf("bridges do not know the account: %v", bridge.Env)
	}
	// Another key needs new bridges.
	content := platformStoreContent()
	content["config.storeKey"] = "SA" + strings.Repeat("C", 56)
	_, again := platformWorkloads(t, render(t, platformChart, append(contentArgs(t, content), "--set", "broker.store.enabled=true")...))
	if maps.Equal(again.Spec.Template.Annotations, bridges.Spec.Template.Annotations) {
		t.Error("another key of the store does not reach bridges, which read it once")
	}
}

func claims(brokers *appsv1.StatefulSet) (list []string) {
	for _, c := range brokers.Spec.VolumeClaimTemplates {
		list = append(list, c.Name+" "+c.Spec.Resources.Requests.Storage().String())
	}
	return list
}

// TestPlatformStoreVariants: without the other volume, with one broker and with two.
func TestPlatformStoreVariants(t *testing.T) {
	brokers, bridges := platformWorkloads(t, render(t, platformChart,
		"--set", "broker.store.enabled=true,broker.store.size=1.5G,broker.store.whenDeleted=Delete,broker.persistence.enabled=false,broker.replicas=2"))
	if got := claims(brokers); !slices.Equal(got, []string{"store 1500M"}) {
		t.Errorf("claims %q", got)
	}
	if max := argument(t, brokers.Spec.Template.Spec.Containers[0], "store-max"); max != "1350000000" {
		t.Errorf("--store-max=%s, want nine tenths of 1.5G", max)
	}
	if p := brokers.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted; p != appsv1.DeletePersistentVolumeClaimRetentionPolicyType {
		t.Errorf("whenDeleted is %v", p)
	}
	if got := argument(t, bridges.Spec.Template.Spec.Containers[0], "store-replicas"); got != "1" {
		t.Errorf("two brokers cannot keep %s copies", got)
	}
	// By default there is none, and the Secret needs no more than before.
	brokers, bridges = platformWorkloads(t, render(t, platformChart))
	if got := claims(brokers); !slices.Equal(got, []string{"data 1Gi"}) {
		t.Errorf("claims %q", got)
	}
	for _, c := range []corev1.Container{brokers.Spec.Template.Spec.Containers[0], bridges.Spec.Template.Spec.Containers[0]} {
		if strings.Contains(strings.Join(c.Args, " "), "--store") {
			t.Errorf("arguments %v", c.Args)
		}
	}
}

func TestPlatformStoreRefusals(t *testing.T) {
	with := func(key, value string) []string {
		content := platformStoreContent()
		content[key] = value
		return contentArgs(t, content)
	}
	on := []string{"--set", "broker.store.enabled=true"}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"files without the store's": {append(contentArgs(t, platformContent), on...), "broker.store: give config.storeKey and config.storeAccount too"},
		"half of them":              {with("config.storeAccount", ""), "storeKey and storeAccount come together"},
		"without the other five":    {contentArgs(t, map[string]string{"config.storeKey": "x", "config.storeAccount": "y"}), "storeKey and storeAccount come together"},
		"the file's name":           {with("config.storeKey", "fl/keys/store.nk"), "config.storeKey: this is not the content of store.nk"},
		"the key for the account":   {with("config.storeAccount", platformStoreContent()["config.storeKey"]), "config.storeAccount: this is not the content of store.account"},
		"a size in milli":           {[]string{"--set", "broker.store.size=10Ki"}, "at '/broker/store/size'"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, stderr, err := template(t, platformChart, test.args...); err == nil || !strings.Contains(stderr, test.want) {
				t.Errorf("helm says:\n%s\nwant: %s", stderr, test.want)
			}
		})
	}
}
