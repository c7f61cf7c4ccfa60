package webhook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestKubeconfigFaults(t *testing.T) {
	good := `{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: {server: "https://host/p"}}]}`
	for _, tt := range []struct{ from, to, want string }{
		{"", "", ""},
		{"https://host", "http://localhost:1", ""}, {"https://host", "http://127.0.0.1:1", ""},
		{"https://host", "http://host", "want a URL with https"},
		{"https://host", "http://127.0.0.1.example.com", "want a URL with https"},
		{"https://host", "https://user:pass@host", "has a user or password"},
		{`{server:`, `{insecure-skip-tls-verify: true, server:`, "must be verified"},
		{`{server:`, `{certificate-authority: none.crt, server:`, "none.crt"},
		{"current-context: a, ", "", "no configuration"},
		{"current-context: a", "current-context: b", "b"},
		{good, "", "no configuration"}, {good, "{", "not a kubeconfig"},
	} {
		content := strings.Replace(good, tt.from, tt.to, 1)
		file := filepath.Join(t.TempDir(), "kubeconfig")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		x, err := NewTokenReview(TokenReviewConfig{Kubeconfig: file}, nil, nil)
		if err == nil {
			x.Close()
		}
		if (err == nil) != (tt.want == "") || err != nil && (!strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), file)) {
			t.Errorf("%s: %v, want %q", content, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "pass@") {
			t.Errorf("shows the password: %v", err)
		}
	}
	if _, err := NewTokenReview(TokenReviewConfig{Kubeconfig: filepath.Join(t.TempDir(), "none")}, nil, nil); err == nil {
		t.Error("a file that is not there")
	}
}
