package compose

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/test/harness"
	"github.com/fairlead-io/fairlead/test/install/compose/substitute"
)

// TestFileIsValid: every installed version of compose accepts the file with all
// profiles, with and without its variables.
func TestFileIsValid(t *testing.T) {
	wholeSystem(t)
	root, env := repository(t), engine(t)
	found := composes(t.Context())
	if len(found) == 0 {
		missing(t, "neither 'docker compose' nor docker-compose is here: apt-get install docker-compose")
	}
	for _, command := range found {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			for _, variables := range [][]string{nil, {"FAIRLEAD_HOST=bridge.example.com", "FAIRLEAD_PORT=443", "FAIRLEAD_BIND=0.0.0.0", "FAIRLEAD_TAG=v1"}} {
				args := slices.Concat(command[1:], []string{"--file", filepath.Join(root, "docker-compose.yml"),
					"--profile", "monitoring", "--profile", "admin", "config"})
				out, err := output(t.Context(), append(slices.Clip(env), variables...), command[0], args...)
				if err != nil {
					t.Error(err)
				}
				if variables != nil && !strings.Contains(out, "https://bridge.example.com:443") {
					t.Error("the bridges do not learn the public URL")
				}
			}
		})
	}
}

// TestNginxIsPulledFirst: an image that the engine has is not pulled. One that
// cannot be pulled is reported in one line, with the variable that names another.
func TestNginxIsPulledFirst(t *testing.T) {
	wholeSystem(t)
	env := engine(t)
	if len(composes(t.Context())) == 0 {
		missing(t, "neither 'docker compose' nor docker-compose is here: apt-get install docker-compose")
	}
	substitutes, err := substitute.Env(t.Context(), env)
	if err != nil {
		missing(t, "%v", err)
	}
	if err := harness.Make(t.Context(), substitutes, "compose-nginx"); err != nil {
		t.Errorf("with an image that the engine has: %v", err)
	}
	const nobody = "localhost:1/nginx:none" // no registry listens there
	err = harness.Make(t.Context(), append(slices.Clip(env), "NGINX_IMAGE="+nobody), "compose")
	if err == nil || !strings.Contains(err.Error(), "cannot pull "+nobody+": set NGINX_IMAGE") || strings.Contains(err.Error(), "go build") {
		t.Errorf("make compose without a way to the image: %v", err)
	}
}

// TestServicesAreConfined: each runs with a read-only root, without
// capabilities and with no way to get any, and opens ports on FAIRLEAD_BIND only.
func TestServicesAreConfined(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(repository(t), "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]struct {
			ReadOnly    bool     `yaml:"read_only"`
			CapDrop     []string `yaml:"cap_drop"`
			CapAdd      []string `yaml:"cap_add"`
			SecurityOpt []string `yaml:"security_opt"`
			Privileged  bool
			Ports       []string
		}
	}
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Services) < 12 {
		t.Fatalf("only %d services", len(file.Services))
	}
	for name, s := range file.Services {
		if !s.ReadOnly || s.Privileged || len(s.CapAdd) > 0 || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
			!slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s is not confined: %+v", name, s)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "${FAIRLEAD_BIND:-127.0.0.1}:") {
				t.Errorf("%s opens %s to all", name, port)
			}
		}
	}
}
