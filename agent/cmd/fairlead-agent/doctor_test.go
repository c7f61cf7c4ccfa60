package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
)

// TestDoctor: it finds everything where the agent does, and exits with the hop's code.
func TestDoctor(t *testing.T) {
	b := agenttest.NewBroker(t)
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	dir := t.TempDir()
	config := filepath.Join(dir, "agent.yaml")
	agenttest.WriteFile(t, config, "server: ["+b.URL()+"]\nca: "+b.CAFile+"\nlog-level: debug\ndrain-timeout: 3s\nops-listen: 127.0.0.1:1\n")
	kubeconfig := filepath.Join(dir, "kubeconfig")
	agenttest.WriteFile(t, kubeconfig, `
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`)
	t.Setenv("FAIRLEAD_CREDS", creds)
	t.Setenv("FAIRLEAD_CONFIG", config)

	code, out := run("doctor", "--kubeconfig", kubeconfig, "--ascii", "--max-streams", "5", "--log-format", "json")
	for _, want := range []string{"\n" + b.URL() + "\n", "\n  ok   permission ", "\n  FAIL kubernetes ", "Exit code 18."} {
		if code != 18 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, want 18 and %q in:\n%s", code, want, out)
		}
	}
	code, out = run("doctor", "--kubeconfig", kubeconfig, "--output", "json", "--creds", b.RefusedCreds())
	var r diagnosis.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 16 || r.ExitCode != 16 || r.Schema != diagnosis.Schema {
		t.Errorf("exit code %d, want 16; %v in:\n%s", code, err, out)
	}
}

func TestDoctorsMistakes(t *testing.T) {
	for want, args := range map[string]string{
		"server: none given":      "",
		"creds: no credentials":   "--server=tls://a:4222",
		`output: "xml": use`:      "--server=tls://a:4222 --creds=x --output=xml",
		"timeout: 1ms is not":     "--server=tls://a:4222 --creds=x --timeout=1ms",
		"use tls:// or wss://":    "--server=ftp://a:4222 --creds=x",
		`unknown command "extra"`: "extra",
	} {
		code, out := run(append([]string{"doctor"}, strings.Fields(args)...)...)
		if code != daemon.ExitUsage || !strings.Contains(out, want) {
			t.Errorf("%s: exit code %d, want %q in:\n%s", args, code, want, out)
		}
	}
	if _, out := run("doctor", "--help"); !strings.Contains(out, "10 dns, 11 tcp") || !strings.Contains(out, "FAIRLEAD_SERVER") {
		t.Error(out)
	} else {
		for _, flag := range []string{"--max-streams", "--reads-over-http2", "--drain-timeout", "--ops-pprof", "--log-level", "--log-format"} {
			if strings.Contains(out, flag) {
				t.Errorf("the help has %s, which the doctor does not use", flag)
			}
		}
	}
}
