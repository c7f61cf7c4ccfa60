package helm_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func init() {
	crds = append(crds, []struct{ module, sum, files string }{
		{
			"sigs.k8s.io/gateway-api@v1.4.0", "h1:ZwlNM6zOHq0h3WUX2gfByPs2yAEsy/EenYJB78jpQfQ=",
			"config/crd/experimental/gateway.networking.k8s.io_t*routes.yaml",
		},
		{
			"github.com/cert-manager/cert-manager@v1.19.1", "h1:Txh8L/nLWTDcb7ZnXuXbTe15BxQnLbLirXmbNk0fGgY=",
			"deploy/crds/cert-manager.io_certificates.yaml",
		},
	}...)
}

const examples = "../examples"

// TestExampleValues renders the chart with each example's values.
func TestExampleValues(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(examples, "*-values.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			lint(t, platformChart, "--values", file)
			all := render(t, platformChart, "--values", file)
			all.check(t)
			platformInvariants(t, all)
		})
	}
}

// TestExampleRoutes: the routes of the Gateway API lead to ports of the Services
// of a release 'fairlead' in the namespace 'fairlead'.
func TestExampleRoutes(t *testing.T) {
	out, stderr, err := helm(t, "template", "fairlead", platformChart, "--namespace", "fairlead", "--kube-version", kubeVersion(t))
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	release := parse(t, out)
	files, err := filepath.Glob(filepath.Join(examples, "gateway-api", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range parse(t, string(text)) {
				if err := conforms(t, o); err != nil {
					t.Errorf("%s: %v", o, err)
				}
				var route struct {
					Spec struct {
						TargetRefs []struct{ Name, SectionName string }
						Validation struct{ Hostname string }
						Rules      []struct {
							BackendRefs []struct {
								Name string
								Port int32
							}
						}
					}
				}
				if err := yaml.Unmarshal(o.text, &route); err != nil {
					t.Fatal(err)
				}
				for _, rule := range route.Spec.Rules {
					for _, b := range rule.BackendRefs {
						hasPort(t, release, o, b.Name, func(p corev1.ServicePort) bool { return p.Port == b.Port })
					}
				}
				for _, target := range route.Spec.TargetRefs {
					hasPort(t, release, o, target.Name, func(p corev1.ServicePort) bool {
						return target.SectionName == "" || p.Name == target.SectionName
					})
					if want := target.Name + ".fairlead.svc"; route.Spec.Validation.Hostname != want {
						t.Errorf("%s verifies %q, want %q, which the certificate is for", o, route.Spec.Validation.Hostname, want)
					}
				}
			}
		})
	}
}

func hasPort(t *testing.T, release objects, o *object, service string, matches func(corev1.ServicePort) bool) {
	t.Helper()
	if s := get[*corev1.Service](t, release, service); !slices.ContainsFunc(s.Spec.Ports, matches) {
		t.Errorf("%s leads to a port that Service %s does not have: %v", o, service, s.Spec.Ports)
	}
}

// TestReadmeHosts: the README lists the same names for the certificate as the chart
// requests from cert-manager.
func TestReadmeHosts(t *testing.T) {
	out, stderr, err := helm(t, "template", "fairlead", platformChart, "--namespace", "fairlead", "--kube-version", kubeVersion(t),
		"--set", "tls.certManager.enabled=true,tls.certManager.issuerRef.name=ca,tls.certManager.hosts={fairlead.example.com}")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	var want []string
	for _, o := range parse(t, out) {
		if o.Kind == "Certificate" {
			for _, name := range o.content["spec"].(map[string]any)["dnsNames"].([]any) {
				want = append(want, name.(string))
			}
		}
	}
	readme, err := os.ReadFile(filepath.Join(platformChart, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`--host '?([a-z*][-a-z0-9.*]+)`).FindAllStringSubmatch(string(readme), -1) {
		got = append(got, m[1])
	}
	slices.Sort(got)
	slices.Sort(want)
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the README has %v, the chart %v", got, want)
	}
}
