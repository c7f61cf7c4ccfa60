package bridge

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// TestPullSecretQuotedByWebhook: the words of an admission webhook that quotes the object, in
// whatever form and however cut, are neither answered nor logged: they have the tokens of
// the request and those that the Secret had before.
func TestPullSecretQuotedByWebhook(t *testing.T) {
	t.Parallel()
	const token, other = `hu<nter"2\ &7-secret`, "older-token-of-quay"
	auth := base64.StdEncoding.EncodeToString([]byte("robot:" + token))
	old := base64.StdEncoding.EncodeToString([]byte("robot:" + other))
	quoted := func(v any) string { b, _ := json.Marshal(v); return string(b) }
	for name, quote := range map[string]func(data []byte) string{
		"data":       func(data []byte) string { return base64.StdEncoding.EncodeToString(data) },
		"data cut":   func(data []byte) string { return base64.StdEncoding.EncodeToString(data)[40:80] + "..." },
		"content":    func(data []byte) string { return string(data) },
		"quoted":     func(data []byte) string { return quoted(string(data)) },
		"token":      func([]byte) string { return quoted(token) },
		"token cut":  func([]byte) string { return token[:10] + "..." },
		"auth":       func([]byte) string { return auth },
		"other":      func([]byte) string { return other },
		"other cut":  func([]byte) string { return other[3:13] },
		"other auth": func([]byte) string { return old[4:] },
	} {
		s := newNamespaceServer()
		s.put("secrets/regcred", secretOf("kubernetes.io/dockerconfigjson", ".dockerconfigjson", `{"auths":{"quay.io":{"auth":"`+old+`"}}}`, ""))
		r := newRig(t, rigOptions{})
		r.agent("default", "prod", func(head *subjects.RequestHead, st *stream.Stream) {
			if head.Method != "PATCH" {
				s.handle(head, st)
				return
			}
			b, _ := io.ReadAll(st)
			var sent struct{ Data map[string][]byte }
			_ = json.Unmarshal(b, &sent)
			status, body := statusBody(403, "Forbidden", "denied: "+quote(sent.Data[".dockerconfigjson"]))
			reply(st, status, body, "Content-Type", "application/json")
		})
		res, body := r.pull("PUT", "regcred", `{"registry":"ghcr.io","username":"robot","token":`+quoted(token)+`}`)
		if res.StatusCode != 422 || !strings.Contains(body, "no reason that can be shown") || strings.Contains(r.log.String(), "denied") {
			t.Errorf("%s: %d %s", name, res.StatusCode, body)
		}
	}
}

// TestPullSecretPartlyWritten: a failure after the Secret was changed does not ask clients to
// send the request again where its condition has become false by that.
func TestPullSecretPartlyWritten(t *testing.T) {
	t.Parallel()
	s := newNamespaceServer()
	s.put("serviceaccounts/default", "{}")
	s.refuse = func(method, target string) (int, string) {
		if method == "PATCH" && strings.Contains(target, "/serviceaccounts/") {
			return statusBody(429, "TooManyRequests", "busy")
		}
		return 0, ""
	}
	r := pullRig(t, s)
	body := strings.TrimSuffix(loginBody("ghcr.io"), "}") + `,"serviceAccounts":["default"]}`
	for name, again := range map[string]string{"If-None-Match": "", "X-None": "1"} {
		res, text := r.pull("PUT", "regcred-"+strings.ToLower(name), body, name, "*")
		if res.StatusCode != 429 || res.Header.Get("Retry-After") != again || !strings.Contains(text, "itself was written") {
			t.Errorf("%s: %d, Retry-After %q: %s", name, res.StatusCode, res.Header.Get("Retry-After"), text)
		}
	}
}
