package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/deploy/daemon"
	"github.com/fairlead-io/fairlead/deploy/diagnosis"
	"github.com/fairlead-io/fairlead/test/harness/freeport"
	"github.com/fairlead-io/fairlead/test/harness/nginxtest"
)

// patient is a bridge with a broker of its own, for the doctor to look at.
type patient struct {
	t    *testing.T
	dir  string
	args []string // that the bridge runs with
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "d")
	if _, err := keys.Init(keys.InitOptions{Dir: dir, Tenant: "acme", Cluster: "prod", Hosts: []string{"localhost", "127.0.0.1"}}); err != nil {
		t.Fatal(err)
	}
	return &patient{t: t, dir: dir, args: []string{
		"--config", filepath.Join(dir, "bridge.yaml"), "--listen", freeport.AddressFor(t), "--ops-listen", freeport.AddressFor(t),
		"--broker-listen", freeport.AddressFor(t), "--broker-websocket-listen", "off",
	}}
}

// start runs the bridge until the test ends.
func (p *patient) start() {
	exit := make(chan string, 1)
	go func() {
		_, _, stderr := run(append([]string{"run"}, p.args...)...)
		exit <- stderr
	}()
	waitReady(p.t, p.args[5], exit)
	p.t.Cleanup(func() {
		_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
		select {
		case <-exit:
		case <-time.After(30 * time.Second):
			p.t.Error("did not stop within 30 s")
		}
	})
}

func (p *patient) write(name, text string) string {
	p.t.Helper()
	file := filepath.Join(p.t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// secret is the seed of a key. Public keys are shown, and may have its first letters within.
var secret = regexp.MustCompile(`\bS[A-Z][A-Z2-7]{20}`)

// look runs the doctor and checks its exit code, and that its output has texts.
func (p *patient) look(code int, args []string, texts ...string) {
	p.t.Helper()
	got, out, stderr := run(append(append([]string{"doctor", "--ascii", "--timeout", "5s"}, p.args...), args...)...)
	flat := strings.Join(strings.Fields(out), " ")
	for _, want := range texts {
		if !strings.Contains(flat, want) {
			p.t.Errorf("%v: no %q in\n%s", args, want, out)
		}
	}
	if got != code || stderr != "" {
		p.t.Errorf("%v: exit code %d, want %d: %s\n%s", args, got, code, stderr, out)
	}
	if secret.MatchString(out) || strings.Contains(out, "PRIVATE") {
		p.t.Errorf("%v: a seed or key is shown:\n%s", args, out)
	}
}

func TestDoctor(t *testing.T) {
	p := newPatient(t)
	p.look(11, nil, "FAIL tcp", "- listener no bridge runs here", "tenant acme . jwt not reached")
	p.start()
	p.look(0, nil, "ok tls", "1 of 1 tenants: acme", "ok permission", "ok certificate for localhost", "ok listener runs, and is ready", "Everything works.")

	p.look(20, []string{"--public-url", "https://bridge.example.com", "--cluster-domain", "k8s.example.com"},
		"FAIL certificate", "bridge.example.com, any-cluster.acme.k8s.example.com")
	p.look(0, []string{"--public-url", "https://bridge.example.com", "--trusted-proxies", "10.0.0.1"},
		"ok certificate", "WARNING: not good for bridge.example.com: the front proxy", "Warnings: 1")
	tenants, lost := p.tenants()
	p.look(16, []string{"--tenants", tenants}, "1 of 2 tenants: acme", "tenant lost FAIL jwt", "of tenant lost, account "+lost+" and user U")
	p.look(16, []string{"--bridge-key", p.write("key", seed(t))}, "tenant acme FAIL jwt", "the key of --bridge-key")

	silent := httptest.NewTLSServer(http.NotFoundHandler())
	defer silent.Close()
	p.look(21, []string{"--access", p.write("access.yaml", "grant: []")}, "FAIL access-file", `unknown key "grant"`, "check-config")
	access := p.write("access.yaml", "authentication:\n  oidc:\n  - {name: ci, issuer: \""+silent.URL+"\", audiences: [x]}\n  tokenReview: {kubeconfig: "+p.kubeconfig(silent.URL)+"}\n")
	p.look(23, []string{"--access", access}, "ok access-file", "FAIL issuer certificate of an unknown authority", "FAIL webhook certificate of an unknown authority",
		"as certificateAuthority of the issuer in the access file.", "as certificate-authority in the service's kubeconfig.")
}

// TestDoctorOfFront: what nginx makes of requests is found by the public URL.
func TestDoctorOfFront(t *testing.T) {
	p := newPatient(t)
	p.start()
	bridge := "https://" + p.args[3]
	for location, want := range map[string][]string{
		"client_max_body_size 0; proxy_pass " + bridge + ";":  {"ok front the bridge answers there; paths arrive as they were sent"},
		"client_max_body_size 0; proxy_pass " + bridge + "/;": {"FAIL front the proxy in front changes paths", "asked for /doctor%2Fprobe//x; the bridge answers: nothing is served at /doctor/probe/x"},
		"proxy_pass " + bridge + ";":                          {"FAIL front the proxy in front limits the size of uploads", "413 Request Entity Too Large", "client_max_body_size 0"},
		"return 200 page;":                                    {"FAIL front something else than the bridge answers", "200 OK: page"},
		"proxy_pass http://127.0.0.1:9;":                      {"FAIL front something else than the bridge answers", "502 Bad Gateway"},
	} {
		n := nginxtest.Start(t, nginxtest.Options{HTTP: "server { listen {address}; location / { " + location + " } }"})
		code := 26
		if strings.HasPrefix(want[0], "ok") {
			code = 0
		}
		p.look(code, []string{"--public-url", "http://" + n.Address}, want...)
	}
	p.look(0, []string{"--public-url", "http://" + freeport.AddressFor(t)}, "- front not looked at, since it is not reached from here")
}

func TestDoctorAsJSON(t *testing.T) {
	p := newPatient(t)
	code, out, _ := run(append([]string{"doctor", "--output", "json"}, p.args...)...)
	var r diagnosis.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 11 || r.ExitCode != 11 || r.Program != "fairlead-bridge" || r.Schema != diagnosis.Schema {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
	for want, args := range map[string][]string{
		"--tokens is required, or --access": nil,
		`output: "xml"`:                     {"--output", "xml"},
		"bridge key: open /none":            append(p.args, "--bridge-key", "/none"),
	} {
		if code, _, stderr := run(append([]string{"doctor"}, args...)...); code != daemon.ExitUsage || !strings.Contains(stderr, want) {
			t.Errorf("%v: exit code %d, %q", args, code, stderr)
		}
	}
	if _, out, _ := run("doctor", "--help"); !strings.Contains(out, "20 certificate") || !strings.Contains(out, "[$FAIRLEAD_BROKER_CA]") ||
		strings.Contains(out, "--drain-timeout") || strings.Contains(out, "--ops-pprof") || strings.Contains(out, "--log-") {
		t.Error(out)
	}
}

// tenants is the list with one more, whose account the broker does not know.
func (p *patient) tenants() (file, lost string) {
	b, err := os.ReadFile(filepath.Join(p.dir, "tenants.yaml"))
	if err != nil {
		p.t.Fatal(err)
	}
	account, err := nkeys.CreateAccount()
	if err != nil {
		p.t.Fatal(err)
	}
	public, _ := account.PublicKey()
	return p.write("tenants.yaml", string(b)+"\nlost: "+public+"\n"), public
}

// seed is that of a key that no account lists.
func seed(t *testing.T) string {
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	s, err := account.Seed()
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func (p *patient) kubeconfig(server string) string {
	return p.write("kubeconfig", `{"clusters":[{"name":"c","cluster":{"server":"`+server+`"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}`)
}
