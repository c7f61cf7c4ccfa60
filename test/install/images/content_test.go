package images

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/x509"
	"debug/elf"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// maxSize bounds each image, in bytes: an agent is pulled by every node that it
// may run on. A bridge links a broker, CEL and OpenTelemetry, and has the fleet page.
var maxSize = map[string]int64{"fairlead-agent": 32 << 20, "fairlead-broker": 32 << 20, "fairlead-bridge": 46 << 20}

// inspected is an engine's description of an image.
type inspected struct {
	Architecture string
	Size         int64
	Config       struct {
		User         string
		Entrypoint   []string
		ExposedPorts map[string]any
		Labels       map[string]string
		Healthcheck  struct{ Test []string }
	}
}

func inspect(t *testing.T, ref string) inspected {
	t.Helper()
	var all []inspected
	if err := json.Unmarshal([]byte(docker(t, "image", "inspect", ref)), &all); err != nil || len(all) != 1 {
		t.Fatalf("%d images, %v", len(all), err)
	}
	return all[0]
}

func TestImagesSayWhatTheyAre(t *testing.T) {
	needEngine(t)
	ports := map[string][]string{
		"fairlead-agent":  {"8080/tcp"},
		"fairlead-broker": {"4222/tcp", "4223/tcp", "6222/tcp", "8082/tcp"},
		"fairlead-bridge": {"4222/tcp", "4223/tcp", "8081/tcp", "8443/tcp"},
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			i := inspect(t, image(name))
			if i.Size > maxSize[name] {
				t.Errorf("%d bytes, want at most %d", i.Size, maxSize[name])
			}
			t.Logf("%.1f MB", float64(i.Size)/1e6)
			c := i.Config
			if i.Architecture != runtime.GOARCH || c.User != "65532:65532" || !slices.Equal(c.Entrypoint, []string{"/" + name}) {
				t.Errorf("architecture %s, user %s, entrypoint %q", i.Architecture, c.User, c.Entrypoint)
			}
			if want := []string{"CMD", "/" + name, "healthcheck"}; !slices.Equal(c.Healthcheck.Test, want) {
				t.Errorf("health check %q, want %q", c.Healthcheck.Test, want)
			}
			for _, port := range ports[name] {
				if _, ok := c.ExposedPorts[port]; !ok || len(c.ExposedPorts) != len(ports[name]) {
					t.Errorf("exposes %v, want %v", c.ExposedPorts, ports[name])
				}
			}
			label := func(name string) string { return c.Labels["org.opencontainers.image."+name] }
			for key, want := range map[string]string{
				"title": name, "source": "https://github.com/fairlead-io/fairlead", "licenses": "Apache-2.0", "vendor": "Fairlead",
			} {
				if label(key) != want {
					t.Errorf("label %s is %q, want %q", key, label(key), want)
				}
			}
			if label("description") == "" {
				t.Error("no description")
			}
			if _, err := time.Parse(time.RFC3339, label("created")); err != nil {
				t.Errorf("label created: %v", err)
			}
			// The binary reports the same version as the labels.
			args := append([]string{"run", "--rm", "--network", "none"}, lockedDown()...)
			got := docker(t, append(args, image(name), "--version")...)
			want := name + " " + label("version") + " commit " + label("revision") + " of " + label("created") + " " + runtime.Version()
			if !strings.HasPrefix(got, want) {
				t.Errorf("--version prints %q, want %q", got, want)
			}
		})
	}
}

// TestImagesHoldNothingElse: an image holds only the binary, the CA roots, and the
// folder that a volume is mounted at.
func TestImagesHoldNothingElse(t *testing.T) {
	needEngine(t)
	for _, name := range names {
		files := exported(t, name)
		want := []string{"/etc/ssl/certs/ca-certificates.crt", "/" + name}
		if name != "fairlead-agent" {
			want = append(want, "/var/lib/fairlead/")
			if h := files["/var/lib/fairlead/"].header; h == nil || h.Uid != 65532 || h.Gid != 65532 {
				t.Errorf("%s: /var/lib/fairlead: %+v, want it to belong to 65532", name, h)
			}
		}
		for _, path := range want {
			f, ok := files[path]
			if !ok {
				t.Errorf("%s: no %s", name, path)
			} else if f.header.Mode&0o444 != 0o444 && f.header.Uid != 65532 {
				t.Errorf("%s: %s has mode %o", name, path, f.header.Mode)
			}
		}
		for path := range files {
			if !slices.Contains(want, path) && !slices.ContainsFunc(want, func(w string) bool { return strings.HasSuffix(path, "/") && strings.HasPrefix(w, path) }) {
				t.Errorf("%s: %s does not belong into the image", name, path)
			}
		}
		if roots := parseRoots(t, files["/etc/ssl/certs/ca-certificates.crt"].data); len(roots) < 100 || !slices.Contains(roots, "ISRG Root X1") {
			t.Errorf("%s: %d CA roots, ISRG Root X1 among them: %v", name, len(roots), slices.Contains(roots, "ISRG Root X1"))
		}
		checkStatic(t, files["/"+name].data, map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[runtime.GOARCH])
	}
}

func checkStatic(t *testing.T, binary []byte, machine elf.Machine) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if f.Machine != machine || f.Section(".interp") != nil {
		t.Errorf("binary for %v, want %v and static", f.Machine, machine)
	}
}

func parseRoots(t *testing.T, data []byte) (names []string) {
	t.Helper()
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, cert.Subject.CommonName)
	}
	return names
}

type file struct {
	header *tar.Header
	data   []byte
}

// exported returns what is in an image, folders with a slash at the end,
// without what engines put into every container.
func exported(t *testing.T, name string) map[string]file {
	t.Helper()
	container := uniqueName(t, "rm")
	docker(t, "create", "--name", container, image(name))
	path := filepath.Join(t.TempDir(), "export.tar")
	docker(t, "export", "--output", path, container)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := make(map[string]file)
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		path := "/" + strings.TrimPrefix(h.Name, "/")
		switch first, _, _ := strings.Cut(path[1:], "/"); {
		case first == "dev", first == "proc", first == "sys", path == "/.dockerenv":
			continue
		case slices.Contains([]string{"/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/etc/mtab"}, path):
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[path] = file{h, data}
	}
}

// TestOtherArchitectures: an image for another architecture is labelled with it,
// and its binary is for it.
func TestOtherArchitectures(t *testing.T) {
	needEngine(t)
	arch, machine := "arm64", elf.EM_AARCH64
	if runtime.GOARCH == arch {
		arch, machine = "amd64", elf.EM_X86_64
	}
	// Not the names of the images of this architecture.
	const repo = "fairlead-images"
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		refs, err := engine.Run(ctx, "images", "--format", "{{.Repository}}:{{.Tag}}", repo+"/*")
		if err == nil && refs != "" {
			_, err = engine.Run(ctx, append([]string{"rmi"}, strings.Fields(refs)...)...)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err := harness.Make(t.Context(), engine.Env(), "images", "IMAGE_REPO="+repo, "ARCHS="+arch); err != nil {
		t.Fatal(err)
	}
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if got := inspect(t, repo+"/"+name+":dev-"+arch).Architecture; got != arch {
			t.Errorf("%s is for %s, want %s", name, got, arch)
		}
		binary, err := os.ReadFile(filepath.Join(root, "bin", "linux-"+arch, name))
		if err != nil {
			t.Fatal(err)
		}
		checkStatic(t, binary, machine)
	}
}

func TestNoEngineIsSaid(t *testing.T) {
	needEngine(t)
	err := harness.Make(t.Context(), append(engine.Env(), "DOCKER_HOST=unix:///does/not/exist"), "images")
	if err == nil || !strings.Contains(err.Error(), "no container engine answers 'docker version'") {
		t.Errorf("got %v", err)
	}
}

// TestBinariesOfTheHarnessKnowTheirVersion: the binaries of tests and demo are
// built like those of a release.
func TestBinariesOfTheHarnessKnowTheirVersion(t *testing.T) {
	needEngine(t)
	commit := regexp.MustCompile(` commit [0-9a-f]{12} of \d{4}-\d\d-\d\dT`)
	built, err := harness.Build(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{built.Agent, built.Broker, built.Bridge} {
		out, err := exec.CommandContext(t.Context(), path, "--version").Output()
		if err != nil || !commit.Match(out) {
			t.Errorf("%s: %v: %q, want a commit and its date", path, err, out)
		}
	}
}
