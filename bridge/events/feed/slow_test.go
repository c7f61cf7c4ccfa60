package feed

import (
	"bufio"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// anyone is every caller, who may know of every cluster.
type anyone struct{}

func (anyone) Authenticate(*http.Request) (*access.Caller, error) {
	all, err := access.ParsePattern("*")
	return &access.Caller{Name: "anyone", Clusters: []access.Pattern{all}}, err
}

// serve serves the log, and sends the record of each request that has ended.
func serve(t *testing.T, s *Service, h2 bool) (*httptest.Server, <-chan *answer.Record) {
	t.Helper()
	s.Door = &access.Door{Rules: access.Fixed(access.Rules{Authenticator: anyone{}, Authorizer: access.TokenClusters{}})}
	ended := make(chan *answer.Record, 2*maxCallerStreams)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &answer.Record{}
		s.get(w, r, rec, endpoint.Place{})
		ended <- rec
		if rec.Aborted != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	server.EnableHTTP2 = h2
	server.Config.ErrorLog = nil
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, ended
}

func fill(t *testing.T, log events.Log, n int) {
	t.Helper()
	for range n {
		if err := log.Append(t.Context(), api.Event{Type: api.EventClusterConnected, Tenant: "acme", Cluster: "prod", Detail: strings.Repeat("x", 1024)}, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSlowClient: one that does not read is cut, and has held up nobody.
func TestSlowClient(t *testing.T) {
	for _, h2 := range []bool{false, true} {
		log := events.NewMemory()
		s := &Service{Log: log, Leaving: context.Background(), Metrics: NewMetrics(), patience: time.Second}
		server, ended := serve(t, s, h2)
		res, err := server.Client().Get(server.URL + "/v1/events")
		if err != nil {
			t.Fatal(err)
		}
		over := time.After(30 * time.Second)
		for cut := false; !cut; { // until what is between server and client is full
			fill(t, log, 200)
			select {
			case rec := <-ended:
				cut = true
				if !errors.Is(rec.Aborted, answer.ErrSlow) {
					t.Errorf("HTTP/2 %v: ended by %v", h2, rec.Aborted)
				}
			case <-over:
				t.Fatal("a client that does not read is not cut")
			case <-time.After(time.Millisecond):
			}
		}
		_ = res.Body.Close()
	}
}

// TestHeartbeat: a stream without events says where it is, so that its client loses
// nothing when it comes back.
func TestHeartbeat(t *testing.T) {
	log := events.NewMemory()
	s := &Service{Log: log, Leaving: context.Background(), heartbeat: 20 * time.Millisecond}
	server, _ := serve(t, s, false)
	res, err := server.Client().Get(server.URL + "/v1/events?tenant=other")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	fill(t, log, 3)
	end, err := log.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "event:") || strings.HasPrefix(lines.Text(), "data:") {
			t.Fatalf("got %s", lines.Text())
		}
		if lines.Text() == "id: "+end {
			return
		}
	}
	t.Error("no heart-beat has the position of the end")
}

// TestStreamsAreBounded: one caller has so many streams, and those that end make room.
func TestStreamsAreBounded(t *testing.T) {
	s := &Service{Log: events.NewMemory(), Leaving: context.Background()}
	server, ended := serve(t, s, true)
	ctx, cancel := context.WithCancel(t.Context())
	open := func(ctx context.Context) int {
		req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/v1/events", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.StatusCode
	}
	for range maxCallerStreams {
		if status := open(ctx); status != 200 {
			t.Fatalf("got %d", status)
		}
	}
	if status := open(t.Context()); status != 429 {
		t.Errorf("one more: %d", status)
	}
	<-ended
	cancel()
	for range maxCallerStreams {
		<-ended
	}
	last, stop := context.WithCancel(t.Context())
	if status := open(last); status != 200 {
		t.Errorf("after all have ended: %d", status)
	}
	stop()
	<-ended
	if s.streams != 0 || len(s.callers) != 0 {
		t.Errorf("%d streams, %v", s.streams, s.callers)
	}
}
