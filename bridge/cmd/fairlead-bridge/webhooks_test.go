package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// TestCheckWebhooks: each fault of a file of webhooks is named with its line, and none of
// the texts shows a secret or the URL.
func TestCheckWebhooks(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"good": "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz\n", "bad": "whsec_c2VjcmV0\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "webhooks.yaml")
	check := func(content string, flags ...string) (int, string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := run(append([]string{"check-config", "--webhooks", file}, flags...)...)
		return code, strings.NewReplacer(file, "FILE", dir, "DIR").Replace(stdout + stderr)
	}
	const one = "webhooks:\n- name: chat\n  url: https://hooks.example.com/x?token=hidden\n  secretFiles: [good]\n"
	for content, want := range map[string]string{
		one:                                     "FILE can be used: 1 webhook\n",
		"webhooks: []\n":                        "FILE can be used: 0 webhooks\n",
		strings.Replace(one, "good", "bad", 1):  "webhooks[chat]: secrets of webhook chat: DIR/bad: want whsec_ and 24 to 64 random bytes as base64",
		strings.Replace(one, "good", "none", 1): "no such file",
		strings.Replace(one, "https", "http", 1) + "  allowHTTP: true\n": "line 3: webhooks[chat].url: want https",
		strings.Replace(one, "https://", "https://me:hidden@", 1):        "has neither a user nor a fragment",
		one + "  types: [cluster.exploded]\n":                            "line 5: webhooks[chat].types[0]: not a type of events",
		one + "  clusters: [\"a*\"]\n":                                   "line 5: webhooks[chat].clusters[0]: want a cluster",
		one + "  tenants: [A]\n":                                         "line 5: webhooks[chat].tenants[0]: the name of a tenant",
		one + "  secretFile: good\n":                                     "unknown key \"secretFile\": did you mean \"secretFiles\"?",
		one + strings.TrimPrefix(one, "webhooks:\n"):                     "another webhook has this name",
		one + "  certificateAuthority: none\n":                           "no such file",
	} {
		code, text := check(content)
		if ok := strings.Contains(want, "can be used"); (code == daemon.ExitOK) != ok || !strings.Contains(text, want) || strings.Contains(text, "hidden") || strings.Contains(text, "c2VjcmV0") {
			t.Errorf("%s\nexit code %d: %s\nwant %s", content, code, text, want)
		}
	}
	if code, text := check(strings.Replace(one, "good", "none", 1), "--elsewhere"); code != daemon.ExitOK {
		t.Errorf("elsewhere: %d %s", code, text)
	}
	if code, text := check(one, "--tokens", "x"); code != daemon.ExitUsage || !strings.Contains(text, "need --access") {
		t.Errorf("tokens without an access file: %d %s", code, text)
	}
	code, _, stderr := run("run", "--tokens", "t", "--tenants", "n", "--bridge-key", "k", "--broker-url", "tls://b:4222", "--tls-cert", "c", "--tls-key", "k", "--webhooks", file)
	if code != daemon.ExitUsage || !strings.Contains(stderr, "--webhooks needs --store-account") {
		t.Errorf("without a store: %d %s", code, stderr)
	}
}
