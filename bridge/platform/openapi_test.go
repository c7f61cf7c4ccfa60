package platform

import (
	"fmt"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

func TestEveryRowOfTheTableIsDocumented(t *testing.T) {
	doc := string(openAPI)
	for _, k := range answer.Kinds() {
		if k == answer.ClientGone {
			continue // no client gets it
		}
		if row := fmt.Sprintf("| %s | %d |", k.Code, k.Status); !strings.Contains(doc, row) {
			t.Errorf("openapi.yaml has no row %q", row)
		}
	}
}

// TestSchemasHaveNoStrayKeys: a schema has keywords of JSON Schema only. What stands behind
// the comma of a text without quotes, in braces, is a key of YAML, and lost to readers.
func TestSchemasHaveNoStrayKeys(t *testing.T) {
	var doc map[string]any
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	seen := 0
	strayKeys(doc, "", func(at, key string) { t.Errorf("%s: the text before %q wants quotes", at, key) }, &seen)
	if seen < 1000 {
		t.Errorf("only %d keys were looked at", seen)
	}
}

// strayKeys calls f with each key of v whose value is missing, as none is in a description
// of an API.
func strayKeys(v any, at string, f func(at, key string), seen *int) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			*seen++
			if value == nil {
				f(at, key)
			}
			strayKeys(value, at+"/"+key, f, seen)
		}
	case []any:
		for i, value := range v {
			strayKeys(value, fmt.Sprintf("%s/%d", at, i), f, seen)
		}
	}
}

// TestOperationsHaveNames: a client that is generated has a name for each operation.
func TestOperationsHaveNames(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]yaml.Node
	}
	if err := yaml.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	of := map[string]string{}
	for path, methods := range doc.Paths {
		for method, node := range methods {
			if method == "parameters" || method == "description" || method == "summary" {
				continue
			}
			var op struct {
				OperationID string `yaml:"operationId"`
			}
			if err := node.Decode(&op); err != nil {
				t.Fatal(err)
			}
			if before := of[op.OperationID]; op.OperationID == "" || before != "" {
				t.Errorf("%s %s: operationId %q, which is that of %q too", method, path, op.OperationID, before)
			}
			of[op.OperationID] = method + " " + path
		}
	}
}
