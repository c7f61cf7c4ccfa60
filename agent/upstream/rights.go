package upstream

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"github.com/fairlead-io/fairlead/subjects/cause"
)

// Bounds of the questions about rights, which requests of callers bring about.
const (
	// maxSuspected is how many rights wait to be asked about. More are left out: those
	// that matter are suspected again.
	maxSuspected = 64
	// askRightEvery is the least time between two questions.
	askRightEvery = time.Second
	// sameRightEvery is how often the same right is asked about, whatever its object, so
	// that what an owner means to withhold is logged once an hour.
	sameRightEvery = time.Hour
	// maxRights bounds the rights that are remembered.
	maxRights = 1024
)

// NoteForbidden notes that the API server has refused a request with 403, perhaps because
// the agent itself lacks a right. It never blocks.
func (u *Client) NoteForbidden(right authorizationv1.ResourceAttributes) {
	select {
	case u.suspected <- right:
	default:
	}
}

// watchRights asks the API server about the rights that the agent may lack, and logs those
// that it does lack, until ctx ends.
func (p *Prober) watchRights(ctx context.Context, up *Client) {
	asked := make(map[authorizationv1.ResourceAttributes]time.Time)
	for {
		var right authorizationv1.ResourceAttributes
		select {
		case right = <-up.suspected:
		case <-ctx.Done():
			return
		}
		key := right
		if right.Verb != "impersonate" {
			key.Name = "" // one event for all objects of a kind
		}
		if at, known := asked[key]; known && time.Since(at) < sameRightEvery {
			continue
		}
		may, err := up.May(ctx, p.agent, right)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			if len(asked) == maxRights {
				clear(asked)
			}
			asked[key] = time.Now()
		}
		if err == nil && !may {
			f := up.lacks(key)
			p.onFailure(f)
			p.log.LogAttrs(ctx, slog.LevelWarn, "a request was refused, since the agent lacks a right", f.LogValue().Group()...)
		}
		if !pause(ctx, nil, askRightEvery) {
			return
		}
	}
}

// lacks is the failure of a request for want of a right.
func (u *Client) lacks(right authorizationv1.ResourceAttributes) *cause.Failure {
	resource := right.Resource
	if right.Subresource != "" {
		resource += "/" + right.Subresource
	}
	rule := fmt.Sprintf("verb %s, API group %q, resource %s", right.Verb, right.Group, resource)
	if right.Name != "" {
		rule += ", name " + right.Name
	}
	if right.Namespace != "" {
		rule += ", in namespace " + right.Namespace
	}
	f := &cause.Failure{
		Hop: cause.Kubernetes, Cause: cause.RBACMissing, Tried: "execute a caller's request at API server " + u.Host() + " as the agent itself",
		Got: cause.Plain("answered 403, and no rule of the agent's own identity has " + rule),
		Do:  "If callers shall have it, add the rule, in the chart by its values under rbac. Otherwise nothing: they are told that it is forbidden.",
	}
	if strings.EqualFold(right.Verb, "impersonate") {
		f.Tried = "execute a request at API server " + u.Host() + " as its caller"
		f.Do = "Add the rule, in the chart by its values under impersonation, or take the identity off the allow-list."
	}
	return f
}
