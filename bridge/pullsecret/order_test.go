package pullsecret

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// FuzzBody: whatever is sent, the answer is a 400 or 413, or an order that can be carried out;
// and no answer has a token in it.
func FuzzBody(f *testing.F) {
	f.Add("mode=merge", `"7"`, `{"registry":"ghcr.io","username":"u","token":"hunter2hunter2"}`)
	f.Add("mode=replace", "*", `{"registries":[{"registry":"docker.io","username":"u","password":"hunter2hunter2"}],"serviceAccounts":["default"]}`)
	f.Add("", "", `{"registry":"hunter2hunter2","username":"hunter2hunter2:","token":["hunter2hunter2"]}`)
	f.Add("", "", `{"hunter2hunter2":{"registry":"ghcr.io"},"tokn":"x"}`)
	f.Add("clusters=a,b&namespaces=c&detach=false&concurrency=2&timeout=1s", "", "")
	f.Add("", "", `{"clusters":["a"],"namespaces":["b"],"registry":"ghcr.io","username":"u","token":"hunter2hunter2"}`)
	f.Fuzz(func(t *testing.T, query, match, body string) {
		r := httptest.NewRequest("PUT", "/", strings.NewReader(body))
		r.URL.RawQuery = query
		if match != "" {
			r.Header = http.Header{"If-Match": {match}}
		}
		refused := func(f *answer.Failure) bool {
			if f == nil {
				return false
			}
			if f.Kind != answer.BadRequest && f.Kind != answer.BodyTooLarge {
				t.Fatalf("%q, %q: %v", query, body, f)
			}
			if strings.Contains(f.Detail, "hunter2hunter2") {
				t.Fatalf("%q: %v", body, f)
			}
			return true
		}
		o, failed := readOrder(httptest.NewRecorder(), r)
		if !refused(failed) {
			content, failed := o.merged(nil)
			if failed != nil || len(content) == 0 || len(o.secrets) != 2*len(o.logins) {
				t.Fatalf("%q: %v, %q", body, failed, content)
			}
		}
		c, failed := readCondition(r)
		if !refused(failed) && c.Version != "" && !endpoint.IsVersion(c.Version) {
			t.Fatalf("%q: %+v", match, c)
		}
		r = httptest.NewRequest("PUT", "/", strings.NewReader(body))
		_, _, failed = readFleet(httptest.NewRecorder(), r)
		refused(failed)
		r.URL.RawQuery = query
		if where, _, failed := readWhere(r, true); !refused(failed) && len(where.Namespaces) == 0 {
			t.Fatalf("%q: no namespaces", query)
		}
	})
}
