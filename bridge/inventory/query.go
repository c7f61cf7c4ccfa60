package inventory

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/deploy/nearest"
	"github.com/fairlead-io/fairlead/subjects"
)

// The parameters of GET /v1/clusters.
const (
	paramTenant   = "tenant"
	paramLabels   = "labelSelector"
	paramState    = "state"
	paramLimit    = "limit"
	paramContinue = "continue"
)

var parameters = []string{paramTenant, paramLabels, paramState, paramLimit, paramContinue}

// maxLimit bounds a page: more clusters than that are asked for without a limit.
const maxLimit = 10000

// page is a part of a list.
type page struct {
	limit int                 // clusters at most; 0: any number
	after subjects.ClusterRef // the cluster before the first; zero: from the beginning
}

// readQuery reads which clusters a list is to have.
func readQuery(raw string) (sel *Selection, p page, f *answer.Failure) {
	q, err := url.ParseQuery(raw)
	if err != nil {
		return sel, p, answer.Failf(answer.BadRequest, "the query cannot be read: %s", answer.Clip(err.Error()))
	}
	for name, values := range q {
		switch {
		case !slices.Contains(parameters, name):
			return sel, p, unknownParameter(name)
		case len(values) > 1:
			return sel, p, answer.Failf(answer.BadRequest, "%s: given %d times, want it once", name, len(values))
		}
	}
	if sel, f = ParseSelection(paramLabels, q.Get(paramLabels), q.Get(paramTenant), q.Get(paramState)); f != nil {
		return sel, p, f
	}
	if text := q.Get(paramLimit); text != "" {
		if p.limit, err = strconv.Atoi(text); err != nil || p.limit < 1 || p.limit > maxLimit {
			return sel, p, answer.Failf(answer.BadRequest, "limit: %q is not a number from 1 to %d", answer.Clip(text), maxLimit)
		}
	}
	if text := q.Get(paramContinue); text != "" {
		var ok bool
		if p.after, ok = parseContinue(text); !ok {
			return sel, p, answer.Failf(answer.BadRequest, "continue: not a text that a page of this list ended with")
		}
	}
	return sel, p, nil
}

func unknownParameter(name string) *answer.Failure {
	if near := nearest.Name(name, parameters); near != "" {
		return answer.Failf(answer.BadRequest, "unknown parameter %q: did you mean %s?", answer.Clip(name), near)
	}
	return answer.Failf(answer.BadRequest, "unknown parameter %q; there are %s", answer.Clip(name), strings.Join(parameters, ", "))
}

// continueAfter is where a page goes on that follows a cluster: a text for this bridge and
// every other one.
func continueAfter(ref subjects.ClusterRef) string {
	return base64.RawURLEncoding.EncodeToString([]byte(ref.Tenant + "/" + ref.Cluster))
}

func parseContinue(text string) (ref subjects.ClusterRef, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return ref, false
	}
	tenant, cluster, _ := strings.Cut(string(b), "/")
	if subjects.CheckName(tenant) != nil || subjects.CheckName(cluster) != nil {
		return ref, false
	}
	return subjects.ClusterRef{Tenant: tenant, Cluster: cluster}, true
}

// past reports whether all clusters of a tenant are on earlier pages, as far as its name
// tells.
func (p *page) past(tenant string) bool { return tenant < p.after.Tenant }

// before reports whether a cluster is on an earlier page.
func (p *page) before(ref subjects.ClusterRef) bool {
	return ref.Tenant < p.after.Tenant || ref.Tenant == p.after.Tenant && ref.Cluster <= p.after.Cluster
}
