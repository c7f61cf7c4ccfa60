package helm_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// withRegions are arguments that join a release with region east.
func withRegions(args ...string) []string {
	return append([]string{"--set", "broker.gateways.region=west", "--set-json",
		`broker.gateways.regions=[{"name":"west","urls":["tls://west.example.com:7222"]},{"name":"east","urls":["tls://east-1.example.com:7222","tls://[2001:db8::1]:7300"]}]`}, args...)
}

const gatewaysName = platformName + "-broker-gateways"

// TestPlatformGateways: brokers of a region listen for those of others, who find them by a
// Service of its own.
func TestPlatformGateways(t *testing.T) {
	all := render(t, platformChart, withRegions("--set", "broker.gateways.service.type=LoadBalancer,broker.gateways.service.port=7300", "--set-json",
		`broker.gateways.service.annotations={"a":"b"}`, "--set", "broker.gateways.service.loadBalancerSourceRanges={192.0.2.0/24}")...)
	all.check(t)
	platformInvariants(t, all)
	brokers, _ := platformWorkloads(t, all)
	pod := brokers.Spec.Template.Spec.Containers[0]
	if got := argument(t, pod, "cluster-name"); got != "west" {
		t.Errorf("--cluster-name=%s", got)
	}
	if got := argument(t, pod, "gateways-listen"); got != ":7222" {
		t.Errorf("--gateways-listen=%s", got)
	}
	want := []string{"west=tls://west.example.com:7222", "east=tls://east-1.example.com:7222", "east=tls://[2001:db8::1]:7300"}
	if got := arguments(pod, "gateways"); !slices.Equal(got, want) {
		t.Errorf("--gateways are %q, want %q", got, want)
	}
	if !slices.ContainsFunc(pod.Ports, func(p corev1.ContainerPort) bool { return p.Name == "gateways" && p.ContainerPort == 7222 }) {
		t.Errorf("ports %v", pod.Ports)
	}
	s := get[*corev1.Service](t, all, gatewaysName)
	if p := s.Spec.Ports; len(p) != 1 || p[0].Port != 7300 || p[0].TargetPort.String() != "gateways" || s.Spec.Type != corev1.ServiceTypeLoadBalancer ||
		s.Annotations["a"] != "b" || !slices.Equal(s.Spec.LoadBalancerSourceRanges, []string{"192.0.2.0/24"}) {
		t.Errorf("the Service: %v, %v", s.Annotations, s.Spec)
	}
}

// TestPlatformWithoutGateways: nothing is open that is not asked for.
func TestPlatformWithoutGateways(t *testing.T) {
	out, _, err := template(t, platformChart, "--set", "networkPolicy.enabled=true,broker.store.enabled=true")
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"gateways", "7222", "cluster-name"} {
		if strings.Contains(out, word) {
			t.Errorf("%q is there unasked", word)
		}
	}
}

// TestPlatformGatewaysPolicy: brokers reach those of other regions at their ports, and are
// reached by whom the values name.
func TestPlatformGatewaysPolicy(t *testing.T) {
	args := withRegions("--set", "networkPolicy.enabled=true", "--set-json", `networkPolicy.gatewaysFrom=[{"ipBlock":{"cidr":"192.0.2.0/24"}}]`)
	all := render(t, platformChart, args...)
	all.check(t)
	p := get[*networkingv1.NetworkPolicy](t, all, platformName+"-broker")
	var from []networkingv1.NetworkPolicyPeer
	for _, rule := range p.Spec.Ingress {
		for _, port := range rule.Ports {
			if port.Port.String() == "gateways" {
				from = rule.From
			}
		}
	}
	if len(from) != 1 || from[0].IPBlock == nil || from[0].IPBlock.CIDR != "192.0.2.0/24" {
		t.Errorf("gateways are open for %v", from)
	}
	var to []int
	for _, rule := range p.Spec.Egress[2:] { // behind DNS and the release's brokers
		for _, port := range rule.Ports {
			to = append(to, port.Port.IntValue())
		}
	}
	if !slices.Equal(to, []int{7222, 7300}) {
		t.Errorf("brokers reach the ports %v", to)
	}
	bridges := get[*networkingv1.NetworkPolicy](t, all, platformName+"-bridge")
	if text, err := json.Marshal(bridges.Spec); err != nil || strings.Contains(string(text), "7222") || strings.Contains(string(text), "gateways") {
		t.Errorf("bridges have the port of the gateways: %s, %v", text, err)
	}
}

// TestPlatformGatewaysCertificate: it is for the names that other regions use, of this one
// alone.
func TestPlatformGatewaysCertificate(t *testing.T) {
	out, _, err := template(t, platformChart, withRegions("--set", "tls.certManager.enabled=true,tls.certManager.issuerRef.name=ca")...)
	if err != nil {
		t.Fatal(err)
	}
	_, certificate, _ := strings.Cut(out, "kind: Certificate")
	certificate, _, _ = strings.Cut(certificate, "\n---")
	for _, name := range []string{"- west.example.com\n", "- " + gatewaysName + "." + releaseNamespace + ".svc\n"} {
		if !strings.Contains(certificate, name) {
			t.Errorf("the certificate is not for %s: %s", name, certificate)
		}
	}
	if strings.Contains(certificate, "east") || strings.Contains(certificate, "2001:db8") {
		t.Errorf("the certificate is for another region: %s", certificate)
	}
}

// TestPlatformStoreOfAnotherRegion: bridges use it, and the brokers keep none.
func TestPlatformStoreOfAnotherRegion(t *testing.T) {
	args := withRegions(append(contentArgs(t, platformStoreContent()), "--set", "broker.gateways.storeInOtherRegion=true,broker.replicas=2")...)
	all := render(t, platformChart, args...)
	all.check(t)
	brokers, bridges := platformWorkloads(t, all)
	if got := claims(brokers); !slices.Equal(got, []string{"data 1Gi"}) || len(arguments(brokers.Spec.Template.Spec.Containers[0], "store-dir")) > 0 {
		t.Errorf("brokers keep a store: %v", got)
	}
	bridge := bridges.Spec.Template.Spec.Containers[0]
	if argument(t, bridge, "store-key") != "/etc/fairlead/store.nk" || len(arguments(bridge, "store-replicas")) > 0 {
		t.Errorf("arguments %v: how many brokers the other region has is not known", bridge.Args)
	}
	if !slices.ContainsFunc(bridge.Env, func(e corev1.EnvVar) bool { return e.Name == "FAIRLEAD_STORE_ACCOUNT" }) {
		t.Errorf("bridges do not know the account: %v", bridge.Env)
	}
	wantMounted(t, "bridge", bridges.Spec.Template.Spec, platformName+"/bridge.nk", platformName+"/store.nk", platformName+"/tenants.yaml", platformName+"/tokens.yaml",
		platformName+"-tls/ca.crt", platformName+"-tls/tls.crt", platformName+"-tls/tls.key")
}

func TestPlatformGatewaysRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no region":        {[]string{"--set-json", `broker.gateways.regions=[{"name":"east","urls":["tls://e:7222"]}]`}, "broker.gateways.region: the name of this region is missing"},
		"a store, alone":   {[]string{"--set", "broker.gateways.storeInOtherRegion=true"}, "broker.gateways.region: the name of this region is missing"},
		"no other region":  {[]string{"--set", "broker.gateways.region=west", "--set-json", `broker.gateways.regions=[{"name":"west","urls":["tls://w:7222"]}]`}, "names no region but west"},
		"none at all":      {[]string{"--set", "broker.gateways.region=west"}, "names no region but west"},
		"twice":            {[]string{"--set", "broker.gateways.region=west", "--set-json", `broker.gateways.regions=[{"name":"east","urls":["tls://e:7222"]},{"name":"east","urls":["tls://f:7222"]}]`}, "east is there twice"},
		"one broker":       {withRegions("--set", "broker.store.enabled=true,broker.replicas=1"), "needs two brokers at least"},
		"two stores":       {withRegions("--set", "broker.store.enabled=true,broker.gateways.storeInOtherRegion=true"), "one region keeps the store"},
		"in clear":         {[]string{"--set", "broker.gateways.region=west", "--set-json", `broker.gateways.regions=[{"name":"east","urls":["nats://e:7222"]}]`}, "/broker/gateways/regions/0/urls/0"},
		"no port":          {[]string{"--set", "broker.gateways.region=west", "--set-json", `broker.gateways.regions=[{"name":"east","urls":["tls://e"]}]`}, "/broker/gateways/regions/0/urls/0"},
		"no DNS label":     {[]string{"--set", "broker.gateways.region=West"}, "/broker/gateways/region"},
		"without its keys": {withRegions(append(contentArgs(t, maps.Clone(platformContent)), "--set", "broker.gateways.storeInOtherRegion=true")...), "give config.storeKey and config.storeAccount too"},
	} {
		t.Run(name, func(t *testing.T) {
			if stderr := refusal(t, platformChart, test.args...); !strings.Contains(stderr, test.want) {
				t.Errorf("helm says:\n%s\nwant: %s", stderr, test.want)
			}
		})
	}
}
