package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	kubeapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/yaml"

	"github.com/fairlead-io/fairlead/test/harness"
)

// The module that defines ClusterProfiles, and the file in it that does so.
const (
	inventoryModule     = "sigs.k8s.io/cluster-inventory-api@v0.1.3"
	inventoryDefinition = "config/crd/bases/multicluster.x-k8s.io_clusterprofiles.yaml"
)

// hub is a cluster that keeps ClusterProfiles, which a service account writes that may do
// no more than docs/ecosystem.md says.
type hub struct {
	*twoClusters
	keeper side
	env    []string // of the plugin
}

func newHub(sp *space) *hub {
	sp.t.Helper()
	h := &hub{twoClusters: newTwoClusters(sp)}
	m, err := harness.DownloadModule(sp.t.Context(), inventoryModule)
	if err != nil {
		sp.t.Fatal(err)
	}
	definition := filepath.Join(m.Dir, filepath.FromSlash(inventoryDefinition))
	h.admin("", "create", "-f", definition)
	sp.t.Cleanup(func() {
		if _, err := sp.kube.Run(context.Background(), "", "delete", "-f", definition); err != nil {
			sp.t.Error(err)
		}
	})
	h.admin("", "wait", "--for=condition=Established", "-f", definition)
	h.admin("", "create", "serviceaccount", "keeper")
	group := []string{"multicluster.x-k8s.io"}
	sp.allow("ServiceAccount", "keeper",
		rbacv1.PolicyRule{APIGroups: group, Resources: []string{"clusterprofiles"}, Verbs: []string{"get", "list", "patch", "create", "delete"}},
		rbacv1.PolicyRule{APIGroups: group, Resources: []string{"clusterprofiles/status"}, Verbs: []string{"patch"}})
	ca, err := os.ReadFile(sp.kube.CAFile)
	if err != nil {
		sp.t.Fatal(err)
	}
	token := strings.TrimSpace(h.admin("", "create", "token", "keeper", "--duration=1h"))
	h.keeper = side{name: "keeper"}
	if h.keeper.kubeconfig, err = harness.WriteKubeconfig(filepath.Join(h.dir, "hub.kubeconfig"), sp.kube.Server, ca, token); err != nil {
		sp.t.Fatal(err)
	}
	file := filepath.Join(h.dir, "token")
	if err := os.WriteFile(file, []byte(restConfig(sp.t, h.ann).BearerToken+"\n"), 0o600); err != nil {
		sp.t.Fatal(err)
	}
	h.env = []string{
		"PATH=" + filepath.Dir(sp.race.Plugin) + ":" + os.Getenv("PATH"),
		"FAIRLEAD_BRIDGE=" + h.system.URL(""), "FAIRLEAD_BRIDGE_CA=" + h.system.CAFile(), "FAIRLEAD_TOKEN_FILE=" + file,
	}
	return h
}

// profiles is a call of the plugin in the test's namespace of the hub.
func (h *hub) profiles(args ...string) call {
	return call{side: h.keeper, args: append([]string{"fairlead", "clusterprofiles", "-n", h.sp.name}, args...), env: h.env}
}

// profile is a ClusterProfile, with what the test looks at.
type profile struct {
	Metadata struct{ Name string }
	Spec     map[string]any
	Status   struct {
		Version    struct{ Kubernetes string }
		Conditions []struct {
			Type, Status, Reason string
			LastTransitionTime   metav1.Time
		}
		Properties      []struct{ Name, Value string }
		AccessProviders []struct {
			Name    string
			Cluster struct {
				Server string
				CA     []byte `json:"certificate-authority-data"`
			}
		}
	}
}

// kept is the profile of a cluster at the hub.
func (h *hub) kept(cluster string) (p profile) {
	h.sp.t.Helper()
	if err := json.Unmarshal([]byte(h.admin("", "get", "clusterprofile", cluster, "-o", "json")), &p); err != nil {
		h.sp.t.Fatal(err)
	}
	return p
}

// names are the profiles that there are.
func (h *hub) names() string {
	h.sp.t.Helper()
	return strings.TrimSpace(h.admin("", "get", "clusterprofiles", "-o", "jsonpath={.items[*].metadata.name}"))
}

// health is the condition of a profile, and the state that is among its properties.
func (p *profile) health() string {
	text := fmt.Sprint(len(p.Status.Conditions), " conditions")
	if len(p.Status.Conditions) == 1 {
		c := p.Status.Conditions[0]
		text = strings.Join([]string{c.Type, c.Status, c.Reason}, " ")
	}
	for _, one := range p.Status.Properties {
		if one.Name == "fairlead.io/state" {
			text += " " + one.Value
		}
	}
	return text
}

// TestClusterProfiles: a hub with the definition of the Cluster Inventory API takes the
// profiles of the plugin as they are, a client finds the way to the cluster in one, they
// follow the clusters, and those of clusters that are no longer seen go only when that is
// asked for.
func TestClusterProfiles(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	h := newHub(sp)
	const whole = "ControlPlaneHealthy True APIServerReachable connected"

	// Nothing of what is written is unknown to the definition: that would be dropped.
	printed := sp.must(h.profiles())
	h.admin(printed, "create", "--dry-run=server", "--validate=strict", "-f", "-")
	if r := sp.do(h.profiles("--apply")); r.code != 0 || !strings.Contains(r.stderr, "2 written, 0 deleted") {
		t.Fatalf("--apply: exit code %d, %s", r.code, r.stderr)
	}
	if got := h.names(); got != lab+" "+prod {
		t.Errorf("profiles %q", got)
	}
	p := h.kept(prod)
	var want profile
	if err := yaml.Unmarshal([]byte(printed[strings.LastIndex(printed, "---\n"):]), &want); err != nil {
		t.Fatal(err)
	}
	want.Status.Conditions[0].LastTransitionTime = p.Status.Conditions[0].LastTransitionTime
	if !reflect.DeepEqual(p, want) {
		t.Errorf("the hub has %+v, want what is printed: %+v", p, want)
	}
	if p.health() != whole || p.Status.Version.Kubernetes != sp.kube.Version {
		t.Errorf("prod: %s, version %+v", p.health(), p.Status.Version)
	}
	if r := sp.do(h.profiles("--apply")); r.code != 0 || !strings.Contains(r.stderr, "0 written, 0 deleted") {
		t.Errorf("--apply once more: exit code %d, %s", r.code, r.stderr)
	}
	h.leads(&p)
	h.followed(whole)
	h.pruned()
}

// leads: a client that is made of a profile and the list of providers in docs/ecosystem.md
// reaches the cluster. It gets its token from the plugin.
func (h *hub) leads(p *profile) {
	sp, t := h.sp, h.sp.t
	t.Helper()
	doc, err := os.ReadFile(filepath.Join(sp.Root, "docs", "ecosystem.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(doc), "```json\n")
	text, _, _ = strings.Cut(text, "```")
	text = strings.ReplaceAll(text, "/var/run/secrets/fairlead/token", filepath.Join(h.dir, "token"))
	var file struct {
		Providers []struct {
			Name       string
			ExecConfig *kubeapi.ExecConfig
		}
	}
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	access := p.Status.AccessProviders
	if len(access) != 1 || len(file.Providers) != 1 || access[0].Name != file.Providers[0].Name {
		t.Fatalf("providers %+v of the profile, and %+v of the documents", access, file.Providers)
	}
	command := file.Providers[0].ExecConfig
	command.Command = filepath.Join(filepath.Dir(sp.race.Plugin), command.Command) // a reader has it in PATH
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: access[0].Cluster.Server, ExecProvider: command, TLSClientConfig: rest.TLSClientConfig{CAData: access[0].Cluster.CA},
	})
	if err != nil {
		t.Fatal(err)
	}
	sp.configMap("seen", nil)
	from := sp.auditNow()
	if _, err := client.CoreV1().ConfigMaps(sp.name).Get(t.Context(), "seen", metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	sp.mustAudit(from, sp.name+"/configmaps/seen", func(e auditEvent) bool { return e.User.Username == harness.AgentUser })
}

// followed: --watch keeps the profiles as the clusters are.
func (h *hub) followed(whole string) {
	sp, t := h.sp, h.sp.t
	t.Helper()
	watch := sp.start(h.profiles("--watch", "--every", "1s"))
	becomes := func(want string) {
		t.Helper()
		sp.until("lab to be told as "+want, func(context.Context) error {
			p := h.kept(lab)
			if got := p.health(); got != want {
				return errors.New(got)
			}
			return nil
		})
	}
	if err := h.lab.Stop(stopWithin); err != nil {
		t.Fatal(err)
	}
	becomes("ControlPlaneHealthy Unknown AgentsOffline offline")
	if p := h.kept(prod); p.health() != whole {
		t.Errorf("prod: %s", p.health())
	}
	if err := h.system.Restart(t.Context(), h.lab); err != nil {
		t.Fatal(err)
	}
	becomes(whole)
	watch.interrupt()
	if code := watch.wait(stopWithin); code != 0 {
		t.Errorf("--watch ended with exit code %d: %s", code, watch.stderr)
	}
}

// pruned: the profile of a cluster that the token does not show any more is deleted with
// --prune only; that of another manager is not, and the last ones are not either.
func (h *hub) pruned() {
	sp, t := h.sp, h.sp.t
	t.Helper()
	h.admin(fmt.Sprintf("{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ClusterProfile, metadata: {name: theirs, namespace: %s}, spec: {clusterManager: {name: other}}}", sp.name), "create", "-f", "-")
	h.grant(prod)
	apply := func(code int, said, names string, args ...string) {
		t.Helper()
		sp.until("clusterprofiles --apply to say: "+said, func(context.Context) error { // the access file is read within a second
			r := sp.do(h.profiles(append(args, "--apply")...))
			if r.code != code || !strings.Contains(r.stderr, said) {
				return fmt.Errorf("exit code %d: %s", r.code, r.stderr)
			}
			return nil
		})
		if got := h.names(); got != names {
			t.Errorf("after --apply %v: profiles %q, want %q", args, got, names)
		}
	}
	apply(0, "0 written, 0 deleted", "lab.acme prod.acme theirs")
	apply(0, "0 written, 1 deleted", "prod.acme theirs", "--prune")
	h.grant()
	apply(1, "the bridge shows no cluster, so none of the 1 ClusterProfiles is deleted", "prod.acme theirs", "--prune")
}
