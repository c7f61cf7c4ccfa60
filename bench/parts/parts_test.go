package parts

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/broker/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// part is a role that runs in the test's process.
type part struct {
	addr string
	in   *io.PipeWriter
	out  *json.Decoder
}

func startRole(t *testing.T, role string, args ...string) *part {
	t.Helper()
	in, toPart := io.Pipe()
	fromPart, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := Run(t.Context(), role, args, IO{In: in, Out: out})
		_ = out.CloseWithError(errors.Join(err, io.EOF))
		done <- err
	}()
	t.Cleanup(func() {
		_ = toPart.Close()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", role, err)
		}
	})
	p := &part{in: toPart, out: json.NewDecoder(fromPart)}
	var r Ready
	if err := p.out.Decode(&r); err != nil {
		t.Fatalf("%s does not get ready: %v", role, err)
	}
	p.addr = r.Addr
	return p
}

func (p *part) do(j load.Job) (load.Result, error) {
	if err := json.NewEncoder(p.in).Encode(j); err != nil {
		return load.Result{}, err
	}
	var r load.Result
	err := p.out.Decode(&r)
	if r.Message != "" {
		err = errors.New(r.Message)
	}
	return r, err
}

// The HTTP roles, started as the benchmark starts them.
func TestRolesOfHTTP(t *testing.T) {
	up := startRole(t, RoleUpstream, "-listen", "127.0.0.1:0")
	proxy := startRole(t, RoleProxy, "-upstream", "http://"+up.addr)
	client := startRole(t, RoleLoad)
	for name, addr := range map[string]string{"direct": up.addr, "proxy": proxy.addr} {
		for _, j := range []load.Job{
			{Op: load.OpUnary, Conns: 2, Requests: 50},
			{Op: load.OpDownload, Conns: 2, Bytes: 4 << 20},
			{Op: load.OpUpload, Conns: 2, Bytes: 4 << 20},
			{Op: load.OpWatch, Conns: 2, Interval: 5, Millis: 30},
		} {
			j.URL, j.Upstream = "http://"+addr, "http://"+up.addr
			if r, err := client.do(j); err != nil || r.Count == 0 {
				t.Errorf("%s %s: count %d, error %v", name, j.Op, r.Count, err)
			}
		}
	}
}

// Both links between the NATS roles carry messages and bulk.
func TestRolesOfNATS(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	asker := startRole(t, RoleNATS, "-dir", dir)
	startRole(t, RoleEcho, "-dir", dir, "-server", asker.addr)
	for _, link := range []string{LinkBare, LinkStreams} {
		r, err := asker.do(load.Job{Op: load.OpUnary, URL: link, Conns: 8, Millis: 50})
		if err != nil || r.Count == 0 || r.P50 <= 0 {
			t.Errorf("%s: result %+v, error %v", link, r, err)
		}
		const size = 3 * 5_000_001 // not a multiple of any chunk's size
		r, err = asker.do(load.Job{Op: load.OpDownload, URL: link, Conns: 3, Bytes: size})
		if err != nil || r.Bytes != size {
			t.Errorf("%s: %d bytes of %d, error %v", link, r.Bytes, size, err)
		}
	}
	if _, err := asker.do(load.Job{Op: load.OpUnary, URL: "smoke", Conns: 1}); err == nil {
		t.Error("a link that does not exist was accepted")
	}
}

// A crowd grows and shrinks, and disconnects when its input ends.
func TestRoleOfIdleAgents(t *testing.T) {
	l, b := newBroker(t)
	idle := startRole(t, RoleIdle, "-dir", l.Dir(), "-tenant", tenant, "-server", b.ClientURL())
	for _, n := range []int{5, 2, 7, 0, 1} {
		r, err := idle.do(load.Job{Conns: n})
		if err != nil || r.Count != n {
			t.Errorf("asked for %d agents: %d, error %v", n, r.Count, err)
		}
	}
	if _, err := idle.do(load.Job{Conns: maxIdle + 1}); err == nil {
		t.Error("more agents than allowed were promised")
	}
}

func newBroker(t testing.TB) (*keys.Layout, *broker.Broker) {
	t.Helper()
	l, err := keys.Init(keys.InitOptions{Dir: filepath.Join(t.TempDir(), "d"), Tenant: tenant, Cluster: cluster})
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(broker.Config{
		Dir: l.Dir(), Listen: "127.0.0.1:0", WebsocketListen: broker.Off, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Shutdown)
	return l, b
}

// BenchmarkLink runs both links in one process, for profiles.
func BenchmarkLink(b *testing.B) {
	l, broker := newBroker(b)
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	bareAsk, err := asBridge(ctx, l, broker, bareBridge)
	check(err)
	defer bareAsk.Close()
	streamAsk, err := asBridge(ctx, l, broker, streamBridge)
	check(err)
	defer streamAsk.Close()
	bareEcho, err := asAgent(ctx, l, broker.ClientURL(), tenant, cluster)
	check(err)
	defer bareEcho.Close()
	streamEcho, err := asAgent(ctx, l, broker.ClientURL(), tenant, cluster)
	check(err)
	defer streamEcho.Close()
	a, err := newAsker(bareAsk)
	check(err)
	o, err := newOpener(streamAsk)
	check(err)
	defer o.close()
	check(answerBare(bareEcho))
	agent, err := answerStreams(streamEcho)
	check(err)
	defer func() { _ = agent.Close() }()
	check(streamEcho.FlushTimeout(answerTimeout))

	for name, f := range map[string]func(int) error{LinkBare: a.ask, LinkStreams: o.ask} {
		b.Run(name, func(b *testing.B) { askAtOnce(b, 64, f) })
	}
	for name, f := range map[string]func(int, int64) error{LinkBare: a.fetch, LinkStreams: o.fetch} {
		b.Run(name+" MiB", func(b *testing.B) {
			b.SetBytes(1 << 20)
			check(f(0, int64(b.N)<<20))
		})
	}
}

func askAtOnce(b *testing.B, workers int, ask func(int) error) {
	b.ReportAllocs()
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := w; n < b.N; n += workers {
				if err := ask(w); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
