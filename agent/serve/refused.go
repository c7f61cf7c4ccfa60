package serve

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxStatus bounds how much of a 401 is read to tell where it comes from, in
	// bytes: the API server's own has about 200.
	maxStatus = 4 << 10
	// statusKindWithin is how many bytes a Status needs to name its kind, in
	// every encoding.
	statusKindWithin = 64
)

// checkRights looks at a response for rights that the agent itself lacks. The error is a
// refusal of its credential.
func (h *Handler) checkRights(ctx context.Context, x *exchange, as *subjects.Identity, resp *http.Response) error {
	h.noteForbidden(x, as, resp)
	return h.checkCredential(ctx, x, resp)
}

// checkCredential returns a fault if resp is the API server's refusal of the
// agent's own credential. Callers would take that 401 for a refusal of theirs,
// and renew it in vain. Any other response is left as it is.
func (h *Handler) checkCredential(ctx context.Context, x *exchange, resp *http.Response) error {
	if resp.StatusCode != http.StatusUnauthorized || !h.ownRefusal(ctx, x.head, resp) {
		return nil
	}
	h.up.NoteRefusal()
	return fault.Newf(subjects.CodeUnauthorized, "answered 401 Unauthorized")
}

// ownRefusal reports whether a 401 is the API server's own. It always is, except
// behind a proxy subresource, where an application in the cluster may ask for a
// login. Such an application may be an API server too, as of a virtual cluster, whose
// 401 looks the same: then the cluster's API server is asked about the credential.
func (h *Handler) ownRefusal(ctx context.Context, head *subjects.RequestHead, resp *http.Response) bool {
	switch {
	case !isProxied(head.Target):
		return true
	case head.Method == http.MethodHead: // no body tells
		return h.up.CredentialRefused()
	}
	return isUnauthorizedStatus(resp) && h.up.RefusesCredential(ctx)
}

// isProxied reports whether a request target names a proxy subresource: that of
// services, pods and nodes, or one of an extension API. If in doubt it reports
// true.
func isProxied(target string) bool {
	path, _, _ := strings.Cut(target, "?")
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	group := 2 // api, version
	if len(parts) > 0 && parts[0] == "apis" {
		group = 3 // apis, group, version
	} else if len(parts) == 0 || parts[0] != "api" {
		return false
	}
	// From here on: [namespaces NAME] RESOURCE NAME proxy.
	return len(parts) > group && slices.Contains(parts[group:], "proxy")
}

// statusCodec reads a Status in each encoding that API servers use.
var statusCodec = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return serializer.NewCodecFactory(scheme).UniversalDeserializer()
}()

// isUnauthorizedStatus reports whether resp has a Kubernetes Status with reason
// Unauthorized as its body, which can then be read from its beginning.
func isUnauthorizedStatus(resp *http.Response) bool {
	status := statusIn(resp)
	return status != nil && status.Reason == metav1.StatusReasonUnauthorized
}

// statusIn returns the Kubernetes Status that is the body of resp, nil if it is another.
// The body can then be read from its beginning.
func statusIn(resp *http.Response) *metav1.Status {
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch mediaType {
	case runtime.ContentTypeJSON, runtime.ContentTypeYAML, runtime.ContentTypeProtobuf:
	default:
		return nil
	}
	if resp.ContentLength > maxStatus {
		return nil
	}
	b, err := readStatus(resp.Body)
	var rest io.Reader = resp.Body
	if err != nil {
		rest = failing{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(b), rest), resp.Body}
	if !errors.Is(err, io.EOF) {
		return nil
	}
	object, _, err := statusCodec.Decode(b, nil, nil)
	status, ok := object.(*metav1.Status)
	if err != nil || !ok {
		return nil
	}
	return status
}

// readStatus reads a body that may be a Status, and stops when it is not one. The
// error is io.EOF if it has read everything.
func readStatus(r io.Reader) ([]byte, error) {
	b := make([]byte, 0, 512)
	for len(b) <= maxStatus {
		if len(b) >= statusKindWithin && !bytes.Contains(b[:statusKindWithin], []byte("Status")) {
			return b, nil
		}
		b = slices.Grow(b, 512)
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil {
			return b, err
		}
	}
	return b, nil
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// noteForbidden notes the rights that the agent itself may lack, if resp is the API
// server's 403. Others decide what is behind a proxy subresource. As a caller it is the
// caller's rights that are missing, unless the answer is about impersonation.
func (h *Handler) noteForbidden(x *exchange, as *subjects.Identity, resp *http.Response) {
	if resp.StatusCode != http.StatusForbidden || isProxied(x.head.Target) {
		return
	}
	if as == nil {
		if info, err := requestinfo.Parse(x.head.Method, x.head.Target); err == nil && info.IsResource {
			h.up.NoteForbidden(authorization.ResourceAttributes{
				Namespace: info.Namespace, Verb: info.Verb, Group: info.APIGroup, Resource: info.Resource, Subresource: info.Subresource, Name: info.Name,
			})
		}
		return
	}
	if status := statusIn(resp); status == nil || !strings.Contains(status.Message, "impersonate") {
		return
	}
	for _, right := range impersonations(as) {
		h.up.NoteForbidden(right)
	}
}
