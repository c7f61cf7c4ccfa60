package ui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
)

// pageSize is how many clusters a page has.
const pageSize = 100

// listPage is what the list of clusters shows.
type listPage struct {
	Query, State, Tenant, Labels string // the filters, as they were sent
	Wrong                        string // what is wrong with a filter
	States                       []choice
	Tenants                      []string // of clusters that the visitor sees; none if there is one
	Clusters                     []row
	All, Matching                int // clusters that the labels select, and those that match
	From                         int // the first cluster of the page, from 1
	Earlier, Later               string
	Unavailable                  []api.TenantFault
}

// choice is a link to clusters in one state.
type choice struct {
	Label, URL string
	Count      int
	Current    bool
}

// row is a cluster in the list.
type row struct {
	api.Cluster
	Versions string // of its agents
	Streams  int
}

// list answers with the clusters that the visitor may know of.
func (v *visit) list() {
	var all api.ClusterList
	q, ask, status := v.r.URL.Query(), url.Values{}, http.StatusOK
	if labels := strings.TrimSpace(q.Get("labels")); labels != "" {
		ask.Set("labelSelector", labels)
	}
	f := v.ask("/v1/clusters", ask, &all)
	if f != nil && f.Kind != answer.BadRequest {
		v.fail(f)
		return
	}
	p := newList(q, &all)
	if f != nil { // the only thing that can be wrong
		p.Wrong, status = f.Detail, f.Kind.Status
	}
	v.render(status, listTemplate, "Clusters", p)
}

// newList is the page of clusters that a query asks for.
func newList(q url.Values, all *api.ClusterList) *listPage {
	p := &listPage{
		Query: clipped(q.Get("q")), State: clipped(q.Get("state")), Tenant: clipped(q.Get("tenant")),
		Labels: strings.TrimSpace(q.Get("labels")), All: len(all.Clusters), Unavailable: all.Unavailable,
	}
	counts, total := map[string]int{}, 0
	var matching []*api.Cluster
	for i := range all.Clusters {
		c := &all.Clusters[i]
		if !slices.Contains(p.Tenants, c.Tenant) {
			p.Tenants = append(p.Tenants, c.Tenant)
		}
		if !p.matches(c) {
			continue
		}
		counts[c.State]++
		total++
		if p.State == "" || c.State == p.State {
			matching = append(matching, c)
		}
	}
	slices.Sort(p.Tenants)
	if len(p.Tenants) == 1 && p.Tenant == "" {
		p.Tenants = nil
	}
	p.Matching = len(matching)
	p.choose(counts, total)
	p.cut(q.Get("page"), matching)
	return p
}

// matches reports whether a cluster passes all filters but that of its state.
func (p *listPage) matches(c *api.Cluster) bool {
	return (p.Tenant == "" || c.Tenant == p.Tenant) &&
		(p.Query == "" || strings.Contains(strings.ToLower(c.Name), strings.ToLower(p.Query)))
}

// choose makes the links to clusters of each state that there is.
func (p *listPage) choose(counts map[string]int, total int) {
	p.States = []choice{{Label: "All", URL: p.url("", 1), Count: total, Current: p.State == ""}}
	if p.State != "" && counts[p.State] == 0 {
		counts[p.State] = 0
	}
	for _, s := range sortedStates(counts) {
		p.States = append(p.States, choice{Label: stateLabel(s), URL: p.url(s, 1), Count: counts[s], Current: p.State == s})
	}
}

// cut takes the rows of one page; number is as it was sent.
func (p *listPage) cut(number string, matching []*api.Cluster) {
	pages := max((len(matching)+pageSize-1)/pageSize, 1)
	n, _ := strconv.Atoi(number)
	n = min(max(n, 1), pages)
	from := (n - 1) * pageSize
	for _, c := range matching[from:min(from+pageSize, len(matching))] {
		p.Clusters = append(p.Clusters, newRow(c))
	}
	if p.From = from + 1; n > 1 {
		p.Earlier = p.url(p.State, n-1)
	}
	if n < pages {
		p.Later = p.url(p.State, n+1)
	}
}

// To is the last cluster of the page, from 1.
func (p *listPage) To() int { return p.From + len(p.Clusters) - 1 }

// url is the relative URL of a page of the list.
func (p *listPage) url(state string, page int) string {
	q := url.Values{}
	for name, value := range map[string]string{"q": p.Query, "state": state, "tenant": p.Tenant, "labels": p.Labels} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return "./"
	}
	return "./?" + q.Encode()
}

func newRow(c *api.Cluster) row {
	r := row{Cluster: *c}
	var versions []string
	for i := range c.Instances {
		in := &c.Instances[i]
		r.Streams += in.Streams
		if in.Version != "" && !slices.Contains(versions, in.Version) {
			versions = append(versions, in.Version)
		}
	}
	r.Versions = strings.Join(versions, ", ")
	return r
}

// Trouble is why requests to the cluster fail, in a few words; "": they do not, or its state
// says it.
func (r *row) Trouble() string {
	for i := range r.Instances {
		in := &r.Instances[i]
		switch f := in.LastFailure; {
		case in.Compatible && in.APIServerReachable:
		case f != nil:
			return f.Title
		case !in.Compatible:
			return "versions do not match"
		default:
			return "API server not reachable"
		}
	}
	return ""
}

// clipped bounds what was sent as a filter: names are no longer.
func clipped(s string) string {
	if len(s) > 253 {
		s = s[:253]
	}
	return strings.ToValidUTF8(strings.TrimSpace(s), "")
}
