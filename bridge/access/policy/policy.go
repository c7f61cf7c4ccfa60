package policy

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/subjects"
)

// Policy is the [access.Authenticator] and the [access.Authorizer] of an access file.
// It is safe for concurrent use.
type Policy struct {
	file   *reload.File[*Config]
	chain  access.Chain
	oidc   *oidc.Authenticator
	grants atomic.Pointer[grant.Grants]
	limits *limit.Limiter
	record *record.Recorder

	services

	config *Config // that is in use; only apply touches it
	log    *slog.Logger
	audit  *audit.Config // that of the start; nil until then

	desk   *approval.Desk // nil: no grant may require an approval
	opened *Approvals     // that of the start; nil until then
	checks bool           // the file is only checked: nothing is opened
}

// Open reads the file, which must be good. tokens recognizes the tokens of the
// bridge's own file, nil if there is none. Close must be called.
func Open(path string, tokens access.Authenticator, log *slog.Logger) (*Policy, error) {
	p, err := newPolicy(tokens, log)
	if err != nil {
		return nil, err
	}
	p.file, err = reload.Open("access", path, log, func(content []byte) (*Config, error) {
		c, err := Parse(content)
		if err == nil {
			err = p.apply(c)
		}
		return c, err
	})
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// newPolicy makes a policy that lets nobody in.
func newPolicy(tokens access.Authenticator, log *slog.Logger) (p *Policy, err error) {
	p = &Policy{log: log, config: &Config{}, limits: limit.New(), record: record.New(log)}
	none, err := grant.New(grant.Config{})
	if err != nil {
		return nil, err
	}
	p.grants.Store(none)
	if p.oidc, err = oidc.New(nil, log); err != nil {
		return nil, err
	}
	p.services = newServices()
	p.chain = access.Chain{byCertificate{p}}
	if tokens != nil {
		p.chain = append(p.chain, tokens)
	}
	p.chain = append(p.chain, p.oidc, byReview{p})
	return p, nil
}

// apply makes a configuration take effect; after an error nothing has changed. It is
// never called concurrently. What is replaced ends last: the requests that it let in are
// decided about by what is new.
func (p *Policy) apply(c *Config) error {
	if err := p.openDesk(c.Approvals); err != nil {
		return err
	}
	old := p.grants.Load()
	next, keep := old, reflect.DeepEqual(c.Clusters, p.config.Clusters) && reflect.DeepEqual(c.Grants, p.config.Grants)
	if !keep {
		var err error
		if next, err = grant.New(grant.Config{Clusters: c.Clusters, Grants: c.Grants, Approvals: p.approvals()}); err != nil {
			return err
		}
	}
	parts, err := p.prepare(c)
	if err == nil {
		if err = p.oidc.Update(c.Authentication.OIDC); err != nil {
			parts.undo()
		}
	}
	if err != nil {
		if !keep {
			next.Close()
		}
		return err
	}
	p.config = c
	parts.swap()
	p.grants.Store(next)
	p.limits.Configure(c.Limits)
	p.record.Update(c.Recording)
	switch {
	case p.audit == nil:
		p.audit = &c.Audit
	case !reflect.DeepEqual(c.Audit, *p.audit):
		p.log.Warn("section audit of the access file has changed: the bridge must be started again for that to take effect")
	}
	if !keep {
		old.Close()
	}
	parts.finish()
	return nil
}

// Limiter is what bounds the use of the bridge as the file says. It is the same for as
// long as the policy is.
func (p *Policy) Limiter() *limit.Limiter { return p.limits }

// Recorder records sessions as the file says. It is the same for as long as the policy
// is. Its Run must be called.
func (p *Policy) Recorder() *record.Recorder { return p.record }

// Audit is section audit of the file as it was when the policy was opened.
func (p *Policy) Audit() audit.Config { return *p.audit }

// Run notices changes of the file until ctx ends, then it returns nil.
func (p *Policy) Run(ctx context.Context) error { return p.file.Run(ctx) }

// Status returns how the policy in use and the file stand. It does not block.
func (p *Policy) Status() reload.Status { return p.file.Status() }

// Close ends what the parts have running, and the leases of their callers.
func (p *Policy) Close() {
	p.oidc.Close()
	p.services.end()
	p.grants.Load().Close()
	if p.desk != nil {
		p.desk.Close()
	}
}

// Authenticate implements [access.Authenticator].
func (p *Policy) Authenticate(r *http.Request) (*access.Caller, error) {
	p.file.Get() // notices a change
	return p.chain.Authenticate(r)
}

// Authorize implements [access.Authorizer].
func (p *Policy) Authorize(ctx context.Context, c *access.Caller, req *access.Request) (*access.Decision, error) {
	d, err := p.grants.Load().Authorize(ctx, c, req)
	if err != nil {
		return p.review(ctx, c, req, err)
	}
	return d, nil
}

// Visible implements [access.Authorizer]. It waits for an answer of the access review
// service for a few seconds, and without one is false.
func (p *Policy) Visible(c *access.Caller, ref subjects.ClusterRef) bool {
	visible, err := p.View(context.Background(), c, ref)
	return err == nil && visible
}

// AuthorizeTenant implements [access.Authorizer].
func (p *Policy) AuthorizeTenant(c *access.Caller, tenant string) bool {
	visible, err := p.ViewTenant(context.Background(), c, tenant)
	return err == nil && visible
}

// Unseen implements [access.Explainer].
func (p *Policy) Unseen(c *access.Caller, ref subjects.ClusterRef) error {
	return p.grants.Load().Unseen(c, ref)
}
