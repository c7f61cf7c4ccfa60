package policy

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"sync"
	"sync/atomic"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/access/grant"
	"github.com/fairlead-io/fairlead/bridge/access/limit"
	"github.com/fairlead-io/fairlead/bridge/access/oidc"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/deploy/reload"
	"github.com/fairlead-io/fairlead/deploy/tracing/span"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/proxy"
)

// Policy keeps the rules of an access file. It is safe for concurrent use.
type Policy struct {
	file    *reload.File[*version]
	tokens  access.Authenticator // of the bridge's own file; nil: none
	current atomic.Pointer[version]
	limits  *limit.Limiter
	record  *record.Recorder // without a configuration
	keeper  *record.Keeper
	log     *slog.Logger
	audit   *audit.Config  // that of the start; nil until then
	desk    *approval.Desk // nil: no grant may require an approval
	opened  *Approvals     // that of the start; nil until then
	shared  Shared
	proxies *proxy.Proxies // how issuers and services are reached; nil: as the environment says
	checks  bool           // the file is only checked: nothing is opened

	mu     sync.Mutex // held by apply and Close
	closed bool
}

// Open reads the file, which must be good. Relative paths in it start from its folder.
// tokens recognizes the tokens of the bridge's own file, nil if there is none; shared is
// the zero value for a bridge without a shared store. proxies is how issuers and services
// are reached, nil for the proxies of the environment. A nil tracer traces no reading of
// issuers' keys. Close must be called.
func Open(path string, tokens access.Authenticator, shared Shared, proxies *proxy.Proxies, tracer *span.Tracer, log *slog.Logger) (*Policy, error) {
	p, err := newPolicy(tokens, shared, proxies, tracer, log)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		p.Close()
		return nil, fmt.Errorf("access: %w", err)
	}
	p.file, err = reload.Open("access", path, log, func(content []byte) (*version, error) {
		d, err := Read(content, dir)
		if err == nil {
			err = d.explain(p.apply(d.Config))
		}
		return p.current.Load(), err
	})
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// newPolicy makes a policy that lets nobody in.
func newPolicy(tokens access.Authenticator, shared Shared, proxies *proxy.Proxies, tracer *span.Tracer, log *slog.Logger) (*Policy, error) {
	p := &Policy{tokens: tokens, log: log, limits: limit.New(), record: record.New(shared.Recordings, log), keeper: record.NewKeeper(log), shared: shared, proxies: proxies}
	nobody := &version{config: &Config{}}
	var err error
	if nobody.grants, err = grant.New(grant.Config{}); err != nil {
		return nil, err
	}
	if nobody.oidc, err = oidc.New(nil, proxies, tracer, log); err != nil {
		return nil, err
	}
	nobody.rules = access.Rules{Authenticator: p.chain(nobody), Authorizer: authorizer{nobody}, Limiter: p.limits, Recorder: p.record}
	p.current.Store(nobody)
	return p, nil
}

// apply makes a configuration take effect, all of it at once; after an error nothing has
// changed. What is replaced ends last: the requests that it let in are decided about by
// what is new.
func (p *Policy) apply(c *Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errors.New("the bridge is shutting down")
	}
	if c.Recording.Shared && p.shared.Recordings == nil && !p.checks {
		return errNoStore("recording")
	}
	if err := p.openDesk(c.Approvals); err != nil {
		return err
	}
	before := p.current.Load()
	v, err := p.next(before, c)
	if err != nil {
		return err
	}
	switch {
	case p.audit == nil:
		p.audit = &c.Audit
	case !reflect.DeepEqual(c.Audit, *p.audit):
		p.log.Warn("section audit of the access file has changed: the bridge must be started again for that to take effect")
	}
	p.current.Store(v)
	p.keeper.Update(c.Recording)
	before.closeExcept(v)
	return nil
}

// Rules are those of the file as it is now, for [access.Door]. It notices a change.
func (p *Policy) Rules() *access.Rules {
	p.file.Get()
	return &p.current.Load().rules
}

// ClientCAs returns the CAs of the client certificates that the server shall ask for;
// nil: none.
func (p *Policy) ClientCAs() *x509.CertPool {
	if a := p.current.Load().certificates.made; a != nil {
		return a.ClientCAs()
	}
	return nil
}

// Keeper keeps the recordings that the rules' recorders make in order, as the file says.
// Its Run must be called.
func (p *Policy) Keeper() *record.Keeper { return p.keeper }

// Down says which issuers' keys could not be read the last time, one line each. Callers
// whose tokens need other keys than those that are known are refused.
func (p *Policy) Down() []string { return p.current.Load().oidc.Down() }

// Audit is section audit of the file as it was when the policy was opened.
func (p *Policy) Audit() audit.Config { return *p.audit }

// Run notices changes of the file until ctx ends, then it returns nil.
func (p *Policy) Run(ctx context.Context) error { return p.file.Run(ctx) }

// Files are the files of the version in use that it follows beside the access file, by
// the keys that name them.
func (p *Policy) Files() []reload.Followed { return p.current.Load().files() }

// Status returns how the policy in use and the file stand. It does not block.
func (p *Policy) Status() reload.Status { return p.file.Status() }

// Close ends what the parts have running, and the leases of their callers. The rules
// let nobody in from now on.
func (p *Policy) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return
	}
	p.closed = true
	p.current.Load().closeExcept(&version{})
	if p.desk != nil {
		p.desk.Close()
	}
}
