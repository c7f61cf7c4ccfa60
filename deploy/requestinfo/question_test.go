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
