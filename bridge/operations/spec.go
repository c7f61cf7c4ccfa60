package operations

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
)

const (
	// maxSpec bounds the body of a POST in bytes: a body of maxBody, with the escapes of
	// a string.
	maxSpec = 1 << 20
	// maxBody bounds what is sent to the API server in bytes. In base64, with who made
	// it, it fits into a value of the bucket, and into a message of NATS.
	maxBody = 512 << 10
	// maxName bounds texts of a specification in bytes that become a part of a query or
	// of DeleteOptions. An API server allows 128 for a field manager.
	maxName = 128
	// maxPath bounds the path in bytes: six names of Kubernetes have at most 253 each.
	maxPath = 2 << 10
)

// Bounds of the time within which an operation must begin. What is ordered for a cluster
// that is away for a night is still meant the next day; after a week somebody should order
// it again.
const (
	defaultTTL = 24 * time.Hour
	minTTL     = time.Minute
	maxTTL     = 7 * 24 * time.Hour
)

// order is a checked specification: the request that the API server will get.
type order struct {
	kind        api.OperationKind
	method      string
	path        string
	target      string // with a query
	contentType string
	body        []byte
	byVersion   bool // a delete that demands a resourceVersion
	ttl         time.Duration
}

// read checks a specification.
func read(spec *api.OperationSpec) (*order, *answer.Failure) {
	o := &order{kind: spec.Kind, path: spec.Path, ttl: defaultTTL}
	if spec.TTL != "" {
		t, err := time.ParseDuration(spec.TTL)
		if err != nil || t < minTTL || t > maxTTL {
			return nil, bad(`ttl: want a duration such as "24h", between %s and %s`, minTTL, maxTTL)
		}
		o.ttl = t
	}
	query := url.Values{}
	if spec.FieldManager != "" {
		if !plain(spec.FieldManager) {
			return nil, bad("fieldManager: want at most %d printable characters", maxName)
		}
		query.Set("fieldManager", spec.FieldManager)
	}
	var f *answer.Failure
	switch spec.Kind {
	case api.OperationApply:
		f = o.readApply(spec, query)
	case api.OperationPatch:
		f = o.readPatch(spec)
	case api.OperationDelete:
		f = o.readDelete(spec)
	default:
		f = bad("kind: want apply, delete or patch; other requests are not safe to send later, or twice")
	}
	if f == nil {
		f = o.checkPath()
	}
	if f != nil {
		return nil, f
	}
	if o.target = o.path; len(query) > 0 {
		o.target += "?" + query.Encode()
	}
	return o, nil
}

func bad(format string, args ...any) *answer.Failure {
	return answer.Failf(answer.BadRequest, format, args...)
}

// plain reports whether a text is short, and of printable ASCII.
func plain(s string) bool {
	return len(s) <= maxName && !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// checkPath wants the path of one object that may be changed later.
func (o *order) checkPath() *answer.Failure {
	if len(o.path) > maxPath || !strings.HasPrefix(o.path, "/") || strings.ContainsAny(o.path, "?#") {
		return bad("path: want the absolute path of an object without a query, such as /api/v1/namespaces/default/configmaps/settings")
	}
	info, err := requestinfo.Parse(o.method, o.path)
	switch {
	case err != nil || info.Ambiguous || !info.IsResource || info.Name == "":
		return bad("path: %q is not that of one object, such as /api/v1/namespaces/default/configmaps/settings", answer.Clip(o.path))
	case info.Verb != "patch" && info.Verb != "delete":
		return bad("path: %q is not that of one object, but of its %s", answer.Clip(o.path), answer.Clip(info.Verb))
	case info.APIGroup == platformGroup:
		return bad("path: %s is the platform's own, and at no cluster", platformGroup)
	case info.APIGroup == "" && info.Resource == "secrets":
		return bad("path: Secrets are refused, because operations are kept in the bridges' shared store in clear")
	case info.Subresource == "" || o.kind != api.OperationDelete && (info.Subresource == "status" || info.Subresource == "scale"):
		return nil
	}
	return bad("path: subresource %q is refused; an object itself can be changed, and its status and scale", answer.Clip(info.Subresource))
}

// readBody reads what is to be sent.
func (o *order) readBody(spec *api.OperationSpec) *answer.Failure {
	raw := bytes.TrimSpace(spec.Body)
	if len(raw) == 0 || string(raw) == "null" {
		return bad("body: none given")
	}
	if raw[0] == '"' {
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return bad("body: %w", err)
		}
		raw = []byte(s)
	}
	if len(raw) > maxBody {
		return answer.Failf(answer.BodyTooLarge, "body: it is larger than %d bytes; larger objects can be sent under /k8s while the cluster is online", maxBody)
	}
	o.body = raw
	return nil
}

// only refuses what is for other kinds.
func only(spec *api.OperationSpec, patchType, force, preconditions bool) *answer.Failure {
	switch {
	case !patchType && spec.PatchType != "":
		return bad("patchType: it is for kind patch only")
	case !force && spec.Force:
		return bad("force: it is for kind apply only")
	case !preconditions && (spec.Preconditions != nil || spec.PropagationPolicy != ""):
		return bad("preconditions, propagationPolicy: they are for kind delete only")
	}
	return nil
}

func (o *order) readApply(spec *api.OperationSpec, query url.Values) *answer.Failure {
	o.method, o.contentType = http.MethodPatch, "application/apply-patch+yaml"
	if spec.FieldManager == "" {
		return bad("fieldManager: none given; server-side apply needs one, such as the name of your program")
	}
	if f := only(spec, false, true, false); f != nil {
		return f
	}
	if f := o.readBody(spec); f != nil {
		return f
	}
	query.Set("force", strconv.FormatBool(spec.Force))
	if err := oneObject(o.body); err != nil {
		return bad("body: want one object with apiVersion and kind, in JSON or YAML: %s", answer.Clip(err.Error()))
	}
	return nil
}

// oneObject says why a document is not one object of Kubernetes.
func oneObject(doc []byte) error {
	d := yaml.NewDecoder(bytes.NewReader(doc))
	var n yaml.Node
	if err := d.Decode(&n); err != nil {
		return err
	}
	if err := d.Decode(new(yaml.Node)); err != io.EOF {
		return errors.New("more than one document")
	}
	if len(n.Content) != 1 || n.Content[0].Kind != yaml.MappingNode {
		return errors.New("it is not an object")
	}
	has := map[string]bool{}
	object := n.Content[0].Content
	for i := 0; i+1 < len(object); i += 2 {
		if v := object[i+1]; v.Kind == yaml.ScalarNode && v.Value != "" {
			has[object[i].Value] = true
		}
	}
	if !has["apiVersion"] || !has["kind"] {
		return errors.New("apiVersion or kind is missing")
	}
	return nil
}

var patchTypes = map[string]string{
	"merge": "application/merge-patch+json", "json": "application/json-patch+json", "strategic": "application/strategic-merge-patch+json",
}

func (o *order) readPatch(spec *api.OperationSpec) *answer.Failure {
	o.method, o.contentType = http.MethodPatch, patchTypes[spec.PatchType]
	if o.contentType == "" {
		return bad("patchType: want merge, json or strategic")
	}
	if f := only(spec, true, false, false); f != nil {
		return f
	}
	if f := o.readBody(spec); f != nil {
		return f
	}
	if spec.PatchType == "json" {
		if !testsVersion(o.body) {
			return bad(`body: want a JSON patch whose first operation is {"op": "test", "path": "/metadata/resourceVersion", "value": "..."}, so that it changes that version of the object alone`)
		}
		return nil
	}
	if !namesVersion(o.body) {
		return bad("body: want a JSON object with a metadata.resourceVersion, so that it changes that version of the object alone; directives such as $patch are refused beside it")
	}
	return nil
}

// testsVersion reports whether a JSON patch begins with a test of the resourceVersion.
func testsVersion(patch []byte) bool {
	var steps []map[string]json.RawMessage // whose keys are case-sensitive, as an API server's are
	if json.Unmarshal(patch, &steps) != nil || len(steps) == 0 {
		return false
	}
	first := steps[0]
	return text(first["op"]) == "test" && text(first["path"]) == "/metadata/resourceVersion" && text(first["value"]) != ""
}

// namesVersion reports whether a merge patch has a resourceVersion. One of zeros is none for
// an API server, which then changes whatever version there is.
func namesVersion(patch []byte) bool {
	var object, metadata map[string]json.RawMessage
	if json.Unmarshal(patch, &object) != nil || json.Unmarshal(object["metadata"], &metadata) != nil {
		return false
	}
	return strings.Trim(text(metadata["resourceVersion"]), "0") != "" && !directs(object) && !directs(metadata)
}

// directs reports whether a strategic patch has a directive, such as $patch, which could
// take the resourceVersion out again.
func directs(object map[string]json.RawMessage) bool {
	for key := range object {
		if strings.HasPrefix(key, "$") {
			return true
		}
	}
	return false
}

// text is a JSON string, "" for anything else.
func text(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// deleteOptions are the body of a delete.
type deleteOptions struct {
	APIVersion        string                      `json:"apiVersion"`
	Kind              string                      `json:"kind"`
	Preconditions     *api.OperationPreconditions `json:"preconditions"`
	PropagationPolicy string                      `json:"propagationPolicy,omitempty"`
}

func (o *order) readDelete(spec *api.OperationSpec) *answer.Failure {
	o.method, o.contentType = http.MethodDelete, "application/json"
	p := spec.Preconditions
	switch {
	case p == nil || *p == (api.OperationPreconditions{}):
		return bad("preconditions: want the uid or the resourceVersion of the object, so that another one of its name stays")
	case !plain(p.UID) || !plain(p.ResourceVersion):
		return bad("preconditions: want at most %d printable characters each", maxName)
	case spec.PropagationPolicy != "" && spec.PropagationPolicy != "Foreground" && spec.PropagationPolicy != "Background" && spec.PropagationPolicy != "Orphan":
		return bad("propagationPolicy: want Foreground, Background or Orphan")
	case len(bytes.TrimSpace(spec.Body)) > 0 || spec.FieldManager != "":
		return bad("body, fieldManager: they are not for kind delete")
	}
	if f := only(spec, false, false, true); f != nil {
		return f
	}
	o.byVersion = p.ResourceVersion != ""
	var err error
	if o.body, err = json.Marshal(deleteOptions{"v1", "DeleteOptions", p, spec.PropagationPolicy}); err != nil {
		return bad("preconditions: %w", err)
	}
	return nil
}

// digest tells one order from another.
func (o *order) digest() string {
	h := sha256.New()
	for _, part := range []string{o.method, o.target, o.contentType, o.ttl.String(), string(o.body)} {
		_, _ = io.WriteString(h, strconv.Itoa(len(part))+":"+part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
