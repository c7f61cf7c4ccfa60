package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// The platform is compromised: its bridge sends what it likes. The cluster's owner
// allows to read pods in one namespace, as users of one project.
const lyingList = `
readOnly: true
exec: false
secrets: false
as: {users: ["gitlab:acme/*"], groups: ["gitlab:*"], serviceAccounts: ["*/*"]}
requests:
  - {verbs: ["*"], resources: [pods, pods/log, pods/exec, secrets, serviceaccounts/token], namespaces: [shop]}
  - {verbs: ["*"], paths: ["/*"]}
`

// lied is an agent with a list, a bridge that lies, and what the API server gets.
type lied struct {
	bridge   *natslink.Bridge
	instance string
	file     string

	mu  sync.Mutex
	got []*http.Request
}

func (l *lied) requests() []*http.Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.got)
}

func newLied(t *testing.T, serve http.HandlerFunc) *lied {
	t.Helper()
	b := agenttest.NewBroker(t)
	l := &lied{file: filepath.Join(t.TempDir(), "allow.yaml")}
	agenttest.WriteFile(t, l.file, lyingList)
	s := agenttest.Server(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.UserAgent() == "fairlead-agent/probes" { // its own, which no bridge has asked for
			_, _ = io.WriteString(w, "ok")
			return
		}
		l.mu.Lock()
		l.got = append(l.got, r.Clone(context.Background()))
		l.mu.Unlock()
		if serve != nil {
			serve(w, r)
		}
	})
	creds, _ := b.Creds(b.Agents, "prod", time.Time{})
	bridge, seen := b.Bridge()
	runAgent(t, Config{
		Servers: []string{b.URL()}, CredsFile: creds, Transport: transport.Config{CAFile: b.CAFile}, LoadKube: loads(agenttest.ConfigFor(s)),
		AllowFile: l.file, Namespace: func() (string, error) { return "fairlead", nil }, Version: "probes",
	})
	up := func(p subjects.Presence) bool { return p.State != subjects.PresenceBye }
	agenttest.WaitFor(t, "presence", func() bool { return seen.Find(up) != "" })
	l.bridge, l.instance = bridge, seen.Find(up)
	return l
}

// send sends a head as it is and returns the code that ends the stream, or 0.
func (l *lied) send(t *testing.T, first []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s, err := l.bridge.Open(ctx, "prod", l.instance, first, true)
	if err != nil {
		return err
	}
	defer s.Close()
	_, err = io.Copy(io.Discard, s)
	return err
}

// as adds an identity to a head.
func as(t *testing.T, head *subjects.RequestHead, id subjects.Identity) *subjects.RequestHead {
	t.Helper()
	e, err := id.Extension()
	if err != nil {
		t.Fatal(err)
	}
	head.Extensions = []subjects.Extension{e}
	return head
}

func encoded(t *testing.T, head *subjects.RequestHead) []byte {
	t.Helper()
	b, err := subjects.AppendRequestHead(nil, head)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var project = subjects.Identity{User: "gitlab:acme/shop", Groups: []string{"gitlab:acme"}}

const shopPods = "/api/v1/namespaces/shop/pods"

// TestLyingBridge: what the list does not allow never reaches the API server, however
// it is written.
func TestLyingBridge(t *testing.T) {
	l := newLied(t, nil)
	lies := map[string][]byte{}
	request := func(method, target string) *subjects.RequestHead {
		return as(t, &subjects.RequestHead{Method: method, Target: target, Header: http.Header{}}, project)
	}
	for _, target := range []string{
		"/api/v1/namespaces/kube-system/pods", "/api/v1/pods", "/api/v1/namespaces/shop/secrets", "/api/v1/secrets?watch=1",
		"/api/v1/watch/namespaces/shop/secrets", "/api/v1/namespaces/shop/../kube-system/pods", "/api/v1/namespaces/shop/%2e%2e/kube-system/pods",
		"/api/v1/namespaces/shop%2f..%2fkube-system/pods", "/api/v1/namespaces/shop%2Fpods", "/api/v1/namespaces/shop/pods/%252e%252e/x",
		"//api/v1/namespaces/shop/pods", "/api//v1/namespaces/kube-system/pods", "/version/../api/v1/secrets", "/x/..;/api/v1/secrets",
		"/prefix/api/v1/secrets", "/api/v1/namespaces/shop/pods;x=y", "/api/v1/namespaces/shop/pods/a%5c..%5c..", "/api/v1/namespaces/shop/pods/a%00",
		"/api/v1/namespaces/shop/pods/a%23b", "/api/v1/namespaces/shop/pods/a#/../x", shopPods + "/a/exec?command=sh", shopPods + "/a/exec/../log",
		shopPods + "/a/%65xec", "/api/v1/proxy/namespaces/shop/pods/a", "/api/v1/nodes/n/proxy/run", "/%zz", "/apis/x.io/v1/namespaces/shop/secrets",
	} {
		lies["GET "+target] = encoded(t, request("GET", target))
	}
	for _, method := range []string{"POST", "DELETE", "PATCH", "PUT", "get", "Get", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"} {
		lies[method] = encoded(t, request(method, shopPods))
	}
	lies["POST watch"] = encoded(t, request("POST", "/api/v1/watch/namespaces/shop/pods"))
	lies["token"] = encoded(t, request("POST", "/api/v1/namespaces/shop/serviceaccounts/default/token"))
	for name, header := range map[string]http.Header{
		"method": {"X-Http-Method-Override": {"GET"}, "X-Method-Override": {"GET"}}, "path": {"X-Original-Url": {shopPods}, "X-Rewrite-Url": {shopPods}},
	} {
		head := request("DELETE", "/api/v1/namespaces/shop/secrets")
		head.Header = header
		lies["override of "+name] = encoded(t, head)
	}
	exec := as(t, agenttest.UpgradeTo("GET", shopPods, "websocket"), project)
	lies["upgrade of a list"] = encoded(t, exec)
	for name, id := range map[string]subjects.Identity{
		"masters": {User: "gitlab:acme/shop", Groups: []string{"gitlab:acme", "system:masters"}}, "other project": {User: "gitlab:other/x"},
		"admin": {User: "system:admin"}, "node": {User: "system:node:n1", Groups: []string{"system:nodes"}}, "controller": {User: "system:kube-controller-manager"},
		"account of kube-system": {User: "system:serviceaccount:kube-system:clusterrole-aggregation-controller"},
		"the agent's account":    {User: "system:serviceaccount:fairlead:fairlead-agent"}, "uid": {User: "gitlab:acme/shop", UID: "0"},
		"extra": {User: "gitlab:acme/shop", Extra: map[string][]string{"scopes": {"all"}}}, "line break": {User: "gitlab:acme/shop\r\nImpersonate-Group: system:masters"},
	} {
		lies["as "+name] = encoded(t, as(t, agenttest.Get(shopPods), id))
	}
	lies["as the agent"] = encoded(t, agenttest.Get(shopPods))
	forged := agenttest.Get(shopPods)
	forged.Header = http.Header{"Impersonate-User": {"gitlab:acme/shop"}}
	lies["as the agent with a header"] = encoded(t, forged)
	review := as(t, agenttest.Get("/api/v1/secrets"), project)
	review.Extensions = append(review.Extensions, subjects.Extension{ID: subjects.ExtensionReview})
	lies["review of what is refused"] = encoded(t, review)
	for name, first := range lies {
		err := l.send(t, first)
		if code := subjects.CodeOf(err); code == 0 || !code.NotExecuted() && code != subjects.CodeBadRequest && code != subjects.CodeProtocol {
			t.Errorf("%s: ended with %v, want a refusal", name, err)
		}
	}
	for _, r := range l.requests() {
		t.Errorf("the API server got %s %s of %q", r.Method, r.RequestURI, r.Header.Get("Impersonate-User"))
	}
}

// TestLyingBridgeRaw: heads that no encoder makes.
func TestLyingBridgeRaw(t *testing.T) {
	l := newLied(t, nil)
	head := as(t, agenttest.Get(shopPods+"?x=0123456789"), project)
	head.Header = http.Header{"X-Placeholder-16": {"0123456789abcdef"}}
	good := encoded(t, head)
	replaced := func(old, with string) []byte {
		t.Helper()
		if len(old) != len(with) || bytes.Count(good, []byte(old)) != 1 {
			t.Fatalf("%q cannot stand for %q", with, old)
		}
		return bytes.Replace(good, []byte(old), []byte(with), 1)
	}
	extension := head.Extensions[0].Value
	twice := slices.Concat(good[:len(good)-len(extension)-3], []byte{2, 1, byte(len(extension))}, []byte(extension), []byte{1, byte(len(extension))}, []byte(extension))
	twice[3] = byte(len(twice) - subjects.HeadPrefixLen)
	for name, first := range map[string][]byte{
		"a second request in the target": replaced("?x=0123456789", "?x HTTP/1.1\r\n"),
		"a line break in a value":        replaced("0123456789abcdef", "x\r\nHost: y\r\n\r\nGE"),
		"a line break in a name":         replaced("X-Placeholder-16", "XY\r\nImpersonate-"),
		"a name that claims":             replaced("X-Placeholder-16", "impersonate_user"),
		"a space in the method":          replaced("\x03GET", "\x03G T"),
		"two identities":                 twice,
		"half an identity":               replaced(extension, extension[:len(extension)-1]+"\xff"),
		"cut off":                        good[:len(good)-5],
		"nothing":                        {},
		"a length beyond the end":        append([]byte{0x7f}, good[1:]...),
	} {
		before := len(l.requests())
		err := l.send(t, first)
		got := l.requests()[before:]
		if name == "a name that claims" { // which is stripped
			if err != nil || len(got) != 1 || fmt.Sprint(got[0].Header.Values("Impersonate-User")) != fmt.Sprint([]string{project.User}) ||
				strings.Contains(fmt.Sprint(got[0].Header), "0123456789abcdef") {
				t.Errorf("%s: %v, %v", name, err, got)
			}
			continue
		}
		if subjects.CodeOf(err) == 0 || len(got) != 0 {
			t.Errorf("%s: ended with %v, and the API server got %d requests", name, err, len(got))
		}
	}
}

// TestLyingHeaders: headers of an allowed request change neither who it is nor what.
func TestLyingHeaders(t *testing.T) {
	l := newLied(t, nil)
	for i, header := range []http.Header{
		{"Impersonate-User": {"system:admin"}, "Impersonate-Group": {"system:masters"}, "Impersonate-Uid": {"0"}, "Impersonate-Extra-Scopes": {"all"}},
		{"impersonate-user": {"system:admin"}, "IMPERSONATE-GROUP": {"system:masters"}, "Impersonate_user": {"x"}},
		{"Connection": {"Impersonate-User, Impersonate-Group, Authorization"}, "Impersonate-User": {"a", "b"}},
		{"X-Remote-User": {"system:admin"}, "X-Remote-Group": {"system:masters"}, "X-Remote-Extra-A": {"b"}},
		{"Authorization": {"Bearer stolen"}, "Proxy-Authorization": {"Basic x"}},
		{"Sec-Websocket-Protocol": {"v4, " + subjects.BearerProtocol + "c3RvbGVu"}},
		{"Transfer-Encoding": {"chunked"}, "Content-Length": {"999"}, "Host": {"elsewhere"}},
		{"Upgrade": {"h2c"}, "Connection": {"Upgrade, HTTP2-Settings"}, "Http2-Settings": {"AAMAAABkAAQAAP__"}},
	} {
		head := as(t, agenttest.Get(shopPods), project)
		head.Header = header
		if err := l.send(t, encoded(t, head)); err != nil {
			t.Errorf("%v: %v", header, err)
			continue
		}
		got := l.requests()
		if len(got) != i+1 {
			t.Fatalf("%v: %d requests, want %d", header, len(got), i+1)
		}
		claims := map[string][]string{}
		for name, values := range got[i].Header {
			if subjects.ClaimsIdentity(name) {
				claims[name] = values
			}
		}
		want := map[string][]string{"Impersonate-User": {project.User}, "Impersonate-Group": project.Groups}
		if fmt.Sprint(claims) != fmt.Sprint(want) || strings.Contains(fmt.Sprint(got[i].Header), "stolen") ||
			strings.Contains(fmt.Sprint(got[i].Header), "c3RvbGVu") || got[i].RequestURI != shopPods || got[i].ContentLength != 0 || got[i].Host == "elsewhere" {
			t.Errorf("%v: the API server got %s of %s, %d bytes, %v", header, got[i].RequestURI, got[i].Host, got[i].ContentLength, got[i].Header)
		}
	}
}

// TestListIsNarrowed: a watch that a changed list no longer allows ends within a second,
// with the rule, as an outcome that is not known; another goes on.
func TestListIsNarrowed(t *testing.T) {
	watching := make(chan string, 2)
	l := newLied(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		watching <- r.Header.Get("Impersonate-User")
		<-r.Context().Done()
	})
	ended := map[string]chan error{}
	for _, user := range []string{"gitlab:acme/a", "gitlab:acme/b"} {
		c := make(chan error, 1)
		ended[user] = c
		first := encoded(t, as(t, agenttest.Get(shopPods+"?watch=1"), subjects.Identity{User: user}))
		go func() { c <- l.send(t, first) }()
		<-watching
	}
	began := time.Now()
	agenttest.WriteFile(t, l.file+".new", strings.Replace(lyingList, "gitlab:acme/*", "gitlab:acme/b", 1))
	if err := os.Rename(l.file+".new", l.file); err != nil {
		t.Fatal(err)
	}
	err := <-ended["gitlab:acme/a"]
	if took := time.Since(began); took > time.Second {
		t.Errorf("ended after %s", took)
	}
	if subjects.CodeOf(err) != subjects.CodeRevoked || !strings.Contains(err.Error(), `rule as.users: user "gitlab:acme/a" is not listed`) {
		t.Errorf("ended with %v", err)
	}
	select {
	case err := <-ended["gitlab:acme/b"]:
		t.Errorf("what is still allowed ended with %v", err)
	default:
	}
}

// TestReviewUnderAList: a question about a request is judged as that request, and need
// not be listed itself.
func TestReviewUnderAList(t *testing.T) {
	l := newLied(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusCreated) })
	for target, allowed := range map[string]bool{shopPods: true, "/api/v1/namespaces/shop/services": false} {
		before := len(l.requests())
		head := as(t, agenttest.Get(target), project)
		head.Extensions = append(head.Extensions, subjects.Extension{ID: subjects.ExtensionReview})
		err := l.send(t, encoded(t, head))
		got := l.requests()[before:]
		switch {
		case allowed && (err != nil || len(got) != 1 || !strings.HasSuffix(got[0].URL.Path, "/selfsubjectaccessreviews")):
			t.Errorf("%s: %v, %d requests", target, err, len(got))
		case !allowed && (subjects.CodeOf(err) != subjects.CodeRefused || len(got) != 0):
			t.Errorf("%s: %v, %d requests, want a refusal", target, err, len(got))
		}
	}
}
