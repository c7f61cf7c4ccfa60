package nsc

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/test/harness"
)

// load keeps sending one short request after another to a cluster.
type load struct {
	client *http.Client
	ref    string
	api    *apiServer
	bridge atomic.Pointer[node]
	cancel context.CancelFunc
	done   chan struct{}
	asking sync.Mutex // held while a request is on its way

	mu     sync.Mutex // guards the rest
	sent   int
	failed []string
	worst  time.Duration
}

// loadPause is between the answer to one request and the next.
const loadPause = 5 * time.Millisecond

func (w *world) startLoad(t *testing.T, tenant, cluster string, api *apiServer) *load {
	t.Helper()
	client, err := harness.NewTokenClient(w.ca(), w.token)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{client: client, ref: cluster + "." + tenant, api: api, cancel: cancel, done: make(chan struct{})}
	l.bridge.Store(w.bridges[0])
	w.until(t, "an answer of "+l.ref, func() error { return l.ask(t.Context()) })
	go l.run(ctx)
	t.Cleanup(func() {
		l.stop()
		client.CloseIdleConnections()
	})
	return l
}

func (l *load) run(ctx context.Context) {
	defer close(l.done)
	pause := time.NewTicker(loadPause)
	defer pause.Stop()
	for ctx.Err() == nil {
		began := time.Now()
		l.asking.Lock()
		err := l.ask(context.WithoutCancel(ctx))
		l.asking.Unlock()
		l.note(err, time.Since(began))
		<-pause.C
	}
}

// moveTo sends requests to another bridge from now on. Once it returns, none is on its
// way to the one before.
func (l *load) moveTo(b *node) {
	l.bridge.Store(b)
	l.asking.Lock()
	defer l.asking.Unlock()
}

func (l *load) ask(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	body, err := get(ctx, l.client, "https://"+l.bridge.Load().address+"/k8s/clusters/"+l.ref+askPath)
	if err == nil && !strings.Contains(body, l.api.name) {
		err = fmt.Errorf("answered by another cluster: %s", body)
	}
	return err
}

func (l *load) note(err error, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	l.worst = max(l.worst, took)
	if err != nil {
		l.failed = append(l.failed, err.Error())
	}
}

func (l *load) stop() {
	l.cancel()
	<-l.done
}

// unharmed fails the test if a request has failed since the last call.
func (l *load) unharmed(t *testing.T, during string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	t.Logf("%s: %s got %d answers, the slowest after %s", during, l.ref, l.sent-len(l.failed), l.worst.Round(time.Millisecond))
	if l.sent == 0 {
		t.Errorf("%s: no request of %s ended", during, l.ref)
	}
	if len(l.failed) > 0 {
		t.Errorf("%s: %d of %d requests of %s failed, the first: %s", during, len(l.failed), l.sent, l.ref, l.failed[0])
	}
	l.sent, l.failed, l.worst = 0, nil, 0
}
