package pullsecret

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/util/net"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// Content types of bodies.
const (
	jsonType  = "application/json"
	applyType = "application/apply-patch+yaml" // of which JSON is a part
	mergeType = "application/merge-patch+json"
)

// fieldManager owns what this package writes, in an object's managedFields.
const fieldManager = "fairlead-pull-secrets"

// do makes a request of the cluster.
func (t *target) do(ctx context.Context, method, target, contentType string, body any) (*response, *answer.Failure) {
	req := &call.Request{Method: method, Target: target, Header: http.Header{"Accept": {jsonType}}, Timeout: eachTimeout}
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil { // only our own types come here, and JSON that was read
			panic("pullsecret: encode a body")
		}
		req.Body = b
		req.Header.Set("Content-Type", contentType)
	}
	in, f := t.session.Stream(ctx, t.visit, req)
	if f != nil {
		return nil, f
	}
	defer in.Close()
	reading, cancel := context.WithTimeout(ctx, eachTimeout)
	defer cancel()
	b, err := t.memory.read(reading, in)
	if f, failed := errors.AsType[*answer.Failure](err); failed {
		return nil, f.Of(in.ID)
	}
	if err != nil {
		return nil, answer.Failf(answer.APIServerAnswer, "read the API server's answer: %w", err).Of(in.ID)
	}
	if len(b) > maxResponse {
		return nil, answer.Failf(answer.ResponseTooLarge, "the API server's answer is larger than %d bytes", maxResponse).Of(in.ID)
	}
	return &response{in.Status, in.Header, b}, nil
}

// response is an answer of an API server.
type response struct {
	Status int
	Header http.Header
	Body   []byte
}

// status is the answer of an API server that refuses.
type status struct {
	Kind, Message, Reason string
	Details               struct {
		Causes []struct{ Field, Message string }
	}
}

func statusOf(res *response) (s status) {
	if json.Unmarshal(res.Body, &s) != nil || s.Kind != "Status" {
		return status{}
	}
	return s
}

// explain is the failure of a request that the API server answered otherwise than
// expected. what is the object, as in `service account "default"`.
func (t *target) explain(what string, res *response) *answer.Failure {
	s := statusOf(res)
	said := t.shown(s.Message)
	if said == "" {
		said = "no reason that can be shown"
	}
	switch res.Status {
	case http.StatusForbidden:
		if strings.Contains(s.Message, " cannot ") && strings.Contains(s.Message, " resource ") {
			return answer.Failf(answer.RBACRefused, "%s: Kubernetes RBAC refused the request: %s%s", what, said, t.warnings(res.Header))
		}
		return answer.Failf(answer.APIServerRejected, "%s: %s", what, said)
	case http.StatusNotFound:
		return answer.Failf(answer.ObjectNotFound, "%s: %s", what, said)
	case http.StatusConflict:
		return answer.Failf(answer.WriteConflict, "%s: %s", what, said)
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return answer.Failf(answer.APIServerRejected, "%s: %s", what, said)
	case http.StatusTooManyRequests:
		return answer.Failf(answer.APIServerBusy, "%s: %s", what, said)
	}
	return answer.Failf(answer.APIServerAnswer, "%s: the API server answered with status %d: %s", what, res.Status, said)
}

// unreadable is the failure of an answer that is not what was asked for.
func unreadable(what string) *answer.Failure {
	return answer.Failf(answer.APIServerAnswer, "%s: the API server's answer is not such an object", what)
}

// shown is a text of the cluster as it may be shown: on one line, and "" if it has a part of
// a secret, as the words of an admission webhook that quotes the object.
func (t *target) shown(text string) string {
	text = answer.Clip(text)
	if shows(text, t.secrets) {
		return ""
	}
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return ' '
		}
		return c
	}, text)
}

// warnings are those of a response: the bridge's own says what would allow a request that
// RBAC refused.
func (t *target) warnings(h http.Header) string {
	all, _ := net.ParseWarningHeaders(h.Values("Warning"))
	text := ""
	for _, w := range all {
		if shown := t.shown(w.Text); shown != "" && len(text) < answer.MaxShown {
			text += " " + shown
		}
	}
	return text
}
