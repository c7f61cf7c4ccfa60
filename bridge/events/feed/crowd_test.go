package feed

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// tenants is how many there are; each subscriber may know of the clusters of one.
const tenants = 10

// tenantsCallers are callers who may know of the clusters of one tenant: tenant/name is
// their token.
type tenantsCallers struct{}

func (tenantsCallers) Authenticate(r *http.Request) (*access.Caller, error) {
	name := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	tenant, _, _ := strings.Cut(name, "/")
	all, err := access.ParsePattern("*." + tenant)
	return &access.Caller{Name: name, Clusters: []access.Pattern{all}}, err
}

// subscriber is a client that reads a stream from its own connection.
type subscriber struct {
	tenant string
	conn   net.Conn
	next   int // the number of the event of its tenant that comes next
}

// audience is a server and those that listen to its log.
type audience struct {
	t        *testing.T
	log      *events.Memory
	server   *httptest.Server
	ended    chan *answer.Record
	all      []*subscriber
	received atomic.Int64
	reading  sync.WaitGroup
	failed   chan error
	sent     [tenants]int
}

func newAudience(t *testing.T) *audience {
	t.Helper()
	a := &audience{t: t, log: events.NewMemory(), ended: make(chan *answer.Record, 2000), failed: make(chan error, 2000)}
	s := &Service{
		Log: a.log, Leaving: context.Background(), Metrics: NewMetrics(), patience: time.Second,
		Door: &access.Door{Rules: access.Fixed(access.Rules{Authenticator: tenantsCallers{}, Authorizer: access.TokenClusters{}})},
	}
	a.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &answer.Record{}
		s.get(w, r, rec, endpoint.Place{})
		a.ended <- rec
		if rec.Aborted != nil {
			panic(http.ErrAbortHandler)
		}
	}))
	a.server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10) // so that one that does not read is noticed soon
		return ctx
	}
	a.server.Start()
	t.Cleanup(func() {
		for _, s := range a.all {
			_ = s.conn.Close()
		}
		a.reading.Wait()
		a.server.Close()
	})
	return a
}

// join opens a stream, whose head it reads.
func (a *audience) join(i int) (*subscriber, *http.Response) {
	a.t.Helper()
	conn, err := net.Dial("tcp", a.server.Listener.Addr().String())
	if err != nil {
		a.t.Fatal(err)
	}
	s := &subscriber{tenant: fmt.Sprintf("t%d", i%tenants), conn: conn}
	_ = conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	fmt.Fprintf(conn, "GET /v1/events HTTP/1.1\r\nHost: bridge\r\nAuthorization: Bearer %s/%d\r\n\r\n", s.tenant, i/tenants)
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 1<<10), nil)
	if err != nil || res.StatusCode != http.StatusOK {
		a.t.Fatalf("subscriber %d: %v, %v", i, res, err)
	}
	a.all = append(a.all, s)
	return s, res
}

// listen reads a stream until its connection is closed, and demands every event of the
// tenant in order.
func (a *audience) listen(s *subscriber, res *http.Response) {
	a.reading.Go(func() {
		for r := bufio.NewReaderSize(res.Body, 2<<10); ; {
			line, err := r.ReadSlice('\n')
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					a.failed <- fmt.Errorf("a subscriber of %s: %w", s.tenant, err)
				}
				return
			}
			data, ok := bytes.CutPrefix(line, []byte("data: "))
			if !ok {
				continue
			}
			var e api.Event
			if err := json.Unmarshal(data, &e); err != nil || e.Tenant != s.tenant || !strings.HasPrefix(e.Detail, strconv.Itoa(s.next)+" ") {
				a.failed <- fmt.Errorf("a subscriber of %s got %s instead of event %d: %v", s.tenant, data, s.next, err)
				return
			}
			s.next++
			a.received.Add(1)
		}
	})
}

// tell appends the next event of each tenant, of about half a KiB.
func (a *audience) tell() {
	a.t.Helper()
	for i := range a.sent {
		e := api.Event{Type: api.EventClusterConnected, Tenant: fmt.Sprintf("t%d", i), Cluster: "prod", Detail: fmt.Sprintf("%d %s", a.sent[i], strings.Repeat("x", 200))}
		if err := a.log.Append(a.t.Context(), e, ""); err != nil {
			a.t.Fatal(err)
		}
		a.sent[i]++
	}
}

// hear waits until so many events were received by all together.
func (a *audience) hear(what string, total int64) {
	a.t.Helper()
	eventually.Nil(a.t, what, func() error {
		select {
		case err := <-a.failed:
			a.t.Fatal(err)
		default:
		}
		if n := a.received.Load(); n != total {
			return fmt.Errorf("%d of %d events were received", n, total)
		}
		return nil
	})
}

// TestAThousandSubscribers: each gets every event that it may know of, once and in order,
// and no other. One that reads nothing holds up nobody and is cut. The log shows how long
// the last one waits for an event, and what one costs: both ends of it, without TLS.
func TestAThousandSubscribers(t *testing.T) {
	subscribers := 1000
	if raceEnabled {
		subscribers = 200
	}
	// A burst of all tenants fits the log: who falls behind what it keeps is told reset.
	const rounds, burst = 20, 60
	a := newAudience(t)
	before := memoryHere()
	for i := range subscribers {
		a.listen(a.join(i))
	}
	a.tell()
	total := int64(subscribers)
	a.hear("the first event", total)
	each := (memoryHere() - before) / int64(subscribers)
	t.Logf("%d subscribers: %.1f KiB for both ends of each", subscribers, float64(each)/1024)
	if each > 64<<10 && !raceEnabled {
		t.Errorf("a subscriber takes %d bytes, want at most 64 KiB", each)
	}

	var took []time.Duration
	for range rounds {
		began := time.Now()
		a.tell()
		total += int64(subscribers)
		a.hear("an event", total)
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	t.Logf("an event of each tenant reached the last of %d after %v, at worst %v", subscribers, took[rounds/2], took[rounds-1])
	if took[rounds/2] > 2*time.Second {
		t.Errorf("the last one waits for %v, want at most 2 s", took[rounds/2])
	}

	_, _ = a.join(subscribers) // and reads nothing
	stalled, began := false, time.Now()
	for !stalled {
		for range burst {
			a.tell()
		}
		total += int64(burst * subscribers)
		a.hear("a burst beside one that stalls", total)
		select {
		case rec := <-a.ended:
			if stalled = true; !errors.Is(rec.Aborted, answer.ErrSlow) {
				t.Errorf("the one that stalls was ended by %v", rec.Aborted)
			}
		default:
		}
		if time.Since(began) > 2*time.Minute {
			t.Fatal("the one that stalls is not cut")
		}
	}
	t.Logf("the one that stalls was cut after %v, beside %d events to all", time.Since(began).Round(time.Millisecond), total)
}

// memoryHere is the live heap and the stacks of the test.
func memoryHere() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
