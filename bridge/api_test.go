package bridge

import (
	"encoding/json"
	"strings"
	"testing"
)

func decode[T any](t *testing.T, body string) T {
	t.Helper()
	var v T
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	return v
}

func TestOpenAPIIsServed(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	req := r.request("GET", "/openapi.yaml", nil)
	req.Header.Del("Authorization")
	if res, body := r.do(r.h1, req); res.StatusCode != 200 || !strings.HasPrefix(body, "openapi: 3.1") {
		t.Errorf("GET /openapi.yaml: %d", res.StatusCode)
	}
}
