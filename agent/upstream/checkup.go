package upstream

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Checkup is what one look at the API server has found.
type Checkup struct {
	// TLS is that of the connection, nil for plain HTTP.
	TLS *tls.ConnectionState
	// Date is the server's clock by the header Date, when this machine's was Now.
	Date, Now time.Time
	// Protocol is that of the response, such as HTTP/2.0.
	Protocol string
	// Version is that of Kubernetes, "" if the server does not tell.
	Version string
	// User is the agent as the API server knows it, "" if the server does not tell.
	User string
	// Took is how long the first request took, with connecting.
	Took time.Duration
}

// Checkup looks at the API server by at most four requests, none of which changes
// anything: whether it is ready, its version, and as whom it knows the agent. The
// error is a [cause.Failure], and what was found until then is returned with it.
func (u *Client) Checkup(ctx context.Context, userAgent string) (*Checkup, error) {
	c := &Checkup{Now: time.Now()}
	first, err := u.get(ctx, userAgent, "/readyz")
	if err != nil {
		return c, u.unreachable(err)
	}
	c.Took, c.Now = time.Since(c.Now), time.Now()
	c.TLS, c.Protocol = first.tls, first.proto
	c.Date, _ = http.ParseTime(first.header.Get("Date")) // the zero time after an error
	switch {
	case first.status == http.StatusUnauthorized:
		return c, u.failed(cause.TokenRefused, "/readyz", first.status, first.text)
	case first.status >= 500:
		return c, u.failed(cause.APIServerRefused, "/readyz", first.status, first.text)
	}
	if a, err := u.get(ctx, userAgent, "/version"); err == nil {
		c.Version, _, _ = a.version()
	}
	// Both may be public, so the credential is asked about.
	a, err := u.get(ctx, userAgent, "/api")
	if err != nil {
		return c, u.unreachable(err)
	}
	if a.status == http.StatusUnauthorized {
		return c, u.failed(cause.TokenRefused, "/api", a.status, a.text)
	}
	var who authenticationv1.SelfSubjectReview
	who.APIVersion, who.Kind = "authentication.k8s.io/v1", "SelfSubjectReview"
	// An API server older than 1.28 has no such thing.
	if err := u.review(ctx, userAgent, "/apis/authentication.k8s.io/v1/selfsubjectreviews", &who); err == nil {
		c.User = first.shown(who.Status.UserInfo.Username)
	}
	return c, nil
}

// May asks whether the agent itself may do something. The error is a
// [cause.Failure].
func (u *Client) May(ctx context.Context, userAgent string, what authorizationv1.ResourceAttributes) (bool, error) {
	review := authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}
	review.APIVersion, review.Kind = "authorization.k8s.io/v1", "SelfSubjectAccessReview"
	err := u.review(ctx, userAgent, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review)
	return review.Status.Allowed, err
}

// Rules returns what the agent itself may do in a namespace, as far as the API server
// knows it. The error is a [cause.Failure].
func (u *Client) Rules(ctx context.Context, userAgent, namespace string) (*authorizationv1.SubjectRulesReviewStatus, error) {
	review := authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}
	review.APIVersion, review.Kind = "authorization.k8s.io/v1", "SelfSubjectRulesReview"
	err := u.review(ctx, userAgent, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review)
	return &review.Status, err
}

// review posts an object and decodes the response into it.
func (u *Client) review(ctx context.Context, userAgent, path string, object any) error {
	body, err := json.Marshal(object)
	if err != nil {
		return u.unreachable(err)
	}
	a, err := u.ask(ctx, userAgent, http.MethodPost, path, body)
	if err != nil {
		return u.unreachable(err)
	}
	switch {
	case a.status == http.StatusUnauthorized:
		return u.failed(cause.TokenRefused, path, a.status, a.text)
	case a.status == http.StatusForbidden:
		return u.failed(cause.RBACMissing, path, a.status, a.text)
	case a.status >= 300:
		return u.failed(cause.APIServerRefused, path, a.status, a.text)
	}
	if err := json.Unmarshal(a.text, object); err != nil {
		return u.unreachable(fmt.Errorf("read response to %s: %w", path, err))
	}
	return nil
}
