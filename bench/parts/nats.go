package parts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"github.com/fairlead-io/fairlead/bench/load"
	"github.com/fairlead-io/fairlead/broker"
	"github.com/fairlead-io/fairlead/broker/keys"
	"github.com/fairlead-io/fairlead/subjects/natslink"
)

// The two ways to use the link between the parts [RoleNATS] and [RoleEcho], given
// as the URL of a job.
const (
	// LinkBare is plain NATS: a message in each direction.
	LinkBare = "bare"
	// LinkStreams is Fairlead's streams over the same NATS, without HTTP. The
	// difference to LinkBare is the whole price of streams: keeping
	// unacknowledged frames, acknowledgements, credit, ids, goroutines.
	LinkStreams = "streams"
)

// Names in the link's own broker.
const (
	tenant  = "bench"
	cluster = "bench"
)

const (
	messageSize = 1 << 10
	// answerTimeout bounds the wait for an answer. No answer is ever lost here.
	answerTimeout = 10 * time.Second
	// maxWorkers bounds the requests in flight.
	maxWorkers = 1024
)

// runNATS runs a broker and, in the same process as in a bridge, the requesting
// end.
func runNATS(ctx context.Context, args []string, p IO) error {
	var dir string
	err := parse(RoleNATS, args, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "dir", "", "empty directory for the broker's keys")
	})
	if err != nil {
		return err
	}
	l, err := keys.Init(keys.InitOptions{Dir: dir, Tenant: tenant, Cluster: cluster})
	if err != nil {
		return err
	}
	b, err := broker.Start(broker.Config{
		Dir: dir, Listen: "127.0.0.1:0", WebsocketListen: broker.Off, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	defer b.Shutdown()
	bare, err := asBridge(ctx, l, b, bareBridge)
	if err != nil {
		return err
	}
	defer bare.Close()
	a, err := newAsker(bare)
	if err != nil {
		return err
	}
	nc, err := asBridge(ctx, l, b, streamBridge)
	if err != nil {
		return err
	}
	defer nc.Close()
	o, err := newOpener(nc)
	if err != nil {
		return err
	}
	defer o.close()
	if err := p.ready(b.ClientURL()); err != nil {
		return err
	}
	return load.Serve(p.In, p.Out, func(j load.Job) (load.Result, error) {
		if j.Conns < 1 || j.Conns > maxWorkers {
			return load.Result{}, fmt.Errorf("conns: %d is not between 1 and %d", j.Conns, maxWorkers)
		}
		switch j.URL {
		case LinkBare:
			return work(j, a.ask, a.fetch)
		case LinkStreams:
			return work(j, o.ask, o.fetch)
		}
		return load.Result{}, fmt.Errorf("url: %q is neither %s nor %s", j.URL, LinkBare, LinkStreams)
	})
}

// work starts a worker for each of the job's Conns. Each makes one request after the
// other, or fetches once. ask and fetch return when the answer is complete.
func work(j load.Job, ask func(worker int) error, fetch func(worker int, bytes int64) error) (load.Result, error) {
	if j.Op != load.OpUnary && j.Op != load.OpDownload {
		return load.Result{}, fmt.Errorf("op: %q is neither %s nor %s", j.Op, load.OpUnary, load.OpDownload)
	}
	samples := make([][]time.Duration, j.Conns)
	errs := make([]error, j.Conns)
	start := time.Now()
	until := start.Add(time.Duration(j.Millis) * time.Millisecond)
	var wg sync.WaitGroup
	for i := range j.Conns {
		wg.Go(func() {
			if j.Op == load.OpUnary {
				samples[i], errs[i] = askUntil(until, func() error { return ask(i) })
			} else {
				errs[i] = fetch(i, j.Bytes/int64(j.Conns))
			}
		})
	}
	wg.Wait()
	elapsed := time.Since(start)
	all := slices.Concat(samples...)
	r := load.Result{Count: len(all), Seconds: elapsed.Seconds()}
	if j.Op == load.OpDownload {
		r.Count, r.Bytes = j.Conns, j.Bytes/int64(j.Conns)*int64(j.Conns)
	}
	r.P50, r.P99 = load.Quantiles(all)
	return r, errors.Join(errs...)
}

func askUntil(until time.Time, ask func() error) ([]time.Duration, error) {
	samples := make([]time.Duration, 0, 1<<14)
	for now := time.Now(); ; {
		if err := ask(); err != nil {
			return nil, err
		}
		end := time.Now()
		samples = append(samples, end.Sub(now))
		now = end
		if !now.Before(until) {
			return samples, nil
		}
	}
}

// asBridge connects as a bridge does to the broker in its process.
func asBridge(ctx context.Context, l *keys.Layout, b *broker.Broker, id string) (*nats.Conn, error) {
	creds, err := bridgeCreds(l, id)
	if err != nil {
		return nil, err
	}
	return connect(ctx, natslink.ConnectOptions{Name: id, InProcess: b}, creds)
}

func bridgeCreds(l *keys.Layout, id string) ([]byte, error) {
	tenants, err := l.Tenants()
	if err != nil {
		return nil, err
	}
	seed, err := os.ReadFile(l.BridgeKeyFile())
	if err != nil {
		return nil, fmt.Errorf("bridge key: %w", err)
	}
	signer, err := nkeys.ParseDecoratedNKey(seed)
	if err != nil {
		return nil, fmt.Errorf("bridge key: %w", err)
	}
	defer signer.Wipe()
	return keys.MintUser(signer, tenants[tenant], id, time.Time{})
}

// connect connects with the credentials and waits until it is connected.
func connect(ctx context.Context, o natslink.ConnectOptions, creds []byte) (*nats.Conn, error) {
	token, err := nkeys.ParseDecoratedJWT(creds)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	key, err := nkeys.ParseDecoratedUserNKey(creds)
	if err != nil {
		return nil, fmt.Errorf("credentials: %w", err)
	}
	up := make(chan struct{}, 1)
	o.UserJWT = func() (string, error) { return token, nil }
	o.SignNonce = key.Sign
	o.OnUp = func() {
		select {
		case up <- struct{}{}:
		default:
		}
	}
	var last error
	var mu sync.Mutex // guards last
	o.OnError = func(err error) { mu.Lock(); last = err; mu.Unlock() }
	nc, err := natslink.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	select {
	case <-up:
		return nc, nil
	case <-time.After(answerTimeout):
	case <-ctx.Done():
	}
	nc.Close()
	mu.Lock()
	defer mu.Unlock()
	return nil, fmt.Errorf("not connected within %s: %w", answerTimeout, errors.Join(last, ctx.Err()))
}

// runEcho answers the requesting end, over TLS as an agent would.
func runEcho(ctx context.Context, args []string, p IO) error {
	var dir, server string
	err := parse(RoleEcho, args, func(fs *flag.FlagSet) {
		fs.StringVar(&dir, "dir", "", "directory of the broker's keys")
		fs.StringVar(&server, "server", "", "URL of the broker")
	})
	if err != nil {
		return err
	}
	l, err := keys.OpenLayout(dir)
	if err != nil {
		return err
	}
	bare, err := asAgent(ctx, l, server, tenant, cluster)
	if err != nil {
		return err
	}
	defer bare.Close()
	if err := answerBare(bare); err != nil {
		return err
	}
	nc, err := asAgent(ctx, l, server, tenant, cluster)
	if err != nil {
		return err
	}
	defer nc.Close()
	a, err := answerStreams(nc)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	if err := nc.FlushTimeout(answerTimeout); err != nil {
		return err
	}
	if err := p.ready(""); err != nil {
		return err
	}
	return p.wait()
}

// asAgent connects over TLS with fresh credentials of a cluster.
func asAgent(ctx context.Context, l *keys.Layout, server, tenant, cluster string) (*nats.Conn, error) {
	creds, err := l.MintAgent(tenant, cluster, time.Time{})
	if err != nil {
		return nil, err
	}
	config, err := clientTLS(l)
	if err != nil {
		return nil, err
	}
	nc, err := connect(ctx, natslink.ConnectOptions{Name: cluster, Servers: []string{server}, TLS: config}, creds)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cluster, err)
	}
	return nc, nil
}

// clientTLS verifies the broker against the layout's CA.
func clientTLS(l *keys.Layout) (*tls.Config, error) {
	pem, err := os.ReadFile(l.CAFile())
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("ca: no certificate in %s", l.CAFile())
	}
	return &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, nil
}
