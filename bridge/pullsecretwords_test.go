package bridge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
)

// TestPullSecretShortToken: a token of a character does not hide what is said.
func TestPullSecretShortToken(t *testing.T) {
	t.Parallel()
	r := pullRig(t, newNamespaceServer())
	const body = `{"registry":"ghcr.io","username":"u","token":"t"}`
	if _, text := r.pull("PUT", "regcred", body); decode[api.PullSecretReport](t, text).Type != "kubernetes.io/dockerconfigjson" {
		t.Errorf("%s", text)
	}
	path := strings.Replace(pullPath, "/team/", "/other/", 1) + "regcred"
	if _, text := r.do(r.h2, r.request("PUT", path, strings.NewReader(body))); !strings.Contains(decode[api.Problem](t, text).Detail, "not found") {
		t.Errorf("%s", text)
	}
	if _, text := r.pull("PUT", "regcred", `{"registry":"ghcr.io","username":"u","token":"dockerconfigjson"}`); decode[api.PullSecretReport](t, text).Type != "kubernetes.io/dockerconfigjson" {
		t.Errorf("%s", text)
	}
}

// TestPullSecretFleetProblems: each has the id of a request, and a cluster that cannot be reached
// is asked for one namespace only.
func TestPullSecretFleetProblems(t *testing.T) {
	t.Parallel()
	r := pullRig(t, newNamespaceServer())
	p := api.FleetPullSecret{
		Clusters: []string{"prod", "nobody", "prod.nobody"}, Namespaces: []string{"team", "other", "more"},
		PullSecret: api.PullSecret{RegistryLogin: api.RegistryLogin{Registry: "ghcr.io", Username: "u", Token: hunter}},
	}
	of, sum := linesByCluster(t, r.goClient(r.token).PutPullSecrets(t.Context(), "regcred", p, client.PullSecretOptions{}))
	for cluster, want := range map[string]int{"prod": 3, "nobody": 1, "prod.nobody": 1} {
		var got api.FleetPullSecretResult
		if err := json.Unmarshal(of[cluster].Body, &got); err != nil || len(got.Namespaces) != want || of[cluster].Problem == nil || of[cluster].Problem.RequestID == "" {
			t.Errorf("%s: %v, %s, %+v", cluster, err, of[cluster].Body, of[cluster].Problem)
		}
		for _, n := range got.Namespaces {
			if n.Problem != nil && n.Problem.RequestID == "" {
				t.Errorf("%s: %+v", cluster, n.Problem)
			}
		}
	}
	if sum.Failed["object-not-found"] != 1 || sum.Failed["cluster-never-connected"] != 1 || sum.Failed["unknown-cluster"] != 1 {
		t.Errorf("%+v", sum)
	}
}
