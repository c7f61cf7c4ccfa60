package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/deploy/strictyaml"
	"github.com/fairlead-io/fairlead/subjects"
)

func openShared(t *testing.T, b *storetest.Brokers) *Sink {
	t.Helper()
	st, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	s, err := OpenShared(Config{Shared: true, MaxSizeMiB: 16, MaxAge: time.Hour}, st)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Nothing acknowledged is lost, and nothing twice, when one of three brokers is killed.
// Without a quorum a write fails within its bound, and says why; it works again afterwards.
func TestSharedStoreLosesBrokers(t *testing.T) {
	b := storetest.Start(t, 3)
	s := openShared(t, b)
	first, at := 0, -1
	acknowledged := map[string]bool{}
	for i := range 100 {
		if i == 20 {
			first = b.KillLeader(subjects.StoreAudit)
		}
		line := event(i)
		if err := s.Write([]byte(line), true); err != nil {
			t.Errorf("event %d: %v", i, err)
			continue
		}
		acknowledged[strings.TrimSuffix(line, "\n")] = true
	}
	for at = range 3 {
		if at != first {
			break
		}
	}
	st, err := b.Admin(at).Stream(t.Context(), subjects.StoreAudit)
	if err != nil {
		t.Fatal(err)
	}
	c := st.CachedInfo().Config
	if c.Replicas != 3 || c.MaxBytes != 16<<20 || c.MaxAge != time.Hour {
		t.Errorf("the stream is %+v", c)
	}
	for seq := range st.CachedInfo().State.Msgs {
		m, err := st.GetMsg(t.Context(), seq+1)
		if err != nil {
			t.Fatal(err)
		}
		if !acknowledged[string(m.Data)] {
			t.Errorf("twice, or never acknowledged: %s", m.Data)
		}
		delete(acknowledged, string(m.Data))
	}
	if len(acknowledged) > 0 {
		t.Errorf("lost: %v", acknowledged)
	}
	b.Kill(at)
	for i, bound := range []time.Duration{sharedTimeout + 2*time.Second, failedTimeout + 2*time.Second} {
		before := time.Now()
		err := s.Write([]byte(event(1000+i)), true)
		if took := time.Since(before); !errors.Is(err, store.ErrUnavailable) || took > bound {
			t.Errorf("without a quorum: %v after %v", err, took)
		}
		if i == 0 && err != nil && !strings.Contains(err.Error(), "no quorum") && !strings.Contains(err.Error(), "connection") {
			t.Errorf("got %v", err)
		}
	}
	b.Run(at)
	deadline := time.Now().Add(30 * time.Second)
	for err = fmt.Errorf("not yet"); err != nil && time.Now().Before(deadline); {
		err = s.Write([]byte(event(2000)), true)
	}
	if err != nil {
		t.Errorf("with a quorum again: %v", err)
	}
}

func TestSharedConfig(t *testing.T) {
	for text, want := range map[string]string{
		"shared: true": "",
		"shared: true\nmaxSizeMiB: 5\nmaxAge: 720h": "",
		"shared: true\nservers: [tls://a:4222]":     "line 1: shared: the shared store is reached as the bridge is told",
		"shared: true\nmaxAge: 1m":                  "line 2: maxAge: want a duration of at least 1h",
		"shared: true\nmaxSizeMiB: -1":              "line 2: maxSizeMiB: want a number from 1",
		"servers: [tls://a:4222]\nmaxAge: 720h":     "line 1: maxSizeMiB and maxAge are those of the shared store's stream",
	} {
		err := strictyaml.Unmarshal([]byte(text), &Config{})
		if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := OpenShared(Config{Shared: true}, nil); !errors.Is(err, errNoStore) {
		t.Errorf("without a store: %v", err)
	}
}
