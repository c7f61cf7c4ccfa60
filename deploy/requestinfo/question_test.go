package requestinfo

import (
	"strings"
	"testing"
)

func TestParseQuestion(t *testing.T) {
	for words, want := range map[string]string{
		"get pods web":                  "GET /api/v1/namespaces/shop/pods/web",
		"list pods":                     "GET /api/v1/namespaces/shop/pods",
		"watch pods":                    "GET /api/v1/namespaces/shop/pods?watch=true",
		"create pods":                   "POST /api/v1/namespaces/shop/pods",
		"get deployments.apps web":      "GET /apis/apps/v1/namespaces/shop/deployments/web",
		"delete deployments.apps":       "DELETE /apis/apps/v1/namespaces/shop/deployments/%2A",
		"patch deployments.apps/scale":  "PATCH /apis/apps/v1/namespaces/shop/deployments/%2A/scale",
		"patch deployments/scale.apps":  "PATCH /apis/apps/v1/namespaces/shop/deployments/%2A/scale",
		"create pods/exec web":          "POST /api/v1/namespaces/shop/pods/web/exec upgrade",
		"get pods/log":                  "GET /api/v1/namespaces/shop/pods/%2A/log",
		"create pods/exec":              "POST /api/v1/namespaces/shop/pods/%2A/exec upgrade",
		"list pods web":                 "GET /api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb",
		"watch pods web":                "GET /api/v1/namespaces/shop/pods?fieldSelector=metadata.name%3Dweb&watch=true",
		"create namespaces/finalize":    "POST /api/v1/namespaces/%2A/finalize",
		"watch namespaces shop":         "GET /api/v1/namespaces?fieldSelector=metadata.name%3Dshop&watch=true",
		"deletecollection pods":         "DELETE /api/v1/namespaces/shop/pods",
		"deletecollection pods web":     `! name: "web", but deletecollection`,
		"watch pods/exec":               "! verb: watch is for collections, and a subresource such as pods/exec",
		"list pods/exec":                "! verb: list is for collections",
		"list pods/log web":             "! verb: list is for collections",
		"deletecollection pods/log":     "! verb: deletecollection is for collections",
		"create pods/":                  `! resource: "pods/" has no subresource`,
		"create pods/exec/x web":        `! subresource: "exec/x" cannot be part`,
		"get pods a/b":                  `! name: "a/b" cannot be part`,
		"get pods ..":                   `! name: ".." cannot be part`,
		"list pods a/b":                 `! name: "a/b" cannot be part`,
		"get status web":                `! resource: an API server would read "namespaces" from the path of this request, not "status"`,
		"get namespaces shop":           "GET /api/v1/namespaces/shop",
		"list widgets.shop.example.com": "GET /apis/shop.example.com/v1/namespaces/shop/widgets",
		"exec pods web":                 `! verb: "exec" is not one of get, list`,
		"get":                           "! a request is written VERB RESOURCE [NAME]",
		"get pods web shop":             "! a request is written VERB RESOURCE [NAME]",
		"GET /version":                  "! a path has its namespace in it",
	} {
		q, err := ParseQuestion(strings.Fields(words), "shop")
		got := ""
		if err != nil {
			got = "! " + err.Error()
		} else if got = q.Method + " " + q.Target; q.Upgrade {
			got += " upgrade"
		}
		if got != want && !(strings.HasPrefix(want, "!") && strings.HasPrefix(got, want)) {
			t.Errorf("%s: %s, want %s", words, got, want)
		}
		if err == nil {
			if info, err := Parse(q.Method, q.Target); err != nil || info.Ambiguous || info.Verb != strings.Fields(words)[0] {
				t.Errorf("%s: read as %+v, %v", words, info, err)
			}
		}
	}
	if q, err := ParseQuestion([]string{"get", "/healthz"}, ""); err != nil || *q != (Question{Method: "GET", Target: "/healthz"}) {
		t.Errorf("a path: %+v, %v", q, err)
	}
}

// A request that is made of attributes has these attributes and no others.
func TestRequestHasItsAttributes(t *testing.T) {
	for _, c := range []struct {
		asked Attributes
		want  string
	}{
		{Attributes{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "shop"}, "POST /api/v1/namespaces/shop/pods/%2A/exec"},
		{Attributes{Verb: "create", Resource: "pods/exec", Namespace: "shop"}, "POST /api/v1/namespaces/shop/pods/%2A/exec"},
		{Attributes{Verb: "create", Resource: "pods/exec", Subresource: "exec", Namespace: "shop", Name: "web"}, "POST /api/v1/namespaces/shop/pods/web/exec"},
		{Attributes{Verb: "patch", Group: "apps", Resource: "deployments/scale", Name: "web"}, "PATCH /apis/apps/v1/deployments/web/scale"},
		{Attributes{Verb: "create", Resource: "pods", Namespace: "shop", Name: "web"}, "POST /api/v1/namespaces/shop/pods"},
		{Attributes{Verb: "list", Resource: "pods", Name: "a=b,c"}, "GET /api/v1/pods?fieldSelector=metadata.name%3Da%5C%3Db%5C%2Cc"},
		{Attributes{Verb: "create", Resource: "pods/exec", Subresource: "log"}, `! subresource: "log", but the resource is "pods/exec"`},
		{Attributes{Verb: "create", Resource: "pods/"}, `! subresource: "", but the resource is "pods/"`},
		{Attributes{Verb: "list", Resource: "pods/exec"}, "! verb: list is for collections"},
		{Attributes{Verb: "watch", Resource: "pods", Subresource: "log"}, "! verb: watch is for collections"},
		{Attributes{Verb: "get", Resource: "pods", Name: "a%2fb"}, `! name: "a%2fb" cannot be part`},
		{Attributes{Verb: "get", Resource: "watch", Name: "pods"}, `! verb: an API server would read "watch"`},
		{Attributes{Verb: "get", Resource: "pods", Namespace: "a/b", Name: "c"}, `! namespace: "a/b" cannot`},
		{Attributes{Verb: "get", Resource: "pods", Version: "v1/x", Name: "c"}, `! version: "v1/x" cannot`},
		{Attributes{Verb: "get", Resource: "pods/log"}, "! name: none given"},
	} {
		method, target, err := c.asked.Request()
		got := method + " " + target
		if err != nil {
			got = "! " + err.Error()
		}
		if got != c.want && !(strings.HasPrefix(c.want, "!") && strings.HasPrefix(got, c.want)) {
			t.Errorf("%+v: %s, want %s", c.asked, got, c.want)
		}
	}
}
