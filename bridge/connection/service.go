package connection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/coder/websocket"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/connection/resume"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

const route = "/v1/clusters/{cluster}/connections/{id}"

// Service serves the route. Its exported fields are set before the first request and never
// changed. It is safe for concurrent use.
type Service struct {
	Door *access.Door
	// Handler serves the requests within connections: the bridge itself.
	Handler http.Handler
	// Prefix is the path that all clusters are below, with that of the public URL.
	Prefix string
	// Context governs the requests within connections.
	Context context.Context
	Logger  *slog.Logger

	table  table
	once   sync.Once
	server *http.Server
	made   *listener
	served sync.WaitGroup
}

// Routes are those of the service.
func (s *Service) Routes() []endpoint.Route { return []endpoint.Route{endpoint.Get(route, s.attach)} }

// attach serves one attachment.
func (s *Service) attach(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) {
	if f := s.serve(w, r, rec, at); f != nil {
		answer.Fail(w, r, rec, answer.ProblemBody, f.For(at.Cluster))
	}
}

// serve answers unless it returns a failure.
func (s *Service) serve(w http.ResponseWriter, r *http.Request, rec *answer.Record, at endpoint.Place) *answer.Failure {
	visit, f := s.Door.Visit(r, rec, at.Cluster)
	if f != nil {
		return f
	}
	asked, f := read(r, at.ID)
	if f != nil {
		return f
	}
	h, made, f := s.table.get(at.ID, ownerOf(visit.Caller), s.Prefix+at.Cluster, asked.fresh)
	if f != nil {
		return f
	}
	defer s.table.leave(h)
	if err := h.conn.Detach(asked.received); err != nil {
		return answer.Failf(answer.BadRequest, "attach: %w", err)
	}
	h.outer.Store(r)
	if made {
		s.begin(h)
	}
	w.Header().Set(resume.ReceivedHeader, strconv.FormatUint(h.conn.Received(), 10))
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{resume.Subprotocol}})
	if err != nil {
		rec.Status, rec.Broken = http.StatusBadRequest, fmt.Errorf("WebSocket: %w", err) // it has answered
		return nil
	}
	defer ws.CloseNow()
	rec.Status = http.StatusSwitchingProtocols
	rec.Started()
	ctx, release := visit.Hold(r.Context())
	defer release()
	if err := h.conn.Attach(ctx, resume.WebSocket(ws), asked.received); err != nil && !errors.Is(err, resume.ErrUnconfirmed) {
		rec.Broken = err
	}
	return nil
}

// begin lets the server have a new connection.
func (s *Service) begin(h *held) {
	s.start()
	select {
	case s.made.conns <- heldConn{h.conn, h}:
	case <-s.made.closed:
		h.conn.Fail(errStopped)
	}
}

// start starts the server, once.
func (s *Service) start() {
	s.once.Do(func() {
		s.server = s.newServer()
		l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
		l.once = sync.OnceFunc(func() { close(l.closed) })
		s.made = l
		s.served.Go(func() { _ = s.server.Serve(l) }) // it returns when the listener is closed
	})
}

// Shutdown takes no new connections, and waits for the requests within those there are, but
// for upgraded ones, until ctx ends.
func (s *Service) Shutdown(ctx context.Context) error {
	s.table.drain()
	s.start()
	return s.server.Shutdown(ctx)
}

// Settle waits until attached clients have the rest of connections that have ended, or
// until ctx ends.
func (s *Service) Settle(ctx context.Context) {
	for _, h := range s.table.ending() {
		h.conn.Wait(ctx.Done())
	}
}

// Close ends everything.
func (s *Service) Close() {
	s.start()
	s.table.close()
	_ = s.server.Close()
	s.served.Wait()
}

// asked is what an attachment asks for.
type asked struct {
	fresh    bool
	received uint64
}

// minID is the length of the shortest id that cannot be guessed: 128 bits in base64url.
const (
	minID = 22
	maxID = 64
)

// read reads what an attachment asks for.
func read(r *http.Request, id string) (a asked, f *answer.Failure) {
	if len(id) < minID || len(id) > maxID || strings.ContainsFunc(id, func(c rune) bool {
		return c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	}) {
		return a, answer.Failf(answer.BadRequest, "the id of a connection is %d to %d random letters, digits, - and _", minID, maxID)
	}
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.ProtoMajor != 1 {
		return a, answer.Failf(answer.UpgradeMissing, "a connection is attached by a WebSocket over HTTP/1.1, and the request has no header Upgrade: websocket; "+
			"see docs/connections.md")
	}
	if o, err := url.Parse(r.Header.Get("Origin")); err != nil || o.Host != "" && !strings.EqualFold(o.Host, r.Host) {
		return a, answer.Failf(answer.Forbidden, "a web page of another site may not attach to connections")
	}
	if !slices.ContainsFunc(r.Header["Sec-Websocket-Protocol"], func(v string) bool {
		return slices.ContainsFunc(strings.Split(v, ","), func(p string) bool { return strings.TrimSpace(p) == resume.Subprotocol })
	}) {
		return a, answer.Failf(answer.BadRequest, "want the WebSocket subprotocol %s", resume.Subprotocol)
	}
	for k, v := range r.URL.Query() {
		var err error
		switch k {
		case "new":
			a.fresh, err = strconv.ParseBool(v[0])
		case "received":
			a.received, err = strconv.ParseUint(v[0], 10, 64)
		default:
			return a, answer.Failf(answer.BadRequest, "unknown parameter %q: want new or received", answer.Clip(k))
		}
		if err != nil {
			return a, answer.Failf(answer.BadRequest, "parameter %s cannot be read: %q", k, answer.Clip(v[0]))
		}
	}
	return a, nil
}

// Count is how many connections there are, attached or not.
func (s *Service) Count() int { return s.table.count() }
