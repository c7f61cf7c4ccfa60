package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func ptr(t time.Time) *metav1.Time { return &metav1.Time{Time: t} }

// TestTwoProcesses: of processes that find an expired token at the same time, one
// refreshes it. The issuer takes a refresh token once.
func TestTwoProcesses(t *testing.T) {
	r := newRig(t, nil)
	r.people.SetLifetime(renewBefore - 5*time.Second)
	r.must(r.loginFlags()...)
	r.people.SetLifetime(time.Hour)
	const processes = 4
	var cmds [processes]*exec.Cmd
	var out, fault [processes]bytes.Buffer
	for i := range cmds {
		cmds[i] = exec.Command(os.Args[0], "token", "--bridge", r.bridge.URL)
		cmds[i].Env = append(os.Environ(), asPlugin+"=1")
		cmds[i].Stdout, cmds[i].Stderr = &out[i], &fault[i]
		if err := cmds[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Errorf("process %d: %v: %s", i, err, &fault[i])
		}
		if !strings.Contains(out[i].String(), r.session().IDToken) {
			t.Errorf("process %d: another token than the one that was kept", i)
		}
	}
	if good, refused := r.people.Usable(); good != 1 || refused != 0 {
		t.Errorf("%d refresh tokens are good, %d were refused", good, refused)
	}
	if n := r.issuer.Requests("/token"); n != 2 {
		t.Errorf("%d requests for tokens, want 2: the login and one refresh", n)
	}
}

func TestExecInfo(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.loginFlags()...)
	t.Setenv("KUBERNETES_EXEC_INFO", `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false}}`)
	r.credential()
	t.Setenv("KUBERNETES_EXEC_INFO", `{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1"}`)
	r.fails([]string{"token"}, "client.authentication.k8s.io/v1beta1", "apiVersion: client.authentication.k8s.io/v1 in the exec section")
}
