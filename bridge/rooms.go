package bridge

import (
	"context"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/apply"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/connection"
	"github.com/fairlead-io/fairlead/bridge/events/feed"
	"github.com/fairlead-io/fairlead/bridge/fleet"
	"github.com/fairlead-io/fairlead/bridge/inventory"
	"github.com/fairlead-io/fairlead/bridge/operations"
	"github.com/fairlead-io/fairlead/bridge/platform"
	"github.com/fairlead-io/fairlead/bridge/pullsecret"
	"github.com/fairlead-io/fairlead/bridge/requests"
	"github.com/fairlead-io/fairlead/bridge/settings"
	"github.com/fairlead-io/fairlead/bridge/watch"
)

// addRooms adds the parts of the platform API that are packages of their own.
func (s *Server) addRooms() {
	caller := &call.Caller{Door: &s.door, Tunnel: s.tunnel, Follow: s.followCall}
	clusters := &inventory.Service{Door: &s.door, Tenants: s.cfg.Tenants, Watcher: s.cfg.Inventory, Version: s.cfg.Version}
	many := &fleet.Service{Calls: caller, Tenants: s.cfg.Tenants, Inventory: clusters, Leaving: s.leaving}
	merged := &watch.Service{Calls: caller, Tenants: s.cfg.Tenants, Inventory: clusters, Leaving: s.leaving}
	if s.cfg.Inventory != nil {
		merged.Changes = s.cfg.Inventory.Subscribe
	}
	s.operations = operations.New(operations.Config{
		Caller: caller, Tenants: s.cfg.Tenants, Events: s.cfg.Events, Store: s.cfg.Store, Bridge: s.cfg.ID, Logger: s.cfg.Logger,
	})
	s.connections = connection.Service{
		Door: &s.door, Handler: s, Prefix: s.base + platform.ClustersPrefix, Context: s.ctx, Logger: s.cfg.Logger,
	}
	s.settings = settings.New(&s.door, s.cfg.Tenants, s.cfg.Store, s.cfg.Events, s.cfg.Logger)
	s.platform.Add(
		clusters.Routes(),
		s.operations.Routes(),
		(&requests.Service{Caller: caller}).Routes(),
		pullsecret.New(caller, many).Routes(),
		many.Routes(),
		merged.Routes(),
		(&apply.Service{Caller: caller}).Routes(),
		s.connections.Routes(),
		s.settings.Routes(),
		(&feed.Service{Door: &s.door, Log: s.cfg.Events, Leaving: s.leaving, Metrics: s.metrics.feed}).Routes(),
	)
}

// Operations executes what is queued for clusters, until ctx ends. It must run where the
// server has a store.
func (s *Server) Operations(ctx context.Context) error { return s.operations.Run(ctx) }

// Settings brings settings to agents, until ctx ends. It must run where the server has a
// store.
func (s *Server) Settings(ctx context.Context) error { return s.settings.Run(ctx) }

// followCall makes audit, metrics and log hear of a request of a cluster that is made for
// another. Its span is the one that package tunnel begins inside that of the other.
func (s *Server) followCall(r *http.Request, rec *answer.Record) (end func()) {
	trail := s.cfg.Audit.Follow(r, rec)
	return func() {
		took := time.Since(rec.Start)
		trail.End()
		s.metrics.observe(r.Method, rec, took)
		s.log(rec, r, took)
	}
}
