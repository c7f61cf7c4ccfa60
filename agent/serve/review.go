package serve

import (
	"encoding/json"
	"net/http"
	"slices"

	authorization "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-io/fairlead/agent/fault"
	"github.com/fairlead-io/fairlead/deploy/requestinfo"
	"github.com/fairlead-io/fairlead/subjects"
)

// reviewPath is where an API server answers a SelfSubjectAccessReview.
const reviewPath = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

// isReview reports whether a bridge only asks if the request would be allowed.
func isReview(extensions []subjects.Extension) bool {
	return slices.ContainsFunc(extensions, func(e subjects.Extension) bool { return e.ID == subjects.ExtensionReview })
}

// reviewInstead turns a request into the question whether it would be allowed, which
// the API server answers by its own authorization, as the same user. body is the
// request's whole body.
func reviewInstead(head *subjects.RequestHead) (body []byte, err error) {
	info, err := requestinfo.Parse(head.Method, head.Target)
	if err != nil {
		return nil, fault.Newf(subjects.CodeBadRequest, "access review: %w", err)
	}
	review := authorization.SelfSubjectAccessReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "authorization.k8s.io/v1", Kind: "SelfSubjectAccessReview"},
	}
	if info.IsResource {
		review.Spec.ResourceAttributes = &authorization.ResourceAttributes{
			Namespace: info.Namespace, Verb: info.Verb, Group: info.APIGroup, Version: info.APIVersion,
			Resource: info.Resource, Subresource: info.Subresource, Name: info.Name,
		}
	} else {
		review.Spec.NonResourceAttributes = &authorization.NonResourceAttributes{Path: info.Path, Verb: info.Verb}
	}
	if body, err = json.Marshal(&review); err != nil {
		return nil, fault.Newf(subjects.CodeInternal, "encode access review: %w", err)
	}
	head.Method, head.Target, head.ContentLength = http.MethodPost, reviewPath, int64(len(body))
	head.Header = http.Header{"Accept": {"application/json"}, "Content-Type": {"application/json"}}
	return body, nil
}
