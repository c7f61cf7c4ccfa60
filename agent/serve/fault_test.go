package serve

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/agent/agenttest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/testca"
)

func TestCancelReachesTheServer(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		arrived, gone := make(chan struct{}, 2), make(chan struct{}, 2)
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/answered" {
				w.(http.Flusher).Flush()
			}
			arrived <- struct{}{}
			<-r.Context().Done()
			gone <- struct{}{}
		})
		p := newPair(t, agenttest.ConfigFor(s))
		for _, target := range []string{"/answered?watch=1", "/silent"} {
			st := p.open(t, agenttest.Get(target), nil, true)
			agenttest.Within(t, 10*time.Second, "the request arrives", arrived)
			if strings.HasPrefix(target, "/answered") {
				agenttest.MustHead(t, st)
			}
			_ = st.Close()
			agenttest.Within(t, time.Second, target+": the request's context ends", gone)
			agenttest.WaitFor(t, "the stream ends", func() bool { return p.agent.Streams() == 0 })
		}
	})
}

func TestTimeLimit(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/answered" {
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
		})
		p := newPair(t, agenttest.ConfigFor(s))
		for _, target := range []string{"/silent", "/answered"} {
			head := agenttest.Get(target)
			head.Timeout = 50 * time.Millisecond
			agenttest.WantReset(t, p.open(t, head, nil, true), subjects.CodeTimeout)
		}
	})
}

func TestConnectionLost(t *testing.T) {
	agenttest.Protocols(t, func(t *testing.T, h2 bool) {
		s := agenttest.Server(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/midway" {
				w.Header().Set("Content-Length", "100")
				_, _ = w.Write([]byte("half"))
				w.(http.Flusher).Flush()
			}
			panic(http.ErrAbortHandler)
		})
		p := newPair(t, agenttest.ConfigFor(s))
		for _, target := range []string{"/before", "/midway", "/midway?watch=1"} {
			agenttest.WantReset(t, p.open(t, agenttest.Post(target, 0), nil, true), subjects.CodeUpstream)
		}
	})
}

func TestBadHeads(t *testing.T) {
	s := agenttest.Server(t, true, func(http.ResponseWriter, *http.Request) { t.Error("a request without a proper head was sent") })
	p := newPair(t, agenttest.ConfigFor(s))
	open := func(b []byte, fin bool) func(want subjects.Code) {
		st, err := p.bridge.Open(t.Context(), "agent", b, fin)
		if err != nil {
			t.Fatal(err)
		}
		return func(want subjects.Code) { t.Helper(); agenttest.WantReset(t, st, want); _ = st.Close() }
	}
	open([]byte{0xff, 0xff, 0xff, 0xff}, true)(subjects.CodeTooLarge)
	open([]byte{0, 0, 0, 3, 1, 2, 3}, true)(subjects.CodeProtocol)
	open([]byte{0, 0, 0, 3, 1}, true)(subjects.CodeProtocol)
	open(nil, true)(subjects.CodeProtocol)
	agenttest.WantReset(t, p.open(t, &subjects.RequestHead{Method: "CONNECT", Target: "/", Header: http.Header{}}, nil, true), subjects.CodeBadRequest)
}

func TestUpstreamFailuresBeforeSending(t *testing.T) {
	s := agenttest.Server(t, true, func(http.ResponseWriter, *http.Request) {})
	other := httptest.NewUnstartedServer(nil)
	other.StartTLS()
	closed := "https://" + other.Listener.Addr().String()
	other.Close()

	config := agenttest.ConfigFor(s)
	config.Host = closed
	agenttest.WantReset(t, newPair(t, config).open(t, agenttest.Post("/", 0), nil, true), subjects.CodeUnreachable)
	config = agenttest.ConfigFor(s)
	config.Host = "https://no-such-host.invalid"
	agenttest.WantReset(t, newPair(t, config).open(t, agenttest.Post("/", 0), nil, true), subjects.CodeUnreachable)
	config = agenttest.ConfigFor(s)
	config.CAData = testca.New(t, "another").PEM()
	for _, upgrade := range []bool{false, true} {
		head := agenttest.Post("/", 0)
		if upgrade {
			head.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"x"}}
		}
		agenttest.WantReset(t, newPair(t, config).open(t, head, nil, true), subjects.CodeUntrusted)
	}
	config = agenttest.ConfigFor(s)
	config.ServerName = "wrong.example"
	agenttest.WantReset(t, newPair(t, config).open(t, agenttest.Post("/", 0), nil, true), subjects.CodeUntrusted)
}
