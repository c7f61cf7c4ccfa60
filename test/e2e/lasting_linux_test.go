package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// TestExecOutlivesTheNetwork: a shell and a followed log of the plugin go on when the user's
// network was lost, in the same process of the container, and nothing is missing.
func TestExecOutlivesTheNetwork(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	j := newJobs(sp)
	sp.pod("box", "i=0; while true; do i=$((i+1)); echo line $i; sleep 0.05; done", "")
	network := toServer(t, j.system.URL(""))
	token := filepath.Join(sp.dir, sp.name+".token")
	if err := os.WriteFile(token, []byte(j.token(nil)), 0o600); err != nil {
		t.Fatal(err)
	}
	plugin := func(args ...string) call {
		return call{args: append([]string{"fairlead", "--bridge", "https://" + network.Address(), "--bridge-ca", j.system.CAFile(),
			"--token-file", token, "--cluster", j.system.Ref(), "-n", sp.name}, args...), side: side{name: "plugin", kubeconfig: os.DevNull},
			env: []string{"PATH=" + filepath.Dir(sp.race.Plugin) + ":" + os.Getenv("PATH")}}
	}

	logs := sp.start(plugin("logs", "-f", "box"))
	if !logs.stdout.wait("line 3\n", time.Minute, logs.done) {
		t.Fatalf("no log: %s%s", logs.stdout, logs.stderr)
	}
	term := openTerminal(t)
	term.resize(40, 100)
	shell := sp.startIn(term, plugin("exec", "-it", "box", "--", "sh"))
	// The size has a stream of its own, and may come after what is typed at once.
	testbed.Until(t, "the size", time.Minute, func(context.Context) error {
		term.say("stty size\r")
		if !term.screen.wait("40 100", time.Second, nil) {
			return errors.New(clip(term.screen.String()))
		}
		return nil
	})
	term.say("echo p''id is $$\r") // the terminal shows what is typed, too
	term.expect("pid is ")
	before := pidOf(t, term.screen)
	for _, word := range []string{"first", "second", "third"} {
		term.say("sleep 1; echo " + word[:2] + "''" + word[2:] + " again\r")
		network.Close()
		term.say("echo typed without a net''work\r")
		testbed.Until(t, "the plugin to notice", time.Minute, func(context.Context) error {
			if !strings.Contains(term.screen.String(), "The connection was lost") {
				return errors.New(clip(term.screen.String()))
			}
			return nil
		})
		network.Open(t)
		term.expect(word + " again")
		term.expect("typed without a network")
	}
	term.say("echo p''id is $$\r") // the terminal shows what is typed, too
	term.expect("pid is ")
	term.say("echo do''ne\r")
	term.expect("done")
	if after := pidOf(t, term.screen); after != before {
		t.Errorf("the shell was process %s, and is %s", before, after)
	}
	term.say("exit 3\r")
	if code := shell.wait(callWithin); code != 3 {
		t.Errorf("exit code %d, want the shell's 3\n%s", code, clip(term.screen.String()))
	}

	last := strings.Count(logs.stdout.String(), "\n")
	if !logs.stdout.wait("line "+strconv.Itoa(last+20)+"\n", time.Minute, logs.done) {
		t.Fatalf("the log stands still: %s", logs.stderr)
	}
	for i, line := range strings.Split(strings.TrimSuffix(logs.stdout.String(), "\n"), "\n") {
		if want := "line " + strconv.Itoa(i+1); line != want && i+1 < last {
			t.Fatalf("line %d of the log is %q", i+1, line)
		}
	}
	if !strings.Contains(logs.stderr.String(), "The connection is back") {
		t.Errorf("stderr: %s", logs.stderr)
	}
}

// pidOf is the last process id that a shell has said.
func pidOf(t *testing.T, screen *output) string {
	t.Helper()
	text := screen.String()
	i := strings.LastIndex(text, "pid is ")
	pid, _, _ := strings.Cut(text[i+len("pid is "):], "\r")
	return pid
}
