package dockerconfig

import (
	"strings"
	"testing"
)

// TestRegistriesHaveOneSpelling: what people write, and the key that it becomes.
func TestRegistriesHaveOneSpelling(t *testing.T) {
	for text, want := range map[string]string{
		"registry.example.com":                       "registry.example.com",
		"https://registry.example.com":               "registry.example.com",
		"http://registry.example.com":                "registry.example.com",
		"HTTPS://Registry.Example.com/":              "registry.example.com",
		"https://registry.example.com/v2/":           "registry.example.com",
		"https://registry.example.com/v2":            "registry.example.com",
		"registry.example.com/v1/":                   "registry.example.com",
		"registry.example.com/v2/team":               "registry.example.com/team",
		"registry.example.com/v2/v2/team":            "registry.example.com/v2/v2/team",
		"registry.example.com:5000":                  "registry.example.com:5000",
		"registry.example.com:443":                   "registry.example.com:443",
		"registry:5000":                              "registry:5000",
		"localhost":                                  "localhost",
		"localhost:5000/team/project":                "localhost:5000/team/project",
		"ghcr.io/acme/":                              "ghcr.io/acme/",
		"*.registry.example.com":                     "*.registry.example.com",
		"eu-*.registry.example.com:5000":             "eu-*.registry.example.com:5000",
		"10.0.0.7:5000":                              "10.0.0.7:5000",
		"[2001:DB8::1]:5000":                         "[2001:db8::1]:5000",
		"docker.io":                                  "https://index.docker.io/v1/",
		"https://docker.io/":                         "https://index.docker.io/v1/",
		"index.docker.io":                            "https://index.docker.io/v1/",
		"https://index.docker.io/v1/":                "https://index.docker.io/v1/",
		"https://index.docker.io/v1":                 "https://index.docker.io/v1/",
		"https://index.docker.io/v2/":                "https://index.docker.io/v1/",
		"index.docker.io/acme":                       "docker.io/acme",
		"docker.io/acme":                             "docker.io/acme",
		"registry-1.docker.io":                       "registry-1.docker.io",
		"123.dkr.ecr.eu-central-1.amazonaws.com":     "123.dkr.ecr.eu-central-1.amazonaws.com",
		"europe-west3-docker.pkg.dev/project/my_app": "europe-west3-docker.pkg.dev/project/my_app",
	} {
		r, err := ParseRegistry(text)
		if err != nil || r.Key() != want {
			t.Errorf("%s: %q, %v; want %q", text, r.Key(), err, want)
			continue
		}
		if again, err := ParseRegistry(r.Key()); err != nil || again != r {
			t.Errorf("%s: its key %s is read as %v, %v", text, r.Key(), again, err)
		}
		if match, ok := kubeletKey(r.Key()); !ok || !r.matches(match) {
			t.Errorf("%s: the kubelet finds %s by %q", text, r.Key(), match)
		}
	}
}

// TestWhatIsNotARegistry: each is refused for its own reason, which does not have the text in it,
// since it may be a token in the wrong place.
func TestWhatIsNotARegistry(t *testing.T) {
	for text, want := range map[string]error{
		"":                                   errEmpty,
		"https://":                           errEmpty,
		"oci://registry.example.com":         errScheme,
		"user:secret@registry.example.com":   errUser,
		"r.example.com/app@sha256:00":        errUser,
		"registry":                           errBare,
		"*":                                  errBare,
		"hub.docker.com":                     errWebPage,
		"https://hub.docker.com/u/acme":      errWebPage,
		"registry.example.com:0":             errPort,
		"registry.example.com:65536":         errPort,
		"registry.example.com:":              errPort,
		"registry.example.com:http":          errPort,
		"registry.example.com:*":             errWildcard,
		"registry.example.com/*":             errWildcard,
		"registry.example.com/team/app:v1":   errTag,
		"registry.example.com/Team":          errPath,
		"registry.example.com//team":         errPath,
		"registry.example.com/team//":        errPath,
		"registry.example.com/../x":          errPath,
		"registry.example.com/v2//":          errPath,
		"[2001:db8::1]":                      errIPv6,
		"[::1]x:5000":                        errHost,
		"[]:5000":                            errHost,
		".example.com":                       errHost,
		"registry..com":                      errHost,
		"-a.example.com":                     errHost,
		"ghp_token.example.com":              errHost,
		":5000":                              errHost,
		"registry.example.com ":              errCharacter,
		"registry.example.com\n":             errCharacter,
		"registry.example.com?x":             errCharacter,
		"registry.example.com/%2e":           errCharacter,
		"rëgistry.example.com":               errCharacter,
		"*.com":                              errWide,
		"*.*":                                errWide,
		"registry.*":                         errWide,
		"10.0.0.*:5000":                      errWide,
		strings.Repeat("a.", 127) + "com":    errHost,
		strings.Repeat("a", 2000):            errCharacter,
		strings.Repeat("a", 64) + ".example": errHost,
	} {
		r, err := ParseRegistry(text)
		if err != want || r != (Registry{}) {
			t.Errorf("%.80q: %v, %v; want %v", text, r, err, want)
		}
	}
}

// FuzzParseRegistry: whatever is taken as a registry has a key that is read as the same one,
// and by which the kubelet finds its images.
func FuzzParseRegistry(f *testing.F) {
	for _, text := range []string{"docker.io", "https://registry.example.com:5000/v2/v1/team/", "*.a.b.c", "[::1]:5000/v2", "a.b/v2/v2/v2/", "a.b/v1/v1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRegistry(text)
		if err != nil {
			return
		}
		if again, err := ParseRegistry(r.Key()); err != nil || again != r {
			t.Fatalf("%q has the key %q, which is read as %v, %v", text, r.Key(), again, err)
		}
		if match, ok := kubeletKey(r.Key()); !ok || !r.matches(match) {
			t.Fatalf("%q has the key %q, which the kubelet compares as %q", text, r.Key(), match)
		}
		if e := judgeKey(r.Key()); len(e.Findings) > 0 && r.host != "registry-1.docker.io" && r.host != "registry.hub.docker.com" {
			t.Fatalf("%q has the key %q, with which something is wrong: %v", text, r.Key(), e.Findings)
		}
	})
}
