package apply

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestDocuments are read as kubectl reads them.
func TestDocuments(t *testing.T) {
	for body, want := range map[string][]string{
		"":                                 nil,
		"---\n---\n# c\n---\nnull\n---\n~": nil,
		"a: 1\n--- # c\r\nb: 2":            {`{"a":1}`, `{"b":2}`},
		"a: yes\nb: 0644\nc: 'no'\nd: 2001-01-01\ne: 1e3": {`{"a":true,"b":420,"c":"no","d":"2001-01-01","e":1000}`},
		"a: |\n  x\n  --- y\n":                            {`{"a":"x\n--- y\n"}`},
		"a: &x {b: 1}\nc: {<<: *x, d: 2}":                 {`{"a":{"b":1},"c":{"b":1,"d":2}}`},
		" {\"a\":\"---\"}\n{\"b\":\t1}\n---\n{c: d}":      {`{"a":"---"}`, "{\"b\":\t1}", `{"c":"d"}`},
		"\xef\xbb\xbfa: 1":                                {`{"a":1}`},
	} {
		got, err := documents([]byte(body))
		var texts []string
		for _, d := range got {
			texts = append(texts, string(d))
		}
		if err != nil || !slices.Equal(texts, want) && !(len(texts) == 0 && want == nil) {
			t.Errorf("%q: %q, %v; want %q", body, texts, err, want)
		}
	}
}

// TestOrder: what others need is before them, and what can refuse them is behind.
func TestOrder(t *testing.T) {
	var got []string
	for _, k := range []schema.GroupKind{
		{Group: admissionGroup, Kind: "ValidatingWebhookConfiguration"}, {Group: "example.com", Kind: "Widget"}, {Group: "apps", Kind: "Deployment"},
		{Kind: "Service"}, {Group: rbacGroup, Kind: "RoleBinding"}, {Group: rbacGroup, Kind: "Role"}, {Kind: "Secret"}, definition, {Kind: "Namespace"},
		{Group: "apiregistration.k8s.io", Kind: "APIService"},
	} {
		got = append(got, fmt.Sprintf("%d %s", phaseOf(k), k.Kind))
	}
	slices.Sort(got)
	want := "0 Namespace,1 CustomResourceDefinition,2 Role,2 Secret,3 RoleBinding,4 Service,5 Deployment,6 Widget,7 APIService,8 ValidatingWebhookConfiguration"
	if strings.Join(got, ",") != want {
		t.Errorf("got %s", strings.Join(got, ","))
	}
}
