package policy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDocumentedFiles: the examples of docs/access*.md are access files that can be
// used.
func TestDocumentedFiles(t *testing.T) {
	pages, err := filepath.Glob("../../../docs/access*.md")
	if err != nil || len(pages) < 4 {
		t.Fatalf("%v, %v", pages, err)
	}
	fence := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	top := regexp.MustCompile(`(?m)^(authentication|clusters|grants|approvals|limits|audit|authorization|recording):`)
	found := 0
	for _, page := range pages {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range fence.FindAllStringSubmatch(string(b), -1) {
			text := block[1]
			if !top.MatchString(text) || strings.Contains(text, "id_tokens") || strings.Contains(text, "kind: Config") || strings.Contains(text, "# ...") {
				continue // the other side's file, or a part of one
			}
			found++
			if _, err := Check([]byte(text), "/", true); err != nil {
				t.Errorf("%s: %v\n%s", filepath.Base(page), err, text)
			}
		}
	}
	if found < 4 {
		t.Errorf("only %d examples were found", found)
	}
}
