package policy

import (
	"log/slog"
	"reflect"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/clientcert"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/access/webhook"
	"github.com/fairlead-io/fairlead/deploy/reload"
)

// version is what one version of the file makes. It is never changed once it is in use;
// what has not changed from one version to the next is shared by both.
type version struct {
	config *Config
	rules  access.Rules // of the parts

	oidc         *oidc.Authenticator
	certificates part[clientcert.Config, clientcert.Authenticator]
	tokenReview  part[webhook.TokenReviewConfig, webhook.TokenReview]
	accessReview part[webhook.AccessReviewConfig, webhook.AccessReview]
	grants       *grant.Grants
}

// next makes the version of a configuration. After an error nothing has changed.
func (p *Policy) next(before *version, c *Config) (v *version, err error) {
	v = &version{config: c}
	if err := v.open(p, before); err != nil {
		v.closeExcept(before)
		return nil, err
	}
	v.rules.Authenticator = p.chain(v)
	v.rules.Authorizer = authorizer{v}
	v.rules.Limiter = p.limits.With(c.Limits)
	v.rules.Recorder = p.record.With(c.Recording)
	return v, nil
}

// files are those that the parts follow.
func (v *version) files() []reload.Followed {
	all := v.oidc.Files("authentication.oidc")
	if a := v.certificates.made; a != nil {
		all = append(all, a.Files("authentication.clientCertificates")...)
	}
	if t := v.tokenReview.made; t != nil {
		all = append(all, t.Files("authentication.tokenReview.kubeconfig")...)
	}
	if a := v.accessReview.made; a != nil {
		all = append(all, a.Files("authorization.subjectAccessReview.kubeconfig")...)
	}
	return all
}

// open makes the parts. After an error some have been made.
func (v *version) open(p *Policy, before *version) (err error) {
	c := v.config
	v.grants = before.grants
	if !reflect.DeepEqual(c.Clusters, before.config.Clusters) || !reflect.DeepEqual(c.Grants, before.config.Grants) {
		if v.grants, err = grant.New(grant.Config{Clusters: c.Clusters, Grants: c.Grants, Approvals: p.approvals()}); err != nil {
			return err
		}
	}
	if v.certificates, err = before.certificates.next(c.Authentication.ClientCertificates, clientcert.New, p.log); err != nil {
		return err
	}
	if v.tokenReview, err = before.tokenReview.next(c.Authentication.TokenReview, p.tokenReview, p.log); err != nil {
		return err
	}
	if v.accessReview, err = before.accessReview.next(c.Authorization.SubjectAccessReview, p.accessReview, p.log); err != nil {
		return err
	}
	v.oidc, err = before.oidc.Next(c.Authentication.OIDC)
	return err
}

func (p *Policy) tokenReview(c webhook.TokenReviewConfig, log *slog.Logger) (*webhook.TokenReview, error) {
	return webhook.NewTokenReview(c, p.proxies, log)
}

func (p *Policy) accessReview(c webhook.AccessReviewConfig, log *slog.Logger) (*webhook.AccessReview, error) {
	return webhook.NewAccessReview(c, p.proxies, log)
}

// chain asks the authenticators of a version in their order.
func (p *Policy) chain(v *version) (c access.Chain) {
	if a := v.certificates.made; a != nil {
		c = append(c, a)
	}
	if p.tokens != nil {
		c = append(c, p.tokens)
	}
	c = append(c, v.oidc)
	if a := v.tokenReview.made; a != nil {
		c = append(c, a)
	}
	return c
}

// closeExcept closes what v has and kept has not: running requests that it let in are
// decided about again, by the version that is in use.
func (v *version) closeExcept(kept *version) {
	if v.oidc != nil {
		v.oidc.CloseExcept(kept.oidc)
	}
	v.certificates.closeExcept(kept.certificates, (*clientcert.Authenticator).Close)
	v.tokenReview.closeExcept(kept.tokenReview, (*webhook.TokenReview).Close)
	if v.grants != nil && v.grants != kept.grants {
		v.grants.Close()
	}
	v.accessReview.closeExcept(kept.accessReview, (*webhook.AccessReview).Close)
}
