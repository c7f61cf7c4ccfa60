package feed

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	defaultLimit = 100
	maxLimit     = 1000
	// maxValues bounds the clusters and the types of a filter.
	maxValues = 100
	// maxQuery bounds the query as text, in bytes: 100 clusters and types of full length.
	maxQuery = 32 << 10
	// oldest is the position before the oldest event.
	oldest = "oldest"
)

// query is what a request asks for.
type query struct {
	filter events.Filter
	after  string // "": from the oldest
	now    bool   // from the newest instead
	follow bool
	limit  int
}

func parseQuery(r *http.Request) (query, *answer.Failure) {
	q := query{follow: true, limit: defaultLimit}
	if len(r.URL.RawQuery) > maxQuery {
		return q, answer.Failf(answer.BadRequest, "the query is longer than %d bytes", maxQuery)
	}
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, answer.Failf(answer.BadRequest, "the query cannot be read: want parameters such as tenant=acme&type=cluster.disconnected")
	}
	for name, all := range values {
		if f := q.set(name, all); f != nil {
			return q, f
		}
	}
	if q.follow && values.Has("limit") {
		return q, answer.Failf(answer.BadRequest, "limit: a stream has no end; a page is asked for with follow=false")
	}
	after := values.Get("after")
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		after = id
	}
	switch after {
	case "":
		q.now = q.follow
	case oldest:
	default:
		q.after = after
	}
	return q, nil
}

// set sets one parameter.
func (q *query) set(name string, all []string) *answer.Failure {
	most := 1
	if name == "cluster" || name == "type" {
		most = maxValues
	}
	if len(all) > most {
		return answer.Failf(answer.BadRequest, "%s: given %d times, at most %d are possible", answer.Clip(name), len(all), most)
	}
	switch name {
	case "after": // with Last-Event-ID
	case "tenant":
		if err := subjects.CheckName(all[0]); err != nil {
			return answer.Failf(answer.BadRequest, "tenant: %w", err)
		}
		q.filter.Tenant = all[0]
	case "cluster":
		for _, name := range all {
			ref, err := subjects.ParseClusterRef(name)
			if err != nil {
				return answer.Failf(answer.BadClusterName, "%w; a cluster is written prod or prod.tenant", err)
			}
			q.filter.Clusters = append(q.filter.Clusters, ref)
		}
	case "type":
		for _, t := range all {
			types := events.Matching(t)
			if len(types) == 0 {
				return answer.Failf(answer.BadRequest, "type: %q is not a type of events, nor all of a group such as operation.*", answer.Clip(t))
			}
			q.filter.Types = append(q.filter.Types, types...)
		}
	case "follow":
		follow, err := strconv.ParseBool(all[0])
		if err != nil {
			return answer.Failf(answer.BadRequest, "follow: %q is neither true nor false", answer.Clip(all[0]))
		}
		q.follow = follow
	case "limit":
		n, err := strconv.Atoi(all[0])
		if err != nil || n < 1 || n > maxLimit {
			return answer.Failf(answer.BadRequest, "limit: %q is not a number from 1 to %d", answer.Clip(all[0]), maxLimit)
		}
		q.limit = n
	default:
		return answer.Failf(answer.BadRequest, "there is no parameter %q; there are after, tenant, cluster, type, follow and limit", answer.Clip(name))
	}
	return nil
}
