package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const secret = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIz"

// short are times for tests. That for the last answer is longer, for busy machines.
var short = times{least: 20 * time.Millisecond, most: 100 * time.Millisecond, keep: time.Hour, unfit: 300 * time.Millisecond, save: 10 * time.Millisecond, retry: 100 * time.Millisecond, answer: 3 * time.Second}

// receiver is a webhook's server.
type receiver struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	got    []api.Event // that were accepted
	keys   []string    // secrets of which each request must have a signature
	asked  int
	answer func(n int, e *api.Event) (status int, header http.Header) // nil: 204
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, keys: []string{secret}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the bridge was killed, or stops
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var m struct {
		Type      string
		Timestamp time.Time
		Data      api.Event
	}
	id := req.Header.Get("webhook-id")
	at, err := strconv.ParseInt(req.Header.Get("webhook-timestamp"), 10, 64)
	if err != nil || json.Unmarshal(body, &m) != nil || m.Data.ID != id || m.Type != string(m.Data.Type) || !m.Timestamp.Equal(m.Data.Time) || req.Method != "POST" {
		r.t.Errorf("%s %v: %s", req.Method, req.Header, body)
	}
	if age := time.Since(time.Unix(at, 0)); age < -time.Second || age > 10*time.Second {
		r.t.Errorf("webhook-timestamp is %v old", age)
	}
	var keys [][]byte
	for _, s := range r.keys {
		k, err := parseSecret([]byte(s))
		if err != nil {
			r.t.Error(err)
		}
		keys = append(keys, k)
	}
	if got, want := req.Header.Get("webhook-signature"), sign(keys, id, time.Unix(at, 0), body); got != want {
		r.t.Errorf("signed %s, want %s", got, want)
	}
	status := http.StatusNoContent
	if r.asked++; r.answer != nil {
		var h http.Header
		status, h = r.answer(r.asked, &m.Data)
		for name, values := range h {
			w.Header()[name] = values
		}
	}
	if status <= 299 {
		r.got = append(r.got, m.Data)
	}
	w.WriteHeader(status)
}

// details are those of the events that were accepted.
func (r *receiver) details() (all []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.got {
		all = append(all, e.Detail)
	}
	return all
}

// await waits until n events were accepted.
func (r *receiver) await(n int) {
	r.t.Helper()
	eventually.Within(r.t, time.Minute, "events at the webhook", func() error {
		if got := len(r.details()); got < n {
			return fmt.Errorf("%d of %d", got, n)
		}
		return nil
	})
}

// exactly expects the events from one number to another, each once and in order.
func (r *receiver) exactly(from, to int) {
	r.t.Helper()
	var want []string
	for i := from; i < to; i++ {
		want = append(want, strconv.Itoa(i))
	}
	if got := r.details(); !slices.Equal(got, want) {
		r.t.Errorf("got %q, want %d to %d", got, from, to)
	}
}

// write writes a file of webhooks, and one with their secret.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "webhooks.yaml")
	overwrite(t, filepath.Join(dir, "secret"), secret+"\n")
	overwrite(t, path, text)
	return path
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// hook is the text of a webhook.
func hook(name string, r *receiver, more string) string {
	return fmt.Sprintf("- {name: %s, url: \"%s/in?token=hidden\", allowHTTP: true, secretFiles: [secret]%s}\n", name, r.URL, more)
}

// bridge is one that sends.
type bridge struct {
	log    *events.Durable
	sender *Sender
	stop   func()
}

// run opens the log, and sends by a file.
func run(t testing.TB, account, urls string, config store.Config, path string, of times) *bridge {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), nil))
	config.ID, config.Logger, config.Broker = subjects.NewID('b'), logger, natstest.Broker(t, urls)
	s, err := store.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Open(path, nil, logger)
	if err != nil {
		t.Fatal(err)
	}
	b := &bridge{log: events.NewDurable(s, logger)}
	b.sender = NewSender(f, b.log, s, config.ID, logger)
	b.sender.times = of
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, part := range []func(context.Context) error{b.log.Run, b.sender.Run} {
		running.Go(func() {
			if err := part(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	b.stop = sync.OnceFunc(func() {
		cancel()
		running.Wait()
		s.Close()
	})
	t.Cleanup(b.stop)
	return b
}

// start is run with the brokers of a test, whose webhooks have begun: none gets what happened
// before.
func start(t *testing.T, b *storetest.Brokers, path string) *bridge {
	t.Helper()
	br := run(t, b.Account, b.URLs()[0], store.Config{Account: b.Account, Key: b.Key}, path, short)
	br.begun(t)
	return br
}

// begun waits until each webhook has a cursor.
func (b *bridge) begun(t *testing.T) {
	t.Helper()
	eventually.Within(t, time.Minute, "begin", func() error {
		for _, w := range b.sender.file.file.Get() {
			if _, err := b.sender.cursors.Get(t.Context(), "cursor-"+w.Name); err != nil {
				return err
			}
		}
		return nil
	})
}

// saved waits until it is written down that a webhook has all events. Otherwise it may get
// some again when its bridge stops: the receiver has an event before the bridge has its answer.
func (b *bridge) saved(t *testing.T, webhook string) {
	t.Helper()
	eventually.Within(t, time.Minute, "the cursor at the end", func() error {
		end, err := b.log.End(t.Context())
		if err != nil {
			return err
		}
		e, err := b.sender.cursors.Get(t.Context(), "cursor-"+webhook)
		if err != nil {
			return err
		}
		var v cursorValue
		if err := json.Unmarshal(e.Value, &v); err != nil || v.After != end {
			return fmt.Errorf("it is at %q of %q, %w", v.After, end, err)
		}
		return nil
	})
}

// note appends events from one number to another.
func (b *bridge) note(t testing.TB, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		e := api.Event{Type: api.EventClusterConnected, Tenant: "acme", Cluster: "prod", Detail: strconv.Itoa(i)}
		if err := b.log.Append(context.Background(), e, ""); err != nil {
			t.Fatal(err)
		}
	}
}
