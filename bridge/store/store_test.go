package store

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, b *storetest.Brokers, change func(*Config)) *Store {
	t.Helper()
	cfg := Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&cfg)
	}
	s, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func up(t *testing.T, s *Store) {
	t.Helper()
	eventually.Nil(t, "connect", s.Err)
}

// A bridge creates the three streams, and finds those that another one has created.
func TestStreamsAreCreatedOnce(t *testing.T) {
	b := storetest.Start(t, 1)
	first, second := open(t, b, nil), open(t, b, nil)
	up(t, first)
	up(t, second)
	for _, c := range []jetstream.StreamConfig{Approvals(), Audit(1<<20, 0), Recordings(1<<20, time.Hour)} {
		for _, s := range []*Store{first, second} {
			st, err := s.Stream(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			is := st.CachedInfo().Config
			if is.Storage != jetstream.FileStorage || !is.DenyDelete || !is.DenyPurge || is.Replicas != 1 || is.MaxBytes != c.MaxBytes {
				t.Errorf("%+v", is)
			}
		}
	}
	// Another size is the operator's: what exists is used as it is.
	if st, err := second.Stream(t.Context(), Audit(2<<20, 0)); err != nil || st.CachedInfo().Config.MaxBytes != 1<<20 {
		t.Errorf("another size: %v", err)
	}
}

// A stream whose messages can be taken back, or go elsewhere, is not used.
func TestStreamThatCannotBeTrusted(t *testing.T) {
	b := storetest.Start(t, 1)
	admin, s := b.Admin(0), open(t, b, nil)
	up(t, s)
	good := Audit(1<<20, 0)
	good.DenyDelete, good.DenyPurge = true, true
	for want, spoil := range map[string]func(*jetstream.StreamConfig){
		"can be deleted or purged": func(c *jetstream.StreamConfig) { c.DenyPurge = false },
		"its subjects":             func(c *jetstream.StreamConfig) { c.Subjects = []string{"fairlead.audit.x"} },
		"that of limits":           func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy },
		"republishing":             func(c *jetstream.StreamConfig) { c.RePublish = &jetstream.RePublish{Source: ">", Destination: "x.>"} },
		"limited number":           func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 },
	} {
		c := good
		spoil(&c)
		if _, err := admin.CreateStream(t.Context(), c); err != nil {
			t.Fatalf("%s: %v", want, err)
		}
		if _, err := s.Stream(t.Context(), good); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if err := admin.DeleteStream(t.Context(), c.Name); err != nil {
			t.Fatal(err)
		}
	}
	for name, spoil := range map[string]func(*jetstream.StreamConfig){
		"one message":    func(c *jetstream.StreamConfig) { c.MaxMsgs = 1 },
		"a second":       func(c *jetstream.StreamConfig) { c.MaxAge = time.Second },
		"ends":           func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true },
		"ends of keys":   func(c *jetstream.StreamConfig) { c.SubjectDeleteMarkerTTL = time.Second },
		"the newest go":  func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardNew },
		"asynchronous":   func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode },
		"counts":         func(c *jetstream.StreamConfig) { c.AllowMsgCounter = true },
		"published late": func(c *jetstream.StreamConfig) { c.AllowMsgSchedules = true },
	} {
		forgets, want := good, good
		forgets.Storage, forgets.Retention = jetstream.FileStorage, jetstream.LimitsPolicy
		if err := judge(&forgets, &want); err != nil {
			t.Fatal(err)
		}
		spoil(&forgets)
		if err := judge(&forgets, &want); err == nil {
			t.Errorf("a stream with %s is used", name)
		}
	}
	aged, want := good, good
	aged.Storage, aged.Retention = jetstream.FileStorage, jetstream.LimitsPolicy
	want.MaxAge = time.Hour
	for age, ok := range map[time.Duration]bool{0: true, time.Hour: true, 2 * time.Hour: true, time.Minute: false} {
		aged.MaxAge = age
		if err := judge(&aged, &want); (err == nil) != ok {
			t.Errorf("age %v where an hour is wanted: %v", age, err)
		}
	}
	aged.MaxAge = time.Minute
	for age, says := range map[time.Duration][]string{
		0:         {"kept for ever", "'nats stream edit FAIRLEAD_AUDIT --max-age 0s'", "at most 1m0s"},
		time.Hour: {"kept for 1h0m0s", "'nats stream edit FAIRLEAD_AUDIT --max-age 1h0m0s'"},
	} {
		want.MaxAge = age
		for _, text := range says {
			if err := judge(&aged, &want); err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("a minute where %v is wanted: %v, want %q", age, err, text)
			}
		}
	}
	bad := good
	bad.Storage = jetstream.MemoryStorage // which the account has none of
	if err := judge(&bad, &good); err == nil {
		t.Error("a stream in memory is used")
	}
}

// Without a broker each operation fails at once, and says why.
func TestBrokersAreAway(t *testing.T) {
	b := storetest.Start(t, 1)
	s := open(t, b, nil)
	up(t, s)
	b.Kill(0)
	eventually.Nil(t, "notice", func() error {
		if s.Err() == nil {
			return errors.New("connected")
		}
		return nil
	})
	before := time.Now()
	_, err := s.Stream(t.Context(), Approvals())
	if !errors.Is(err, ErrUnavailable) || time.Since(before) > time.Second || s.Lost().IsZero() {
		t.Errorf("%v after %v", err, time.Since(before))
	}
	b.Run(0)
	up(t, s)
	if _, err := s.Stream(t.Context(), Approvals()); err != nil {
		t.Error(err)
	}
}

// A user is renewed before it expires, and goes on to work.
func TestUserIsRenewed(t *testing.T) {
	b := storetest.Start(t, 1)
	s := open(t, b, func(c *Config) { c.UserTTL = 4 * time.Second })
	up(t, s)
	first := s.minted.Load()
	eventually.Nil(t, "renew", func() error {
		if s.minted.Load() == first {
			return errors.New("not renewed")
		}
		return s.Err()
	})
	if _, err := s.Stream(t.Context(), Approvals()); err != nil {
		t.Error(err)
	}
}

// Three brokers keep each stream; with one of them killed it works, and with two an
// operation fails within its bound, and says that there is no quorum.
func TestQuorum(t *testing.T) {
	b := storetest.Start(t, 3)
	s := open(t, b, nil)
	up(t, s)
	st, err := s.Stream(t.Context(), Approvals())
	if err != nil {
		t.Fatal(err)
	}
	if r := st.CachedInfo().Config.Replicas; r != 3 {
		t.Errorf("%d replicas", r)
	}
	b.KillLeader(subjects.StoreApprovalsStream)
	eventually.Nil(t, "go on with two brokers", func() error {
		_, err := s.Stream(t.Context(), Approvals())
		return err
	})
	b.KillLeader(subjects.StoreApprovalsStream)
	const within = 2 * time.Minute // a leader notices after 10 to 20 s that nobody follows it
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	eventually.Within(t, within, "tell the lost quorum", func() error {
		before := time.Now()
		_, err := s.Stream(ctx, Approvals())
		switch {
		case time.Since(before) > Timeout+time.Second:
			t.Errorf("it took %v: %v", time.Since(before), err)
		case err == nil:
			return errors.New("it works")
		case errors.Is(err, ErrUnavailable) && strings.Contains(err.Error(), "no quorum"):
			return nil
		case !errors.Is(err, ErrUnavailable):
			t.Errorf("got %v", err)
		}
		return err
	})
}
