package bridge

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// accessFile is the access file of a bridge, which a test may change, and its policy.
type accessFile struct {
	t      testing.TB
	path   string
	policy *policy.Policy // once the bridge has been configured
	shared policy.Shared  // what the bridge has in the shared store
}

func newAccessFile(t testing.TB, content string) *accessFile {
	t.Helper()
	a := &accessFile{t: t, path: filepath.Join(t.TempDir(), "access.yaml")}
	a.write(content)
	return a
}

// write replaces the file in one step.
func (a *accessFile) write(content string) {
	a.t.Helper()
	if err := os.WriteFile(a.path+".new", []byte(content), 0o600); err != nil {
		a.t.Fatal(err)
	}
	if err := os.Rename(a.path+".new", a.path); err != nil {
		a.t.Fatal(err)
	}
}

// configure makes a bridge follow the file.
func (a *accessFile) configure(c *Config) {
	a.t.Helper()
	var err error
	if a.policy, err = policy.Open(a.path, c.Authenticator, a.shared, nil, c.Tracer, c.Logger); err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- a.policy.Run(ctx) }()
	a.t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			a.t.Error(err)
		}
		a.policy.Close()
	})
	c.Rules, c.Approvals = a.policy.Rules, a.policy.Approvals()
}

// TestChangedIssuerAndRunningRequests: a running request whose caller is good by the
// changed file too goes on, though its issuer's entry and the grants have changed. When
// the issuer is removed it ends, and says that.
func TestChangedIssuerAndRunningRequests(t *testing.T) {
	t.Parallel()
	i := issuer.ForTest(t)
	const grant = "grants:\n- {name: watchers, clusters: [prod], when: ['caller.name == \"job\"'], as: {user: '\"jane\"'}}\n"
	file := newAccessFile(t, i.Section("ci")+grant)
	r := newRig(t, rigOptions{config: file.configure})
	more := make(chan struct{})
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		_, _ = s.Write(append(encodeHead(200, -1, "Content-Type", "application/json"), encodeEvent(t, runtime.ContentTypeJSON)...))
		_ = s.Flush()
		select {
		case <-more:
			_, _ = s.Write(encodeEvent(t, runtime.ContentTypeJSON))
			_ = s.Flush()
		case <-s.Context().Done():
		}
		<-s.Context().Done()
	})
	token := i.Token(t, "job")
	as := func(method, path string) *http.Request {
		req := r.request(method, path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		return req
	}
	var lines []*bufio.Scanner
	for _, c := range []*http.Client{r.h1, r.h2} {
		res, err := c.Do(as("GET", "/k8s/clusters/prod/api/v1/pods?watch=1"))
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("got %v, %v", res, err)
		}
		defer res.Body.Close()
		lines = append(lines, bufio.NewScanner(res.Body))
	}
	event := func(want string) {
		t.Helper()
		for _, l := range lines {
			if !l.Scan() || !strings.Contains(l.Text(), want) {
				t.Fatalf("got %q, %v, want an event with %q", l.Text(), l.Err(), want)
			}
		}
	}
	event("ADDED")
	named := func(name string, status int) func() bool {
		return func() bool {
			res, body := r.do(r.h1, as("GET", "/v1/whoami"))
			return res.StatusCode == status && strings.Contains(body, name)
		}
	}
	file.write("authentication:\n  oidc:\n" + i.Entry("ci", `"x:" + claims.sub`) + strings.Replace(grant, `"job"`, `"x:job"`, 1))
	r.eventually("the file is in use", named(`"x:job"`, 200))
	close(more)
	event("ADDED")
	file.write("{}")
	event(`issuer \"ci\" was removed from the bridge's configuration`)
	r.eventually("the file is in use", named("", 401))
}
