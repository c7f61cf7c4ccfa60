package platform

import (
	"fmt"
	"strings"
	"testing"

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
