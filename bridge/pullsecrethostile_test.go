package bridge

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// TestPullSecretsOfALyingCluster: what a cluster says it has makes no answer of the bridge
// large, and nothing is kept of more than any API server would have.
func TestPullSecretsOfALyingCluster(t *testing.T) {
	s := newNamespaceServer()
	r := pullRig(t, s)
	secret := func(content string) {
		s.put("secrets/regcred", fmt.Sprintf(`{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":%q}}`, base64.StdEncoding.EncodeToString([]byte(content))))
	}
	var auths strings.Builder
	for i := range 60_000 { // less than a MiB, each with several findings
		fmt.Fprintf(&auths, `"*.C%d":{},`, i)
	}
	secret(`{"auths":{` + auths.String() + `"ghcr.io":{}}}`)
	res, body := r.pull("GET", "regcred", "")
	var report api.PullSecretReport
	if err := json.Unmarshal([]byte(body), &report); err != nil || res.StatusCode != 200 || len(body) > 2<<20 ||
		len(report.Registries)+report.RegistriesOmitted != 60_001 || report.WellFormed {
		t.Errorf("%d, %d bytes, %d registries and %d more, %v", res.StatusCode, len(body), len(report.Registries), report.RegistriesOmitted, err)
	}
	secret(strings.Repeat(" ", 1<<20) + `{"auths":{"ghcr.io":{}}}`)
	if res, body = r.pull("GET", "regcred", ""); res.StatusCode != 502 || !strings.Contains(body, "response-too-large") {
		t.Errorf("more than a Secret can have: %d, %.300s", res.StatusCode, body)
	}

	secret(`{"auths":{"ghcr.io":{}}}`)
	s.refuse = func(method, target string) (int, string) {
		if method != "GET" || !strings.Contains(target, "/serviceaccounts?") {
			return 0, ""
		}
		const users = `{"metadata":{"name":"a"},"imagePullSecrets":[{"name":"regcred"}]},`
		return 200, `{"kind":"ServiceAccountList","items":[` + strings.Repeat(users, 6000) + strings.TrimSuffix(users, ",") + `]}`
	}
	report = api.PullSecretReport{}
	if res, body = r.pull("GET", "regcred", ""); json.Unmarshal([]byte(body), &report) != nil || report.ServiceAccountsProblem == nil || len(report.ServiceAccounts) > 0 {
		t.Errorf("%d, %.300s", res.StatusCode, body)
	}
}
