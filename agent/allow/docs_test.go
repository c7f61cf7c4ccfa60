package allow

import (
	"os"
	"strings"
	"testing"
)

// TestDocumentedLists: the lists in the document are good, and do what it says.
func TestDocumentedLists(t *testing.T) {
	text, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	lists := blocks(string(text))
	if len(lists) != 2 {
		t.Fatalf("%d lists in the document, want 2", len(lists))
	}
	for _, list := range lists {
		if w := Warnings([]byte(list), ownNamespace); len(w) > 0 {
			t.Errorf("warnings %v about\n%s", w, list)
		}
	}
	wantJudged(t, lists[0], map[string]string{
		"GET /api/v1/pods": "", "DELETE /api/v1/namespaces/a/pods/b": reasonReadOnly, "GET /api/v1/secrets": reasonSecrets, "GET /api/v1/namespaces/a/pods/b/exec": reasonExec,
	})
	wantJudged(t, lists[1], map[string]string{
		"GET /api/v1/namespaces/review-1/pods": "", "PATCH /apis/apps/v1/namespaces/shop/deployments/api-1": "", "GET /apis/apps/v1": "", "GET /openapi/v3": "",
		"PATCH /apis/apps/v1/namespaces/review-1/deployments/api-1": reasonRequests, "GET /api/v1/pods": reasonRequests, "GET /metrics": reasonRequests,
	})
}

// TestListOfTheChart: that of the chart's README, which stands in its values.
func TestListOfTheChart(t *testing.T) {
	text, err := os.ReadFile("../../deploy/helm/fairlead-agent/README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(blocks(string(text))[0], "allow:\n")
	if !ok {
		t.Fatal("no value allow")
	}
	content := []byte(strings.ReplaceAll("\n"+list, "\n  ", "\n"))
	if _, err := Parse(content, ownNamespace); err != nil {
		t.Error(err)
	}
	if w := Warnings(content, ownNamespace); len(w) > 0 {
		t.Errorf("warnings %v", w)
	}
}

// blocks are the contents of the blocks of YAML in a document.
func blocks(text string) (all []string) {
	for _, block := range strings.Split(text, "```yaml\n")[1:] {
		content, _, _ := strings.Cut(block, "```")
		all = append(all, content)
	}
	return all
}
