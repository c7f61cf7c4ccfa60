package reach

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fairlead-io/fairlead/subjects/natslink/dial"
	"github.com/fairlead-io/fairlead/subjects/natslink/dial/transport"
)

// TestLimitIsSharedByConnections: a server that asks one connection of a bridge to wait is
// not asked by the others.
func TestLimitIsSharedByConnections(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Header().Set("Retry-After", "600")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer s.Close()
	b, err := Open(Config{Servers: []string{"ws" + strings.TrimPrefix(s.URL, "http")}, Transport: transport.Config{Prefix: "broker-"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Redialer(t.Context()).Dial("", ""); err == nil {
		t.Fatal("connected")
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			r := b.Redialer(t.Context())
			_, err := r.Dial("", "")
			if refusal, ok := errors.AsType[*dial.Refusal](err); !ok || refusal.Status != http.StatusTooManyRequests {
				t.Errorf("got %v, want what the first was told", err)
			}
			if wait := r.RetryDelay(1); wait < lookAtLeast || wait > lookAtMost || time.Until(r.Until()) < 9*time.Minute {
				t.Errorf("waits for %v until %v, want a look after 5 to 10 s, and 10 minutes", wait, r.Until())
			}
		})
	}
	wg.Wait()
	if asked.Load() != 1 {
		t.Errorf("the server was asked %d times, want once", asked.Load())
	}
}

// TestOneConnectionProbes: refusals of attempts that began together count once, one attempt
// at a time follows the wait, and a success lifts the limit for all.
func TestOneConnectionProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &url.URL{Scheme: "wss", Host: "a"}
		s := &sharedLimits{limits: Limits{brief: true}}
		refusal := &dial.Refusal{Status: 429, RetryAfter: "10"}
		for range 50 {
			s.note(server, false, refusal)
		}
		s.note(server, false, errors.New("reset"))
		for n := range LimitedAttempts {
			until := s.limits.of[server].until
			if wait := time.Until(until); wait < 10*time.Second || wait > 10*time.Second+FirstSpread<<n {
				t.Errorf("wait %d is %v", n, wait)
			}
			if _, held := s.take(server); held == nil {
				t.Error("not held")
			}
			time.Sleep(time.Until(until))
			if probe, held := s.take(server); !probe || held != nil {
				t.Errorf("after the wait: probe %t, held %v", probe, held)
			}
			if _, held := s.take(server); held == nil {
				t.Error("two probes at a time")
			}
			if wait, _ := s.delay([]*url.URL{server}, 1, false); wait < lookAtLeast {
				t.Errorf("looks after %v while another probes", wait)
			}
			s.note(server, true, refusal)
		}
		if wait := time.Until(s.limits.of[server].until); wait < BriefAtLeast || wait > BriefAtMost {
			t.Errorf("gives up for %v", wait)
		}
		s.note(server, false, nil)
		if probe, held := s.take(server); probe || held != nil {
			t.Errorf("after a success: probe %t, held %v", probe, held)
		}
	})
}
