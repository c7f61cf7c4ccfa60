package helm_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

const agentChart = "fairlead-agent"

// agentName is the name of the release's objects.
const agentName = releaseName + "-fairlead-agent"

// least are the arguments that the agent's chart requires.
var least = []string{"--set", "server=wss://broker.example.com", "--set", "existingSecret=prod-creds"}

func with(args ...string) []string { return append(slices.Clone(least), args...) }

func TestAgentVariants(t *testing.T) {
	lint(t, agentChart)
	for _, file := range variants(t, agentChart) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			lint(t, agentChart, "--values", file)
			all := render(t, agentChart, "--values", file)
			all.check(t)
			agentInvariants(t, all)
		})
	}
}

// agentInvariants hold whatever the values are.
func agentInvariants(t *testing.T, all objects) {
	t.Helper()
	var d *appsv1.Deployment
	for _, o := range all {
		if found, ok := o.typed.(*appsv1.Deployment); ok {
			d = found
		}
		if o.Namespace == "" && !strings.HasPrefix(o.Name, releaseNamespace+":") {
			t.Errorf("%s would clash with the one of a release in another namespace", o)
		}
		if o.Annotations["helm.sh/hook"] != "" {
			for _, policy := range []string{"before-hook-creation", "hook-succeeded", "hook-failed"} {
				if !strings.Contains(o.Annotations["helm.sh/hook-delete-policy"], policy) {
					t.Errorf("%s stays after an uninstall: no delete policy %s", o, policy)
				}
			}
		}
	}
	spec := d.Spec.Template.Spec
	if r := d.Spec.Strategy.RollingUpdate; r.MaxUnavailable.IntValue() != 0 || r.MaxSurge.IntValue() != 1 {
		t.Errorf("a rolling update takes agents away before others are there: %v", r)
	}
	for key := range d.Spec.Template.Annotations {
		if strings.Contains(key, "creds") {
			t.Errorf("the annotation %s replaces pods when the credentials change", key)
		}
	}
	agent := spec.Containers[0]
	for _, m := range agent.VolumeMounts {
		if m.SubPath != "" {
			t.Errorf("%s is mounted as a file, which never changes", m.MountPath)
		}
	}
	if agent.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
		t.Error("'kubectl describe' does not show why an agent has ended")
	}
	if got := agent.ReadinessProbe.Exec; got == nil || !slices.Equal(got.Command, []string{"/fairlead-agent", "healthcheck", "ready"}) {
		t.Errorf("the readiness probe is %v, want the command whose output the events show", got)
	}
	if *spec.EnableServiceLinks {
		t.Error("a Service can set FAIRLEAD_ variables")
	}
	drain := slices.IndexFunc(agent.Args, func(a string) bool { return strings.HasPrefix(a, "--drain-timeout=") })
	if drain < 0 {
		t.Fatalf("no drain timeout in %v", agent.Args)
	}
	agentMonitored(t, all)
	for _, o := range all {
		var selector map[string]string
		switch v := o.typed.(type) {
		case *policyv1.PodDisruptionBudget:
			selector = v.Spec.Selector.MatchLabels
		case *networkingv1.NetworkPolicy:
			selector = v.Spec.PodSelector.MatchLabels
		default:
			continue
		}
		if !labels.SelectorFromSet(selector).Matches(labels.Set(d.Spec.Template.Labels)) {
			t.Errorf("%s does not select the agents", o)
		}
	}
}

// agentMonitored checks that a ServiceMonitor, if there is one, finds the Service and
// the port.
func agentMonitored(t *testing.T, all objects) {
	t.Helper()
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
		found := 0
		for _, other := range all {
			s, ok := other.typed.(*corev1.Service)
			if !ok || !labels.SelectorFromSet(m.Spec.Selector.MatchLabels).Matches(labels.Set(s.Labels)) {
				continue
			}
			found++
			if s.Spec.Ports[0].Name != m.Spec.Endpoints[0].Port {
				t.Errorf("%s scrapes the port %q of %s, which has %v", o, m.Spec.Endpoints[0].Port, other, s.Spec.Ports)
			}
		}
		if found != 1 {
			t.Errorf("%s selects %d Services, want 1", o, found)
		}
	}
}

// TestAgentInstall renders with the arguments of the README.
func TestAgentInstall(t *testing.T) {
	creds := filepath.Join(t.TempDir(), "prod.creds")
	content := "-----BEGIN NATS USER JWT-----\nnone\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\nnone\n------END USER NKEY SEED------\n"
	if err := os.WriteFile(creds, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	all := render(t, agentChart, "--set", "server=wss://broker.example.com:4223", "--set-file", "creds="+creds)
	all.check(t)
	agentInvariants(t, all)

	if got := string(get[*corev1.Secret](t, all, agentName+"-creds").Data["agent.creds"]); got != content {
		t.Errorf("the Secret holds %q", got)
	}
	d := get[*appsv1.Deployment](t, all, agentName)
	if *d.Spec.Replicas != 2 || len(d.Spec.Template.Spec.TopologySpreadConstraints) != 2 {
		t.Errorf("%d replicas, spread by %v", *d.Spec.Replicas, d.Spec.Template.Spec.TopologySpreadConstraints)
	}
	get[*policyv1.PodDisruptionBudget](t, all, agentName)
	binding := get[*rbacv1.ClusterRoleBinding](t, all, releaseNamespace+":"+agentName+":view")
	if binding.RoleRef.Name != "view" || binding.Subjects[0].Name != d.Spec.Template.Spec.ServiceAccountName {
		t.Errorf("the default rights are %v for %v", binding.RoleRef, binding.Subjects)
	}
	for _, kind := range []string{"ServiceMonitor", "NetworkPolicy", "ConfigMap", "ClusterRole", "Role"} {
		if all.has(kind) {
			t.Errorf("a %s that nobody has asked for", kind)
		}
	}
}

// TestAgentRights renders each way to grant rights.
func TestAgentRights(t *testing.T) {
	bound := func(all objects) (out []string) {
		for _, o := range all {
			switch v := o.typed.(type) {
			case *rbacv1.ClusterRoleBinding:
				out = append(out, "cluster-wide: "+v.RoleRef.Kind+" "+v.RoleRef.Name)
			case *rbacv1.RoleBinding:
				out = append(out, v.Namespace+": "+v.RoleRef.Kind+" "+v.RoleRef.Name)
			}
		}
		slices.Sort(out)
		return out
	}
	own := releaseNamespace + ":" + agentName
	rules := []string{"--set-json", `rbac.rules=[{"apiGroups":[""],"resources":["pods"],"verbs":["get"]}]`}
	for name, test := range map[string]struct{ args, want []string }{
		"none":             {[]string{"--set", "rbac.preset=none"}, nil},
		"view":             {nil, []string{"cluster-wide: ClusterRole view"}},
		"edit":             {[]string{"--set", "rbac.preset=edit"}, []string{"cluster-wide: ClusterRole edit"}},
		"admin":            {[]string{"--set", "rbac.preset=admin"}, []string{"cluster-wide: ClusterRole admin"}},
		"nothing is made":  {[]string{"--set", "rbac.create=false"}, nil},
		"rules alone":      {append(rules, "--set", "rbac.preset=none"), []string{"cluster-wide: ClusterRole " + own}},
		"rules and preset": {rules, []string{"cluster-wide: ClusterRole " + own, "cluster-wide: ClusterRole view"}},
		"namespaces": {
			append(rules, "--set", "rbac.namespaces={shop,blog,shop}"),
			[]string{"blog: ClusterRole view", "blog: Role " + own, "shop: ClusterRole view", "shop: Role " + own},
		},
		"impersonation": {
			[]string{"--set", "rbac.preset=none", "--set", "impersonation.groups={dev}", "--set", "impersonation.serviceAccounts={shop/a,shop/b}"},
			[]string{"cluster-wide: ClusterRole " + own + ":impersonate", "shop: Role " + own + ":impersonate"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := render(t, agentChart, with(test.args...)...)
			all.check(t)
			if got := bound(all); !slices.Equal(got, test.want) {
				t.Errorf("bound %q, want %q", got, test.want)
			}
		})
	}
}

// TestAgentImpersonatesByNameOnly: each right to impersonate lists the names.
func TestAgentImpersonatesByNameOnly(t *testing.T) {
	all := render(t, agentChart, "--values", filepath.Join(agentChart, "ci", "full-values.yaml"))
	checked := 0
	check := func(name string, rules []rbacv1.PolicyRule) {
		for _, r := range rules {
			if !slices.Contains(r.Verbs, "impersonate") {
				continue
			}
			if checked++; len(r.ResourceNames) == 0 || len(r.Verbs) != 1 || slices.Contains(r.Resources, "*") {
				t.Errorf("%s lets the agent be anybody: %v", name, r)
			}
		}
	}
	for _, o := range all {
		switch v := o.typed.(type) {
		case *rbacv1.ClusterRole:
			check(v.Name, v.Rules)
		case *rbacv1.Role:
			check(v.Name, v.Rules)
		}
	}
	if checked != 6 { // users, groups, UIDs, one extra, service accounts of two namespaces
		t.Errorf("%d rules to impersonate, want 6", checked)
	}
}

// TestAgentProxy: the proxies' passwords are in no pod, and the API server is
// never asked through them.
func TestAgentProxy(t *testing.T) {
	const proxy = "http://user:hunter2@proxy.example.com:3128"
	all := render(t, agentChart, with("--set", "proxy.httpsProxy="+proxy, "--set", "proxy.noProxy=.corp.example.com")...)
	d := get[*appsv1.Deployment](t, all, agentName)
	env := map[string]corev1.EnvVar{}
	for _, e := range d.Spec.Template.Spec.Containers[0].Env {
		env[e.Name] = e
	}
	ref := env["HTTPS_PROXY"].ValueFrom.SecretKeyRef
	if got := string(get[*corev1.Secret](t, all, ref.Name).Data[ref.Key]); got != proxy {
		t.Errorf("HTTPS_PROXY is %q", got)
	}
	if got, want := env["NO_PROXY"].Value, "$(KUBERNETES_SERVICE_HOST),localhost,127.0.0.1,::1,.svc,.cluster.local,.corp.example.com"; got != want {
		t.Errorf("NO_PROXY is %q, want %q", got, want)
	}
	for _, o := range all {
		if o.Kind != "Secret" && strings.Contains(string(o.text), "hunter2") {
			t.Errorf("%s shows the proxy's password", o)
		}
	}
	other := render(t, agentChart, with("--set", "proxy.httpsProxy=http://other.example.com:3128")...)
	const sum = "checksum/proxy"
	was, is := d.Spec.Template.Annotations[sum], get[*appsv1.Deployment](t, other, agentName).Spec.Template.Annotations[sum]
	if was == is || was == "" {
		t.Error("another proxy replaces no pods, though they have its URL in their environment")
	}
	if len(was) > 4 {
		t.Errorf("%s is %s: anyone who may read pods can try passwords until one matches", sum, was)
	}
}

// TestAgentNetworkPolicy: the ports are those of the URLs.
func TestAgentNetworkPolicy(t *testing.T) {
	ports := func(args ...string) []int {
		t.Helper()
		all := render(t, agentChart, append([]string{"--set", "networkPolicy.enabled=true", "--set", "existingSecret=x"}, args...)...)
		policy := get[*networkingv1.NetworkPolicy](t, all, agentName)
		var dns, out []int
		for _, p := range policy.Spec.Egress[0].Ports {
			dns = append(dns, p.Port.IntValue())
		}
		if !slices.Equal(dns, []int{53, 53, 5353, 5353}) { // the latter on OpenShift
			t.Errorf("DNS by the ports %v", dns)
		}
		for _, p := range policy.Spec.Egress[1].Ports {
			out = append(out, p.Port.IntValue())
		}
		return out
	}
	for _, test := range []struct {
		args []string
		want []int
	}{
		{[]string{"--set", "server=wss://b.example.com/-/fairlead/"}, []int{443}},
		{[]string{"--set", "server=tls://b.example.com"}, []int{4222}},
		{[]string{"--set", "server={tls://[2001:db8::1],tls://b:1,wss://[2001:db8::1]:4223/x:9}"}, []int{4222, 1, 4223}},
		{[]string{"--set", "server=wss://b", "--set", "proxy.httpsProxy=http://p:3128", "--set", "networkPolicy.brokerPorts={8443}"}, []int{443, 3128, 8443}},
		{[]string{"--set", "server=wss://b", "--set", "proxy.httpProxy=http://p"}, []int{443, 80}},
		{[]string{"--set", "server=wss://b", "--set", "proxy.allProxy=socks5h://p"}, []int{443, 1080}},
		{[]string{"--set", "server=wss://b", "--set", "proxy.httpsProxy=socks5://p", "--set", "proxy.allProxy=https://p"}, []int{443, 1080}},
	} {
		if got := ports(test.args...); !slices.Equal(got, test.want) {
			t.Errorf("%v: ports %v, want %v", test.args, got, test.want)
		}
	}
}

// TestAgentContextsAreTakenAway: the values can remove user and group ids, as
// OpenShift demands.
func TestAgentContextsAreTakenAway(t *testing.T) {
	all := render(t, agentChart, with("--set-json",
		`podSecurityContext={"runAsUser":null,"runAsGroup":null,"fsGroup":null}`)...)
	all.check(t)
	if s := get[*appsv1.Deployment](t, all, agentName).Spec.Template.Spec.SecurityContext; s.RunAsUser != nil || s.FSGroup != nil {
		t.Errorf("still %v", s)
	}
}

// TestAgentNamesFit: no release name is too long for the names made from it.
func TestAgentNamesFit(t *testing.T) {
	long := "a23456789-123456789-123456789-123456789-123456789-123" // 53, helm's most
	out, stderr, err := helm(t, append([]string{"template", long, agentChart, "--namespace", releaseNamespace},
		with("--set", "imageCredentials.username=u", "--set", "imageCredentials.token=t")...)...)
	if err != nil {
		t.Fatal(stderr)
	}
	for _, o := range parse(t, out) {
		if len(o.Name) > 63 && o.Namespace != "" {
			t.Errorf("the name of %s has %d characters", o, len(o.Name))
		}
	}
}
