package substitute

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestLinked: a missing library is an error here, not "no such file" in a
// container.
func TestLinked(t *testing.T) {
	if _, err := exec.LookPath("ldd"); err != nil {
		if os.Getenv("FAIRLEAD_E2E") == "require" {
			t.Fatal(err)
		}
		t.Skip("there is no ldd here: ", err)
	}
	libraries, err := linked(t.Context(), "/bin/sh")
	if err != nil || !strings.Contains(strings.Join(libraries, " "), "libc.so") {
		t.Errorf("linked with %q, %v; want the C library among them", libraries, err)
	}
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if libraries, err := linked(t.Context(), script); err == nil {
		t.Errorf("a script is linked with %q", libraries)
	}
}

// TestNamedImagesStay: images that the environment names are kept, and nothing
// is downloaded or built.
func TestNamedImagesStay(t *testing.T) {
	env := []string{"PATH=/nowhere", "NGINX_IMAGE=mine", "PROMETHEUS_IMAGE=mine"}
	got, err := Env(t.Context(), env)
	if err != nil || strings.Join(got, " ") != strings.Join(env, " ") {
		t.Errorf("%q, %v; want %q", got, err, env)
	}
}
