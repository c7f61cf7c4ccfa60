package main

import (
	"errors"
	"net/http"
	"os"
	"strings"
	"testing"

	"k8s.io/client-go/util/exec"
)

// TestExecMistakes: what is wrong with a command line, and what a bridge refuses.
func TestExecMistakes(t *testing.T) {
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"code":"forbidden","lock":"grant","requestId":"r1","detail":"no grant\u001b[2J for ` + strings.ReplaceAll(req.URL.Path, `"`, "") + `"}`))
	}))
	file := r.home + "/token"
	if err := os.WriteFile(file, []byte("t0ken"), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{"--bridge", r.bridge.URL, "--token-file", file, "--bridge-ca", r.bridgeCA}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":        {[]string{"exec", "web", "ls"}, "then -- and the command"},
		"two pods":          {[]string{"exec", "web", "db", "--", "ls"}, "one pod"},
		"no cluster":        {[]string{"exec", "web", "--", "ls"}, "which cluster?"},
		"a strange pod":     {[]string{"exec", "--cluster", "prod", "../x", "--", "ls"}, "not a name of Kubernetes"},
		"a strange space":   {[]string{"logs", "--cluster", "prod", "-n", "..", "web"}, "not a name of Kubernetes"},
		"a negative tail":   {[]string{"logs", "--cluster", "prod", "--tail", "-2", "web"}, "cannot be negative"},
		"refused exec":      {[]string{"exec", "--cluster", "prod", "web", "--", "ls"}, "(403 forbidden, lock grant, request r1)"},
		"refused logs":      {[]string{"logs", "--cluster", "prod.acme", "web"}, "/v1/clusters/prod.acme/connections/"},
		"refused logs also": {[]string{"logs", "--cluster", "prod.acme", "web"}, "no grant"},
	} {
		stdout, _, err := r.run(append(base, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\x1b") || stdout != "" {
			t.Errorf("%s: %v, %q", name, err, stdout)
		}
	}
}

// TestExitCode: that of the command in the container is the plugin's.
func TestExitCode(t *testing.T) {
	for err, want := range map[error]int{
		errors.New("x"): 1, exec.CodeExitError{Err: errors.New("x"), Code: 42}: 42, exec.CodeExitError{Err: errors.New("x")}: 1,
		// Of Windows, whose codes have 32 bits: a process of Unix would end with their last 8.
		exec.CodeExitError{Err: errors.New("x"), Code: 256}: 1, exec.CodeExitError{Err: errors.New("x"), Code: 0xC0000005}: 1,
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: %d, want %d", err, got, want)
		}
	}
}

// TestErrorsControlNoTerminal: whatever an error quotes, its text is lines of text.
func TestErrorsControlNoTerminal(t *testing.T) {
	err := errors.New("reset: \x1b]0;owned\x07 \u009b2J\r\nline two\u202e ä")
	if got, want := lines(err.Error()), "reset: ?]0;owned? ?2J?\nline two? ä"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
