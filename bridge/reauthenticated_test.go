package bridge

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// A watch that another version of the access file still allows goes on, whatever else
// the file says: its caller is authenticated again by what it sent.
func TestWatchOutlivesAReload(t *testing.T) {
	dir := t.TempDir()
	i, err := issuer.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Stop)
	file := filepath.Join(dir, "access.yaml")
	write := func(more string) {
		content := fmt.Sprintf(`authentication:
  oidc:
  - {name: ci, issuer: %q, audiences: [fairlead], certificateAuthority: %s, username: claims.sub}
grants:
- {name: all, clusters: [prod], when: [caller.name == "job"], as: {agent: true}}
%s`, i.URL(), i.CAFile(), more)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	events, got := make(chan string, 3), make(chan string)
	end := sync.OnceFunc(func() { close(events) })
	defer end()
	var p *policy.Policy
	r := newRig(t, rigOptions{config: func(c *Config) {
		if p, err = policy.Open(file, c.Authenticator, c.Logger); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		c.Rules = p.Rules
	}})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(encodeHead(200, -1))
		for e := range events {
			if _, err := s.Write([]byte(e + "\n")); err != nil {
				return
			}
		}
		_ = s.CloseWrite()
	})
	token, err := i.Mint(map[string]any{"sub": "job", "aud": "fairlead"})
	if err != nil {
		t.Fatal(err)
	}
	req := r.request("GET", "/k8s/clusters/prod/api/v1/pods?watch=1", nil)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.h1.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	defer resp.Body.Close()
	go func() {
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			got <- lines.Text()
		}
		close(got)
	}()
	for n := range 3 { // each reload takes long enough for what the one before it ends
		before := p.Rules()
		write(fmt.Sprintf("- {name: other%d, clusters: [dev], when: [caller.name == \"other\"], as: {agent: true}}\n", n))
		r.eventually("the file is read", func() bool { return p.Rules() != before })
		events <- fmt.Sprint("event ", n)
		if e := within(t, "the event arrives", 5*time.Second, got); e != fmt.Sprint("event ", n) {
			t.Fatalf("after reload %d: %q", n, e)
		}
	}
	end()
	if e, ok := <-got; ok {
		t.Errorf("at the end: %q", e)
	}
}
