package proxy

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// TestCredentials: the file takes precedence over the URL, and is read each time.
func TestCredentials(t *testing.T) {
	fromURL, _ := url.Parse(`http://D%5Cu:p%3A%40hunter2@proxy`)
	none, _ := url.Parse("http://proxy")
	path := filepath.Join(t.TempDir(), "credentials")
	for _, test := range []struct {
		file           string // "" for none
		proxy          *url.URL
		user, password string
	}{
		{"", fromURL, `D\u`, "p:@hunter2"},
		{"u:p", none, "u", "p"},
		{"u:p", fromURL, "u", "p"},
		{"CORP\\jane:p:w \n", fromURL, `CORP\jane`, "p:w "},
		{"jane@corp.example:p\r\n", none, "jane@corp.example", "p"},
		{"u:", none, "u", ""},
		{"ü:pä", none, "ü", "pä"},
	} {
		p := &Proxies{}
		if test.file != "" {
			p.CredentialsFile = path
			if err := os.WriteFile(path, []byte(test.file), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c, err := p.credentials(test.proxy)
		if err != nil || c.user != test.user || c.password != test.password {
			t.Errorf("%q: got %v, %v", test.file, c, err)
		}
	}
	if c, err := (&Proxies{}).credentials(none); c != nil || err != nil {
		t.Errorf("none: got %v, %v", c, err)
	}
}

// TestBadCredentialsFile: a file that cannot be used fails the attempt, before
// anything is sent.
func TestBadCredentialsFile(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	for path, want := range map[string]string{
		missing:                      "no such file",
		t.TempDir():                  "is a directory",
		file(t, ""):                  "is empty",
		file(t, "\n"):                "is empty",
		file(t, "hunter2"):           "does not hold user:password",
		file(t, ":hunter2"):          "does not hold user:password",
		file(t, "u:hunter2\nv:p\n"):  "not one line of text",
		file(t, "u:\xff\xfehunter2"): "not one line of text",
		file(t, "u:hunter2\x00"):     "not one line of text",
		file(t, "u:hunter2\r\nX: y"): "not one line of text",
		file(t, "u:"+strings.Repeat("hunter2", 1000)): "over 4096 bytes",
	} {
		_, err := reach(t, Proxies{CredentialsFile: path}, "http://u:hunter2@127.0.0.1:1", "b.example:4222")
		wantFailure(t, err, cause.Proxy, cause.ProxyConfig, "read the credentials for the proxy from "+path, want)
	}
}
