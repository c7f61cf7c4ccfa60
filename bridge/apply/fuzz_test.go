package apply

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// FuzzBody: whatever a body is, its objects have names that stay within their segment of a
// path, and it takes no time to find out.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n# x\n--- # y\n",
		`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Secret","metadata":{"name":"b"}},null]}`,
		`{"apiVersion":"v1","kind":"A","metadata":{"name":"b"}}{"apiVersion":"v1","kind":"A","metadata":{"name":"c"}}`,
		"a: &a [*a]", "a: &a x\nb: *a\n<<: {c: d}", "{a: b}", "\xef\xbb\xbf{}", "...\n---\n%YAML 1.1\n---\nx", "? {}: x\n", "- - - x", "a: !!binary AA==",
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		begun := time.Now()
		all, err := parse(&options{namespace: "default"}, body)
		if took := time.Since(begun); took > 5*time.Second {
			t.Errorf("%d bytes took %v", len(body), took)
		}
		if err != nil {
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r == '\n' }) || len(err.Error()) > 2000 {
				t.Errorf("%q", err)
			}
			return
		}
		for _, o := range all {
			o.known = &resource{name: "things", namespaced: true}
			a := applier{options: &options{namespace: "default"}}
			target := a.collection(o) + "/" + url.PathEscape(o.name)
			u, err := url.ParseRequestURI(target)
			segments := 6
			if o.gvk.Group != "" {
				segments = 7
			}
			if err != nil || u.RawQuery != "" || u.Fragment != "" || strings.Count(target, "/") != segments || strings.Contains(target, "/../") || strings.HasSuffix(target, "/..") {
				t.Errorf("%s: %q, %v", o, target, err)
			}
			if !json.Valid(o.body) || len(o.body) > maxExpanded*8 {
				t.Errorf("%s: %d bytes, or not JSON", o, len(o.body))
			}
		}
	})
}

// FuzzOptions: nothing is selected for deletion without a label that it must have.
func FuzzOptions(f *testing.F) {
	for _, q := range []string{"", "prune=app%3Da", "prune=!app", "prune=a,b+in+(c)", "pruneKind=apps/v1/Deployment&prune=a", "force=1&dryRun=All&timeout=1m&namespace=x&fieldManager=ci"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, query string) {
		o, err := readOptions(query)
		if err != nil {
			return
		}
		if o.prune != nil && (o.prune.Empty() || !selects(o.prune)) || o.prune == nil && len(o.pruneKinds)+len(o.pruneNamespaces) > 0 {
			t.Errorf("%q: %+v", query, o)
		}
		if o.timeout < time.Second || o.timeout > maxTimeout || o.manager == "" || o.namespace == "" {
			t.Errorf("%q: %+v", query, o)
		}
	})
}
