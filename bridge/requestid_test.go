package bridge

import (
	"net/http"
	"strings"
	"testing"
)

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := requestID(&http.Request{})
		if len(id) != 32 || seen[id] {
			t.Fatalf("request id %q", id)
		}
		seen[id] = true
	}
	for id, ok := range map[string]bool{
		"a": true, "550e8400-e29b-41d4-a716-446655440000": true, "Root=1-67891233-abcdef": true, "": false, "a b": false,
		"é": false, "a\"": false, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false,
	} {
		if saneID(id) != ok {
			t.Errorf("saneID(%q) = %v", id, !ok)
		}
	}
}
