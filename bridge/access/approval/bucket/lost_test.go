package bucket

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access/approval"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// relay stands between a bridge and a broker. It can keep the broker's answers back, and be
// cut.
type relay struct {
	listener net.Listener
	mute     atomic.Bool
	asked    chan struct{} // something was sent to the broker since it is mute

	mu    sync.Mutex
	conns []net.Conn
	ended sync.WaitGroup
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, asked: make(chan struct{}, 1)}
	r.ended.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			broker, err := net.Dial("tcp", strings.TrimPrefix(to, "nats://"))
			if err != nil {
				_ = client.Close()
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, client, broker)
			r.mu.Unlock()
			r.ended.Go(func() { r.copy(broker, client, false) })
			r.ended.Go(func() { r.copy(client, broker, true) })
		}
	})
	t.Cleanup(r.cut)
	return r
}

func (r *relay) copy(to, from net.Conn, answers bool) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			_ = to.Close()
			return
		}
		switch muted := r.mute.Load(); {
		case muted && answers:
			continue
		case muted && strings.Contains(string(buffer[:n]), "INC-43"):
			select {
			case r.asked <- struct{}{}:
			default:
			}
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
	}
}

// cut ends all connections, and takes no new one.
func (r *relay) cut() {
	_ = r.listener.Close()
	r.mu.Lock()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
	r.ended.Wait()
}

// What waits for the store's answer fails as soon as the connection is lost, and so does
// what waits behind it and what comes later; none waits until the time-out.
func TestLostConnectionIsToldAtOnce(t *testing.T) {
	b := storetest.Start(t, 1)
	r := newRelay(t, b.URLs()[0])
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, "nats://"+r.listener.Addr().String()), Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	d, err := approval.Open(New(s, log))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	eventually.Within(t, 30*time.Second, "read", func() error {
		_, err := d.List()
		return err
	})
	ask(t, d, dev)

	r.mute.Store(true)
	results := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := d.Ask(t.Context(), dev, "admin", prod, "INC-43", time.Hour)
			results <- err
		}()
	}
	select {
	case <-r.asked:
	case <-time.After(eventually.Bound):
		t.Fatal("nothing was sent")
	}
	r.cut()
	lost := time.Now()
	unknown := 0
	for range 2 {
		err := <-results
		if !errors.Is(err, approval.ErrStore) || !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("got %v", err)
		} else if strings.Contains(err.Error(), "whether the change was kept is not known") {
			unknown++
		}
	}
	if _, err := d.Ask(t.Context(), lead, "admin", prod, "INC-44", time.Hour); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "nothing was changed") {
		t.Errorf("asked later: %v", err)
	}
	if took := time.Since(lost); took > store.Timeout/2 {
		t.Errorf("it took %v after the connection was lost", took)
	}
	if unknown != 1 {
		t.Errorf("the outcome of %d requests is not known, want that of the one that was sent", unknown)
	}
}
