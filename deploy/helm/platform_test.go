package helm_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const platformChart = "fairlead"

// platformName is the prefix of the names of the release's objects.
const platformName = releaseName + "-fairlead"

func TestPlatformVariants(t *testing.T) {
	lint(t, platformChart)
	for _, file := range variants(t, platformChart) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			lint(t, platformChart, "--values", file)
			all := render(t, platformChart, "--values", file)
			all.check(t)
			platformInvariants(t, all)
		})
	}
}

// platformInvariants hold whatever the values are.
func platformInvariants(t *testing.T, all objects) {
	t.Helper()
	brokers, bridges := platformWorkloads(t, all)
	for component, pod := range map[string]corev1.PodTemplateSpec{"broker": brokers.Spec.Template, "bridge": bridges.Spec.Template} {
		platformPod(t, component, pod.Spec)
	}
	if r := bridges.Spec.Strategy.RollingUpdate; r.MaxUnavailable.IntValue() != 0 || r.MaxSurge.IntValue() != 1 {
		t.Errorf("a rolling update takes bridges away before others are there: %v", r)
	}
	headless := get[*corev1.Service](t, all, brokers.Spec.ServiceName)
	if headless.Spec.ClusterIP != "None" || !headless.Spec.PublishNotReadyAddresses {
		t.Errorf("brokers cannot find each other before they are ready: %v", headless.Spec)
	}
	for _, o := range all {
		if o.Namespace == "" {
			t.Errorf("%s has no namespace", o)
		}
		var selector *metav1.LabelSelector
		switch v := o.typed.(type) {
		case *corev1.Pod:
			for _, policy := range []string{"before-hook-creation", "hook-succeeded", "hook-failed"} {
				if !strings.Contains(o.Annotations["helm.sh/hook-delete-policy"], policy) {
					t.Errorf("%s stays after an uninstall: no delete policy %s", o, policy)
				}
			}
		case *corev1.ServiceAccount:
			if *v.AutomountServiceAccountToken {
				t.Errorf("%s gives pods a token that they do not need", o)
			}
		case *policyv1.PodDisruptionBudget:
			selector = v.Spec.Selector
		case *networkingv1.NetworkPolicy:
			selector = &v.Spec.PodSelector
		}
		both := []labels.Set{brokers.Spec.Template.Labels, bridges.Spec.Template.Labels}
		parsed, err := metav1.LabelSelectorAsSelector(selector) // nothing for none
		if err != nil {
			t.Fatal(err)
		}
		matches := 0
		for _, l := range both {
			if parsed.Matches(l) {
				matches++
			}
		}
		if selector != nil && matches != 1 {
			t.Errorf("%s selects %d of brokers and bridges, want one", o, matches)
		}
	}
}

func platformWorkloads(t *testing.T, all objects) (brokers *appsv1.StatefulSet, bridges *appsv1.Deployment) {
	t.Helper()
	for _, o := range all {
		switch v := o.typed.(type) {
		case *appsv1.StatefulSet:
			brokers = v
		case *appsv1.Deployment:
			bridges = v
		}
	}
	if brokers == nil || bridges == nil {
		t.Fatalf("no brokers or no bridges in %v", all)
	}
	return brokers, bridges
}

// platformPod judges the pods of either component.
func platformPod(t *testing.T, component string, spec corev1.PodSpec) {
	t.Helper()
	if *spec.AutomountServiceAccountToken {
		t.Errorf("%s: pods have a token that they do not need", component)
	}
	if *spec.EnableServiceLinks {
		t.Errorf("%s: a Service can set FAIRLEAD_ variables", component)
	}
	c := spec.Containers[0]
	for _, m := range c.VolumeMounts {
		if m.SubPath != "" && (m.ReadOnly || m.Name != "data") { // a folder of a volume to write to
			t.Errorf("%s: %s is mounted as a file, which never changes", component, m.MountPath)
		}
	}
	if c.TerminationMessagePolicy != corev1.TerminationMessageFallbackToLogsOnError {
		t.Errorf("%s: 'kubectl describe' does not show why it has ended", component)
	}
	if got := c.ReadinessProbe.Exec; got == nil || !slices.Equal(got.Command, []string{"/fairlead-" + component, "healthcheck", "ready"}) {
		t.Errorf("%s: the readiness probe is %v, want the command whose output the events show", component, got)
	}
	drain, err := time.ParseDuration(argument(t, c, "drain-timeout"))
	if err != nil {
		t.Fatal(err)
	}
	needed := drain + 7*time.Second // two for the broker's margin, five for the stop after a drain
	if c.Lifecycle != nil {
		needed += time.Duration(c.Lifecycle.PreStop.Sleep.Seconds) * time.Second
	}
	if grace := time.Duration(*spec.TerminationGracePeriodSeconds) * time.Second; grace < needed {
		t.Errorf("%s: killed after %s, but a stop takes up to %s", component, grace, needed)
	}
}

// argument returns the value of a flag that is given once.
func argument(t *testing.T, c corev1.Container, flag string) string {
	t.Helper()
	values := arguments(c, flag)
	if len(values) != 1 {
		t.Fatalf("--%s is given %d times in %v", flag, len(values), c.Args)
	}
	return values[0]
}

func arguments(c corev1.Container, flag string) (values []string) {
	for _, a := range c.Args {
		if v, ok := strings.CutPrefix(a, "--"+flag+"="); ok {
			values = append(values, v)
		}
	}
	return values
}

// TestPlatformNames: brokers and bridges connect to the brokers by names that their
// pods have and that the certificate is valid for.
func TestPlatformNames(t *testing.T) {
	for _, replicas := range []int{1, 3, 5} {
		all := render(t, platformChart, "--set", fmt.Sprint("broker.replicas=", replicas))
		brokers, bridges := platformWorkloads(t, all)
		var hosts []string
		for i := range replicas {
			hosts = append(hosts, fmt.Sprintf("%s-%d.%s.%s.svc", brokers.Name, i, brokers.Spec.ServiceName, releaseNamespace))
		}
		routes := arguments(brokers.Spec.Template.Spec.Containers[0], "routes")
		if replicas == 1 && len(routes) > 0 {
			t.Errorf("a single broker has routes: %v", routes)
		}
		if want := urls(hosts, 6222); replicas > 1 && !slices.Equal(routes, want) {
			t.Errorf("routes are %v, want %v", routes, want)
		}
		if got, want := arguments(bridges.Spec.Template.Spec.Containers[0], "broker-url"), urls(hosts, 4222); !slices.Equal(got, want) {
			t.Errorf("bridges connect to %v, want %v", got, want)
		}
		budgets := 0
		for _, o := range all {
			if o.Kind == "PodDisruptionBudget" {
				budgets++
			}
		}
		if want := 1 + min(replicas-1, 1); budgets != want {
			t.Errorf("%d disruption budgets for %d brokers and two bridges", budgets, replicas)
		}
	}
}

func urls(hosts []string, port int) (urls []string) {
	for _, h := range hosts {
		urls = append(urls, "tls://"+h+":"+strconv.Itoa(port))
	}
	return urls
}

func TestPlatformDefaults(t *testing.T) {
	all := render(t, platformChart)
	brokers, bridges := platformWorkloads(t, all)
	if *brokers.Spec.Replicas != 3 || *bridges.Spec.Replicas != 2 {
		t.Errorf("%d brokers and %d bridges", *brokers.Spec.Replicas, *bridges.Spec.Replicas)
	}
	if brokers.Spec.PodManagementPolicy != appsv1.ParallelPodManagement {
		t.Error("brokers wait for each other to start")
	}
	if p := brokers.Spec.PersistentVolumeClaimRetentionPolicy; p.WhenDeleted != appsv1.DeletePersistentVolumeClaimRetentionPolicyType {
		t.Errorf("volumes are left behind: %v", p)
	}
	if n := len(brokers.Spec.VolumeClaimTemplates); n != 1 {
		t.Errorf("%d volume claims", n)
	}
	for _, o := range all {
		switch o.Kind {
		case "Secret", "Ingress", "Certificate", "HorizontalPodAutoscaler", "NetworkPolicy", "ServiceMonitor":
			t.Errorf("%s is there unasked", o)
		}
	}
	for _, pod := range []corev1.PodTemplateSpec{brokers.Spec.Template, bridges.Spec.Template} {
		if n := len(pod.Spec.TopologySpreadConstraints); n != 2 {
			t.Errorf("spread by %d constraints, want nodes and zones", n)
		}
		if pod.Annotations["prometheus.io/scrape"] != "true" {
			t.Errorf("not scraped: %v", pod.Annotations)
		}
	}
}
