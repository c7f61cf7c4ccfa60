package api

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestSecretIsNotShown: it is in JSON, and nowhere else.
func TestSecretIsNotShown(t *testing.T) {
	p := PullSecret{RegistryLogin: RegistryLogin{Token: "hunter2"}, Registries: []RegistryLogin{{Password: "hunter2"}}}
	var shown strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&shown, verb+verb+verb, p, &p, p.Token)
	}
	slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "token", p.Token, "whole", p)
	if s := shown.String(); strings.Contains(s, "hunter") || strings.Contains(s, fmt.Sprintf("%x", "hunter2")) {
		t.Error(s)
	}
	if b, err := json.Marshal(p); err != nil || strings.Count(string(b), "hunter2") != 2 {
		t.Errorf("%s, %v", b, err)
	}
}
