package tracing

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// clean unsets what the environment of the test says about OpenTelemetry, and sets the
// variables of vars.
func clean(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, kv := range os.Environ() {
		if k, _, _ := strings.Cut(kv, "="); strings.HasPrefix(k, "OTEL_") {
			t.Setenv(k, "")
		}
	}
	for k, v := range vars {
		t.Setenv(k, v)
	}
}

func open(t *testing.T) (*Provider, error) {
	t.Helper()
	p, err := Open(Service{"fairlead-test", "v1"}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, err
}

func TestOnlyOnWhenTheEnvironmentSaysSo(t *testing.T) {
	const endpoint = "http://127.0.0.1:1"
	for name, tt := range map[string]struct {
		vars map[string]string
		on   bool
	}{
		"nothing":             {nil, false},
		"a service name":      {map[string]string{"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on"}, false},
		"an endpoint":         {map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		"an endpoint of it":   {map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint + "/v1/traces"}, true},
		"of metrics only":     {map[string]string{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint}, false},
		"the exporter":        {map[string]string{"OTEL_TRACES_EXPORTER": "otlp"}, true},
		"no exporter":         {map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, false},
		"disabled":            {map[string]string{"OTEL_SDK_DISABLED": "True", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, false},
		"disabled and broken": {map[string]string{"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false},
		"not disabled":        {map[string]string{"OTEL_SDK_DISABLED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, true},
		"off and broken":      {map[string]string{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			clean(t, tt.vars)
			p, err := open(t)
			if err != nil || (p != nil) != tt.on || (p.Tracer() != nil) != tt.on {
				t.Errorf("on is %v, %v; want %v", p != nil, err, tt.on)
			}
		})
	}
}

// What the SDK would log and ignore is an error that names the variable and shows no
// value that may be secret.
func TestWhatTheEnvironmentHasWrongIsSaid(t *testing.T) {
	const secret = "s3cr3t"
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, value, want string }{
		{"OTEL_TRACES_EXPORTER", "zipkin", "want otlp or none"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", `"grpc" is not supported; want http/protobuf`},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "want http/protobuf"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "want gzip or none"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "not a URL such as"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "unix:///run/otel.sock", "not a URL such as"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://u:" + secret + "@collector", "belong into OTEL_EXPORTER_OTLP_HEADERS"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector/?token=" + secret, "belong into OTEL_EXPORTER_OTLP_HEADERS"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=b,Authorization: Bearer " + secret, "header 2 is not like name=value"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x-key=" + secret + "%zz", "header 1"},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x key=" + secret, "header 1"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "x-key=" + secret + "%0a", "header 1"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", filepath.Join(dir, "absent"), "no such file"},
		{"OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", empty, "no PEM certificate"},
		{"OTEL_EXPORTER_OTLP_CLIENT_KEY", empty, "give both, or none"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "not a whole number"},
		{"OTEL_TRACES_SAMPLER", "jaeger_remote", "want one of always_on"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "0", "from 1 to 65536"},
		{"OTEL_BSP_SCHEDULE_DELAY", "5s", "not a whole number"},
		{"OTEL_RESOURCE_ATTRIBUTES", "a", "missing value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clean(t, map[string]string{"OTEL_TRACES_EXPORTER": "otlp"})
			t.Setenv(tt.name, tt.value)
			_, err := open(t)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.name) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s=%s: got %v, want %q", tt.name, tt.value, err, tt.want)
			}
		})
	}
	for _, arg := range []string{"1.5", "-1", "NaN", "half"} {
		clean(t, map[string]string{"OTEL_TRACES_EXPORTER": "otlp", "OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": arg})
		if _, err := open(t); err == nil || !strings.Contains(err.Error(), "OTEL_TRACES_SAMPLER_ARG") {
			t.Errorf("argument %s: %v", arg, err)
		}
	}
}

// The log says that tracing is on, and shows no header.
func TestTheLogHasNoCredentialOfTheCollector(t *testing.T) {
	const secret = "s3cr3t"
	clean(t, map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS": "Authorization=Bearer%20" + secret})
	var log bytes.Buffer
	p, err := Open(Service{"fairlead-test", "v1"}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug - 10})), prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if s := log.String(); !strings.Contains(s, "tracing is on") || !strings.Contains(s, "sampler=parentbased_always_on\n") || !strings.Contains(s, "127.0.0.1:1") || strings.Contains(s, secret) {
		t.Errorf("log: %s", s)
	}
}

// The log names the sampler that decides, with its default and its ratio.
func TestEffectiveSampler(t *testing.T) {
	for want, vars := range map[string][2]string{
		"parentbased_always_on": {"", "0.5"}, "always_off": {"Always_Off", "0.5"},
		"traceidratio 1": {"traceidratio", ""}, "parentbased_traceidratio 0.01": {"parentbased_traceidratio", " 0.01"},
	} {
		clean(t, map[string]string{"OTEL_TRACES_SAMPLER": vars[0], "OTEL_TRACES_SAMPLER_ARG": vars[1]})
		if got := effectiveSampler(); got != want {
			t.Errorf("%q: %q, want %q", vars, got, want)
		}
	}
}
