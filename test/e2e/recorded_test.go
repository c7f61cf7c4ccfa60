package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestExecIsRecorded: a grant that demands recordings lets kubectl exec as always, over
// both protocols, and what was seen can be played.
func TestExecIsRecorded(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	j := newJobs(sp)
	sp.pod("box", idle, "")
	sessions := filepath.Join(sp.dir, sp.name, "sessions")
	if err := os.Mkdir(sessions, 0o700); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(j.access)
	if err != nil {
		t.Fatal(err)
	}
	j.replace("recording: {directory: " + sessions + "}\n" + string(content) + "    record: true\n")
	job := j.side("recorded", j.token(nil))
	// Once port-forward is refused, the file has been read.
	sp.until("recordings to be demanded", func(context.Context) error {
		r := sp.do(sp.on(job, "port-forward", "pod/box", ":80").with("KUBECTL_PORT_FORWARD_WEBSOCKETS=false"))
		if r.code == 0 || !strings.Contains(r.stderr, "demands that sessions are recorded") {
			return errors.New(r.stderr)
		}
		return nil
	})
	for name, p := range map[string]string{"spdy": "false", "websocket": "true"} {
		got := sp.must(sp.on(job, "exec", "box", "--", "sh", "-c", "echo seen by "+name+"; echo err >&2").with("KUBECTL_REMOTE_COMMAND_WEBSOCKETS=" + p))
		if got != "seen by "+name+"\n" {
			t.Errorf("%s: %q", name, got)
		}
	}
	list, err := exec.CommandContext(t.Context(), sp.race.Bridge, "sessions", "list", "--dir", sessions, "--json").CombinedOutput()
	if err != nil {
		t.Fatalf("sessions list: %v: %s", err, list)
	}
	files, err := filepath.Glob(filepath.Join(sessions, "*.cast"))
	if err != nil || len(files) != 2 {
		t.Fatalf("recordings: %v, %v", files, err)
	}
	all := ""
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	for _, want := range []string{"seen by spdy", "seen by websocket", "gitlab:acme/shop"} {
		if !strings.Contains(all, want) {
			t.Errorf("the recordings lack %q:\n%s", want, clip(all))
		}
	}
}
