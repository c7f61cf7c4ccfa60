package bridge

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

func withDomain(c *Config) { c.ClusterDomain = "k8s.example.com" }

// TestHostPerCluster: at a cluster's own host every path is the cluster's, also
// those that the bridge serves elsewhere, and its redirects need no prefix.
func TestHostPerCluster(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{publicURL: "https://fairlead.example.com/base", config: withDomain})
	echo := func(name string) handler {
		return func(head *subjects.RequestHead, s *stream.Stream) {
			if strings.HasPrefix(head.Target, "/redirect") {
				reply(s, 302, "", "Location", "/elsewhere/", "Set-Cookie", "a=b")
				return
			}
			reply(s, 200, name+" "+head.Target)
		}
	}
	r.agent("acme", "prod", echo("prod.acme"))
	r.agent("default", "prod", echo("prod"))
	r.both(t, func(t *testing.T, c *http.Client) {
		at := func(host, path string) (*http.Response, string) {
			req := r.request("GET", path, nil)
			req.Host = host
			return r.do(c, req)
		}
		for _, host := range []string{"prod.acme.k8s.example.com", "PROD.acme.K8s.example.com.", "prod.acme.k8s.example.com:8443"} {
			for _, path := range []string{"/", "/api/v1/pods?watch=0", "/v1/clusters", "/k8s/clusters/prod/x", "/livez", "/readyz",
				"/openapi.yaml", "/base/v1/clusters", "/a%2Fb//c/../d;e"} {
				if res, body := at(host, path); res.StatusCode != 200 || body != "prod.acme "+path {
					t.Errorf("%s%s: %d %q", host, path, res.StatusCode, body)
				}
			}
		}
		if res, body := at("prod.k8s.example.com", "/x"); res.StatusCode != 200 || body != "prod /x" {
			t.Errorf("default tenant: %d %q", res.StatusCode, body)
		}
		res, _ := at("prod.acme.k8s.example.com", "/redirect")
		if res.Header.Get("Location") != "/elsewhere/" || res.Header.Get("Set-Cookie") != "" {
			t.Errorf("redirect: %v", res.Header)
		}
		for host, want := range map[string]*answer.Kind{
			"a.b.c.k8s.example.com": answer.BadClusterName, "Pr_od.k8s.example.com": answer.BadClusterName,
			".k8s.example.com": answer.BadClusterName, "typo.nobody.k8s.example.com": answer.UnknownCluster,
		} {
			res, body := at(host, "/v1/clusters")
			if res.StatusCode != want.Status || res.Header.Get(answer.Header) != want.Code || !strings.Contains(body, `"kind":"Status"`) {
				t.Errorf("%s: %d %s, want a Status %s", host, res.StatusCode, body, want.Code)
			}
		}
		for _, host := range []string{"k8s.example.com", "fairlead.example.com", "evilk8s.example.com", "k8s.example.com.evil"} {
			if res, body := at(host, "/openapi.yaml"); res.StatusCode != 200 || !strings.HasPrefix(body, "openapi:") {
				t.Errorf("%s: %d, want the platform's description", host, res.StatusCode)
			}
		}
	})
	// An absolute request target says which host is meant, whatever Host says
	// (RFC 9112 section 3.2.2).
	_, br := r.raw("GET https://prod.acme.k8s.example.com/x HTTP/1.1\r\nHost: fairlead.example.com\r\n" +
		"Authorization: Bearer $TOKEN\r\nConnection: close\r\n\r\n")
	if res, err := http.ReadResponse(br, nil); err != nil || readAll(res) != "prod.acme /x" {
		t.Errorf("absolute target: %v, %v", res, err)
	}
	c, br := r.raw("OPTIONS * HTTP/1.1\r\nHost: prod.acme.k8s.example.com\r\nAuthorization: Bearer $TOKEN\r\nConnection: close\r\n\r\n")
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode == 500 || strings.Contains(readAll(res), "openapi") {
		t.Errorf("OPTIONS *: %v, %v", res, err)
	}
	_ = c.Close()
}

func readAll(res *http.Response) string {
	b, _ := io.ReadAll(bufio.NewReader(res.Body))
	return string(b)
}

// TestHostOfAClusterIsNotOpen: the one door is the same for hosts.
func TestHostOfAClusterIsNotOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{config: withDomain})
	r.agent("default", "prod", hello)
	req := r.request("GET", "/x", nil)
	req.Host = "prod.k8s.example.com"
	req.Header.Set("Authorization", "Bearer "+r.acme)
	if res, _ := r.do(r.h2, req); res.StatusCode != 403 || res.Header.Get(answer.Header) != answer.Forbidden.Code {
		t.Errorf("without a grant: %d", res.StatusCode)
	}
	req.Header.Del("Authorization")
	if res, _ := r.do(r.h2, req); res.StatusCode != 401 {
		t.Errorf("without a token: %d", res.StatusCode)
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	req.Header.Set("Impersonate-User", "root")
	if res, _ := r.do(r.h2, req); res.Header.Get(answer.Header) != answer.Impersonation.Code {
		t.Errorf("impersonation: %d", res.StatusCode)
	}
}

// TestKubeconfigStyles: a kubeconfig names the cluster's own host if asked, under
// names of its own.
func TestKubeconfigStyles(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{publicURL: "https://fairlead.example.com:8443/base", config: withDomain})
	for style, want := range map[string]struct{ server, context string }{
		"":            {"https://fairlead.example.com:8443/base/k8s/clusters/prod.acme", "prod.acme@fairlead.example.com:8443/base"},
		"?style=path": {"https://fairlead.example.com:8443/base/k8s/clusters/prod.acme", "prod.acme@fairlead.example.com:8443/base"},
		"?style=host": {"https://prod.acme.k8s.example.com:8443", "prod.acme@k8s.example.com:8443"},
	} {
		res, body := r.do(r.h2, r.request("GET", "/v1/clusters/prod.acme/kubeconfig"+style, nil))
		var k struct {
			Clusters []struct{ Cluster struct{ Server string } }
			Context  string `yaml:"current-context"`
		}
		if err := yaml.Unmarshal([]byte(body), &k); err != nil || res.StatusCode != 200 || k.Clusters[0].Cluster.Server != want.server || k.Context != want.context {
			t.Errorf("%q: %d %s, %v", style, res.StatusCode, body, err)
		}
	}
	res, body := r.do(r.h2, r.request("GET", "/v1/clusters/prod.acme/kubeconfig?style=other", nil))
	wantFailure(t, res, body, answer.BadRequest)
	none := newRig(t, rigOptions{})
	res, body = none.do(none.h2, none.request("GET", "/v1/clusters/prod.acme/kubeconfig?style=host", nil))
	wantFailure(t, res, body, answer.BadRequest)
	if !strings.Contains(body, "--cluster-domain") {
		t.Errorf("%s: does not say what is missing", body)
	}
}

// TestPublicURLIsNoCluster: the platform must not be at a cluster's host.
func TestPublicURLIsNoCluster(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	for url, ok := range map[string]bool{
		"https://fairlead.example.com": true, "https://k8s.example.com": true,
		"https://fairlead.k8s.example.com": false, "https://Fairlead.K8S.example.com:8443/x": false,
	} {
		_, err := New(Config{Tenants: r.pool, Authenticator: r.server.cfg.Authenticator, PublicURL: url, ClusterDomain: access.ClusterDomain("k8s.example.com")})
		if (err == nil) != ok {
			t.Errorf("public URL %s: %v", url, err)
		}
	}
}
