package nsc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
)

func allScripts(t *testing.T) []string {
	t.Helper()
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(root, "deploy", "nsc", "*.sh"))
	if err != nil || len(files) < 10 {
		t.Fatalf("scripts: %v, %v", files, err)
	}
	return files
}

// TestHelp: every script says what it does, even without nsc.
func TestHelp(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(filepath.Dir(allScripts(t)[0]), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range allScripts(t) {
		name := filepath.Base(file)
		if name == "lib.sh" {
			continue
		}
		out, err := exec.Command(file, "--help").CombinedOutput()
		if err != nil || !strings.Contains(string(out), name) || strings.Contains(string(out), "shellcheck") {
			t.Errorf("%s --help: %v\n%s", name, err, out)
		}
		if !strings.Contains(string(readme), name) {
			t.Errorf("README.md says nothing of %s", name)
		}
	}
}

func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		if os.Getenv("FAIRLEAD_E2E") == "require" {
			t.Fatal("shellcheck is not on PATH: apt-get install shellcheck")
		}
		t.Skip("shellcheck is not on PATH")
	}
	args := append([]string{"-x"}, allScripts(t)...)
	cmd := exec.Command("shellcheck", args...)
	cmd.Dir = filepath.Dir(args[1])
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("shellcheck: %v\n%s", err, out)
	}
}

// TestStoreTemplates: the scripts' template of role store is the one that brokers demand.
func TestStoreTemplates(t *testing.T) {
	lib, err := os.ReadFile(filepath.Join(filepath.Dir(allScripts(t)[0]), "lib.sh"))
	if err != nil {
		t.Fatal(err)
	}
	list := func(name string) (subjects []string) {
		_, rest, _ := strings.Cut(string(lib), name+"=(\n")
		inside, _, _ := strings.Cut(rest, "\n)")
		for _, line := range strings.Split(inside, "\n") {
			subjects = append(subjects, strings.Trim(line, "\t'"))
		}
		return subjects
	}
	if got := list("store_pub"); !slices.Equal(got, subjects.StoreAllowPub()) {
		t.Errorf("store_pub of lib.sh is %q, want %q", got, subjects.StoreAllowPub())
	}
	if got := list("store_sub"); !slices.Equal(got, subjects.StoreAllowSub()) {
		t.Errorf("store_sub of lib.sh is %q, want %q", got, subjects.StoreAllowSub())
	}
	if got := list("steward_pub"); !slices.Equal(got, subjects.StewardAllowPub()) {
		t.Errorf("steward_pub of lib.sh is %q, want %q", got, subjects.StewardAllowPub())
	}
	steward := "--allow-sub '" + strings.Join(subjects.StewardAllowSub(), ",") + "'"
	if !strings.Contains(string(lib), steward) {
		t.Errorf("lib.sh does not have %s", steward)
	}
}

// TestRefusals: scripts report mistakes before they change anything.
func TestRefusals(t *testing.T) {
	needNSC(t)
	p := place(t.TempDir())
	s := newScripts(t, p, "", harness.Binaries{}).(*scripts)
	refused := func(code int, want, script string, args ...string) {
		t.Helper()
		out, err := s.run(script, args...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != code || !strings.Contains(out, want) {
			t.Errorf("%s %q: %v, want exit %d\n%swant %q in it", script, args, err, code, out, want)
		}
	}
	refused(1, "operator.sh makes one", "tenant", "acme")
	refused(2, "is not like nats://", "operator", "broker.example.com")
	refused(2, "is not like nats://", "operator", "tls://broker.example.com:4222") // nsc does not push to such
	s.do(t, "operator", "nats://localhost:4222")
	refused(1, "tenant.sh makes one", "agent", "acme", "prod")
	refused(1, "there are no tenants", "bridge-rotate")
	refused(1, "platform.sh makes it", "platform", "rotate")
	refused(2, "rotate or retire", "platform", "remove")
	refused(2, "is not a DNS label", "tenant", "Acme")
	s.do(t, "tenant", "acme")
	for _, name := range []string{"", "*", ">", "prod.eu", "Prod", "_", "-prod", "prod-", "a b", "a\nb", "{{name()}}", strings.Repeat("a", 64)} {
		refused(2, "is not a DNS label", "agent", "acme", name)
	}
	for _, when := range []string{"", "0", "-1d", "90", "soon", "--rm"} {
		refused(2, "--expiry", "agent", "acme", "prod", "--expiry", when)
	}
	refused(1, "agent.sh mints them", "agent-rotate", "acme", "prod")
	refused(1, "--user KEY", "agent-revoke", "acme", "prod")
	refused(2, "is not a user's public key", "agent-revoke", "acme", "--user", "prod")
	s.do(t, "agent", "acme", "prod")
	before := userOf(t, p.creds("acme", "prod"))
	s.do(t, "agent", "acme", "prod")
	if after := userOf(t, p.creds("acme", "prod")); after != before {
		t.Error("agent.sh minted another user when it was run again")
	}
	refused(1, "agent-rotate.sh replaces them", "agent", "acme", "prod", "--expiry", "1d")
	for _, when := range []string{"2020-01-01", time.Now().UTC().Format(time.DateOnly)} {
		refused(2, "is past", "agent", "acme", "old", "--expiry", when)
		refused(2, "is past", "agent-rotate", "acme", "prod", "--expiry", when)
	}
	s.do(t, "agent", "acme", "short", "--expiry", time.Now().UTC().AddDate(0, 0, 2).Format(time.DateOnly))
	s.do(t, "role-rotate", "acme")
	refused(1, "clusters of tenant acme with credentials of the old key: prod short", "role-retire", "acme")
	refused(1, "operator-key-add.sh adds another", "operator-key-use")
	s.do(t, "operator-key-add")
	s.do(t, "operator-key-add") // no third
	s.do(t, "tenant", "globex")
	s.do(t, "platform")
	s.do(t, "platform") // no second key
	s.do(t, "operator-key-use")
	s.do(t, "operator-key-remove")

	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	env := s.env
	s.env = append(slices.Clip(env), "FAIRLEAD_NSC_DIR=") // as if unset
	for script, args := range map[string][]string{
		"agent": {"acme", "lost"}, "agent-rotate": {"acme", "prod"}, "agent-revoke": {"acme", "prod"}, "tenant": {"acme"}, "bridge-rotate": nil, "push": nil,
	} {
		refused(1, "no resolver.conf in "+here+": set FAIRLEAD_NSC_DIR", script, args...)
	}
	s.env = env

	s.env = append(s.env, "FAIRLEAD_NSC_OPERATOR=another")
	refused(1, "not another", "tenant", "acme")
}

// TestTakeover: nsc takes over the keys that fairlead-broker init made, while a
// broker runs with them. Without the signing keys, fairlead-broker can no longer
// change what nsc now manages.
func TestTakeover(t *testing.T) {
	slowTier(t)
	needNSC(t)
	w := newWorld(t)
	fl := filepath.Join(w.dir, "fl")
	w.output(t, w.bin.Broker, "init", "--dir", fl, "--tenant", "acme", "--cluster", "prod")
	address := freeport.AddressFor(t)
	n := w.start(t, "broker", w.bin.Broker, address, "run", "--dir", fl, "--listen", address, "--websocket-listen", "off")
	w.waitReady(t, n)
	w.brokers = []*node{n, n}

	s := newScripts(t, w.place, filepath.Join(fl, "tls", "ca.crt"), w.bin).(*scripts)
	taken := t.TempDir()
	nsc := func(args ...string) {
		t.Helper()
		cmd := exec.Command("nsc", args...)
		cmd.Env = s.env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("nsc %q: %v\n%s", args, err, out)
		}
	}
	nsc("fix", "--creds", "--in", fl, "--out", taken)
	s.env = append(s.env, "NKEYS_PATH="+filepath.Join(taken, "keys"))
	nsc("env", "-s", filepath.Join(taken, "operators"))
	for _, file := range []string{"tenants.yaml", "guard.creds"} {
		b, err := os.ReadFile(filepath.Join(fl, file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(w.place.file(file), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(w.place.file("creds"), os.DirFS(filepath.Join(fl, "creds"))); err != nil {
		t.Fatal(err)
	}
	s.do(t, "operator", "nats://"+address)
	s.do(t, "push")
	w.output(t, w.bin.Broker, "push", "--dir", fl, "--server", "tls://"+address) // nothing has changed yet
	for _, pattern := range []string{"operator*.nk", "system*.nk", "platform.nk", "steward.nk", "tenants"} {
		files, err := filepath.Glob(filepath.Join(fl, "keys", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v, %v", pattern, files, err)
		}
		for _, f := range files {
			if err := os.RemoveAll(f); err != nil {
				t.Fatal(err)
			}
		}
	}

	w.pki = fl // whose CA clients trust
	old := w.connect(t, "acme", "prod")
	s.do(t, "agent-rotate", "acme", "prod")
	s.do(t, "agent-retire", "acme", "prod")
	w.awaitCut(t, old)
	w.connect(t, "acme", "prod")
	for _, args := range [][]string{
		{"push", "--dir", fl, "--server", "tls://" + address},
		{"cluster", "revoke", "--dir", fl, "--tenant", "acme", "--cluster", "prod", "--server", "tls://" + address},
	} {
		out, err := exec.Command(w.bin.Broker, args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "if nsc has taken over the keys, use nsc") {
			t.Errorf("fairlead-broker %q after nsc took over: %v\n%s", args, err, out)
		}
	}
}
