package bridge

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestWithheldApprovalDoesNotOutliveItsToken: an approver who is let in and keeps the
// body back approves nothing once its token is revoked.
func TestWithheldApprovalDoesNotOutliveItsToken(t *testing.T) {
	t.Parallel()
	file := newAccessFile(t, fmt.Sprintf(`approvals: {file: %q}
grants:
- {name: admin, clusters: [prod], when: ['caller.name == "dev"'], requires: approval, as: {agent: true}}
- {name: leads, clusters: [prod], when: ['caller.name == "admin"'], approves: [admin]}
`, filepath.Join(t.TempDir(), "approvals.json")))
	r := newRig(t, rigOptions{config: file.configure})
	desk := file.policy.Approvals().Desk
	asked, err := desk.Ask(t.Context(), &access.Caller{Name: "dev"}, "admin", subjects.ClusterRef{Tenant: "default", Cluster: "prod"}, "INC-42", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c, br := r.raw("POST /v1/access-requests/" + asked.ID + "/approve HTTP/1.1\r\nHost: x\r\n" +
		"Authorization: Bearer $TOKEN\r\nContent-Length: 2\r\n\r\n{")
	r.eventually("the request is being read", func() bool { return r.server.running.Load() == 1 })
	r.writeTokens()
	r.eventually("the token is refused", func() bool {
		res, _ := r.do(r.h1, r.request("GET", "/v1/whoami", nil))
		return res.StatusCode == http.StatusUnauthorized
	})
	if _, err := io.WriteString(c, "}"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusUnauthorized || !strings.Contains(string(b), "nothing was changed") {
		t.Errorf("got %d %s, want a 401 that says that nothing was changed", res.StatusCode, b)
	}
	if got, err := desk.Get(asked.ID); err != nil || got.State != approval.Pending {
		t.Errorf("the access request is %s, %v", got.State, err)
	}
}
