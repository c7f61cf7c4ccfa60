package grant

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/access/expr"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// Explanation is what the grants say about a request.
type Explanation struct {
	Allowed bool
	Grant   string             // that decided; "" if none did
	As      *subjects.Identity // nil: the agent itself
	Reason  string             // one sentence, which may be shown to the caller
	// Undecided reports whether no grant decides, so that an access review service is asked
	// where there is one.
	Undecided bool
	// Recorded reports whether the request opens a session that is recorded.
	Recorded bool
	// Grants are all grants in order, for people who write them: callers must not learn
	// the conditions of others' grants.
	Grants []Considered
}

// Considered is what one grant says about a request.
type Considered struct {
	Grant string
	// Reasons are why the grant is not for the request, all of them; none: it is.
	Reasons []string
	// Approval reports whether a grant that is for the request must be approved first.
	Approval bool
	// Records reports whether the grant demands that sessions are recorded.
	Records bool
}

// Explain says what [Grants.Authorize] decides, and why, and what comes of a recording that
// the grant demands. upgrade says that the request may upgrade its connection.
func (g *Grants) Explain(ctx context.Context, c *access.Caller, req *access.Request, upgrade bool) Explanation {
	info, err := req.Info()
	v := &vars{caller: c, cluster: req.Cluster, labels: g.labels.of(req.Cluster), request: newRequest(g.symbols, info, err)}
	all := make([]Considered, len(g.grants))
	for i, gr := range g.grants {
		all[i] = Considered{Grant: gr.name, Reasons: gr.reasons(ctx, v), Approval: gr.lasts > 0, Records: gr.record}
	}
	d, err := g.Authorize(ctx, c, req)
	if err == nil {
		recorded, refusal := d.Recording(req, upgrade)
		if refusal == nil {
			return Explanation{Allowed: true, Grant: d.Grant, As: d.As, Reason: fmt.Sprintf("grant %q allows it", d.Grant), Recorded: recorded, Grants: all}
		}
		return Explanation{Grant: d.Grant, Reason: refusal.Detail, Grants: all}
	}
	if f, ok := errors.AsType[*answer.Failure](err); ok {
		return Explanation{Reason: f.Detail, Undecided: f.Kind == answer.Forbidden, Grants: all}
	}
	return Explanation{Reason: err.Error(), Undecided: true, Grants: all}
}

func (g *grant) reasons(ctx context.Context, v *vars) (all []string) {
	add := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if g.only {
		add("it is for approving alone, and lets no request in")
	}
	if !g.covers(v.cluster) {
		add("clusters: none of %s is %s", patterns(g.clusters), v.cluster)
	}
	for i, p := range g.when {
		if v.request == nil && mentions(p, "request.") {
			add("when[%d] has no value: the request cannot be read, or in more than one way", i)
			continue
		}
		if is, err := p.Bool(ctx, v); err != nil {
			add("when[%d] has no value: %s: %s", i, oneLine(p), answer.Clip(err.Error()))
		} else if !is {
			add("when[%d] is false: %s", i, oneLine(p))
		}
	}
	switch {
	case g.rules == nil:
	case v.request == nil:
		add("requests: the request cannot be read, or in more than one way, so that only a grant for every request is for it")
	case !matchAnyRule(g.rules, v.request) && v.request.slip() != "":
		add("requests: no rule matches: %s", v.request.slip())
	case !matchAnyRule(g.rules, v.request):
		add("requests: no rule matches; it would take %s", v.request.rule())
	}
	return all
}

func matchAnyRule(rules []rule, r *request) bool {
	for i := range rules {
		if rules[i].matches(r) {
			return true
		}
	}
	return false
}

func oneLine(p *expr.Program) string { return strings.Join(strings.Fields(p.Text()), " ") }

func patterns(all []access.Pattern) string {
	texts := make([]string, len(all))
	for i := range all {
		texts[i] = all[i].String()
	}
	return strings.Join(texts, ", ")
}
