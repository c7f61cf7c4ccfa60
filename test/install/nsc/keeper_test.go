package nsc

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// keeper keeps the operator's keys.
type keeper interface {
	// do does what the script of deploy/nsc of that name does.
	do(t *testing.T, script string, args ...string)
}

// place is where a keeper writes its files: FAIRLEAD_NSC_DIR.
type place string

func (p place) file(parts ...string) string {
	return filepath.Join(append([]string{string(p)}, parts...)...)
}

func (p place) resolverConf() string { return p.file("resolver.conf") }
func (p place) guardCreds() string   { return p.file("guard.creds") }
func (p place) bridgeKey() string    { return p.file("bridge.nk") }
func (p place) storeKey() string     { return p.file("store.nk") }
func (p place) storeAccount() string { return p.file("store.account") }
func (p place) tenants() string      { return p.file("tenants.yaml") }
func (p place) creds(tenant, cluster string) string {
	return p.file("creds", cluster+"."+tenant+".creds")
}

// scripts is the keeper that runs the scripts with the nsc on PATH.
type scripts struct {
	dir string // of the scripts
	env []string
}

func newScripts(t *testing.T, w place, ca string, bin harness.Binaries) keeper {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	s := &scripts{dir: filepath.Join(root, "deploy", "nsc")}
	for _, e := range os.Environ() {
		switch name, _, _ := strings.Cut(e, "="); name {
		case "NSC_HOME", "NKEYS_PATH", "PATH": // the user's own keys are left alone
		default:
			s.env = append(s.env, e)
		}
	}
	s.env = append(s.env,
		"PATH="+filepath.Dir(bin.Broker)+string(os.PathListSeparator)+os.Getenv("PATH"),
		"XDG_DATA_HOME="+filepath.Join(home, "data"), "XDG_CONFIG_HOME="+filepath.Join(home, "config"),
		"NATS_CA="+ca, "FAIRLEAD_NSC_DIR="+string(w))
	return s
}

func (s *scripts) do(t *testing.T, script string, args ...string) {
	t.Helper()
	out, err := s.run(script, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", script, args, err, out)
	}
	t.Logf("%s %q:\n%s", script, args, out)
	if seed.MatchString(out) {
		t.Errorf("%s %q printed a seed", script, args)
	}
}

// seed is the seed of an operator, an account or a user.
var seed = regexp.MustCompile(`S[OAU][A-Z2-7]{56}`)

func (s *scripts) run(script string, args ...string) (string, error) {
	cmd := exec.Command(filepath.Join(s.dir, script+".sh"), args...)
	cmd.Env = s.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}
