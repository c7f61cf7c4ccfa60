package bridge

import (
	"net/http"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

const settingsGrants = `grants:
- name: operators
  clusters: ["*"]
  when: ['"operators" in caller.groups']
  requests:
  - {verbs: [get, update, delete], apiGroups: [platform.fairlead.io], resources: [settings]}
  as: {agent: true}
- name: readers
  clusters: [prod]
  when: ['"readers" in caller.groups']
  requests:
  - {verbs: [get], apiGroups: [platform.fairlead.io], resources: [settings], names: [agent]}
  as: {agent: true}
- name: devs
  clusters: [prod]
  when: ['"devs" in caller.groups']
  requests:
  - {verbs: ["*"], apiGroups: ["", apps], resources: ["*"]}
  as: {user: caller.name}
`

// TestSettingsAreGranted: who may get, change and delete settings, and see them in lists, is
// decided by grants for a resource of the platform's own. Changes are audited as such.
func TestSettingsAreGranted(t *testing.T) {
	t.Parallel()
	i := issuer.ForTest(t)
	file := newAccessFile(t, i.Section("idp")+settingsGrants)
	o := rigOptions{config: file.configure}
	trail := auditInMemory(t, audit.Config{}, &o)
	s := newSettingsRig(t, storetest.Start(t, 1), o)
	as := func(group, method, path, body string) (*http.Response, string) {
		t.Helper()
		req := s.request(method, path, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+i.Token(t, "someone", group))
		return s.do(s.h1, req)
	}
	for _, cluster := range []string{"prod", "prod.acme"} {
		if res, body := as("operators", "PUT", settingsPath(cluster), `{"labels":{"env":"prod"}}`); res.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", res.StatusCode, body)
		} else if d := s.eventOf(t, trail, res.Header.Get("X-Request-Id"), "ResponseComplete"); d.Grant != "operators" || d.ObjectRef == nil || d.ObjectRef.Resource != "settings" || d.Verb != "update" {
			t.Errorf("audit event %+v", d)
		}
	}
	for _, c := range []struct {
		group, method, cluster string
		want                   int
	}{
		{"readers", "GET", "prod", 200}, {"readers", "HEAD", "prod", 200}, {"readers", "PUT", "prod", 403}, {"readers", "DELETE", "prod", 403},
		{"readers", "GET", "prod.acme", 403}, {"readers", "GET", "none.acme", 403},
		{"devs", "GET", "prod", 403}, {"devs", "PUT", "prod", 403}, {"devs", "PUT", "prod.acme", 403},
		{"nobody", "GET", "prod", 403}, {"nobody", "PUT", "prod", 403},
		{"operators", "DELETE", "prod.acme", 200},
	} {
		res, body := as(c.group, c.method, settingsPath(c.cluster), map[string]string{"PUT": `{"labels":{"env":"stolen"}}`}[c.method])
		if res.StatusCode != c.want || strings.Contains(body, "prod.acme") && strings.Contains(body, `"labels"`) {
			t.Errorf("%v: %d %s", c, res.StatusCode, body)
		}
	}
	for group, want := range map[string]int{"operators": 1, "readers": 1, "devs": 0, "nobody": 0} {
		res, body := as(group, "GET", "/v1/settings", "")
		if list := decode[api.SettingsList](t, body); res.StatusCode != http.StatusOK || len(list.Settings) != want {
			t.Errorf("%s: %d %s", group, res.StatusCode, body)
		}
	}
	if got := s.get("prod"); got.Settings.Labels["env"] != "prod" || got.ChangedBy != "someone" {
		t.Errorf("got %+v", got)
	}
	req := s.request("GET", settingsPath("prod"), nil)
	req.Header.Set("Impersonate-User", "admin")
	res, body := s.do(s.h1, req)
	wantFailure(t, res, body, answer.Impersonation)
	req = s.request("GET", "/v1/settings", nil)
	req.Header.Del("Authorization")
	res, body = s.do(s.h1, req)
	wantFailure(t, res, body, answer.Unauthenticated)
}

// TestSettingsOfOtherTenants: a token for one tenant's clusters reaches no other's settings,
// and lists are in pages.
func TestSettingsOfOtherTenants(t *testing.T) {
	t.Parallel()
	s := newSettingsRig(t, storetest.Start(t, 1), rigOptions{})
	clusters := []string{"a.acme", "b.acme", "a.lab", "prod", "c.acme"}
	for _, c := range clusters {
		s.put(c, `{"labels":{"of":"`+strings.ReplaceAll(c, ".", "-")+`"}}`)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		req := s.request(method, settingsPath("prod"), strings.NewReader("{}"))
		req.Header.Set("Authorization", "Bearer "+s.acme)
		res, body := s.do(s.h1, req)
		wantFailure(t, res, body, answer.Forbidden)
	}
	pages := func(token, query string) (names []string) {
		t.Helper()
		for next := ""; ; {
			req := s.request("GET", "/v1/settings?limit=2"+query+next, nil)
			req.Header.Set("Authorization", "Bearer "+token)
			res, body := s.do(s.h1, req)
			list := decode[api.SettingsList](t, body)
			if res.StatusCode != http.StatusOK || len(list.Settings) > 2 {
				t.Fatalf("%d %s", res.StatusCode, body)
			}
			for _, c := range list.Settings {
				names = append(names, c.Name)
			}
			if list.Continue == "" {
				return names
			}
			next = "&continue=" + list.Continue
		}
	}
	for _, c := range []struct{ token, query, want string }{
		{s.token, "", "a.acme b.acme c.acme prod a.lab"}, {s.acme, "", "a.acme b.acme c.acme"},
		{s.acme, "&tenant=lab", ""}, {s.token, "&tenant=lab", "a.lab"}, {s.token, "&state=applied", ""},
	} {
		if got := strings.Join(pages(c.token, c.query), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.query, got, c.want)
		}
	}
}
