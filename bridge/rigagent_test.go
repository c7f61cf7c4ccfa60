package bridge

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/natslink"
	"github.com/fairlead-io/fairlead/subjects/stream"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// handler is a scripted agent.
type handler func(head *subjects.RequestHead, s *stream.Stream)

// lastCause is what every agent tells of its latest failure: a cause that only a newer
// release knows.
var lastCause = subjects.LastCause{Hop: "tcp", Cause: "of-a-newer-agent", At: time.Unix(1700000000, 0), Text: "refused\n"}

// agent connects an agent whose requests h answers, and waits until the bridge
// has heard it.
func (r *rig) agent(tenantName, cluster string, h handler) *natslink.Agent {
	r.t.Helper()
	// The bridge listens first, or it would wait for a heartbeat.
	conn, err := r.pool.Acquire(context.Background(), tenantName)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Release()
	instance := subjects.NewID('a')
	a, err := natslink.NewAgent(r.nats.Agent(r.t, tenantName, cluster), natslink.AgentConfig{
		Cluster: cluster, Instance: instance,
		Presence: func() subjects.Presence {
			return subjects.Presence{Version: "v1.2.3", Kubernetes: "v1.34.4", Reachable: true, Started: time.Now(), LastCause: &lastCause}
		},
		Stream: stream.Config{Handler: func(s *stream.Stream) {
			head, err := readHead(s)
			if err != nil {
				select {
				case r.unread <- err:
				default:
				}
				return
			}
			h(head, s)
		}},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = a.Close() // waits for handlers
		}()
		select {
		case <-closed:
		case <-time.After(eventually.Bound):
			r.t.Error("a handler of the agent does not end: what it waits for must also come when the test fails")
		}
	})
	r.eventually("the bridge hears the agent", func() bool {
		for _, in := range conn.Directory().Cluster(cluster).Instances {
			if in.Name == instance {
				return true
			}
		}
		return false
	})
	return a
}

// leaves has an agent say goodbye, and waits until the bridge has heard it. Its cluster has no
// other agent.
func (r *rig) leaves(a *natslink.Agent, tenantName, cluster string) {
	r.t.Helper()
	conn, err := r.pool.Acquire(context.Background(), tenantName)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Release()
	_ = a.Close()
	r.eventually("the bridge hears the goodbye", func() bool { return conn.Directory().Cluster(cluster).State == directory.Offline })
}

func readHead(s *stream.Stream) (*subjects.RequestHead, error) {
	prefix := make([]byte, subjects.HeadPrefixLen)
	if _, err := io.ReadFull(s, prefix); err != nil {
		return nil, err
	}
	n, err := subjects.HeadLen(prefix)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(s, b); err != nil {
		return nil, err
	}
	return subjects.ParseRequestHead(b)
}

func encodeHead(status int, length int64, header ...string) []byte {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	b, err := subjects.AppendResponseHead(nil, &subjects.ResponseHead{Status: status, ContentLength: length, Header: h})
	if err != nil {
		panic(err)
	}
	return b
}

// reply answers with a body of known length.
func reply(s *stream.Stream, status int, body string, header ...string) {
	_ = s.WriteFinal(append(encodeHead(status, int64(len(body)), header...), body...))
}

// hello answers everything.
func hello(_ *subjects.RequestHead, s *stream.Stream) {
	reply(s, 200, "hello", "Content-Type", "text/plain")
}

// echoBody answers with the request's body, once it has all of it.
func echoBody(_ *subjects.RequestHead, s *stream.Stream) {
	b, err := io.ReadAll(s)
	if err != nil {
		return
	}
	reply(s, 200, string(b))
}

// outcome is how a request's body ended at an agent.
type outcome struct {
	n    int64
	code subjects.Code
	eof  bool
}

func drainBody(s *stream.Stream) outcome {
	n, err := io.Copy(io.Discard, s)
	return outcome{n: n, code: subjects.CodeOf(err), eof: err == nil}
}
