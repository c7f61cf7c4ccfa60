package fleet

import (
	"context"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
)

// Bounds of a fleet call.
const (
	// maxRequest bounds its body in bytes: the names of maxClusters, and a request as large
	// as the API servers of Kubernetes take.
	maxRequest = 4 << 20
	// maxClusters bounds its clusters, each of which has a goroutine.
	maxClusters = 5000
	// maxConcurrency is how many clusters are asked at the same time, unless the caller
	// wants fewer: so many that the slowest of a thousand decides how long it takes.
	maxConcurrency = 1000
	// defaultDeadline and maxDeadline bound how long it takes.
	defaultDeadline = 5 * time.Minute
	maxDeadline     = time.Hour
	// defaultResponse and maxResponse bound the body of one cluster's response in bytes.
	defaultResponse = 1 << 20
	maxResponse     = 16 << 20
	// maxHeaders bounds the names of headers that results have.
	maxHeaders = 64
)

// example is shown for an empty body.
const example = `{"clusters": ["prod", "lab.acme"], "path": "/version"}`

// plan is a fleet call that was read and checked.
type plan struct {
	choice  *choice
	*found  // when the call begins
	request *call.Request
	// do works in a cluster instead of the request; nil: the request is made.
	do          func(context.Context, *call.Session, access.Visit) (*api.FleetLine, *answer.Failure)
	over        *answer.Failure // that of a request whose time is over, with how long that is
	deadline    time.Duration
	concurrency int
	most        int64    // of the body of a response, in bytes
	headers     []string // of results, in canonical form
}

// readPlan checks what the body of a request says.
func readPlan(c *api.FleetCall) (*plan, *answer.Failure) {
	p := &plan{}
	var f *answer.Failure
	if c.Stream {
		return nil, answer.Failf(answer.BadRequest, "stream: the responses of many clusters come whole; a single cluster's can be streamed")
	}
	if p.choice, f = choose(c.Clusters, c.Selector, c.Tenant, c.State); f == nil {
		p.request, f = call.Read(&c.Call)
	}
	if f == nil {
		f = p.limits(c)
	}
	if f != nil {
		return nil, f
	}
	return p, nil
}

// limits reads how long, how many and how much.
func (p *plan) limits(c *api.FleetCall) *answer.Failure {
	each, of := p.request.Timeout, "caller"
	if each == 0 {
		each, of = call.DefaultTimeout, "bridge"
	}
	p.over = answer.Failf(answer.TimedOut, "no complete answer within %s, the time limit of each cluster; the outcome is unknown", each).Timed(answer.TimeLimit{Of: of, After: each})
	p.request.Timeout = 0 // a clock of this package keeps it
	p.deadline = defaultDeadline
	if c.Deadline != "" {
		d, err := time.ParseDuration(c.Deadline)
		if err != nil || d <= 0 || d > maxDeadline {
			return answer.Failf(answer.BadRequest, "deadline: want a duration such as \"2m\", at most %s", maxDeadline)
		}
		p.deadline = d
	}
	p.concurrency = maxConcurrency
	if c.Concurrency != 0 {
		p.concurrency = c.Concurrency
	}
	if p.concurrency < 1 || p.concurrency > maxConcurrency {
		return answer.Failf(answer.BadRequest, "concurrency: want a number from 1 to %d", maxConcurrency)
	}
	// Each request that runs has a copy of the body.
	if n := len(p.request.Body); n > 0 {
		p.concurrency = min(p.concurrency, max(1, poolBytes/n))
	}
	p.most = defaultResponse
	if c.MaxResponseBytes != 0 {
		p.most = c.MaxResponseBytes
	}
	if p.most < 1 || p.most > maxResponse {
		return answer.Failf(answer.BadRequest, "maxResponseBytes: want a number from 1 to %d", maxResponse)
	}
	return p.chooseHeaders(c.ResponseHeaders)
}

// chooseHeaders reads which headers results have.
func (p *plan) chooseHeaders(names []string) *answer.Failure {
	p.headers = []string{"Content-Type", "Retry-After", "Warning"}
	if names != nil {
		p.headers = nil
	}
	if len(names) > maxHeaders {
		return answer.Failf(answer.BadRequest, "responseHeaders: at most %d names", maxHeaders)
	}
	for _, name := range names {
		if !httpguts.ValidHeaderFieldName(name) {
			return answer.Failf(answer.BadRequest, "responseHeaders: %q is not the name of a header", answer.Clip(name))
		}
		if name = http.CanonicalHeaderKey(name); !slices.Contains(p.headers, name) {
			p.headers = append(p.headers, name)
		}
	}
	return nil
}
