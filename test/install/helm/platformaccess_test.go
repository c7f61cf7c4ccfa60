package helm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness"
)

// accessValues are the README's values for files of a bridge, with the store, and a
// grant for the token "dev". NAMESPACE is that of the release; RESOURCES are what dev
// may list there.
const accessValues = `
bridge:
  data: {enabled: true}
broker:
  store: {enabled: true, size: 5Gi}
access:
  file:
    approvals: {shared: true}
    audit:
      file: {path: /var/lib/fairlead/audit.log}
      jetStream: {shared: true}
      stdout: true
      required: true
    recording: {directory: /var/lib/fairlead/sessions}
    grants:
      - name: shells
        clusters: [prod.acme]
        when: ['caller.method == "token"', 'caller.name == "dev"']
        requests:
          - {verbs: [create], apiGroups: [authentication.k8s.io], resources: [selfsubjectreviews]}
          - {verbs: [get, list], resources: RESOURCES, namespaces: [NAMESPACE]}
          - {verbs: [create, get], resources: [pods/exec], namespaces: [NAMESPACE]}
        as: {user: '"fairlead:" + caller.name'}
        record: true
`

// access writes a values file with the access file.
func (p *platformSpace) access(resources string) (file string) {
	p.t.Helper()
	file = filepath.Join(p.t.TempDir(), "access-values.yaml")
	values := strings.NewReplacer("RESOURCES", resources, "NAMESPACE", p.space.name).Replace(accessValues)
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// granted checks what the token may do by its grant alone: its requests go through as
// the grant's user, another one is refused, and an exec is recorded. The audit file and
// the log of the pods have the events.
func (p *platformSpace) granted(token string) {
	p.t.Helper()
	p.kubectl("create", "rolebinding", "dev", "--clusterrole=edit", "--user=fairlead:dev")
	kubeconfig := p.tunnelAs("prod.acme", token)
	through := func(args ...string) string {
		p.t.Helper()
		out, err := harness.Kubectl(p.t.Context(), p.kube.Kubectl, kubeconfig, "", append([]string{"--namespace", p.space.name}, args...)...)
		if err != nil {
			p.t.Fatal(err)
		}
		return out
	}
	if out := through("auth", "whoami"); !regexp.MustCompile(`Username +fairlead:dev\n`).MatchString(out) {
		p.t.Errorf("the API server takes the caller for %s", out)
	}
	code, body, err := p.get(p.t.Context(), p.configMaps(), token)
	var refusal struct {
		Details struct {
			Causes []struct{ Reason, Message string }
		}
	}
	if err := errors.Join(err, json.Unmarshal(body, &refusal)); err != nil || code != http.StatusForbidden {
		p.t.Fatalf("a request without a grant: %d %s %v", code, body, err)
	}
	if causes := fmt.Sprint(refusal.Details.Causes); !strings.Contains(causes, "{lock grant}") {
		p.t.Errorf("the refusal does not name its lock: %s", body)
	}
	pod := p.name + "-broker-0"
	said := through("exec", pod, "--", "/fairlead-broker", "healthcheck", "cluster")
	if !strings.Contains(said, "[+]store") {
		p.t.Errorf("exec through the tunnel prints %q", said)
	}
	p.recorded(pod, said)
	p.audited()
}

// configMaps is the path of the namespace's ConfigMaps.
func (p *platformSpace) configMaps() string {
	return "/k8s/clusters/prod.acme/api/v1/namespaces/" + p.space.name + "/configmaps"
}

// recorded waits until one of the bridges' pods lists the session in a broker's pod,
// and checks that the recording is whole and has what the session printed.
func (p *platformSpace) recorded(pod, said string) {
	p.t.Helper()
	sessions := func(ctx context.Context, bridge string, args ...string) (string, error) {
		args = append([]string{"exec", "--namespace", p.space.name, bridge, "--", "/fairlead-bridge", "sessions", "--dir", "/var/lib/fairlead/sessions"}, args...)
		return p.kube.Run(ctx, "", args...)
	}
	line := regexp.MustCompile(`(?m)^(\S+) .* dev +prod\.acme +` + regexp.QuoteMeta(p.space.name+"/"+pod) + ` +/fairlead-broker healthcheck cluster +-$`)
	var bridge, id string
	p.until("a bridge to list the session", func(ctx context.Context) error {
		var lists []string
		for name := range p.pods("bridge") {
			out, err := sessions(ctx, name, "list")
			if err != nil {
				return err
			}
			if m := line.FindStringSubmatch(out); m != nil {
				bridge, id = name, m[1]
				return nil
			}
			lists = append(lists, out)
		}
		return fmt.Errorf("they list %q", lists)
	})
	if _, err := sessions(p.t.Context(), bridge, "show", id); err != nil {
		p.t.Error(err)
	}
	if out, err := sessions(p.t.Context(), bridge, "play", "--speed", "100", id); err != nil || out != said {
		p.t.Errorf("the recording plays %q, want %q; %v", out, said, err)
	}
}

// audited waits until the bridges' files and logs have the events of the exec and of
// the refusal.
func (p *platformSpace) audited() {
	p.t.Helper()
	for place, read := range map[string]func(context.Context) ([]byte, error){"the log": p.bridgeLogs, "the files": p.auditFiles} {
		p.until(place+" to have the events", func(ctx context.Context) error {
			text, err := read(ctx)
			if err != nil {
				return err
			}
			executed, refused := auditEvents(text)
			if executed == 0 || refused == 0 {
				return fmt.Errorf("%d events of the exec and %d of the refusal in %d bytes", executed, refused, len(text))
			}
			return nil
		})
	}
}

// auditEvents counts the events of an exec as the grant's user, and of a request that
// no grant allows.
func auditEvents(text []byte) (executed, refused int) {
	for line := range bytes.Lines(text) {
		var event struct {
			Type string
			Data struct {
				Stage, Grant           string
				User, ImpersonatedUser struct{ Username string }
				ObjectRef              struct{ Resource, Subresource string }
				Failure                struct{ Lock string }
			}
		}
		if json.Unmarshal(line, &event) != nil || event.Type != "io.fairlead.request.v1" {
			continue // the bridge's own log
		}
		d := event.Data
		switch {
		case d.Stage != "ResponseComplete" || d.User.Username != "dev":
		case d.ObjectRef.Subresource == "exec" && d.Grant == "shells" && d.ImpersonatedUser.Username == "fairlead:dev":
			executed++
		case d.ObjectRef.Resource == "configmaps" && d.Failure.Lock == "grant":
			refused++
		}
	}
	return executed, refused
}

// bridgeLogs are the logs of all bridges.
func (p *platformSpace) bridgeLogs(ctx context.Context) ([]byte, error) {
	out, err := p.kube.Run(ctx, "", "logs", "--namespace", p.space.name, "--selector=app.kubernetes.io/component=bridge", "--tail=-1")
	return []byte(out), err
}

// auditFiles are the audit files of all bridges, read where the node keeps their
// volumes: the image has nothing that prints a file.
func (p *platformSpace) auditFiles(context.Context) ([]byte, error) {
	var all []byte
	for name, pod := range p.pods("bridge") {
		found, err := filepath.Glob(filepath.Join("/var/lib/fairlead-kube-*/kubelet/pods", string(pod.UID), "volumes/*/*/audit.log"))
		if err != nil || len(found) != 1 {
			return nil, fmt.Errorf("audit files of %s: %q, %v", name, found, err)
		}
		b, err := os.ReadFile(found[0])
		if err != nil {
			return nil, err
		}
		all = append(all, b...)
	}
	return all, nil
}

// grantsMore changes the grant by an upgrade. No bridge is replaced for it.
func (p *platformSpace) grantsMore() {
	p.t.Helper()
	p.helm("upgrade", platformRelease, p.chart(), "--reset-then-reuse-values", "--values", p.access("[pods, configmaps]"))
}

// mayMore waits until every bridge has the changed grant.
func (p *platformSpace) mayMore(token string) {
	p.t.Helper()
	const enough = 10 // requests in a row: each goes to one of two bridges
	err := harness.Until(p.t.Context(), "the changed grant", credsDelay, nil, func(ctx context.Context) error {
		for range enough {
			if code, body, err := p.get(ctx, p.configMaps(), token); err != nil || code != http.StatusOK {
				return fmt.Errorf("%d %s %v", code, body, err)
			}
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// TestAuditEvents: lines of the bridge's own log, other stages and other callers do not
// count.
func TestAuditEvents(t *testing.T) {
	const event = `{"type":"io.fairlead.request.v1","data":{"stage":"STAGE","grant":"shells","user":{"username":"dev"},` +
		`"impersonatedUser":{"username":"fairlead:dev"},"objectRef":{"resource":"pods","subresource":"exec"}}}` + "\n"
	text := `{"level":"INFO","msg":"serving"}` + "\nnot JSON\n" + strings.ReplaceAll(event, "STAGE", "ResponseStarted") +
		strings.ReplaceAll(event, "STAGE", "ResponseComplete") + strings.ReplaceAll(strings.ReplaceAll(event, "STAGE", "ResponseComplete"), `"dev"`, `"ann"`)
	if executed, refused := auditEvents([]byte(text)); executed != 1 || refused != 0 {
		t.Errorf("%d and %d events, want 1 and 0", executed, refused)
	}
}
