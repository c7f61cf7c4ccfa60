package helm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

// module returns the folder in which the go command keeps a module's files.
type module struct{ Version, Dir, Sum string }

// Bounds of one go command. It has none of its own for a proxy that has stopped to answer.
// (test/harness has the same: it is of another module.)
const (
	goWithin = 2 * time.Minute
	goTries  = 3
)

// from runs a go command that describes the module, again if it fails.
func (m *module) from(args ...string) error {
	var errs []error
	for range goTries {
		err := m.within(goWithin, args...)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (m *module) within(bound time.Duration, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.WaitDelay = 10 * time.Second // for children that hold its output
	out, err := cmd.Output()
	if err != nil { // with -json, the reason stands in the output
		return errors.Join(fmt.Errorf("go %s: %w: %s", strings.Join(args, " "), err, out), ctx.Err())
	}
	return json.Unmarshal(out, m)
}

// TestDownloadsAreBounded: a module proxy that does not answer is no wait without end.
func TestDownloadsAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nothing is ever accepted
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Setenv("GOPROXY", "http://"+l.Addr().String())
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GONOSUMDB", "*")
	var m module
	if err := m.within(2*time.Second, "mod", "download", "-json", "example.com/absent@v1.0.0"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended with %v", err)
	}
}

// kubernetes is the version of Kubernetes that go.mod pins.
var kubernetes = sync.OnceValues(func() (m module, err error) {
	err = m.from("list", "-m", "-json", "k8s.io/kubernetes")
	return m, err
})

func kubeVersion(t *testing.T) string {
	t.Helper()
	m, err := kubernetes()
	if err != nil {
		t.Fatal(err)
	}
	return m.Version
}

// crds are the modules that definitions of custom resources come from, with their
// sums. They are not dependencies in go.mod: only their YAML is read.
var crds = []struct{ module, sum, files string }{
	{
		"github.com/prometheus-operator/prometheus-operator@v0.85.0", "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
		"example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
	},
	{
		"sigs.k8s.io/gateway-api@v1.4.0", "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=",
		"config/crd/standard/gateway.networking.k8s.io_*.yaml",
	},
}

// schemas finds the schema of a kind.
type schemas struct {
	compiler *jsonschema.Compiler
	location map[schema.GroupVersionKind]string
}

var allSchemas = sync.OnceValues(func() (*schemas, error) {
	s := &schemas{compiler: jsonschema.NewCompiler(), location: map[schema.GroupVersionKind]string{}}
	if err := s.addKubernetes(); err != nil {
		return nil, fmt.Errorf("schemas of Kubernetes: %w", err)
	}
	for _, c := range crds {
		if err := s.addCRDs(c.module, c.sum, c.files); err != nil {
			return nil, fmt.Errorf("schemas of %s: %w", c.module, err)
		}
	}
	return s, nil
})

// conforms validates an object against the schema of its kind.
func conforms(t *testing.T, o *object) error {
	t.Helper()
	s, err := allSchemas()
	if err != nil {
		t.Fatal(err)
	}
	location, ok := s.location[o.GroupVersionKind()]
	if !ok {
		return fmt.Errorf("no schema for %s", o.GroupVersionKind())
	}
	compiled, err := s.compiler.Compile(location)
	if err != nil {
		return err
	}
	return compiled.Validate(o.content)
}

// addKubernetes takes the OpenAPI document that an API server publishes.
func (s *schemas) addKubernetes() error {
	m, err := kubernetes()
	if err != nil {
		return err
	}
	const url = "kubernetes.json"
	f, err := os.Open(filepath.Join(m.Dir, "api", "openapi-spec", "swagger.json"))
	if err != nil {
		return err
	}
	defer f.Close()
	parsed, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return err
	}
	definitions := parsed.(map[string]any)["definitions"].(map[string]any)
	for name, definition := range definitions {
		definition := definition.(map[string]any)
		if name == "io.k8s.apimachinery.pkg.api.resource.Quantity" {
			definition["type"] = []any{"string", "number"} // the API server accepts both
		}
		tighten(definition)
		kinds, _ := definition["x-kubernetes-group-version-kind"].([]any)
		for _, kind := range kinds {
			kind := kind.(map[string]any)
			gvk := schema.GroupVersionKind{Group: kind["group"].(string), Version: kind["version"].(string), Kind: kind["kind"].(string)}
			s.location[gvk] = url + "#/definitions/" + name
		}
	}
	return s.compiler.AddResource(url, map[string]any{"definitions": definitions})
}

func (s *schemas) addCRDs(name, sum, pattern string) error {
	var m module
	if err := m.from("mod", "download", "-json", name); err != nil {
		return err
	}
	if m.Sum != sum {
		return fmt.Errorf("its sum is %s, not %s", m.Sum, sum)
	}
	files, err := filepath.Glob(filepath.Join(m.Dir, filepath.FromSlash(pattern)))
	if err != nil || len(files) == 0 {
		return errors.Join(errors.New("no files"), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := s.addCRD(data); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

func (s *schemas) addCRD(data []byte) error {
	var crd struct {
		Kind string
		Spec struct {
			Group    string
			Names    struct{ Kind string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(data, &crd); err != nil {
		return err
	}
	if crd.Kind != "CustomResourceDefinition" {
		return nil
	}
	for _, v := range crd.Spec.Versions {
		gvk := schema.GroupVersionKind{Group: crd.Spec.Group, Version: v.Name, Kind: crd.Spec.Names.Kind}
		url := strings.ToLower(fmt.Sprintf("%s-%s-%s.json", gvk.Group, gvk.Version, gvk.Kind))
		tighten(v.Schema.OpenAPIV3Schema)
		if err := s.compiler.AddResource(url, v.Schema.OpenAPIV3Schema); err != nil {
			return err
		}
		s.location[gvk] = url
	}
	return nil
}

// tighten turns an OpenAPI schema into a JSON schema, in place, in which objects have
// no fields but the ones that the schema names.
func tighten(node map[string]any) {
	if node["x-kubernetes-int-or-string"] == true || node["format"] == "int-or-string" {
		node["type"] = []any{"integer", "string"}
	}
	if kind, ok := node["type"].(string); ok && node["nullable"] == true {
		node["type"] = []any{kind, "null"}
	}
	_, named := node["properties"]
	_, others := node["additionalProperties"]
	if named && !others && node["x-kubernetes-preserve-unknown-fields"] != true {
		node["additionalProperties"] = false
	}
	for key, child := range node {
		switch child := child.(type) {
		case map[string]any:
			switch key {
			case "properties", "definitions":
				for _, p := range child {
					tighten(p.(map[string]any))
				}
			case "items", "additionalProperties", "not":
				tighten(child)
			}
		case []any:
			if key == "allOf" || key == "anyOf" || key == "oneOf" {
				// These only narrow the schema beside them, which has the fields.
				continue
			}
		}
	}
}
