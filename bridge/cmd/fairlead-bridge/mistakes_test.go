package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// Files and addresses that cannot be used are mistakes in the configuration: a
// supervisor must not treat them as temporary failures.
func TestUnusableFilesAndAddressesExitWithUsage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	l, err := keys.Init(keys.InitOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	garbled := filepath.Join(t.TempDir(), "garbled")
	if err := os.WriteFile(garbled, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := []string{"run", "--broker-url", "tls://127.0.0.1:1", "--ops-listen", "", "--listen", "127.0.0.1:0",
		"--bridge-key", l.BridgeKeyFile(), "--tenants", l.TenantsFile(), "--tokens", l.TokensFile(),
		"--tls-cert", l.ServerCertFile(), "--tls-key", l.ServerKeyFile()}
	for _, wrong := range [][]string{
		{"--tokens", "/does/not/exist"}, {"--tokens", garbled},
		{"--tenants", "/does/not/exist"}, {"--tenants", garbled},
		{"--bridge-key", "/does/not/exist"},
		{"--tls-key", filepath.Join(dir, "tls", "ca.key")}, {"--tls-cert", "/does/not/exist"},
		{"--tls-ca", garbled}, {"--broker-ca", garbled},
		{"--listen", "nonsense"}, {"--ops-listen", "nonsense"},
	} {
		if code, _, stderr := run(slices.Concat(good, wrong)...); code != daemon.ExitUsage {
			t.Errorf("%s: exit code %d, want %d: %s", strings.Join(wrong, " "), code, daemon.ExitUsage, stderr)
		}
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	if code, _, stderr := run(good...); code != daemon.ExitUsage || !strings.Contains(stderr, "OTEL_TRACES_EXPORTER: ") {
		t.Errorf("an exporter that is not supported: exit code %d, want %d: %s", code, daemon.ExitUsage, stderr)
	}
}
