package bridge

import (
	"net/url"
	"slices"
	"strings"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
)

// recording begins the recording of a session, before its request goes on. Its error
// is for the caller.
func (s *Server) recording(rec *answer.Record, to tunnel.Destination, a *access.Admission) (*record.Session, error) {
	recorder := a.Recorder()
	if recorder == nil {
		return nil, record.ErrNotConfigured
	}
	info, err := a.Info()
	if err != nil { // it was parsed when it was admitted
		return nil, err
	}
	_, raw, _ := strings.Cut(to.Target, "?")
	query, _ := url.ParseQuery(raw) // what can be read counts, as for an API server
	m := record.Meta{
		Request: rec.ID, Caller: a.Caller.Name, Issuer: a.Caller.Issuer, Grant: a.Decision.Grant, Cluster: a.Cluster.String(),
		Kind: info.Subresource, Namespace: info.Namespace, Pod: info.Name, Container: query.Get("container"),
		TTY: slices.Contains([]string{"true", "1"}, query.Get("tty")),
	}
	if info.Subresource == "exec" {
		m.Command = query["command"]
	}
	if a.Decision.As != nil {
		m.As = a.Decision.As.User
	}
	return recorder.Begin(m)
}
