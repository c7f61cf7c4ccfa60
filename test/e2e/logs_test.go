package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestLogsEqualDirect(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	grace := int64(0)
	container := func(name, script string) corev1.Container {
		return corev1.Container{Name: name, Image: sp.kube.Images["busybox"], ImagePullPolicy: corev1.PullNever,
			Command: []string{"sh", "-c", script}}
	}
	sp.runPod(&corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "talker", Labels: map[string]string{"app": "talker"}},
		Spec: corev1.PodSpec{TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{
			container("much", `i=0; while [ $i -lt 20000 ]; do echo "line $i äöü"; i=$((i+1)); done; touch /tmp/done; `+idle),
			container("little", `echo one; echo two >&2; printf 'no newline'; `+idle),
		}},
	})
	sp.until("all lines to be logged", func(context.Context) error {
		if log := sp.must(sp.on(sp.direct, "logs", "talker", "-c", "much", "--tail=1")); !strings.Contains(log, "line 19999 ") {
			return fmt.Errorf("last is %q", log)
		}
		return nil
	})
	for _, args := range []string{
		"logs talker",
		"logs talker -c much",
		"logs talker -c little --timestamps",
		"logs talker -c much --tail=7",
		"logs talker -c much --limit-bytes=1000",
		"logs talker -c much --since=1h",
		"logs -l app=talker --tail=3",
		"logs talker -c nobody",
		"logs talker --previous",
	} {
		sp.same(strings.Fields(args)...)
	}
	// kubectl takes the containers in a random order.
	args := []string{"logs", "talker", "--all-containers", "--prefix"}
	direct, tunnel := sp.do(sp.on(sp.direct, args...)), sp.do(sp.on(sp.tunnel, args...))
	direct.stdout, tunnel.stdout = sortLines(direct.stdout), sortLines(tunnel.stdout)
	sp.compare(args, direct, tunnel)
}

func sortLines(s string) string {
	lines := strings.Split(s, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// TestLogsFollow: a line is shown as soon as it is written, however short it is.
func TestLogsFollow(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	sp.pod("talker", `echo begin; `+idle, "")
	follow := sp.start(sp.on(sp.tunnel, "logs", "-f", "talker"))
	follow.expect("begin\n")
	for i := range 10 {
		line := fmt.Sprintf("line-%d", i)
		sp.must(sp.on(sp.direct, "exec", "talker", "--", "sh", "-c", "echo "+line+" >/proc/1/fd/1"))
		at := time.Now()
		follow.expect(line + "\n")
		// The kubelet polls log files once a second where it gets no notification.
		if late := time.Since(at); late > 2*time.Second {
			t.Errorf("%s came %s after it was written", line, late)
		}
	}
	sp.must(sp.on(sp.direct, "delete", "pod", "talker", "--now"))
	if code := follow.wait(callWithin); code != 0 {
		t.Errorf("exit code %d when the pod ended, want 0: %s", code, follow.stderr)
	}
}
