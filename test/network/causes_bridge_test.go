//go:build linux

package network

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/subjects/cause"
	"github.com/fairlead-io/fairlead/test/harness/testbed"
)

// TestAgentTooOld: a bridge that no longer speaks the agent's version of the protocol says
// so in its inventory and to callers. The agent cannot know it: nothing is sent to it.
func TestAgentTooOld(t *testing.T) {
	t.Parallel()
	si := newOpenSite(t)
	r := route{server: si.server("tls")}
	si.start(r)
	si.reachable()
	b := startBridge(t, "later-bridge", laterBridge(t), filepath.Join(si.system.Config, "tenants.yaml"))
	testbed.Until(t, "the cause in the inventory", toldWithin, func(ctx context.Context) error {
		return lastFailure(ctx, si.system.Client(), b.url+"/v1/clusters/"+si.cluster+".acme", cause.NATS, cause.AgentTooOld)
	})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.url+"/k8s/clusters/"+si.cluster+".acme/version", nil)
	si.must(err)
	resp, err := si.system.Client().Do(req)
	si.must(err)
	defer resp.Body.Close()
	if code := resp.Header.Get("Fairlead-Error"); code != "incompatible" {
		t.Errorf("a caller is answered %s with code %q", resp.Status, code)
	}
	si.doctorSays(finding{}, r)
}

// laterBridge builds a bridge of a later release, which speaks only later versions of the
// protocol.
func laterBridge(t *testing.T) (binary string) {
	t.Helper()
	frame := filepath.Join(shared.Root, "subjects", "frame.go")
	text, err := os.ReadFile(frame)
	if err != nil {
		t.Fatal(err)
	}
	const now, later = "\tVersion    = 1\n\tMinVersion = 1\n", "\tVersion    = 3\n\tMinVersion = 2\n"
	changed := strings.Replace(string(text), now, later, 1)
	if changed == string(text) {
		t.Fatalf("%s has no %q", frame, now)
	}
	dir := t.TempDir()
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{frame: filepath.Join(dir, "frame.go")}})
	for name, content := range map[string][]byte{"frame.go": []byte(changed), "overlay.json": overlay} {
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), content, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	binary = filepath.Join(dir, "fairlead-bridge")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", binary, "./bridge/cmd/fairlead-bridge")
	cmd.Dir = shared.Root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return binary
}

// TestUnknownAccount: a bridge and its doctor name the tenant whose account was never
// pushed to the broker. Brokers tell agents nothing of it: see wrong-account.
func TestUnknownAccount(t *testing.T) {
	t.Parallel()
	testbed.Need(t)
	account, err := nkeys.CreateAccount()
	if err != nil {
		t.Fatal(err)
	}
	public, err := account.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	tenants := filepath.Join(t.TempDir(), "tenants.yaml")
	if err := os.WriteFile(tenants, []byte("acme: "+public+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := startBridge(t, "lost-bridge", shared.system.Options.Binaries.Bridge, tenants)
	testbed.Until(t, "the event", toldWithin, func(ctx context.Context) error {
		// It connects for a tenant at the first request.
		if err := lastFailure(ctx, shared.system.Client(), b.url+"/v1/clusters/prod.acme", "", ""); err == nil {
			return errors.New("the bridge has an inventory of the tenant")
		}
		events, err := eventsOf(b.Log())
		if err == nil && !slices.ContainsFunc(events, func(e map[string]any) bool {
			return e["hop"] == string(cause.JWT) && e["cause"] == string(cause.UnknownAccount) && e["tenant"] == "acme" && e["got"] != "" && e["do"] != ""
		}) {
			err = fmt.Errorf("events %v", shown(events))
		}
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, shared.system.Options.Binaries.Bridge, append([]string{"doctor", "--output", "json"}, b.args...)...).Output()
	judge(t, finding{cause.JWT, cause.UnknownAccount}, out, err)
}
