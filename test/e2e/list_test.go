package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// manyObjects is how many objects a large list has.
const manyObjects = 5000

// TestLargeLists reads 5,000 objects whole and in pages, compressed and not:
// every body is the one that the API server sends directly.
func TestLargeLists(t *testing.T) {
	sp := newSpace(t)
	t.Parallel()
	err := each(manyObjects, 8, func(i int) error {
		_, err := sp.admin.CoreV1().ConfigMaps(sp.name).Create(t.Context(), &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("object-%04d", i)},
			Data:       map[string]string{"payload": strings.Repeat(fmt.Sprintf("%04d ", i), 100)},
		}, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// All lists are of one resource version, so that they can be equal.
	list, err := sp.admin.CoreV1().ConfigMaps(sp.name).List(t.Context(), metav1.ListOptions{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	moment := url.Values{"resourceVersion": {list.ResourceVersion}, "resourceVersionMatch": {"Exact"}}

	for _, encoding := range []string{"identity", "gzip"} {
		t.Run("whole "+encoding, func(t *testing.T) {
			answers := sp.listBoth(t, moment, encoding)
			// The API server's own config map is in the namespace as well.
			if got := countItems(t, answers[1]); got != manyObjects+1 {
				t.Errorf("%d objects, want %d", got, manyObjects+1)
			}
		})
		t.Run("pages "+encoding, func(t *testing.T) {
			total, query := 0, url.Values{"limit": {"500"}}
			for k, v := range moment {
				query[k] = v
			}
			for pages := 1; ; pages++ {
				answers := sp.listBoth(t, query, encoding)
				total += countItems(t, answers[1])
				next := continueToken(t, answers[1])
				if next == "" {
					if want := manyObjects/500 + 1; pages != want {
						t.Errorf("%d pages, want %d", pages, want)
					}
					break
				}
				query = url.Values{"limit": {"500"}, "continue": {next}}
			}
			if total != manyObjects+1 {
				t.Errorf("%d objects in all pages, want %d", total, manyObjects+1)
			}
		})
	}
	t.Run("kubectl", func(t *testing.T) {
		sp := &space{suite: sp.suite, t: t, name: sp.name}
		r := sp.same("get", "configmaps", "--chunk-size=500", "-o", "name")
		if got := strings.Count(r.stdout, "\n"); got != manyObjects+1 {
			t.Errorf("kubectl printed %d names, want %d", got, manyObjects+1)
		}
	})
}

// listBoth lists the config maps on both sides and compares the bodies as they
// are on the wire.
func (sp *space) listBoth(t *testing.T, query url.Values, encoding string) [2]answer {
	t.Helper()
	var answers [2]answer
	for i, side := range []side{sp.direct, sp.tunnel} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, side.server+sp.path("/configmaps?"+query.Encode()), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", encoding)
		answers[i] = ask(t, side, req)
	}
	if answers[0].status != http.StatusOK {
		t.Fatalf("list directly: %d %s", answers[0].status, clip(string(answers[0].body)))
	}
	// The API server does not compress a small last page.
	if encoding == "gzip" && query.Get("continue") == "" && answers[0].header.Get("Content-Encoding") != "gzip" {
		t.Error("the API server did not compress: the test proves nothing")
	}
	compareAnswers(t, answers[0], answers[1])
	return answers
}

type listBody struct {
	Metadata struct{ Continue string }
	Items    []json.RawMessage
}

func parseList(t *testing.T, a answer) (l listBody) {
	t.Helper()
	body := a.body
	if a.header.Get("Content-Encoding") == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if body, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := json.Unmarshal(body, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

func countItems(t *testing.T, a answer) int { t.Helper(); return len(parseList(t, a).Items) }
func continueToken(t *testing.T, a answer) string {
	t.Helper()
	return parseList(t, a).Metadata.Continue
}
