package helm

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// claimValues give one bridge the claim "bridge" for its files, and the token "dev" a
// grant that the token "lead" approves. NAMESPACE is that of the release.
const claimValues = `
bridge:
  replicas: 1
  data: {enabled: true, existingClaim: bridge}
broker:
  replicas: 1
access:
  file:
    approvals: {file: /var/lib/fairlead/approvals.json}
    audit:
      file: {path: /var/lib/fairlead/audit.log}
      required: true
    recording: {directory: /var/lib/fairlead/sessions}
    grants:
      - name: shells
        clusters: [prod.acme]
        when: ['caller.method == "token"', 'caller.name == "dev"']
        requires: approval
        requests:
          - {verbs: [get], paths: [/version, /api, "/api/*", /apis, "/apis/*"]}
          - {verbs: [get, list, watch], resources: [configmaps], namespaces: [NAMESPACE]}
          - {verbs: [get], resources: [pods], namespaces: [NAMESPACE]}
          - {verbs: [create, get], resources: [pods/exec], namespaces: [NAMESPACE]}
        as: {user: '"fairlead:" + caller.name'}
        record: true
      - name: leads
        clusters: [prod.acme]
        when: ['caller.method == "token"', 'caller.name == "lead"']
        approves: [shells]
`

const claim = `{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"bridge"},
"spec":{"accessModes":["ReadWriteOnce"],"resources":{"requests":{"storage":"1Gi"}}}}`

// TestBridgeClaim: a bridge keeps approvals, audit events and recordings on a claim of
// the user's, which outlasts its pod and the release. An approval that was given on the
// node counts at the bridge that takes the first one's place, and its end stops a running
// watch there.
func TestBridgeClaim(t *testing.T) {
	p := newPlatformSpace(t, platformRelease)
	t.Parallel()
	dev, lead := p.newToken("--name", "dev", "--grants-only"), p.newToken("--name", "lead", "--grants-only")
	p.applySecrets()
	if _, err := p.kube.Run(t.Context(), claim, "create", "--namespace", p.space.name, "--filename=-"); err != nil {
		t.Fatal(err)
	}
	values := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(values, []byte(strings.ReplaceAll(claimValues, "NAMESPACE", p.space.name)), 0o600); err != nil {
		t.Fatal(err)
	}
	p.helm(append([]string{"install", platformRelease, p.chart(), "--values", values}, built()...)...)
	p.rollout()
	p.installAgent("fairlead-agent", p.brokerURL(), p.file("creds", "prod.acme.creds"), "--set", "impersonation.users={fairlead:dev}")
	p.kubectl("create", "rolebinding", "dev", "--clusterrole=edit", "--user=fairlead:dev")
	p.state("prod.acme", "connected", within)

	if code, body, err := p.get(t.Context(), p.configMaps(), dev); err != nil || code != http.StatusForbidden || !strings.Contains(string(body), "/v1/access-requests") {
		t.Fatalf("without an approval: %d %s %v", code, body, err)
	}
	id := p.approved(dev, lead)
	kubeconfig := p.tunnelAs("prod.acme", dev)
	pod := p.name + "-broker-0"
	said, err := harness.Kubectl(t.Context(), p.kube.Kubectl, kubeconfig, "", "--namespace", p.space.name,
		"exec", pod, "--", "/fairlead-broker", "healthcheck", "cluster")
	if err != nil {
		t.Fatal(err)
	}

	first := p.pods("bridge")
	p.kubectl("rollout", "restart", "deployment/"+p.name+"-bridge")
	p.rollout()
	for name := range p.pods("bridge") {
		if _, old := first[name]; old || len(first) != 1 {
			t.Errorf("%s was not replaced; there were %d", name, len(first))
		}
	}
	p.state("prod.acme", "connected", within)
	p.recorded(pod, said)
	p.until("the audit file to have the exec through the first bridge", func(ctx context.Context) error {
		text, err := p.auditFiles(ctx)
		if executed, _ := auditEvents(text); err == nil && executed == 0 {
			err = fmt.Errorf("no event of it in %d bytes", len(text))
		}
		return err
	})
	watch := p.start("watch", kubeconfig, "get", "configmaps", "--watch")
	watch.says(regexp.MustCompile(`kube-root-ca\.crt`))
	if code, body, err := p.call(t.Context(), http.MethodPost, "/v1/access-requests/"+id+"/end", lead, "{}"); err != nil || code != http.StatusOK {
		t.Fatalf("end: %d %s %v", code, body, err)
	}
	watch.ends(10*time.Second, "the approval under which the request was let in has ended")
	if code, body, err := p.get(t.Context(), p.configMaps(), dev); err != nil || code != http.StatusForbidden {
		t.Errorf("after the end: %d %s %v", code, body, err)
	}

	p.helm("uninstall", "fairlead-agent", "--wait", "--timeout", within.String())
	p.helm("uninstall", platformRelease, "--wait", "--timeout", within.String())
	p.kubectl("delete", "persistentvolumeclaim", "bridge") // fails if the release took it along
}

// approved asks for access under the grant "shells" as one caller, and approves it as
// another.
func (p *platformSpace) approved(asker, approver string) (id string) {
	p.t.Helper()
	var request struct{ ID, State string }
	for _, step := range []struct {
		token, path, body string
		code              int
		state             string
	}{
		{asker, "", `{"cluster":"prod.acme","grant":"shells","reason":"INC-42","duration":"1h"}`, http.StatusCreated, "pending"},
		{approver, "/%s/approve", `{"note":"go on"}`, http.StatusOK, "approved"},
	} {
		path := "/v1/access-requests"
		if step.path != "" {
			path += fmt.Sprintf(step.path, request.ID)
		}
		code, body, err := p.call(p.t.Context(), http.MethodPost, path, step.token, step.body)
		if err == nil {
			err = json.Unmarshal(body, &request)
		}
		if err != nil || code != step.code || request.State != step.state {
			p.t.Fatalf("%s: %d %s %v, want it %s", path, code, body, err, step.state)
		}
	}
	return request.ID
}
