package main

import (
	"context"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/policy"
	"github.com/fairlead-io/fairlead/bridge/access/token"
	"github.com/fairlead-io/fairlead/bridge/audit"
	"github.com/fairlead-io/fairlead/deploy/daemon"
)

// callers reads the files that say who may call, and what. The components follow the
// files, so that running requests end when their caller may no longer make them.
func (w *wiring) callers() (components []daemon.Component, err error) {
	var known access.Authenticator // by the tokens file
	if w.o.tokens != "" {
		tokens, err := token.Open(w.o.tokens, w.log)
		if err != nil {
			return nil, &daemon.ConfigError{Err: err}
		}
		known = tokens
		w.ops.File("tokens", tokens.Status)
		components = append(components, daemon.Component{Name: "tokens", Run: tokens.Run})
	}
	w.cfg.Authenticator = known
	if w.o.access == "" {
		return components, nil
	}
	proxies, err := w.proxies()
	if err != nil {
		return nil, err
	}
	if w.policy, err = policy.Open(w.o.access, known, w.shared(), proxies, w.traces.Tracer(), w.log); err != nil {
		return nil, &daemon.ConfigError{Err: err}
	}
	w.ops.File("access", w.policy.Status)
	w.ops.Files("access-named", w.policy.Files)
	// A bridge without an issuer serves all other callers, and no other bridge would reach it.
	w.ops.Ready("issuers", func(context.Context) (string, error) { return some("ok, but ", w.policy.Down()), nil })
	w.cfg.Rules = w.policy.Rules
	w.cfg.Approvals = w.policy.Approvals()
	w.cfg.ClientCAs = w.policy.ClientCAs
	if w.cfg.Audit, err = audit.New(w.policy.Audit(), w.store, w.log, w.ops.Registry()); err != nil {
		return nil, &daemon.ConfigError{Err: err}
	}
	w.ops.Follow(w.cfg.Audit.Files()...)
	components = append(components, daemon.Component{Name: "audit", Run: func(ctx context.Context) error {
		<-ctx.Done() // when the last request has ended
		return w.cfg.Audit.Close()
	}})
	w.ops.Registry().MustRegister(w.policy.Rules().Recorder) // for all versions
	components = append(components, daemon.Component{Name: "recordings", Run: w.policy.Keeper().Run})
	return append(components, daemon.Component{Name: "access", Run: func(ctx context.Context) error {
		defer w.policy.Close()
		return w.policy.Run(ctx)
	}}), nil
}
