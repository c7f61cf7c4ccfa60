package pullsecret

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/pullsecret/dockerconfig"
)

// secret is a Secret of the cluster, as far as this package reads it.
type secret struct {
	Kind     string
	Metadata struct {
		UID             string
		ResourceVersion string
	}
	Type      string
	Immutable bool
	Data      map[string][]byte
}

// Format implements [fmt.Formatter]: nothing of a Secret is printed.
func (secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

func (t *target) secretPath() string {
	return "/api/v1/namespaces/" + t.namespace + "/secrets/" + t.name
}

const theSecret = "the Secret"

// readSecret reads the Secret; nil: there is none.
func (t *target) readSecret(ctx context.Context) (*secret, *answer.Failure) {
	res, f := t.do(ctx, http.MethodGet, t.secretPath(), "", nil)
	switch {
	case f != nil:
		return nil, f
	case res.Status == http.StatusNotFound:
		return nil, nil
	case res.Status != http.StatusOK:
		return nil, t.explain(theSecret, res)
	}
	return decodeSecret(res)
}

// maxData bounds the data of a Secret in bytes, as API servers do: a cluster that says it has
// more lies.
const maxData = 1 << 20

func decodeSecret(res *response) (*secret, *answer.Failure) {
	s := &secret{}
	if json.Unmarshal(res.Body, s) != nil || s.Kind != "Secret" || !endpoint.IsVersion(s.Metadata.ResourceVersion) {
		return nil, unreadable(theSecret)
	}
	size := 0
	for _, v := range s.Data {
		size += len(v)
	}
	if size > maxData {
		return nil, answer.Failf(answer.ResponseTooLarge, "the Secret has more than %d bytes of data, which no API server keeps", maxData)
	}
	return s, nil
}

// version is that of the Secret which may be written over; zero: any, or none.
type version struct {
	number string
	// uid makes it a conflict if the Secret was deleted: it would be created otherwise.
	uid string
}

// neverVersion is a resource version that no object has: applied with it and no uid, an
// object is created, or there is a conflict as there is one already.
const neverVersion = "1"

// errConflict is that the Secret has another version than the one that was given.
var errConflict = answer.Failf(answer.WriteConflict, "the Secret has another version")

// apply writes the Secret, on condition that it has the given version. The failure is
// errConflict if it has another.
func (t *target) apply(ctx context.Context, content []byte, on version) (s *secret, created bool, f *answer.Failure) {
	t.secrets = secretsOf(content)
	metadata := map[string]any{"name": t.name, "namespace": t.namespace}
	if on.number != "" {
		metadata["resourceVersion"] = on.number
	}
	if on.uid != "" {
		metadata["uid"] = on.uid
	}
	res, f := t.do(ctx, http.MethodPatch, t.secretPath()+"?fieldManager="+fieldManager+"&force=true", applyType, map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": metadata,
		"type": dockerconfig.Type, "data": map[string][]byte{dockerconfig.Key: content},
	})
	switch {
	case f != nil:
		return nil, false, f
	case res.Status == http.StatusConflict && on != (version{}):
		return nil, false, errConflict
	case res.Status != http.StatusOK && res.Status != http.StatusCreated:
		return nil, false, t.rejected(res)
	}
	s, f = decodeSecret(res)
	return s, res.Status == http.StatusCreated, f
}

// rejected explains why a Secret could not be written.
func (t *target) rejected(res *response) *answer.Failure {
	if res.Status == http.StatusUnprocessableEntity {
		for _, c := range statusOf(res).Details.Causes {
			switch {
			case c.Field == "type":
				return wrongType("")
			case strings.Contains(c.Message, "immutable") && (c.Field == "data" || c.Field == "immutable"):
				return immutable()
			}
		}
	}
	return t.explain(theSecret, res)
}

// suitable returns why entries cannot be added to a Secret; nil: they can.
func (s *secret) suitable() *answer.Failure {
	switch {
	case s.Type != dockerconfig.Type:
		return wrongType(s.Type)
	case s.Immutable:
		return immutable()
	}
	return nil
}

func wrongType(is string) *answer.Failure {
	const cure = "the type of a Secret cannot be changed: delete it, and put the pull secret again, or put it with another name; nothing was changed"
	switch is {
	case "":
		return answer.Failf(answer.SecretWrongType, "there is a Secret of the name whose type is not %s; %s", dockerconfig.Type, cure)
	case dockerconfig.LegacyType:
		return answer.Failf(answer.SecretWrongType, "there is a pull secret of the name in the legacy type %s; %s", is, cure)
	}
	return answer.Failf(answer.SecretWrongType, "there is a Secret of the name, of type %q, which is not a pull secret; %s", answer.Clip(is), cure)
}

func immutable() *answer.Failure {
	return answer.Failf(answer.SecretImmutable, "the Secret is immutable: delete it, and put the pull secret again, or put it with another name; nothing was changed")
}

// merged is the content of a Secret with the logins of an order.
func (o *order) merged(old *secret) ([]byte, *answer.Failure) {
	var content []byte
	if old != nil && !o.replace {
		content = old.Data[dockerconfig.Key]
	}
	b, err := dockerconfig.Merge(content, o.logins)
	if errors.Is(err, dockerconfig.ErrMalformed) {
		return nil, answer.Failf(answer.SecretMalformed, "the content of the Secret is %w, so that no registry can be added to it; with mode=replace it is written as a whole; nothing was changed", err)
	}
	return b, nil
}
