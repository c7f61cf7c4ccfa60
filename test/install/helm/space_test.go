package helm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// within bounds most waits: for a pod's start and its probes on a loaded machine.
const within = 3 * time.Minute

// space is a test's namespace and its way to all that tests share.
type space struct {
	*suite
	t    *testing.T
	name string // of the namespace
}

// newSpace makes a namespace that enforces Pod Security "restricted".
func newSpace(t *testing.T) *space {
	t.Helper()
	testbed.Need(t)
	sp := &space{suite: shared, t: t, name: testbed.NamespaceName(t)}
	sp.makeNamespace(sp.name)
	return sp
}

func (sp *space) makeNamespace(name string) {
	sp.t.Helper()
	sp.MakeNamespace(sp.t, name, map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted",
	})
	sp.t.Cleanup(func() { // before the namespace is deleted
		if sp.t.Failed() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			sp.t.Log(sp.story(ctx, name))
		}
	})
}

// story describes the namespace's pods and their events, for the report of a
// failure.
func (sp *space) story(ctx context.Context, namespace string) string {
	var b strings.Builder
	for _, args := range [][]string{
		{"get", "all"}, {"get", "events", "--sort-by=.lastTimestamp"},
		{"logs", "--selector=app.kubernetes.io/part-of=fairlead", "--prefix", "--tail=15", "--ignore-errors"},
	} {
		out, err := sp.kube.Run(ctx, "", append(args, "--namespace", namespace)...)
		fmt.Fprintf(&b, "kubectl %s: %v\n%s\n", strings.Join(args, " "), err, out)
	}
	return b.String()
}

// until waits for a condition.
func (sp *space) until(what string, check func(context.Context) error) {
	sp.t.Helper()
	testbed.Until(sp.t, what, within, check)
}

// tryHelm runs helm as the administrator, in a namespace. Its stderr includes the
// logs of hooks.
func (s *suite) tryHelm(ctx context.Context, namespace string, args ...string) (out, said string, err error) {
	// The user's own configuration of helm must not take part.
	env := []string{
		"HOME=" + s.dir, "PATH=" + os.Getenv("PATH"), "KUBECONFIG=" + s.kube.Kubeconfig,
		"HELM_CACHE_HOME=" + s.dir, "HELM_CONFIG_HOME=" + s.dir, "HELM_DATA_HOME=" + s.dir,
	}
	return harness.Command{Path: s.helm, Args: append(args, "--namespace", namespace), Env: env}.Run(ctx)
}

func (sp *space) helm(args ...string) string {
	sp.t.Helper()
	out, _, err := sp.tryHelm(sp.t.Context(), sp.name, args...)
	if err != nil {
		sp.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

// kubectl runs it as the administrator, in the test's namespace.
func (sp *space) kubectl(args ...string) string {
	sp.t.Helper()
	out, err := sp.kube.Run(sp.t.Context(), "", append(args, "--namespace", sp.name)...)
	if err != nil {
		sp.t.Fatal(err)
	}
	return out
}

// running is a kubectl that runs until it is stopped, at the latest when its test ends.
type running struct {
	*harness.Process
	sp *space
}

// start starts kubectl in the test's namespace.
func (sp *space) start(name, kubeconfig string, args ...string) *running {
	sp.t.Helper()
	process, err := harness.Start(harness.Spec{
		Name: name, Path: sp.kube.Kubectl, Log: filepath.Join(sp.t.TempDir(), name+".log"),
		Args: append([]string{"--kubeconfig", kubeconfig, "--namespace", sp.name}, args...),
	})
	if err != nil {
		sp.t.Fatal(err)
	}
	sp.t.Cleanup(func() {
		if err := process.Stop(10 * time.Second); err != nil {
			sp.t.Error(err)
		}
	})
	return &running{process, sp}
}

// says waits until it has printed what the pattern matches, and returns the match with
// its groups.
func (r *running) says(pattern *regexp.Regexp) (match []string) {
	r.sp.t.Helper()
	err := harness.Until(r.sp.t.Context(), r.Name()+" to print "+pattern.String(), within, r.Process, func(context.Context) error {
		text, err := os.ReadFile(r.Log())
		if match = pattern.FindStringSubmatch(string(text)); err == nil && match == nil {
			err = fmt.Errorf("not in %q", text)
		}
		return err
	})
	if err != nil {
		r.sp.t.Fatal(err)
	}
	return match
}

// ends waits until it has ended by itself, with a reason.
func (r *running) ends(within time.Duration, reason string) {
	r.sp.t.Helper()
	select {
	case <-r.Done():
	case <-time.After(within):
		r.sp.t.Errorf("%s goes on after %s", r.Name(), within)
		return
	}
	if text, err := os.ReadFile(r.Log()); err != nil || !strings.Contains(string(text), reason) {
		r.sp.t.Errorf("%s ended without the reason %q: %s, %v", r.Name(), reason, text, err)
	}
}

// gone is nil when err says that an object does not exist.
func gone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return errors.Join(errors.New("still there"), err)
}
