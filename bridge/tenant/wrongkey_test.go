package tenant

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/fairlead-io/fairlead/bridge/directory"
	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// lockedLog is a log that can be read while it is written.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestWrongKeyIsToldAtOnce: a key that the account does not list is refused by
// the broker, embedded or not, and neither the log nor a request waits for a
// time-out to hear of it.
func TestWrongKeyIsToldAtOnce(t *testing.T) {
	for _, inProcess := range []bool{true, false} {
		s := natstest.Start(t, "acme")
		wrong := natstest.Start(t, "acme") // its bridge key is in no account of s
		log := &lockedLog{}
		p := newPool(t, s, func(c *Config) {
			c.Key, c.Logger = wrong.BridgeKey, slog.New(slog.NewTextHandler(log, nil))
			if !inProcess {
				c.InProcess, c.Broker = nil, s.Broker(t)
			}
		})
		began := time.Now()
		c := acquire(t, p, "acme")
		defer c.Release()
		eventually.True(t, "the log names the refusal", func() bool { return strings.Contains(log.String(), "Authorization Violation") })
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("in process %v: the refusal was known after %v", inProcess, took)
		}
		key, err := wrong.BridgeKey.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if text := log.String(); !strings.Contains(text, "account "+s.Accounts["acme"]+" and key "+key) {
			t.Errorf("in process %v: the log does not name what people compare: %s", inProcess, text)
		}
		if err := c.Refusal(); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("in process %v: refusal %v, want an authorization violation", inProcess, err)
		}
		_, err = c.Directory().Pick(t.Context(), "prod", new(directory.Attempt))
		if ue, ok := errors.AsType[*directory.UnavailableError](err); !ok || ue.State != directory.Disconnected {
			t.Errorf("in process %v: got %v, want disconnected", inProcess, err)
		}
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("in process %v: a request was refused after %v", inProcess, took)
		}
		t.Logf("in process %v: refused after %v; log: %s", inProcess, time.Since(began), log)
	}
}
