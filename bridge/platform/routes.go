package platform

import "github.com/fairlead-io/fairlead/bridge/platform/endpoint"

// Add adds the routes of other packages. It is called before the first request only.
func (p *Platform) Add(rooms ...[]endpoint.Route) {
	for _, routes := range rooms {
		p.rooms = append(p.rooms, routes...)
	}
}

// Routes are all that are served, as openapi.yaml lists them.
func (p *Platform) Routes() []endpoint.Route {
	p.once.Do(func() { p.routes = append(p.own(), p.rooms...) })
	return p.routes
}

// own are the routes of this package. They are matched in order, before those of the
// rooms.
func (p *Platform) own() []endpoint.Route {
	return []endpoint.Route{
		endpoint.Get("/openapi.yaml", p.getOpenAPI),
		endpoint.Get("/livez", p.getLivez),
		endpoint.Get("/readyz", p.getReadyz),
		endpoint.Get("/v1/clusters/{cluster}/kubeconfig", p.getKubeconfig),
		endpoint.Post("/v1/clusters/{cluster}/access-reviews", p.postAccessReview),
		endpoint.Get("/v1/whoami", p.whoami),
		endpoint.Get("/v1/access-requests", p.listAccessRequests),
		endpoint.Post("/v1/access-requests", p.postAccessRequest),
		endpoint.Get("/v1/access-requests/{id}", p.getAccessRequest),
		endpoint.Post("/v1/access-requests/{id}/approve", p.approveAccessRequest),
		endpoint.Post("/v1/access-requests/{id}/deny", p.denyAccessRequest),
		endpoint.Post("/v1/access-requests/{id}/end", p.endAccessRequest),
	}
}
