package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func run(args ...string) (code int, out string) {
	var b bytes.Buffer
	cmd := newCommand()
	cmd.SetOut(&b)
	cmd.SetErr(&b)
	return daemon.Main(cmd, args), b.String()
}

func TestMistakesExitWithUsage(t *testing.T) {
	dir := t.TempDir()
	config := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(config, []byte("servers: [tls://a:4222]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for want, args := range map[string][]string{
		"server: none given":                     nil,
		"creds: no credentials":                  {"--server=tls://a:4222"},
		"not running inside a cluster":           {"--server=tls://a:4222", "--creds=x", "--ops-listen="},
		`did you mean "server"`:                  {"--config=" + config},
		"unknown flag: --serverr":                {"--serverr=x"},
		`log-level: "loud" is not one of`:        {"--log-level=loud"},
		"or permit it with --insecure-transport": {"--server=ws://a", "--creds=x"},
		"client-cert and client-key: give both":  {"--server=wss://a", "--creds=x", "--client-cert=c"},
		"header: number 2: Upgrade concerns":     {"--server=wss://a", "--creds=x", "--header=A: b, c", "--header=Upgrade: hidden"},
		"only mean something for a server with":  {"--server=tls://a", "--creds=x", "--header-file=f"},
		"only means something with kubec":        {"--server=tls://a:4222", "--creds=x", "--context=c", "--ops-listen="},
	} {
		if code, out := run(args...); code != daemon.ExitUsage || !strings.Contains(out, want) {
			t.Errorf("%v: exit code %d, want %d and %q in:\n%s", args, code, daemon.ExitUsage, want, out)
		}
	}
}

// TestTracingMistakesExitWithUsage: a protocol that the agent does not speak, and other
// mistakes in the environment, are told at the start.
func TestTracingMistakesExitWithUsage(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
	t.Setenv("KUBERNETES_SERVICE_PORT", "1")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	code, out := run("--server=tls://a:4222", "--creds=x", "--ops-listen=")
	if code != daemon.ExitUsage || !strings.Contains(out, `OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" is not supported; want http/protobuf`) {
		t.Errorf("exit code %d, want %d, and the variable, in:\n%s", code, daemon.ExitUsage, out)
	}
}

// TestNothingListensUntilTheFlagsAreGood gives an ops address that is taken: a
// command that listened before it checked its flags would complain of that.
func TestNothingListensUntilTheFlagsAreGood(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for flag, values := range map[string][]string{
		"max-streams":   {"0", "-1", "16385"},
		"drain-timeout": {"-1s", "25h"},
		"context":       {"c"},
	} {
		for _, v := range values {
			code, out := run("--server=tls://a:4222", "--creds=x", "--ops-listen="+taken.Addr().String(), "--"+flag+"="+v)
			if code != daemon.ExitUsage || !strings.Contains(out, flag+": ") {
				t.Errorf("--%s=%s: exit code %d, want %d and the flag's name in:\n%s", flag, v, code, daemon.ExitUsage, out)
			}
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, out := run("--help")
	for _, want := range []string{"Examples:", "FAIRLEAD_SERVER", "FAIRLEAD_OPS_LISTEN", "--drain-timeout", ":8080"} {
		if code != daemon.ExitOK || !strings.Contains(out, want) {
			t.Errorf("help: exit code %d, lacks %q:\n%s", code, want, out)
		}
	}
	if code, out := run("version"); code != daemon.ExitOK || !strings.HasPrefix(out, "fairlead-agent ") {
		t.Errorf("version: exit code %d, %q", code, out)
	}
}

// The agent runs inside other people's clusters, so its binary contains no server.
func TestLinksNoServer(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"nats-server", "fairlead/broker", "fairlead/bridge"} {
		if strings.Contains(string(out), bad) {
			t.Errorf("fairlead-agent links %s", bad)
		}
	}
}
