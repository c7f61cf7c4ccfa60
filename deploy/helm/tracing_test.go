package helm_test

import (
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// TestTracing: the values become OpenTelemetry's standard variables, of bridges and
// agents alone, and a network policy lets the pods reach the collector.
func TestTracing(t *testing.T) {
	for _, test := range []struct {
		chart, name, attributes string
	}{
		{agentChart, "fl-tunnel", "k8s.cluster.name=prod%2C%20west"},
		{platformChart, platformName + "-bridge", "deployment.environment.name=production"},
	} {
		all := render(t, test.chart, "--values", filepath.Join(test.chart, "ci", "full-values.yaml"))
		all.check(t)
		env := get[*appsv1.Deployment](t, all, test.name).Spec.Template.Spec.Containers[0].Env
		for name, want := range map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector.example.com:4318", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
			"OTEL_TRACES_SAMPLER_ARG": "0.01", "OTEL_RESOURCE_ATTRIBUTES": test.attributes,
		} {
			if got := variable(env, name); got == nil || got.Value != want {
				t.Errorf("%s: %s is %v, want %q", test.chart, name, got, want)
			}
		}
		headers := variable(env, "OTEL_EXPORTER_OTLP_HEADERS")
		if headers == nil || headers.Value != "" || headers.ValueFrom.SecretKeyRef.Name != "collector" || headers.ValueFrom.SecretKeyRef.Key != "headers" {
			t.Errorf("%s: headers are %v", test.chart, headers)
		}
		policy := get[*networkingv1.NetworkPolicy](t, all, test.name)
		if !slices.ContainsFunc(policy.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
			return len(r.Ports) == 1 && r.Ports[0].Port.IntValue() == 4318 && len(r.To) == 0
		}) {
			t.Errorf("%s: the collector is out of reach: %v", test.chart, policy.Spec.Egress)
		}
		if test.chart == platformChart {
			broker := get[*appsv1.StatefulSet](t, all, platformName+"-broker").Spec.Template.Spec.Containers[0].Env
			if variable(broker, "OTEL_EXPORTER_OTLP_ENDPOINT") != nil {
				t.Error("brokers have a collector, though they make no spans")
			}
		}
	}
}

// TestTracingIsOffByDefault: no variable, also none that says how to trace.
func TestTracingIsOffByDefault(t *testing.T) {
	all := render(t, agentChart, with("--set", "tracing.ratio=0.5", "--set", "networkPolicy.enabled=true")...)
	for _, e := range get[*appsv1.Deployment](t, all, agentName).Spec.Template.Spec.Containers[0].Env {
		switch e.Name {
		case "FAIRLEAD_OPS_LISTEN", "FAIRLEAD_POD_NAME", "FAIRLEAD_NODE_NAME": // of the agent, not of tracing
		default:
			t.Errorf("the variable %s", e.Name)
		}
	}
	if n := len(get[*networkingv1.NetworkPolicy](t, all, agentName).Spec.Egress); n != 3 {
		t.Errorf("%d rules for outgoing connections, want those of DNS, broker and API server", n)
	}
}

// TestTracingRefusals: what agents and bridges would refuse at their start.
func TestTracingRefusals(t *testing.T) {
	for _, value := range []string{"endpoint=collector:4318", "endpoint=https://u:p@collector", "endpoint=http://c?x=y", "ratio=1.5", "ratio=-1", "protocol=grpc"} {
		if _, _, err := template(t, agentChart, with("--set", "tracing."+value)...); err == nil {
			t.Errorf("tracing.%s is taken", value)
		}
		args := []string{"--values", filepath.Join(platformChart, "ci", "full-values.yaml"), "--set", "bridge.tracing." + value}
		if _, _, err := template(t, platformChart, args...); err == nil {
			t.Errorf("bridge.tracing.%s is taken", value)
		}
	}
	for url, port := range map[string]int{"http://collector": 80, "https://collector/v1": 443, "http://[2001:db8::1]:4318": 4318} {
		all := render(t, agentChart, with("--set", "networkPolicy.enabled=true", "--set", "tracing.endpoint="+url)...)
		egress := get[*networkingv1.NetworkPolicy](t, all, agentName).Spec.Egress
		if got := egress[3].Ports[0].Port.IntValue(); got != port {
			t.Errorf("%s: port %d, want %d", url, got, port)
		}
	}
}

func variable(env []corev1.EnvVar, name string) *corev1.EnvVar {
	i := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
	if i < 0 {
		return nil
	}
	return &env[i]
}
