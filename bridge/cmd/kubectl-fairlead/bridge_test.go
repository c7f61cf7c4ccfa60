package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// fakeBridge answers as a bridge does, to the ID tokens of a rig alone.
type fakeBridge struct {
	rig        *rig
	kubeconfig string // "": a good one
	refuse     bool
	token      string // of a caller without a login
	whole      bool   // no tenant's clusters may be missing
	asked      []string
}

func newBridgeRig(t *testing.T) (*rig, *fakeBridge) {
	t.Helper()
	b := &fakeBridge{}
	b.rig = newRig(t, b)
	b.rig.must(b.rig.loginFlags()...)
	return b.rig, b
}

func (b *fakeBridge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.asked = append(b.asked, r.URL.RequestURI())
	token := b.token
	if s, err := b.rig.plugin.store.Session(b.rig.bridge.URL); err == nil {
		token = s.IDToken
	}
	if b.refuse || token == "" || r.Header.Get("Authorization") != "Bearer "+token {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"status":401,"code":"unauthorized","lock":"authentication","detail":"the token is unknown","requestId":"r1"}`))
		return
	}
	seen := time.Now().Add(-3 * time.Minute)
	switch r.URL.Path {
	case "/v1/clusters":
		list := api.ClusterList{
			Clusters: []api.Cluster{
				{Name: "prod.acme", State: "connected", LastSeen: &seen, Kubernetes: "v1.34.1\x1b[2J",
					Labels:    map[string]string{"region": "eu-1", "env": "prod\x1b[2J"},
					Instances: []api.Instance{{Version: "v0.9.0"}, {Version: "v0.8.1"}, {Version: "v0.9.0"}}},
				{Name: "new.acme", State: "never-connected"},
			},
			Unavailable: []api.TenantFault{{Tenant: "lab", Reason: "no broker"}},
		}
		if b.whole {
			list.Unavailable = nil
		}
		_ = json.NewEncoder(w).Encode(list)
	case "/v1/whoami":
		_ = json.NewEncoder(w).Encode(api.Caller{Name: "idp:alice", Groups: []string{"a", "b"}, Method: "oidc", Issuer: "idp"})
	case "/v1/clusters/prod/kubeconfig", "/v1/clusters/nowhere/kubeconfig":
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"status":403,"code":"forbidden","lock":"grant","detail":"no grant","requestId":"r1"}`))
	case "/v1/clusters/typo", "/v1/clusters/prod.nobody":
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = w.Write([]byte(`{"status":404,"code":"unknown-cluster","detail":"the tenant is not known","requestId":"r1"}`))
	case "/v1/clusters/new.acme":
		_ = json.NewEncoder(w).Encode(api.Cluster{Name: "new.acme", State: "never-connected"})
	case "/v1/clusters/typo/kubeconfig", "/v1/clusters/new.acme/kubeconfig":
		_, _ = fmt.Fprintf(w, `{"clusters":[{"name":"c","cluster":{"server":%q}}]}`, b.rig.bridge.URL+strings.TrimSuffix(strings.Replace(r.URL.Path, "/v1", "/k8s", 1), "/kubeconfig"))
	case "/v1/clusters/prod.acme/kubeconfig":
		k := b.kubeconfig
		if k == "" {
			server := b.rig.bridge.URL + "/k8s/clusters/prod.acme"
			if r.URL.Query().Get("style") == "host" {
				server = "https://prod--acme.k8s.example.com"
			}
			k = fmt.Sprintf(`{"clusters":[{"name":"c","cluster":{"server":%q}}]}`, server)
		}
		_, _ = w.Write([]byte(k))
	case "/k8s/clusters/prod.acme/version":
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"gitVersion":"v1.34.4"}`))
	default:
		http.Error(w, "gateway page", http.StatusNotFound)
	}
}

func TestClusters(t *testing.T) {
	r, b := newBridgeRig(t)
	stdout, stderr := r.must("clusters")
	want := "NAME        STATE             KUBERNETES    LAST SEEN\n" +
		"prod.acme   connected         v1.34.1?[2J   3m ago\n" +
		"new.acme    never-connected   -             never\n"
	if stdout != want || !strings.Contains(stderr, "tenant lab may be missing: no broker") {
		t.Errorf("got\n%s\nwant\n%s\n%s", stdout, want, stderr)
	}
	var list api.ClusterList
	stdout, _ = r.must("clusters", "-o", "json")
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || len(list.Clusters) != 2 || strings.Contains(stdout, "\x1b") {
		t.Errorf("json: %v, %s", err, stdout)
	}
	r.fails([]string{"clusters", "-o", "xml"}, "only wide, name and json")
	want = "NAME        STATE             KUBERNETES    LAST SEEN   AGENTS   AGENT VERSION   LABELS\n" +
		"prod.acme   connected         v1.34.1?[2J   3m ago      3        v0.8.1,v0.9.0   env=prod?[2J,region=eu-1\n" +
		"new.acme    never-connected   -             never       0        -               -\n"
	if stdout, _ = r.must("clusters", "-o", "wide", "-l", "env in (prod)", "--state", "online", "--tenant", "acme"); stdout != want {
		t.Errorf("wide:\n%s\nwant\n%s", stdout, want)
	}
	if asked := b.asked[len(b.asked)-1]; asked != "/v1/clusters?labelSelector=env+in+%28prod%29&state=online&tenant=acme" {
		t.Errorf("asked for %s", asked)
	}
	if stdout, _ = r.must("clusters", "-o", "name"); stdout != "prod.acme\nnew.acme\n" {
		t.Errorf("names: %q", stdout)
	}
}

func TestWhoami(t *testing.T) {
	r, _ := newBridgeRig(t)
	stdout, _ := r.must("whoami")
	if want := "Name     idp:alice\nGroups   a, b\nMethod   oidc\nIssuer   idp\n"; stdout != want {
		t.Errorf("got\n%s\nwant\n%s", stdout, want)
	}
	if stdout, _ = r.must("whoami", "-o", "json"); !strings.Contains(stdout, `"name": "idp:alice"`) {
		t.Errorf("json: %s", stdout)
	}
}

// TestRefusals: what the bridge says is what the user reads, and a proxy's page is not.
func TestRefusals(t *testing.T) {
	r, b := newBridgeRig(t)
	r.fails([]string{"use", "other"}, "answered 404, and not as a bridge does")
	b.refuse = true
	r.fails([]string{"whoami"}, "the token is unknown (401 unauthorized, lock authentication, request r1)")
}

// TestRedirect: an ID token is not sent where an answer points to.
func TestRedirect(t *testing.T) {
	elsewhere := 0
	r := newRig(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			elsewhere++
			return
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	r.must(r.loginFlags()...)
	r.fails([]string{"whoami"}, "answered 307")
	if elsewhere != 0 {
		t.Error("the redirect was followed")
	}
}
