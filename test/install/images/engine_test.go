package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// alone runs dockerup where it cannot see another engine: with an empty /run,
// where sockets of other engines would be, and in its own network namespace, so
// that firewall rules do not mix. Its command loads and runs an image.
const alone = `set -eu
mount -t tmpfs tmpfs /run
echo 0 >/proc/sys/net/ipv4/ip_forward # of this network alone
rc=0
"$1" sh -euc '
	echo "FAIRLEAD_E2E=$FAIRLEAD_E2E"
	docker load --quiet --input "$0"
	docker run --rm --read-only --network none "$1" --version
	docker run --detach --network none "$1" run >/dev/null
	exit 7' "$2" "$3" || rc=$?
echo "exit code $rc"
echo "left in /run:" $(find /run -name 'fairlead-*')
iptables --list-rules FORWARD | head -1
`

// TestEngineOfOurOwn: if no engine runs, StartDocker runs one and leaves nothing
// of it behind.
func TestEngineOfOurOwn(t *testing.T) {
	needEngine(t)
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"dockerd", "unshare", "iptables"} {
		if _, err := exec.LookPath(program); err != nil || os.Geteuid() != 0 {
			if mode == "require" {
				t.Fatalf("needs root and %s: %v", program, err)
			}
			t.Skipf("needs root and %s: %v", program, err)
		}
	}
	dockerup := filepath.Join(t.TempDir(), "dockerup")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dockerup, "./test/dockerup")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	archive := filepath.Join(t.TempDir(), "broker.tar")
	docker(t, "save", "--output", archive, image("fairlead-broker"))

	before := engineFolders(t, root)
	cmd := exec.CommandContext(t.Context(), "unshare", "--mount", "--net", "bash", "-c", alone, "alone", dockerup, archive, image("fairlead-broker"))
	cmd.Dir, cmd.Env = root, append(os.Environ(), "DOCKER_HOST=", "FAIRLEAD_E2E="+mode)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	for _, want := range []string{
		"FAIRLEAD_E2E=" + mode + "\n", // the command's environment is its own
		"fairlead-broker ", " commit ",
		"exit code 7\n",
		"left in /run:\n",
		// The machine still forwards the traffic of others.
		"-P FORWARD ACCEPT\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if after := engineFolders(t, root); len(after) > len(before) {
		t.Errorf("left behind: %v", after)
	}
}

func engineFolders(t *testing.T, root string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(root, ".cache", "tmp", "docker-*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
