package helm_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// injected is a key that no object has.
const injected = "zzInjected"

// free returns the paths of strings that a chart's schema lets be anything; those of
// Kubernetes' own types, which are written as YAML as a whole, are left out.
func free(node map[string]any, path []string) (all [][]string) {
	properties, _ := node["properties"].(map[string]any)
	for name, p := range properties {
		all = append(all, free(p.(map[string]any), append(path[:len(path):len(path)], name))...)
	}
	if items, ok := node["items"].(map[string]any); ok {
		all = append(all, free(items, append(path[:len(path):len(path)], "0"))...)
	}
	if values, ok := node["additionalProperties"].(map[string]any); ok {
		all = append(all, free(values, append(path[:len(path):len(path)], "key"))...)
	}
	kinds := fmt.Sprint(node["type"])
	if node["pattern"] == nil && node["enum"] == nil && strings.Contains(kinds, "string") {
		all = append(all, path)
	}
	return all
}

// TestValuesInjectNothing: no text in the values adds anything to an object, whatever line
// breaks, brackets and quotes it has: it is refused, or written as the text that it is.
func TestValuesInjectNothing(t *testing.T) {
	for _, chart := range []string{"fairlead", "fairlead-agent"} {
		content, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
		if err != nil {
			t.Fatal(err)
		}
		var schema map[string]any
		if err := json.Unmarshal(content, &schema); err != nil {
			t.Fatal(err)
		}
		base := []string{"--values", filepath.Join(chart, "ci", "full-values.yaml")}
		if chart == "fairlead" {
			base = append(base, "--set", "broker.service.type=LoadBalancer,bridge.service.type=LoadBalancer")
		}
		paths := free(schema, nil)
		if len(paths) < 20 {
			t.Fatalf("%s: only %d values are texts", chart, len(paths))
		}
		for _, path := range paths {
			t.Run(chart+" "+strings.Join(path, "."), func(t *testing.T) {
				t.Parallel()
				injects(t, chart, base, path, "x\n"+injected+": {}")
			})
		}
	}
}

func injects(t *testing.T, chart string, base, path []string, text string) {
	var value any = text
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == "0" {
			value = []any{value}
		} else {
			value = map[string]any{path[i]: value}
		}
	}
	content, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	out, stderr, err := template(t, chart, append(base[:len(base):len(base)], "--values", valuesFile(t, string(content)))...)
	if err != nil {
		if strings.Contains(stderr, "YAML parse error") {
			t.Errorf("%q makes something that is not YAML: %s", text, stderr)
		}
		return // it is refused
	}
	for document := range strings.SplitSeq(out, "\n---\n") {
		var object any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Errorf("%q makes something that is not YAML: %v", text, err)
		}
		if has(object, injected) {
			t.Errorf("%q adds to an object:\n%s", text, document)
		}
	}
}

// has reports whether there is a key anywhere in an object.
func has(object any, key string) bool {
	switch o := object.(type) {
	case map[string]any:
		for k, v := range o {
			if k == key || has(v, key) {
				return true
			}
		}
	case []any:
		for _, v := range o {
			if has(v, key) {
				return true
			}
		}
	}
	return false
}
