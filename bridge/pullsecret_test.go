package bridge

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/client"
)

const hunter = "hunter2-hunter2"

func loginBody(registry string) string {
	return fmt.Sprintf(`{"registry":%q,"username":"robot","token":%q}`, registry, hunter)
}

// TestPullSecretFromPutToDelete: put, looked at, a second registry merged, attached, deleted.
func TestPullSecretFromPutToDelete(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	s.put("serviceaccounts/default", `{"imagePullSecrets":[{"name":"other"}]}`)
	s.put("serviceaccounts/a", `{}`)
	s.put("serviceaccounts/builder", `{}`)
	r := pullRig(t, s)
	res, body := r.pull("PUT", "regcred", `{"registries":[{"registry":"https://registry.example.com/v2/","username":"robot","token":"`+hunter+`"}],"serviceAccounts":["default","builder","default"]}`)
	report := decode[api.PullSecretReport](t, body)
	if res.StatusCode != 201 || !report.WellFormed || !slices.Equal(report.ServiceAccounts, []string{"default", "builder"}) || res.Header.Get("ETag") != `"`+report.ResourceVersion+`"` {
		t.Fatalf("%d %s", res.StatusCode, body)
	}
	auth := base64.StdEncoding.EncodeToString([]byte("robot:" + hunter))
	if want := `{"auths":{"registry.example.com":{"username":"robot","password":"` + hunter + `","auth":"` + auth + `"}}}`; s.content("regcred") != want {
		t.Errorf("content %s, want %s", s.content("regcred"), want)
	}
	res, body = r.pull("PUT", "regcred", loginBody("docker.io"))
	if report := decode[api.PullSecretReport](t, body); res.StatusCode != 200 || len(report.Registries) != 2 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	res, body = r.pull("GET", "regcred", "")
	report = decode[api.PullSecretReport](t, body)
	if res.StatusCode != 200 || !report.WellFormed || len(report.Registries) != 2 || !report.Registries[0].Complete || report.Registries[0].Registry != "docker.io" ||
		report.Registries[1].Registry != "registry.example.com" || !slices.Equal(report.ServiceAccounts, []string{"builder", "default"}) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if got := s.references("default"); !slices.Equal(got, []string{"other", "regcred"}) {
		t.Errorf("references %v", got)
	}
	res, body = r.pull("PUT", "regcred?mode=replace", loginBody("ghcr.io"))
	if report := decode[api.PullSecretReport](t, body); res.StatusCode != 200 || len(report.Registries) != 1 || strings.Contains(s.content("regcred"), "docker.io") {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	res, body = r.pull("DELETE", "regcred", "")
	if deleted := decode[api.PullSecretDeleted](t, body); res.StatusCode != 200 || !deleted.Deleted || !slices.Equal(deleted.Detached, []string{"builder", "default"}) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if s.get("secrets/regcred") != nil || !slices.Equal(s.references("default"), []string{"other"}) || s.references("builder") != nil {
		t.Errorf("left: %v", s.objects)
	}
	for _, method := range []string{"GET", "DELETE"} {
		if res, body := r.pull(method, "regcred", ""); res.StatusCode != 404 || res.Header.Get("Fairlead-Error") != "object-not-found" {
			t.Errorf("%s of what is gone: %d %s", method, res.StatusCode, body)
		}
	}
	if strings.Contains(r.log.String(), "hunter") || strings.Contains(r.log.String(), auth) {
		t.Error("the token was logged")
	}
}

// TestPullSecretWritersLoseNothing: many writers of one pull secret and one service account at once,
// from the first on that creates it.
func TestPullSecretWritersLoseNothing(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	s.put("serviceaccounts/default", `{}`)
	r := pullRig(t, s)
	const writers = 8
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			name := []string{"one", "two"}[i%2]
			body := fmt.Sprintf(`{"registry":"r%d.example.com","username":"u","token":"token-%d","serviceAccounts":["default"]}`, i, i)
			req := r.request("PUT", pullPath+name, strings.NewReader(body))
			res, err := r.h2.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer res.Body.Close()
			if res.StatusCode != 200 && res.StatusCode != 201 {
				t.Errorf("writer %d: %d, %s", i, res.StatusCode, res.Header.Get("Fairlead-Error"))
			}
		})
	}
	all.Wait()
	for i := range writers {
		if name := []string{"one", "two"}[i%2]; !strings.Contains(s.content(name), fmt.Sprintf(`"r%d.example.com":{"username":"u","password":"token-%d"`, i, i)) {
			t.Errorf("the registry of writer %d is lost: %s", i, s.content(name))
		}
	}
	got := s.references("default")
	slices.Sort(got)
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("references %v", got)
	}
}

// TestPullSecretIsNotResurrected: it is deleted between the reading and the writing of another
// caller, whose login is written without those that were deleted.
func TestPullSecretIsNotResurrected(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	s.put("secrets/regcred", `{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"`+base64.StdEncoding.EncodeToString([]byte(`{"auths":{"old.example.com":{"auth":"dTp0"}}}`))+`"}}`)
	var once sync.Once
	s.before = func(method, _ string) {
		if method == "PATCH" {
			once.Do(func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				delete(s.objects, "secrets/regcred")
			})
		}
	}
	r := pullRig(t, s)
	if res, body := r.pull("PUT", "regcred", loginBody("new.example.com")); res.StatusCode != 201 || strings.Contains(s.content("regcred"), "old.example.com") || !strings.Contains(s.content("regcred"), "new.example.com") {
		t.Errorf("%d %s: %s", res.StatusCode, body, s.content("regcred"))
	}
}

// TestPullSecretConditions: If-Match and If-None-Match.
func TestPullSecretConditions(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	r := pullRig(t, s)
	expect := func(status int, method, name, body string, header ...string) *http.Response {
		t.Helper()
		res, text := r.pull(method, name, body, header...)
		if res.StatusCode != status {
			t.Errorf("%s %s %v: %d %s, want %d", method, name, header, res.StatusCode, text, status)
		}
		return res
	}
	expect(412, "PUT", "a", loginBody("a.example.com"), "If-Match", "*")
	expect(412, "PUT", "a?mode=replace", loginBody("a.example.com"), "If-Match", `"7"`)
	first := expect(201, "PUT", "a", loginBody("a.example.com"), "If-None-Match", "*").Header.Get("ETag")
	expect(412, "PUT", "a", loginBody("b.example.com"), "If-None-Match", "*")
	expect(412, "PUT", "a?mode=replace", loginBody("b.example.com"), "If-None-Match", "*")
	second := expect(200, "PUT", "a", loginBody("b.example.com"), "If-Match", first).Header.Get("ETag")
	expect(412, "PUT", "a", loginBody("c.example.com"), "If-Match", first)
	expect(412, "PUT", "a?mode=replace", loginBody("c.example.com"), "If-Match", first)
	expect(412, "DELETE", "a", "", "If-Match", first)
	for _, bad := range []string{"7", `W/"7"`, `"7", "8"`, `""`, `"a b"`} {
		expect(400, "PUT", "a", loginBody("c.example.com"), "If-Match", bad)
	}
	expect(400, "PUT", "a", loginBody("c.example.com"), "If-None-Match", `"7"`)
	if got := s.content("a"); !strings.Contains(got, "a.example.com") || !strings.Contains(got, "b.example.com") || strings.Contains(got, "c.example.com") {
		t.Errorf("content %s", got)
	}
	expect(200, "DELETE", "a", "", "If-Match", second)
}

// TestGoClientPullSecret: the routes by the Go client.
func TestGoClientPullSecret(t *testing.T) {
	t.Parallel()
	r := pullRig(t, newNamespaceServer())
	c, ctx := r.goClient(r.token), t.Context()
	login := api.PullSecret{RegistryLogin: api.RegistryLogin{Registry: "ghcr.io", Username: "u", Token: hunter}}
	first, err := c.PutPullSecret(ctx, "prod", "team", "regcred", login, client.PullSecretOptions{})
	if err != nil || !first.WellFormed {
		t.Fatalf("%+v, %v", first, err)
	}
	login.Registry = "quay.io"
	if next, err := c.PutPullSecret(ctx, "prod", "team", "regcred", login, client.PullSecretOptions{Version: first.ResourceVersion}); err != nil || len(next.Registries) != 2 {
		t.Errorf("%+v, %v", next, err)
	}
	if _, err := c.PutPullSecret(ctx, "prod", "team", "regcred", login, client.PullSecretOptions{Version: first.ResourceVersion, Replace: true}); !errors.Is(err, client.ErrPreconditionFailed) || strings.Contains(err.Error(), hunter) {
		t.Errorf("an old version: %v", err)
	}
	if report, err := c.PullSecret(ctx, "prod", "team", "regcred"); err != nil || len(report.Registries) != 2 {
		t.Errorf("%+v, %v", report, err)
	}
	if done, err := c.DeletePullSecret(ctx, "prod", "team", "regcred", client.PullSecretOptions{KeepAttached: true}); err != nil || !done.Deleted {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := c.PullSecret(ctx, "prod", "team", "regcred"); !errors.Is(err, client.ErrObjectNotFound) {
		t.Errorf("what is gone: %v", err)
	}
}
