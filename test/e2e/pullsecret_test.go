package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// pullReport is what the platform is told of a pull secret.
type pullReport struct {
	WellFormed bool
	Registries []struct {
		Registry string
		Complete bool
	}
	ServiceAccounts []string
	Code            string // of a problem
}

func (sp *space) pullPath(name string) string {
	return "/v1/clusters/" + sp.system.Ref() + "/namespaces/" + sp.name + "/pull-secrets/" + name
}

func pullLogin(registry, username, token string, accounts ...string) map[string]any {
	return map[string]any{"registry": registry, "username": username, "token": token, "serviceAccounts": accounts}
}

// content is that of a pull secret of the cluster.
func (sp *space) content(name string) string {
	sp.t.Helper()
	s, err := sp.admin.CoreV1().Secrets(sp.name).Get(sp.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		sp.t.Fatal(err)
	}
	return string(s.Data[corev1.DockerConfigJsonKey])
}

// TestPullSecret goes from a first registry to the end of the pull secret, beside kubectl.
func TestPullSecret(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	accounts := sp.admin.CoreV1().ServiceAccounts(sp.name)
	var report pullReport
	// The namespace is new: its service account may not be there yet.
	sp.platform("PUT", sp.pullPath("regcred"), pullLogin("docker.io", "acme", "p&<ss>:1", "default"), http.StatusCreated, &report)
	if !report.WellFormed || !slices.Equal(report.ServiceAccounts, []string{"default"}) {
		t.Errorf("put: %+v", report)
	}
	var made corev1.Secret
	if err := json.Unmarshal([]byte(sp.kubectl("create", "secret", "docker-registry", "of-kubectl", "--docker-username=acme", "--docker-password=p&<ss>:1", "-o", "json")), &made); err != nil {
		t.Fatal(err)
	}
	if got, want := sp.content("regcred"), string(made.Data[corev1.DockerConfigJsonKey]); got != want || made.Type != corev1.SecretTypeDockerConfigJson {
		t.Errorf("content %s, that of kubectl is %s", got, want)
	}
	sp.platform("GET", sp.pullPath("of-kubectl"), nil, http.StatusOK, &report)
	if !report.WellFormed || len(report.Registries) != 1 || report.Registries[0].Registry != "docker.io" || !report.Registries[0].Complete {
		t.Errorf("the secret of kubectl: %+v", report)
	}
	sp.platform("PUT", sp.pullPath("of-kubectl"), pullLogin("https://registry.example.com/v2/", "u", "t", "default"), http.StatusOK, &report)
	if len(report.Registries) != 2 || !strings.Contains(sp.content("of-kubectl"), `"registry.example.com":{`) || !strings.Contains(sp.content("of-kubectl"), `"https://index.docker.io/v1/":{`) {
		t.Errorf("merged: %+v", report)
	}
	account, err := accounts.Get(t.Context(), "default", metav1.GetOptions{})
	if err != nil || !slices.Equal(account.ImagePullSecrets, []corev1.LocalObjectReference{{Name: "regcred"}, {Name: "of-kubectl"}}) {
		t.Errorf("service account: %+v, %v", account.ImagePullSecrets, err)
	}
	var deleted struct {
		Deleted  bool
		Detached []string
	}
	sp.platform("DELETE", sp.pullPath("regcred"), nil, http.StatusOK, &deleted)
	account, err = accounts.Get(t.Context(), "default", metav1.GetOptions{})
	if err != nil || !deleted.Deleted || !slices.Equal(deleted.Detached, []string{"default"}) || !slices.Equal(account.ImagePullSecrets, []corev1.LocalObjectReference{{Name: "of-kubectl"}}) {
		t.Errorf("deleted: %+v; service account: %+v, %v", deleted, account.ImagePullSecrets, err)
	}
	report = pullReport{}
	sp.platform("GET", sp.pullPath("regcred"), nil, http.StatusNotFound, &report)
	if report.Code != "object-not-found" {
		t.Errorf("what is gone: %+v", report)
	}
}

// TestPullSecretRefused: Secrets that are not changed, as the API server or the bridge says.
func TestPullSecretRefused(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	sp.kubectl("create", "secret", "generic", "opaque", "--from-literal=.dockerconfigjson={}")
	sp.kubectl("create", "secret", "docker-registry", "frozen", "--docker-username=u", "--docker-password=t")
	sp.kubectl("patch", "secret", "frozen", "-p", `{"immutable":true}`)
	for _, c := range []struct{ name, code string }{{"opaque", "secret-wrong-type"}, {"frozen", "secret-immutable"}} {
		for _, mode := range []string{"merge", "replace"} {
			var problem pullReport
			sp.platform("PUT", sp.pullPath(c.name)+"?mode="+mode, pullLogin("ghcr.io", "u", "t"), http.StatusConflict, &problem)
			if problem.Code != c.code {
				t.Errorf("%s, %s: %+v", c.name, mode, problem)
			}
		}
	}
	var problem pullReport
	sp.platform("PUT", strings.Replace(sp.pullPath("regcred"), sp.name, sp.name+"-none", 1), pullLogin("ghcr.io", "u", "t"), http.StatusNotFound, &problem)
	if problem.Code != "object-not-found" {
		t.Errorf("a namespace that is not there: %+v", problem)
	}
}

// TestPullSecretWriters: of many at once, the first of which creates it, none loses its registry.
func TestPullSecretWriters(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	const writers = 8
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			body, _ := json.Marshal(pullLogin(fmt.Sprintf("r%d.example.com", i), "u", "t", "default"))
			req, err := http.NewRequestWithContext(t.Context(), "PUT", sp.system.URL(sp.pullPath("shared")), strings.NewReader(string(body)))
			if err != nil {
				t.Error(err)
				return
			}
			res, err := sp.tunnel.client.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != http.StatusOK && res.StatusCode != http.StatusCreated {
				t.Errorf("writer %d: %d, %s", i, res.StatusCode, res.Header.Get("Fairlead-Error"))
			}
		})
	}
	all.Wait()
	var report pullReport
	sp.platform("GET", sp.pullPath("shared"), nil, http.StatusOK, &report)
	if len(report.Registries) != writers || !report.WellFormed || !slices.Equal(report.ServiceAccounts, []string{"default"}) {
		t.Errorf("%+v", report)
	}
}

// TestConditionsOfApply: what the bridge relies on: an apply with a uid does not create an object,
// and one with a resource version that is never used does not change one.
func TestConditionsOfApply(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	secrets := sp.admin.CoreV1().Secrets(sp.name)
	apply := func(metadata string) error {
		body := `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x",` + metadata + `},"data":{"a":"Yg=="}}`
		_, err := secrets.Patch(t.Context(), "x", types.ApplyPatchType, []byte(body), metav1.PatchOptions{FieldManager: "test", Force: new(true)})
		return err
	}
	if err := apply(`"resourceVersion":"5","uid":"00000000-0000-0000-0000-000000000000"`); err == nil || !strings.Contains(err.Error(), "uid mismatch") {
		t.Errorf("with a uid: %v", err)
	}
	if err := apply(`"resourceVersion":"1"`); err != nil {
		t.Errorf("the first: %v", err)
	}
	if err := apply(`"resourceVersion":"1"`); err == nil || !strings.Contains(err.Error(), "has been modified") {
		t.Errorf("the second: %v", err)
	}
}

// TestPullSecretReachesTheRegistry: the node sends a registry exactly the user name and token that
// were put, for a pod of the service account.
func TestPullSecretReachesTheRegistry(t *testing.T) {
	sp := newNodeSpace(t)
	t.Parallel()
	const token = "p&<ss>:ü/+?"
	seen := make(chan string, 100)
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		auth := r.Header.Get("Authorization")
		if auth == "" {
			w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		select {
		case seen <- auth:
		default:
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(registry.Close)
	_, port, err := net.SplitHostPort(registry.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	var report pullReport
	sp.platform("PUT", sp.pullPath("regcred"), pullLogin("http://127.0.0.1:"+port+"/v2/team", "robot", token, "default"), http.StatusCreated, &report)
	grace := int64(0)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "puller"}, Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: &grace,
		Containers:                    []corev1.Container{{Name: "main", Image: "127.0.0.1:" + port + "/team/app:v1", ImagePullPolicy: corev1.PullAlways}},
	}}
	if _, err := sp.admin.CoreV1().Pods(sp.name).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-seen:
		if want := "Basic " + base64.StdEncoding.EncodeToString([]byte("robot:"+token)); got != want {
			t.Errorf("the registry got %q, want %q", got, want)
		}
	case <-time.After(2 * time.Minute):
		t.Error("the registry got nothing:\n" + sp.kubectl("describe", "pod", "puller"))
	}
}
