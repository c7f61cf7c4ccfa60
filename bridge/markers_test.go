package bridge

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/internal/openapitest"
	"github.com/fairlead-io/fairlead/deploy/tracing/tracingtest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// marker stands in every credential, header, query and body of these tests. Each
// place has its own end, which says where a leak comes from.
const marker = "MaRkEr"

// markedAgent answers with markers in its body, header and trailer.
func markedAgent(head *subjects.RequestHead, s *stream.Stream) {
	if head.Header.Get("Upgrade") != "" {
		_, _ = s.Write(append(switchTo(head.Header.Get("Upgrade"), "X-Answer", marker+"-101"), marker+"-banner"...))
		b, _ := io.ReadAll(s)
		_ = s.WriteFinal(append(b, marker+"-stdout"...))
		return
	}
	b, _ := io.ReadAll(s)
	header := []string{"Set-Cookie", marker + "-set-cookie", "X-Answer", marker + "-answer", "Content-Type", "application/json"}
	switch {
	case strings.Contains(head.Target, "broken"):
		_, _ = s.Write(append(encodeHead(200, 100, header...), marker+"-broken"...))
		_ = s.CloseWrite()
	case strings.Contains(head.Target, "watch="):
		_, _ = s.Write(append(encodeHead(200, -1, header...), `{"object": "`+marker+`-event"}`...))
		_ = s.CloseWrite()
	case strings.Contains(head.Target, "denied"):
		reply(s, 403, `{"message": "`+marker+`-denied"}`, header...)
	default:
		reply(s, 200, fmt.Sprintf(`{"data": {"password": %q}, "was": %q}`, marker+"-secret", b), header...)
	}
}

// mark puts markers into everything of a request that no record may have.
func mark(req *http.Request) *http.Request {
	for _, k := range []string{"Cookie", "Proxy-Authorization", "X-Api-Key", "X-Remote-User", "X-Remote-Extra-Token", "Referer", "X-Forwarded-Access-Token"} {
		req.Header.Set(k, marker+"-header-"+k)
	}
	q := req.URL.Query()
	q.Set("token", marker+"-query")
	q.Set("labelSelector", marker+"-selector")
	req.URL.RawQuery = q.Encode()
	return req
}

// sendMarkers sends requests of all kinds.
func sendMarkers(r *rig) {
	const secrets = "/api/v1/namespaces/shop/secrets"
	body := func() io.Reader { return strings.NewReader(`{"data": {"password": "` + marker + `-body"}}`) }
	call := func(text string) *http.Request {
		return mark(r.request("POST", "/v1/clusters/prod/requests", strings.NewReader(strings.ReplaceAll(text, "MARK", marker))))
	}
	host := mark(r.request("GET", secrets+"/db", nil))
	host.Host = "prod.k8s.example.com"
	stranger := mark(r.request("POST", "/k8s/clusters/prod"+secrets, body()))
	stranger.Header.Set("Authorization", "Bearer "+marker+"-bearer")
	twice := mark(r.request("GET", "/k8s/clusters/prod"+secrets, nil))
	twice.Header.Add("Authorization", "Bearer "+marker+"-second")
	basic := mark(r.request("GET", "/v1/clusters", nil))
	basic.SetBasicAuth("admin", marker+"-basic")
	as := mark(r.request("GET", "/k8s/clusters/prod"+secrets, nil))
	as.Header.Set("Impersonate-Extra-Token", marker+"-impersonate")
	review := func(text string) *http.Request {
		return mark(r.request("POST", "/v1/clusters/prod/access-reviews", strings.NewReader(strings.ReplaceAll(text, "MARK", marker))))
	}
	for _, req := range []*http.Request{
		mark(r.request("GET", "/v1/whoami", nil)),
		review(`{"path": "/api/v1/pods?x=MARK-review"}`), review(`{"path": "x?x=MARK-review-relative"}`), review(`{"path": "MARK-review-cut`),
		mark(r.request("GET", "/k8s/clusters/prod"+secrets+"/db", nil)),
		mark(r.request("POST", "/k8s/clusters/prod"+secrets, body())),
		mark(r.request("PATCH", "/k8s/clusters/prod"+secrets+"/denied", body())),
		mark(r.request("GET", "/k8s/clusters/prod"+secrets+"?watch=true", nil)),
		mark(r.request("POST", "/k8s/clusters/absent"+secrets, body())),
		mark(r.request("POST", "/k8s/clusters/prod.nowhere"+secrets, body())),
		mark(r.request("GET", "/v1/clusters", nil)),
		mark(r.request("GET", "/v1/clusters/prod/kubeconfig", nil)),
		mark(r.request("GET", "/nothing", nil)),
		mark(r.request("DELETE", "/v1/clusters", body())),
		host, stranger, twice, basic, as,
		call(`{"path": "/x?token=MARK-call-query", "method": "PUT", "headers": {"Authorization": "Bearer MARK-call", "X-A": "MARK-call-header"}, "body": {"a": "MARK-call-body"}}`),
		call(`{"path": "x?token=MARK-relative"}`),
		call(`{"path": "/x", "timeout": "MARK-timeout"}`),
		call(`{"path": "/x", "headers": {"X-A": "MARK-control\u0000"}}`),
		call(`{"path": "/x", "body": "MARK-cut`),
		call(`{"path": "/x", "method": ["MARK-type"]}`),
		call(`{"path": "/x", "bodyBase64": "MARK-base64!"}`),
	} {
		for _, c := range []*http.Client{r.h1, r.h2} {
			again := req.Clone(openapitest.WithAnyQuery(req.Context()))
			if req.GetBody != nil {
				again.Body, _ = req.GetBody()
			}
			r.do(c, again)
		}
	}
	broken, err := r.h1.Do(mark(r.request("GET", "/k8s/clusters/prod/broken", nil)))
	if err == nil {
		_, _ = io.Copy(io.Discard, broken.Body)
		_ = broken.Body.Close()
	}
}

// sendMarkedStreams upgrades in both ways, and speaks HTTP badly.
func sendMarkedStreams(r *rig) {
	bearer := func(token string) string {
		return subjects.BearerProtocol + base64.RawURLEncoding.EncodeToString([]byte(token))
	}
	const exec = "GET /k8s/clusters/prod/api/v1/namespaces/shop/pods/web/exec?command=sh&x=" + marker + "-exec-query HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n" +
		"Cookie: " + marker + "-exec-cookie\r\n"
	for _, text := range []string{
		exec + "Authorization: Bearer $TOKEN\r\nUpgrade: SPDY/3.1\r\n\r\n" + marker + "-stdin",
		exec + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, " + bearer(r.token) + "\r\n\r\n" + marker + "-frame",
		exec + "Upgrade: websocket\r\nSec-WebSocket-Protocol: " + bearer(marker+"-subprotocol") + "\r\n\r\n",
		exec + "Upgrade: websocket\r\nSec-WebSocket-Protocol: " + subjects.BearerProtocol + marker + "*\r\n\r\n",
		"GET https://user:" + marker + "-userinfo@host/k8s/clusters/prod/api?x=" + marker + "-absolute HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nConnection: close\r\n\r\n",
		"OPTIONS * HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nCookie: " + marker + "-star\r\nConnection: close\r\n\r\n",
		"GET /k8s/clusters/prod/api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + marker + "-bad\r\nbad header " + marker + "-line\r\n\r\n",
		"POST /k8s/clusters/prod/api HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $TOKEN\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n" +
			"5\r\nMaRkE\r\nnot hex " + marker + "-chunk\r\n0\r\nX-T: " + marker + "-trailer\r\n\r\n",
	} {
		c, br := r.raw(text)
		_ = c.CloseWrite()
		_, _ = io.Copy(io.Discard, br)
		_ = c.Close()
	}
}

// markedProxy repeats the login that it was sent in its reason phrase.
func markedProxy(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, basic, _ := strings.Cut(r.Header.Get("Proxy-Authorization"), " ")
	login, _ := base64.StdEncoding.DecodeString(basic)
	fmt.Fprintf(conn, "HTTP/1.1 407 %s\r\n\r\n", login)
}

// TestNothingSecretIsRecorded: no credential, header, value of a query or body is in
// the log at debug, in the metrics, in an audit event or in a span.
func TestNothingSecretIsRecorded(t *testing.T) {
	c := tracingtest.Start(t)
	traces := traceTo(t, c)
	// A review service that shows what it was sent, and an issuer behind a proxy that does.
	review := newReviewer(t, marker+"-kubeconfig")
	proxy := httptest.NewServer(http.HandlerFunc(markedProxy))
	defer proxy.Close()
	file := newAccessFile(t, fmt.Sprintf("authentication:\n  tokenReview: {kubeconfig: %q}\n  oidc: [{name: ci, issuer: 'https://issuer.invalid/x', audiences: [a], proxyURL: %q}]\n",
		review.kubeconfig, strings.Replace(proxy.URL, "//", "//"+marker+"-user:"+marker+"-proxy@", 1)))
	r, s := auditRig(t, audit.Config{}, rigOptions{config: func(cfg *Config) {
		cfg.ClusterDomain, cfg.Tracer = "k8s.example.com", traces.Tracer()
		file.configure(cfg)
	}})
	r.agent("default", "prod", markedAgent)
	sendMarkers(r)
	sendMarkedStreams(r)
	r.eventually("all have ended", func() bool { return r.metric("fairlead_bridge_requests_in_flight") == 0 })
	metrics := httptest.NewRecorder()
	promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{}).ServeHTTP(metrics, httptest.NewRequest("GET", "/metrics", nil))
	if metrics.Code != 200 || metrics.Body.Len() < 1000 {
		t.Errorf("metrics: %d, %d bytes", metrics.Code, metrics.Body.Len())
	}
	if n := len(s.events(t)); n < 40 {
		t.Errorf("%d events, so the requests were not of all kinds", n)
	}
	if err := traces.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(c.Spans()); n < 80 {
		t.Errorf("%d spans, so the requests were not of all kinds", n)
	}
	for _, name := range []string{"POST TokenReview", "read issuer keys"} {
		if !slices.ContainsFunc(c.Spans(), func(s tracingtest.Span) bool { return s.Name == name }) {
			t.Errorf("no span %q", name)
		}
	}
	tokens := []string{r.token, base64.RawURLEncoding.EncodeToString([]byte(r.token)), base64.RawURLEncoding.EncodeToString([]byte(marker + "-subprotocol"))}
	for place, text := range map[string]string{"log": r.log.String(), "metrics": metrics.Body.String(), "audit": s.text(), "spans": c.Text()} {
		for line := range strings.Lines(text) {
			if strings.Contains(strings.ToLower(line), strings.ToLower(marker)) {
				t.Errorf("%s: %.600s", place, line)
			}
			for _, token := range tokens {
				if strings.Contains(line, token) {
					t.Errorf("%s has a token: %.600s", place, line)
				}
			}
		}
	}
}
