package vault

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// spoken is a session of which nothing is left but what its bridge has said.
type spoken struct {
	theft
	key   ed25519.PrivateKey
	start time.Time
	now   time.Time // of whoever lists
}

// speaking makes a session, which began before now.
func speaking(t *testing.T, before time.Duration) *spoken {
	t.Helper()
	b := storetest.Start(t, 1)
	s := &spoken{now: time.Now().UTC().Truncate(time.Second)}
	s.start = s.now.Add(-before)
	s.store = open(t, b)
	e := record.Entry{Start: s.start, Meta: record.Meta{Caller: "mallory", Cluster: "prod"}}
	made, err := New(s.store).Create(record.Config{}, &e)
	if err != nil {
		t.Fatal(err)
	}
	s.key, s.entry = made.(*medium).key, e
	s.archive = archive(t, s.store)
	s.archive.Shelf.(*shelf).now = func() time.Time { return s.now }
	s.thief = b.As(0, "b-thief")
	return s
}

// say publishes the bridge's message with a number, as it was sealed at a time.
func (s *spoken) say(t *testing.T, number int64, at time.Time) *nats.Msg {
	t.Helper()
	m := &nats.Msg{Subject: aliveSubject(s.entry.ID), Header: nats.Header{}}
	signature := ed25519.Sign(s.key, statement(alive, s.entry.ID, number, at.UnixMilli(), nil))
	m.Header.Set(sealHeader, fmt.Sprintf("%d %d %s", number, at.UnixMilli(), base64.RawURLEncoding.EncodeToString(signature)))
	s.publish(t, m)
	return m
}

// again publishes a message once more, as the thief.
func (s *spoken) again(t *testing.T, m *nats.Msg) {
	t.Helper()
	s.publish(t, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
}

// An old message that is published again does not make a session look crashed that goes on,
// and is told.
func TestStolenKeyCannotInterruptSession(t *testing.T) {
	s := speaking(t, 10*time.Minute)
	first := s.say(t, 1, s.start.Add(30*time.Second))
	s.say(t, 2, s.now.Add(-15*time.Second))
	if e := s.only(t); e.Interrupted || !e.End.IsZero() || e.Foreign {
		t.Errorf("before: %+v", e)
	}
	goesOn := func(why string) {
		t.Helper()
		if e := s.only(t); e.Interrupted || !e.End.IsZero() || !e.Foreign || s.archive.Verify(e) == nil {
			t.Errorf("%s: %+v", why, e)
		}
	}
	s.again(t, first)
	goesOn("an old message again")
	s.publish(t, &nats.Msg{Subject: first.Subject, Data: []byte("junk")})
	goesOn("junk")
	s.say(t, 3, s.now)
	if e := s.only(t); e.Interrupted {
		t.Errorf("heard again: %+v", e)
	}
}

// The end of a session whose bridge was killed stays where it is, whatever is published
// again, and that is told.
func TestStolenKeyCannotMoveEndOfSession(t *testing.T) {
	s := speaking(t, 10*time.Minute)
	var said []*nats.Msg
	for i := range 4 {
		said = append(said, s.say(t, int64(i+1), s.start.Add(time.Duration(i+1)*30*time.Second)))
	}
	end := s.start.Add(2 * time.Minute)
	ended := func(why string, foreign bool) {
		t.Helper()
		if e := s.only(t); !e.Interrupted || !e.End.Equal(end) || e.Foreign != foreign {
			t.Errorf("%s: %+v, want the end %v", why, e, end)
		}
	}
	ended("nothing was published again", false)
	for i, m := range said {
		s.again(t, m)
		ended(fmt.Sprintf("message %d again", i+1), true)
	}
	s.publish(t, &nats.Msg{Subject: said[0].Subject, Data: []byte("junk")})
	ended("junk", true)
	s.now = time.Now().Add(time.Hour) // nothing was published lately
	ended("later", true)
}

// More messages than are read end no session; nothing is read without end.
func TestFloodOfAliveMessages(t *testing.T) {
	s := speaking(t, 10*time.Minute)
	first := s.say(t, 1, s.start.Add(30*time.Second))
	for range maxHeard {
		// A busy machine may take longer than nats.go's 200 ms to acknowledge what is on its way.
		if _, err := s.thief.PublishMsgAsync(&nats.Msg{Subject: first.Subject, Header: first.Header}, jetstream.WithStallWait(time.Minute)); err != nil {
			t.Fatal(err)
		}
	}
	eventually.True(t, "the flood to be stored", func() bool { return s.thief.PublishAsyncPending() == 0 })
	if e := s.only(t); e.Interrupted || !e.End.IsZero() || !e.Foreign {
		t.Errorf("during the flood: %+v", e)
	}
	s.now = time.Now().Add(time.Hour)
	if e := s.only(t); !e.Interrupted || !e.End.Equal(s.start.Add(30*time.Second)) || !e.Foreign {
		t.Errorf("after the flood: %+v", e)
	}
}

// A bridge numbers what it says.
func TestAliveMessagesAreNumbered(t *testing.T) {
	s := speaking(t, 0)
	m := &medium{store: s.store, entry: s.entry, key: s.key}
	for want := int64(1); want <= 3; want++ {
		m.heard = time.Now().Add(-aliveEvery)
		if err := m.Present(); err != nil {
			t.Fatal(err)
		}
		last, err := s.archive.Shelf.(*shelf).last(aliveSubject(s.entry.ID))
		if err != nil {
			t.Fatal(err)
		}
		if number, _, ok := unseal(last.Header, last.Data, keyOf(&s.entry), alive, s.entry.ID); !ok || number != want {
			t.Errorf("number %d, sealed %v, want %d", number, ok, want)
		}
	}
}
