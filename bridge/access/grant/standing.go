package grant

import (
	"context"
	"runtime"
	"sync"
	"weak"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
)

// standing is what the grants make of a caller, whatever is requested. It refers to
// nothing that would keep the caller.
type standing struct {
	grants []holding // whose conditions on the caller hold, in order
	// approvers are grants that let the caller approve others.
	approvers []*grant
	near      *nearly // a grant that is almost the caller's; nil without
	places    places
}

// holding is a grant that a caller has, for some clusters and requests.
type holding struct {
	grant    *grant
	decision *access.Decision // nil: refusal
	refusal  error            // why there is no user as whom the caller would act
}

// nearly is a grant of which one condition on the caller is not true.
type nearly struct {
	grant     *grant
	condition *expr.Program
	err       error
}

// standing returns what the grants make of the caller. It is evaluated once for each
// caller, unless ctx ends meanwhile, which is the only error.
func (g *Grants) standing(ctx context.Context, c *access.Caller) (*standing, error) {
	if s := g.callers.get(c); s != nil {
		return s, nil
	}
	s := &standing{}
	v := &vars{caller: c}
	for _, gr := range g.grants {
		n, holds := judge(ctx, gr, v)
		if holds && len(gr.approves) > 0 {
			s.approvers = append(s.approvers, gr)
		}
		if holds && gr.only {
			continue
		}
		if holds {
			s.grants = append(s.grants, g.hold(ctx, gr, v))
		} else if n != nil && s.near == nil {
			s.near = n
		}
	}
	if ctx.Err() != nil { // conditions may have failed for that
		return nil, tooLate(ctx)
	}
	g.callers.put(c, s)
	return s, nil
}

// judge reports whether all conditions on the caller hold. If one does not, and comes
// after one that says whose the grant is, the caller may know of it: the first
// condition on the caller itself, and not only on who vouches for it, holds.
func judge(ctx context.Context, g *grant, v *vars) (n *nearly, holds bool) {
	own, failed := false, 0
	for _, p := range g.onCaller {
		is, err := p.Bool(ctx, v)
		if is {
			own = own || aboutSelf(p)
			continue
		}
		if failed++; failed > 1 || !own {
			return nil, false
		}
		n = &nearly{grant: g, condition: p, err: err}
	}
	return n, failed == 0
}

// aboutSelf reports whether a condition tells one caller of an issuer from another.
func aboutSelf(p *expr.Program) bool {
	for _, name := range []string{"claims", "caller.claims", "caller.name", "caller.groups", "caller.uid"} {
		if p.Mentions(name) {
			return true
		}
	}
	return false
}

func (g *Grants) hold(ctx context.Context, gr *grant, v *vars) holding {
	as, err := gr.as.of(ctx, v)
	if err != nil {
		return holding{grant: gr, refusal: noIdentity(v.caller, gr, err)}
	}
	return holding{grant: gr, decision: &access.Decision{Grant: gr.name, As: as, Valid: g.valid, Record: gr.record, Limits: gr.limits}}
}

// callers keeps the standing of each caller for as long as there is the caller: for
// a token of a file that is until the file says something else, for an ID token
// until the authenticator forgets it. Both bound how many there are.
type callers struct {
	entries sync.Map // of weak.Pointer[access.Caller] to *entry

	mu     sync.Mutex
	closed bool
}

type entry struct {
	standing *standing
	cleanup  runtime.Cleanup
}

func newCallers() *callers { return &callers{} }

func (k *callers) get(c *access.Caller) *standing {
	e, ok := k.entries.Load(weak.Make(c))
	if !ok {
		return nil
	}
	return e.(*entry).standing
}

func (k *callers) put(c *access.Caller, s *standing) {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := weak.Make(c)
	if _, there := k.entries.Load(key); there || k.closed {
		return
	}
	e := &entry{standing: s}
	e.cleanup = runtime.AddCleanup(c, func(key weak.Pointer[access.Caller]) { k.entries.Delete(key) }, key)
	k.entries.Store(key, e)
}

// close drops everything. Callers outlive the grants, and must not keep them.
func (k *callers) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.entries.Range(func(key, e any) bool {
		e.(*entry).cleanup.Stop()
		k.entries.Delete(key)
		return true
	})
}
