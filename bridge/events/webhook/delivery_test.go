package webhook

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/api"
)

// roundTrip is a transport.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestAcceptedAtTheEnd: an event that is accepted while the bridge stops counts as sent, so
// that the next bridge does not send it again.
func TestAcceptedAtTheEnd(t *testing.T) {
	r := newReceiver(t)
	f, err := Open(write(t, "webhooks:\n"+hook("one", r, "")), nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	w := f.file.Get()[0]
	inner := w.client.Transport
	w.client.Transport = roundTrip(func(req *http.Request) (*http.Response, error) {
		defer stop()
		return inner.RoundTrip(req)
	})
	d := &delivery{runner: newRunner(&Sender{logger: slog.New(slog.DiscardHandler), times: short}, w)}
	e := &api.Event{ID: "1-1", Type: api.EventClusterConnected, Tenant: "acme", Cluster: "prod", Time: time.Now().UTC()}
	if !d.deliver(ctx, e) || !d.dirty || len(r.details()) != 1 {
		t.Errorf("the receiver accepted %d events, and the bridge notes that: %v", len(r.details()), d.dirty)
	}
	w.client.Transport = inner
	w.client.CloseIdleConnections()
}
