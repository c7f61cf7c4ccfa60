package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// the secret of a client, with characters that a form and a header have to encode.
const clientsSecret = "s3cret+/=&% ü"

// kept returns all that the plugin has written for later.
func (r *rig) kept() string {
	r.t.Helper()
	var all strings.Builder
	for _, dir := range []string{"config", "cache"} {
		files, err := filepath.Glob(filepath.Join(r.home, dir, "fairlead", "*.json"))
		if err != nil || len(files) == 0 {
			r.t.Fatalf("%s: %v, %v", dir, files, err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				r.t.Fatal(err)
			}
			all.Write(b)
		}
	}
	return all.String()
}

// TestClientSecret: a client with a secret logs in, refreshes and logs out, in the way
// that the issuer takes, and the secret stays where it was.
func TestClientSecret(t *testing.T) {
	for _, method := range []string{issuer.SecretBasic, issuer.SecretPost} {
		for _, flow := range []string{"browser", "device"} {
			t.Run(method+" "+flow, func(t *testing.T) {
				r := newRig(t, nil)
				r.people.SetClientSecret(clientsSecret, method)
				file := filepath.Join(r.home, "secret")
				if err := os.WriteFile(file, []byte(clientsSecret+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				flags := r.loginFlags()
				if flow == "device" {
					flags = append(flags, "--device")
				}
				r.people.SetLifetime(renewBefore - 5*time.Second)
				r.fails(flags, "invalid_client", "--client-secret-file")
				_, stderr := r.must(append(flags, "--client-secret-file", file)...)
				r.noSecret(stderr)
				before := r.session().IDToken
				r.people.SetLifetime(time.Hour)
				if r.credential(); r.session().IDToken == before {
					t.Error("it was not refreshed")
				}
				if kept := r.kept(); strings.Contains(kept, "s3cret") || !strings.Contains(kept, file) {
					t.Errorf("kept: %s", kept)
				}
				if _, stderr := r.must("logout"); strings.Contains(stderr, "warning") {
					t.Errorf("logout: %s", stderr)
				}
				if good, _ := r.people.Usable(); good != 0 {
					t.Errorf("%d refresh tokens are good after logout", good)
				}
				if flow == "browser" {
					r.must("login") // the file is remembered
				}
			})
		}
	}
}

// TestClientSecretOfEnvironment: the variable is read at each refresh, and is sent to
// no other client's issuer.
func TestClientSecretOfEnvironment(t *testing.T) {
	r := newRig(t, nil)
	r.people.SetClientSecret(clientsSecret, issuer.SecretBasic)
	r.people.SetLifetime(renewBefore - 5*time.Second)
	flags := append(r.loginFlags(), "--client-secret-env", "OUR_SECRET")
	r.fails(flags, "OUR_SECRET", "there is nothing")
	t.Setenv("OUR_SECRET", clientsSecret)
	r.must(flags...)
	if kept := r.kept(); strings.Contains(kept, "s3cret") {
		t.Errorf("kept: %s", kept)
	}
	r.plugin.now = func() time.Time { return time.Now().Add(time.Hour) }
	t.Setenv("OUR_SECRET", "wrong")
	r.fails([]string{"token"}, "invalid_client")
	t.Setenv("OUR_SECRET", "")
	r.fails([]string{"token"}, "OUR_SECRET")
	t.Setenv("OUR_SECRET", clientsSecret)
	r.plugin.now = time.Now
	r.people.SetLifetime(time.Hour)
	r.credential()

	// The secret is not sent for another client.
	sent := false
	r.issuer.Handle(issuer.PathDevice, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		sent = sent || q.Header.Get("Authorization") != "" || q.PostFormValue("client_secret") != ""
		http.Error(w, "no", http.StatusForbidden)
	}))
	r.fails([]string{"login", "--device", "--client-id", "other"}, "the issuer answered 403")
	if sent {
		t.Error("the secret was sent for another client")
	}
	r.fails([]string{"login", "--device", "--client-id", clientID}, "the issuer answered 403")
	if !sent {
		t.Error("the secret was not sent for its own client: the test proves nothing")
	}
}

// TestBadSecrets: what is not a secret is refused before anything is sent, and is not
// shown.
func TestBadSecrets(t *testing.T) {
	r := newRig(t, nil)
	file := filepath.Join(r.home, "secret")
	for content, want := range map[string]string{
		"":                         "there is nothing",
		" \n":                      "there is nothing",
		"SENTINEL\nsecond line":    "more than one line",
		strings.Repeat("S", 1<<20): "more than 4096 bytes",
		"SENTINEL\x1b[2J":          "control characters",
	} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, stderr, err := r.run(append(r.loginFlags(), "--client-secret-file", file)...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(stderr+err.Error(), "SENTINEL") {
			t.Errorf("%.20q: %v", content, err)
		}
	}
	r.fails(append(r.loginFlags(), "--client-secret-file", file+".not"), "the client's secret", "no such file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.fails(append(r.loginFlags(), "--client-secret-file", file, "--client-secret-env", "X"), "client-secret-file")
	r.fails([]string{"login", "--client-secret", "SENTINEL"}, "unknown flag")
	r.people.SetClientSecret("x", "private_key_jwt")
	r.fails(append(r.loginFlags(), "--client-secret-file", file), "neither by client_secret_basic nor by client_secret_post")
	if n := r.issuer.Requests(issuer.PathToken); n != 0 {
		t.Errorf("%d requests for tokens", n)
	}
}
