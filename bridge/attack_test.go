package bridge

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/issuer"
)

// fort is a bridge whose only grant lets the job "job" of an issuer read pods, their
// logs and services in namespace shop of cluster prod, as user jane. Whatever reaches the agent
// beyond that is a breach.
type fort struct {
	*rig
	issuer   *issuer.Issuer
	job      string // its token
	executed atomic.Int32
}

func newFort(t *testing.T) *fort {
	t.Helper()
	f := &fort{issuer: issuer.ForTest(t)}
	file := newAccessFile(t, f.issuer.Section("ci")+`grants:
- name: readers
  clusters: [prod]
  when: [caller.name == "job"]
  requests:
  - {verbs: [get, list], apiGroups: [""], resources: [pods, pods/log, services, services/proxy], namespaces: [shop]}
  as: {user: '"jane"', groups: '["readers"]'}
`)
	f.rig = newRig(t, rigOptions{config: file.configure})
	f.job = f.mint(map[string]any{"sub": "job"})
	f.agent("default", "prod", func(h *subjects.RequestHead, s *stream.Stream) {
		f.executed.Add(1)
		f.check(h)
		reply(s, 200, "executed")
	})
	return f
}

func (f *fort) mint(claims map[string]any) string {
	f.t.Helper()
	all := map[string]any{"aud": "fairlead", "groups": []string{}}
	for k, v := range claims {
		all[k] = v
	}
	token, err := f.issuer.Mint(all)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// check reports a breach: a request that the grant does not cover, or one that acts,
// or could act, as anybody but the grant's user.
func (f *fort) check(h *subjects.RequestHead) {
	info, err := requestinfo.Parse(h.Method, h.Target)
	if err != nil || info.Ambiguous || info.Namespace != "shop" || info.APIGroup != "" ||
		!slices.Contains([]string{"get", "list"}, info.Verb) || !slices.Contains([]string{"pods", "services"}, info.Resource) ||
		!slices.Contains([]string{"", "log", "proxy"}, info.Subresource) {
		f.t.Errorf("BREACH: executed %s %s: %+v, %v", h.Method, h.Target, info, err)
	}
	if id, _ := identityOf(f.t, h); id == nil || id.User != "jane" || !slices.Equal(id.Groups, []string{"readers"}) || id.UID != "" || id.Extra != nil {
		f.t.Errorf("BREACH: %s %s executed as %+v", h.Method, h.Target, id)
	}
	for k, v := range h.Header {
		if subjects.ClaimsIdentity(k) || k == "Authorization" || k == "Cookie" || strings.Contains(strings.Join(v, " "), f.job) {
			f.t.Errorf("BREACH: header %s: %q reaches the agent", k, v)
		}
	}
}

// send writes a request as bytes and returns the status of the answer.
func (f *fort) send(text string) int {
	f.t.Helper()
	c, br := f.raw(strings.ReplaceAll(text, "$JOB", f.job))
	defer c.Close()
	res, err := http.ReadResponse(bufio.NewReader(br), nil)
	if err != nil {
		return 0 // the connection was closed
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// What the grant covers passes, so that the tests below refuse for a reason.
func TestFortLetsItsOwnIn(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	for _, target := range []string{"/api/v1/namespaces/shop/pods", "/api/v1/namespaces/shop/pods/web-0/log?follow=true", "/api/v1/namespaces/sh%6Fp/pods/a"} {
		if status := f.send("GET /k8s/clusters/prod" + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $JOB\r\nConnection: close\r\n\r\n"); status != 200 {
			t.Errorf("%s: %d", target, status)
		}
	}
	if f.executed.Load() != 3 {
		t.Errorf("executed %d", f.executed.Load())
	}
}

// Targets that a proxy, a cleaning server or a second parser might read otherwise.
func TestAttacksByPath(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	const k8s = "/k8s/clusters/prod"
	for _, line := range []string{
		"GET " + k8s + "/api/v1/namespaces/shop/../kube-system/secrets",
		"GET " + k8s + "/api/v1/namespaces/shop/%2e%2e/kube-system/secrets",
		"GET " + k8s + "/api/v1/namespaces/shop/pods/..%2f..%2f..%2fsecrets",
		"GET " + k8s + "/api/v1/namespaces/shop%2fpods/x/../../kube-system",
		"GET " + k8s + "/api/v1/namespaces/kube-system/secrets?/api/v1/namespaces/shop/pods",
		"GET " + k8s + "/api/v1/namespaces/shop/pods;/../secrets",
		"GET " + k8s + "/api/v1/namespaces/shop;a=b/pods",
		"GET " + k8s + "/api/v1//namespaces/shop/pods",
		"GET " + k8s + "//api/v1/namespaces/shop/pods",
		"GET " + k8s + "/./api/v1/namespaces/shop/pods",
		"GET " + k8s + "/api/v1/namespaces/shop/pods\\..\\secrets",
		"GET " + k8s + "/api/v1/namespaces/shop/pods/a%00b",
		"GET " + k8s + "/api/v1/namespaces/shop/pods/a/exec?command=sh",
		"GET " + k8s + "/api/v1/namespaces/shop/pods/a%2Fexec",
		"GET " + k8s + "/api/v1/namespaces/shop/pods?watch=true",
		"GET " + k8s + "/api/v1/watch/namespaces/shop/pods",
		"GET " + k8s + "/api/v1/proxy/namespaces/shop/services/x",
		"GET " + k8s + "/api/v1/pods",
		"GET " + k8s + "/API/V1/namespaces/shop/secrets",
		"GET " + k8s + "/apis/v1/namespaces/shop/pods",
		"GET " + k8s + "/api/v1/namespaces/shop/services/x/proxy/../../../secrets",
		"GET " + k8s + "/api/v1/namespaces/shop/services/x/proxy/%2e%2e/%2e%2e/secrets",
		"GET " + k8s + "/version",
		"POST " + k8s + "/api/v1/namespaces/shop/pods",
		"DELETE " + k8s + "/api/v1/namespaces/shop/pods",
		"get " + k8s + "/api/v1/namespaces/shop/secrets",
		"GET http://elsewhere" + k8s + "/api/v1/namespaces/shop/secrets",
		"GET http://elsewhere/api/v1/namespaces/shop/pods",
		"GET " + k8s + "/../../k8s/clusters/dev/api/v1/pods",
		"GET /k8s/clusters/prod%2f..%2fdev/api/v1/namespaces/shop/pods",
		"GET /k8s/clusters/dev/api/v1/namespaces/shop/pods",
		"GET /k8s/clusters/prod.acme/api/v1/namespaces/shop/pods",
		"GET /k8s/clusters/*/api/v1/namespaces/shop/pods",
		"CONNECT prod:443",
	} {
		if status := f.send(line + " HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $JOB\r\nConnection: close\r\n\r\n"); status == 200 {
			t.Errorf("%s: answered with 200", line)
		}
	}
	if n := f.executed.Load(); n != 0 {
		t.Errorf("%d requests were executed", n)
	}
}

// Headers by which a caller might become somebody else, or smuggle a request.
func TestAttacksByHeader(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	const get = "GET /k8s/clusters/prod/api/v1/namespaces/shop/pods HTTP/1.1\r\nHost: x\r\n"
	bearer64 := base64.RawURLEncoding.EncodeToString([]byte(f.job))
	for name, tt := range map[string]struct {
		lines  string
		status []int // that are right; 0: the connection is closed without an answer
	}{
		"impersonate":                    {"Authorization: Bearer $JOB\r\nImpersonate-User: root\r\n", []int{403}},
		"impersonate oneself":            {"Authorization: Bearer $JOB\r\nImpersonate-User: jane\r\n", []int{403}},
		"a group alone":                  {"Authorization: Bearer $JOB\r\nImpersonate-Group: system:masters\r\n", []int{403}},
		"underscore":                     {"Authorization: Bearer $JOB\r\nImpersonate_User: root\r\n", []int{403}},
		"hidden by Connection":           {"Authorization: Bearer $JOB\r\nConnection: Impersonate-User, close\r\nImpersonate-User: root\r\n", []int{403}},
		"authorization by Connection":    {"Authorization: Bearer $JOB\r\nConnection: Authorization, close\r\n", []int{200, 401}},
		"remote user":                    {"Authorization: Bearer $JOB\r\nX-Remote-User: root\r\nX-Remote-Group: system:masters\r\n", []int{200}},
		"two tokens":                     {"Authorization: Bearer $JOB\r\nAuthorization: Bearer $TOKEN\r\n", []int{401}},
		"two tokens in one":              {"Authorization: Bearer $JOB, Bearer $TOKEN\r\n", []int{401}},
		"mixed case":                     {"aUTHORIZATION: bEARER $JOB\r\n", []int{200}},
		"bearer subprotocol":             {"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io." + bearer64 + ", v4.channel.k8s.io\r\n", []int{200, 502}},
		"both ways to send a token":      {"Authorization: Bearer wrong\r\nSec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io." + bearer64 + "\r\n", []int{401}},
		"cookie":                         {"Cookie: token=$JOB\r\n", []int{401}},
		"basic":                          {"Authorization: Basic am9iOmpvYg==\r\n", []int{401}},
		"smuggled by both lengths":       {"Authorization: Bearer $JOB\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /k8s/clusters/prod/api/v1/secrets HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $JOB\r\n", []int{200, 400}},
		"smuggled by two lengths":        {"Authorization: Bearer $JOB\r\nContent-Length: 0\r\nContent-Length: 5\r\n", []int{400}},
		"strange transfer encoding":      {"Authorization: Bearer $JOB\r\nTransfer-Encoding: xchunked\r\n", []int{400, 501}},
		"spaced transfer encoding":       {"Authorization: Bearer $JOB\r\nTransfer-Encoding : chunked\r\n", []int{400}},
		"method override":                {"Authorization: Bearer $JOB\r\nX-HTTP-Method-Override: DELETE\r\nX-Original-URL: /api/v1/secrets\r\nX-Rewrite-URL: /api/v1/secrets\r\n", []int{200}},
		"two hosts":                      {"Host: y\r\nAuthorization: Bearer $JOB\r\n", []int{400}},
		"a token of 64 KiB":              {"Authorization: Bearer " + strings.Repeat("x", 64<<10) + "\r\n", []int{401, 431}},
		"a token with a line break":      {"Authorization: Bearer $JOB\r\n Impersonate-User: root\r\n", []int{200, 400, 401}},
		"h2c":                            {"Authorization: Bearer $JOB\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n", []int{200}},
		"hop-by-hop request id":          {"Authorization: Bearer $JOB\r\nX-Request-Id: a\tb\r\nConnection: X-Request-Id, close\r\n", []int{200, 400}},
		"absolute form, another cluster": {"Authorization: Bearer $JOB\r\nX-Forwarded-Host: prod.k8s.example.com\r\nForwarded: host=dev\r\n", []int{200}},
	} {
		if status := f.send(get + tt.lines + "Connection: close\r\n\r\n"); !slices.Contains(tt.status, status) {
			t.Errorf("%s: status %d, want one of %v", name, status, tt.status)
		}
	}
}

// The same over HTTP/2 and as calls in JSON.
func TestAttacksByOtherWays(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	for _, path := range []string{"/api/v1/namespaces/shop/../secrets", "/api/v1/secrets", "/api/v1/namespaces/shop/pods/x/exec", "/api/v1/namespaces/shop%2Fpods"} {
		req := f.request("GET", "/", nil)
		req.Header.Set("Authorization", "Bearer "+f.job)
		req.URL.Opaque = "//" + f.addr + "/k8s/clusters/prod" + path
		res, body := f.do(f.h2, req)
		if res.ProtoMajor != 2 || res.StatusCode != 403 {
			t.Errorf("HTTP/%d: %s: %d %s", res.ProtoMajor, path, res.StatusCode, body)
		}
		req = f.request("POST", "/v1/clusters/prod/requests", strings.NewReader(fmt.Sprintf(`{"path":%q}`, path)))
		req.Header.Set("Authorization", "Bearer "+f.job)
		res, body = f.do(f.h1, req)
		wantFailure(t, res, body, answer.Forbidden)
	}
	for _, headers := range []string{`{"Impersonate-User":"root"}`, `{"impersonate-group":"system:masters"}`, `{"Connection":"Impersonate-User","Impersonate-User":"root"}`} {
		req := f.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/api/v1/namespaces/shop/pods","headers":`+headers+`}`))
		req.Header.Set("Authorization", "Bearer "+f.job)
		res, body := f.do(f.h1, req)
		wantFailure(t, res, body, answer.Impersonation)
	}
	req := f.request("POST", "/v1/clusters/prod/requests", strings.NewReader(`{"path":"/api/v1/namespaces/shop/pods","headers":{"Authorization":"Bearer x","X-Remote-User":"root","Cookie":"a=b"}}`))
	req.Header.Set("Authorization", "Bearer "+f.job)
	if res, body := f.do(f.h1, req); res.StatusCode != 200 {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if n := f.executed.Load(); n != 1 {
		t.Errorf("executed %d requests, want the last one alone", n)
	}
}

// Tokens that are not what they claim. Package oidc has the table of its own reasons;
// this is what the bridge as a whole makes of them.
func TestAttacksByToken(t *testing.T) {
	t.Parallel()
	f := newFort(t)
	parts := strings.Split(f.job, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	for name, token := range map[string]string{
		"another user":         f.mint(map[string]any{"sub": "root"}),
		"no subject":           f.mint(map[string]any{}),
		"another audience":     f.mint(map[string]any{"sub": "job", "aud": "other"}),
		"no audience":          f.mint(map[string]any{"sub": "job", "aud": nil}),
		"expired":              f.mint(map[string]any{"sub": "job", "exp": 1}),
		"no expiry":            f.mint(map[string]any{"sub": "job", "exp": nil}),
		"not yet":              f.mint(map[string]any{"sub": "job", "nbf": 1 << 40}),
		"another issuer":       f.mint(map[string]any{"sub": "job", "iss": "https://evil.example"}),
		"alg none":             none + "." + parts[1] + ".",
		"alg none, signed":     none + "." + parts[1] + "." + parts[2],
		"signature cut":        parts[0] + "." + parts[1] + "." + parts[2][:20],
		"no signature":         parts[0] + "." + parts[1] + ".",
		"another payload":      parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"job","aud":"fairlead"}`)) + "." + parts[2],
		"subject is no string": f.mint(map[string]any{"sub": []string{"job"}}),
		"JSON in place of it":  `{"payload":"` + parts[1] + `"}`,
		"its payload":          parts[1],
	} {
		status := f.send("GET /k8s/clusters/prod/api/v1/namespaces/shop/pods HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\nConnection: close\r\n\r\n")
		if status != 401 && status != 403 {
			t.Errorf("%s: status %d", name, status)
		}
	}
	if n := f.executed.Load(); n != 0 {
		t.Errorf("%d requests were executed", n)
	}
}
