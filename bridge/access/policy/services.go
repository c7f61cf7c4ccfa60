package policy

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/clientcert"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// services are the parts beside ID tokens and grants.
type services struct {
	certificates part[clientcert.Config, clientcert.Authenticator]
	tokenReview  part[webhook.TokenReviewConfig, webhook.TokenReview]
	accessReview part[webhook.AccessReviewConfig, webhook.AccessReview]
}

func newServices() services {
	return services{
		certificates: part[clientcert.Config, clientcert.Authenticator]{open: clientcert.New, close: (*clientcert.Authenticator).Close},
		tokenReview:  part[webhook.TokenReviewConfig, webhook.TokenReview]{open: webhook.NewTokenReview, close: (*webhook.TokenReview).Close},
		accessReview: part[webhook.AccessReviewConfig, webhook.AccessReview]{open: webhook.NewAccessReview, close: (*webhook.AccessReview).Close},
	}
}

// prepare makes all parts as the file has them.
func (p *Policy) prepare(c *Config) (all change, err error) {
	var made []change
	each := func(f func(change)) func() {
		return func() {
			for _, m := range made {
				f(m)
			}
		}
	}
	all = change{
		swap:   each(func(m change) { m.swap() }),
		finish: each(func(m change) { m.finish() }),
		undo:   each(func(m change) { m.undo() }),
	}
	for _, prepare := range []func() (change, error){
		func() (change, error) { return p.certificates.prepare(c.Authentication.ClientCertificates, p.log) },
		func() (change, error) { return p.tokenReview.prepare(c.Authentication.TokenReview, p.log) },
		func() (change, error) { return p.accessReview.prepare(c.Authorization.SubjectAccessReview, p.log) },
	} {
		m, err := prepare()
		if err != nil {
			all.undo()
			return change{}, err
		}
		made = append(made, m)
	}
	return all, nil
}

func (s *services) end() {
	s.certificates.end()
	s.tokenReview.end()
	s.accessReview.end()
}

// byCertificate and byReview are the authenticators that the file may leave out.
type (
	byCertificate struct{ *Policy }
	byReview      struct{ *Policy }
)

// Authenticate implements [access.Authenticator].
func (p byCertificate) Authenticate(r *http.Request) (*access.Caller, error) {
	if a := p.certificates.current.Load(); a != nil {
		return a.Authenticate(r)
	}
	return nil, access.ErrNoCredentials
}

// Authenticate implements [access.Authenticator].
func (p byReview) Authenticate(r *http.Request) (*access.Caller, error) {
	if a := p.tokenReview.current.Load(); a != nil {
		return a.Authenticate(r)
	}
	return nil, access.ErrNoCredentials
}

// ClientCAs returns the CAs of the client certificates that the server shall ask for;
// nil: none.
func (p *Policy) ClientCAs() *x509.CertPool {
	if a := p.certificates.current.Load(); a != nil {
		return a.ClientCAs()
	}
	return nil
}

// review asks the access review service about a request that the grants refuse with
// refusal. It returns refusal where nobody is to be asked.
func (p *Policy) review(ctx context.Context, c *access.Caller, req *access.Request, refusal error) (*access.Decision, error) {
	a := p.accessReview.current.Load()
	if f, ok := errors.AsType[*answer.Failure](refusal); a == nil || ok && f.Kind != answer.Forbidden {
		return nil, refusal
	}
	d, err := a.Authorize(ctx, c, req)
	if err == nil {
		return d, nil
	}
	if _, ok := errors.AsType[*answer.Failure](err); ok {
		return nil, err
	}
	return nil, refusal // the service does not let the caller know of the cluster
}

// View implements [access.Viewer].
func (p *Policy) View(ctx context.Context, c *access.Caller, ref subjects.ClusterRef) (bool, error) {
	if p.grants.Load().Visible(c, ref) {
		return true, nil
	}
	if a := p.accessReview.current.Load(); a != nil {
		return a.View(ctx, c, ref)
	}
	return false, nil
}

// ViewTenant implements [access.Viewer].
func (p *Policy) ViewTenant(ctx context.Context, c *access.Caller, tenant string) (bool, error) {
	if p.grants.Load().AuthorizeTenant(c, tenant) {
		return true, nil
	}
	if a := p.accessReview.current.Load(); a != nil {
		return a.ViewTenant(ctx, c, tenant)
	}
	return false, nil
}
