package bridge

import (
	"io"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/subjects/stream"
)

// Two agents: a request that one has certainly not executed goes to the other.
func TestSecondInstanceTakesOver(t *testing.T) {
	t.Parallel()
	for _, code := range []subjects.Code{
		subjects.CodeDraining, subjects.CodeOverloaded, subjects.CodeUnreachable, subjects.CodeUpstream, subjects.CodeShutdown,
	} {
		t.Run(code.String(), func(t *testing.T) {
			r := newRig(t, rigOptions{})
			var refusals, executions atomic.Int32
			var refuser atomic.Pointer[stream.Stream]
			var first atomic.Bool
			answer := func(head *subjects.RequestHead, s *stream.Stream) {
				if head.Method != "GET" && head.ContentLength > 40_000 {
					_, _ = s.Next() // some of an upload
				}
				if first.CompareAndSwap(false, true) {
					refusals.Add(1)
					refuser.Store(s)
					s.Reset(code, "no")
					return
				}
				executions.Add(1)
				b, _ := io.ReadAll(s)
				reply(s, 200, strconv.Itoa(len(b)))
			}
			r.agent("default", "prod", answer)
			r.agent("default", "prod", answer)
			for _, tt := range []struct {
				method string
				size   int
				again  bool
			}{
				{"GET", 0, code != subjects.CodeUpstream},
				{"POST", 1000, code.NotExecuted()},
				{"POST", 50_000, false}, // the body has begun to leave
			} {
				first.Store(false)
				executions.Store(0)
				res, body := r.do(r.h1, r.request(tt.method, "/k8s/clusters/prod/x", strings.NewReader(strings.Repeat("x", tt.size))))
				switch {
				case tt.again && (res.StatusCode != 200 || body != strconv.Itoa(tt.size)):
					t.Errorf("%s of %d bytes: %d %s, want the other instance's answer", tt.method, tt.size, res.StatusCode, body)
				case !tt.again && (res.StatusCode == 200 || executions.Load() != 0):
					t.Errorf("%s of %d bytes: %d, executed %d times after a refusal", tt.method, tt.size, res.StatusCode, executions.Load())
				}
			}
		})
	}
}

// An upload whose body has not begun to leave can still move.
func TestUploadMovesBeforeItsFirstByte(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{})
	var first atomic.Bool
	moved := make(chan struct{})
	answer := func(_ *subjects.RequestHead, s *stream.Stream) {
		if first.CompareAndSwap(false, true) {
			s.Reset(subjects.CodeDraining, "")
			return
		}
		close(moved)
		b, _ := io.ReadAll(s)
		reply(s, 200, string(b))
	}
	r.agent("default", "prod", answer)
	r.agent("default", "prod", answer)
	pr, pw := io.Pipe()
	go func() {
		<-moved
		_, _ = io.WriteString(pw, "body")
		_ = pw.Close()
	}()
	if res, body := r.do(r.h1, r.request("POST", "/k8s/clusters/prod/x", pr)); body != "body" {
		t.Errorf("got %d %s", res.StatusCode, body)
	}
}

// An agent that vanishes and comes back within the grace breaks no POST.
func TestBurstOverALostAgentConnection(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigOptions{plain: true})
	var executed atomic.Int32
	r.agent("default", "prod", func(_ *subjects.RequestHead, s *stream.Stream) {
		executed.Add(1)
		reply(s, 201, "")
	})
	const n = 200
	results := make(chan int, n)
	start := time.Now()
	for i := range n {
		go func() {
			req := r.request("POST", "/k8s/clusters/prod/x", strings.NewReader(strconv.Itoa(i)))
			res, err := r.h1.Do(req)
			if err != nil {
				results <- 0
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != 201 {
				t.Logf("%v after %v", res.Header["Fairlead-Error"], time.Since(start))
			}
			results <- res.StatusCode
		}()
		if i == n/3 || i == n/2 {
			r.dropAgents()
		}
	}
	for range n {
		if status := within(t, "a POST is answered", 20*time.Second, results); status != 201 {
			t.Errorf("a POST got %d", status)
		}
	}
	if got := executed.Load(); got != n {
		t.Errorf("%d executions of %d POSTs", got, n)
	}
}

// dropAgents cuts the connections of all agents, which come back.
func (r *rig) dropAgents() {
	conns, err := r.nats.Connz(nil)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range conns.Conns {
		if !strings.HasPrefix(c.Name, "fairlead-bridge") {
			if client := r.nats.GetClient(c.Cid); client != nil {
				_ = r.nats.DisconnectClientByID(c.Cid)
			}
		}
	}
}
