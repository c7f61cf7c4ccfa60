package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/test/harness/testca"
)

// TestExamples: each access file of the documents is good, with files in the places
// that it names.
func TestExamples(t *testing.T) {
	const place = "/etc/fairlead/"
	dir := t.TempDir() + "/"
	ca := testca.New(t, "ca")
	kubeconfig := ""
	for doc, want := range map[string]int{"access-certificates.md": 2, "access-webhooks.md": 1, "access.md": 1} {
		text, err := os.ReadFile("../../../docs/" + doc)
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for i, block := range strings.Split(string(text), "```yaml\n") {
			block, _, _ = strings.Cut(block, "```")
			switch {
			case i == 0 || strings.HasPrefix(block, "apiVersion: rbac"):
				continue
			case strings.HasPrefix(block, "apiVersion: v1\nkind: Config"):
				kubeconfig = block
				continue
			}
			found++
			for _, field := range strings.Fields(block) {
				path, ok := strings.CutPrefix(strings.Trim(field, `"'{},`), place)
				if !ok {
					continue
				}
				content := ca.PEM()
				if strings.HasSuffix(path, ".kubeconfig") {
					_, after, _ := strings.Cut(string(text), "apiVersion: v1\nkind: Config")
					body, _, _ := strings.Cut(after, "```")
					content = []byte("apiVersion: v1\nkind: Config" + withoutFiles(body))
				}
				if err := os.WriteFile(filepath.Join(dir, path), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := Check([]byte(strings.ReplaceAll(block, place, dir)), "/", false); err != nil {
				t.Errorf("%s, block %d: %v\n%s", doc, i, err, block)
			}
		}
		if found < want {
			t.Errorf("%s: %d examples, want %d", doc, found, want)
		}
	}
	if kubeconfig == "" {
		t.Error("no kubeconfig among the examples")
	}
}

// withoutFiles drops the lines of a kubeconfig that name files.
func withoutFiles(s string) string {
	var kept []string
	for line := range strings.Lines(s) {
		if !strings.Contains(line, ".crt") && !strings.Contains(line, ".key") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}
