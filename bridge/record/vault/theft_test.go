package vault

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// theft is a running session, and what a thief of the bridges' key has.
type theft struct {
	store   *store.Store
	session *record.Session
	archive *record.Archive
	entry   record.Entry // as it is listed while the session goes on
	thief   jetstream.JetStream
}

// only is the only session that is listed.
func (s *theft) only(t *testing.T) record.Entry {
	t.Helper()
	all, err := s.archive.List()
	if err != nil || len(all) != 1 {
		t.Fatalf("listed %+v, %v", all, err)
	}
	return all[0]
}

// running begins a session of mallory that goes on, and returns a thief with the
// bridges' key.
func running(t *testing.T) (s theft) {
	t.Helper()
	b := storetest.Start(t, 1)
	s.store = open(t, b)
	s.session = begin(t, s.store, "mallory", 0)
	if err := s.session.Switched("websocket", http.Header{}); err != nil {
		t.Fatal(err)
	}
	s.archive = archive(t, s.store)
	s.entry = s.only(t)
	s.thief = b.As(0, "b-thief")
	return s
}

// tell publishes something about the session, sealed as well as a thief can.
func (s *theft) tell(t *testing.T, e record.Entry, deleted bool) {
	t.Helper()
	content, err := object(e, 1, "", deleted, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, own, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	m := &nats.Msg{Subject: metaSubject(s.entry.File), Header: nats.Header{}, Data: content}
	s.publish(t, m) // without a seal
	seal(m, own, about, s.entry.ID, 0)
	s.publish(t, m)                 // with a key of its own
	for _, real := range s.all(t) { // with the seals that it has seen
		m.Header.Set(sealHeader, real.Header.Get(sealHeader))
		s.publish(t, m)
	}
}

func (s *theft) publish(t *testing.T, m *nats.Msg) {
	t.Helper()
	if _, err := s.thief.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// all returns the messages of the stream.
func (s *theft) all(t *testing.T) (all []*jetstream.RawStreamMsg) {
	t.Helper()
	if err := s.archive.Shelf.(*shelf).each(prefix+".>", func(m *jetstream.RawStreamMsg) { all = append(all, m) }); err != nil {
		t.Fatal(err)
	}
	return all
}

// replay publishes all messages of the stream again.
func (s *theft) replay(t *testing.T) {
	t.Helper()
	for _, m := range s.all(t) {
		h := nats.Header{sealHeader: m.Header[sealHeader]}
		s.publish(t, &nats.Msg{Subject: m.Subject, Header: h, Data: m.Data})
	}
}

// A message that was published first under an id that can be guessed does not make the
// stream drop the bridge's own.
func TestStolenKeyCannotPreemptMessages(t *testing.T) {
	s := running(t)
	take := func(id string) {
		m := nats.NewMsg(prefix + ".C.junk")
		m.Header.Set(nats.MsgIdHdr, id)
		if _, err := s.thief.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		take(fmt.Sprintf("%s/%d", s.entry.ID, i))
		take(fmt.Sprintf("%s/about/%d", s.entry.ID, i))
	}
	// Nor do the ids that the stream shows foretell the next ones.
	seen := map[string]bool{}
	stream, err := s.store.JetStream().Stream(t.Context(), subjects.StoreRecordingsStream)
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(1); seq <= 2; seq++ {
		m, err := stream.GetMsg(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		id := m.Header.Get(nats.MsgIdHdr)
		if id == "" || strings.Contains(id, s.entry.ID) || seen[id] {
			t.Errorf("message %d has id %q, which can be guessed", seq, id)
		}
		seen[id] = true
	}
	if _, err := s.session.ToClient(output("evidence")); err != nil {
		t.Fatal(err)
	}
	s.session.Close()
	e := s.only(t)
	if got := contents(t, s.archive, e); got != "evidence" || e.End.IsZero() || s.archive.Verify(e) != nil {
		t.Errorf("recorded %q, the index has %+v", got, e)
	}
}

// A message that the stream drops at the first attempt is not recorded.
func TestDroppedMessageIsNotRecorded(t *testing.T) {
	s := running(t)
	defer s.session.Close()
	m := &medium{store: s.store, entry: s.entry}
	if err := m.send(&nats.Msg{Subject: prefix + ".C.junk", Data: []byte("x")}, "taken", writeTimeout); err != nil {
		t.Fatal(err)
	}
	if err := m.send(&nats.Msg{Subject: prefix + ".C.junk", Data: []byte("y")}, "taken", writeTimeout); !errors.Is(err, errPreempted) {
		t.Errorf("got %v", err)
	}
}

// What a thief tells about a session that goes on neither hides it nor makes it somebody
// else's, and takes nothing from what the bridge says about it. It is told.
func TestStolenKeyCannotForgeRunningSession(t *testing.T) {
	for name, tt := range map[string]struct {
		forge   func(*record.Entry)
		deleted bool
	}{
		"end of somebody else": {func(e *record.Entry) { e.Caller, e.Command, e.End = "alice", []string{"true"}, time.Now().UTC() }, false},
		"end":                  {func(e *record.Entry) { e.End, e.SHA256 = time.Now().UTC(), strings.Repeat("0", 64) }, false},
		"sum without an end":   {func(e *record.Entry) { e.SHA256 = strings.Repeat("0", 64) }, false},
		"somebody else":        {func(e *record.Entry) { e.Caller = "alice" }, false},
		"another key":          {func(e *record.Entry) { e.Key = strings.Repeat("A", 43) }, true},
		"deleted":              {func(*record.Entry) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := running(t)
			forged := s.entry
			tt.forge(&forged)
			s.tell(t, forged, tt.deleted)
			if e := s.only(t); !e.End.IsZero() || !e.Foreign {
				t.Errorf("while it goes on: listed %+v", e)
			}
			for _, text := range []string{"evi", "dence"} {
				if _, err := s.session.ToClient(output(text)); err != nil {
					t.Fatal(err)
				}
				s.until(t, text)
				s.replay(t)
			}
			s.session.Close()
			s.tell(t, forged, tt.deleted)
			e := s.only(t)
			if e.Caller != "mallory" || strings.Join(e.Command, " ") != "ls -l" || !e.Foreign || e.Interrupted || contents(t, s.archive, e) != "evidence" {
				t.Errorf("listed %+v", e)
			}
			if err := s.archive.Verify(e); err != nil {
				t.Errorf("verified: %v", err)
			}
		})
	}
}

// until waits until the recording ends with text.
func (s *theft) until(t *testing.T, text string) {
	t.Helper()
	eventually.True(t, "the recording to end with "+text, func() bool { return strings.HasSuffix(contents(t, s.archive, s.entry), text) })
}

// A session that has no output (yet) is not hidden by somebody who says that there was
// none, and neither is one whose bridge was killed.
func TestStolenKeyCannotHideSession(t *testing.T) {
	s := running(t)
	s.tell(t, s.entry, true)
	if e := s.only(t); !e.Foreign || !e.End.IsZero() {
		t.Errorf("without output: listed %+v", e)
	}
	if _, err := s.session.ToClient(output("evidence")); err != nil {
		t.Fatal(err)
	}
	s.until(t, "evidence")
	s.session.Close()
	if e := s.only(t); e.End.IsZero() || s.archive.Verify(e) != nil {
		t.Errorf("after its end: listed %+v", e)
	}
}

// A session whose bridge is gone is interrupted once nothing was heard of that for a
// while, and nobody with a stolen key can say otherwise.
func TestInterrupted(t *testing.T) {
	s := running(t)
	defer s.session.Close() // for the list, the bridge is killed
	later := s.archive.Shelf.(*shelf)
	if _, err := s.session.ToClient(output("evidence")); err != nil {
		t.Fatal(err)
	}
	s.until(t, "evidence")
	at := func(after time.Duration) record.Entry {
		t.Helper()
		later.now = func() time.Time { return s.entry.Start.Add(after) }
		return s.only(t)
	}
	if e := at(goneAfter - time.Second); e.Interrupted || !e.End.IsZero() || s.archive.Verify(e) == nil {
		t.Errorf("soon: %+v", e)
	}
	gone := func(why string) {
		t.Helper()
		e := at(goneAfter + time.Minute)
		if !e.Interrupted || e.End.Sub(e.Start) > time.Minute || contents(t, s.archive, e) != "evidence" {
			t.Errorf("%s: %+v", why, e)
		}
		if err := s.archive.Verify(e); err != nil {
			t.Errorf("%s: %v", why, err)
		}
	}
	gone("nothing was heard")
	s.publish(t, &nats.Msg{Subject: aliveSubject(s.entry.ID)})
	gone("a thief says that it goes on")
	m := &medium{store: s.store, entry: s.entry, heard: time.Now()}
	if err := m.Present(); err != nil || len(s.all(t)) != 4 {
		t.Errorf("a message that is not due was sent: %v", err)
	}
	s.replay(t)
	gone("a thief says so with what it has seen")
}

// A bridge says that it has a session, in time for those who ask; if it cannot for too
// long, the session ends.
func TestAlive(t *testing.T) {
	b := storetest.Start(t, 1)
	s := open(t, b)
	e := record.Entry{Start: time.Now().Add(-time.Hour).UTC()}
	made, err := New(s).Create(record.Config{}, &e)
	if err != nil {
		t.Fatal(err)
	}
	m := made.(*medium)
	a := archive(t, s)
	told := func() record.Entry {
		t.Helper()
		all, err := a.List()
		if err != nil || len(all) != 1 {
			t.Fatalf("listed %+v, %v", all, err)
		}
		return all[0]
	}
	if e := told(); !e.Interrupted {
		t.Errorf("nothing was heard for an hour: %+v", e)
	}
	m.heard = time.Now().Add(-aliveEvery)
	if err := m.Present(); err != nil {
		t.Fatal(err)
	}
	if e := told(); e.Interrupted || !e.End.IsZero() {
		t.Errorf("the bridge has just said that it goes on: %+v", e)
	}
	b.Kill(0)
	m.heard = time.Now().Add(-aliveEvery)
	if err := m.Present(); err != nil {
		t.Errorf("a session ends although others can wait: %v", err)
	}
	m.heard = time.Now().Add(-aliveMost)
	if err := m.Present(); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("a session goes on that is interrupted for others: %v", err)
	}
}

// What is listed has ids of the form that bridges give, and no others.
func TestForgedIDsAreNotListed(t *testing.T) {
	s := running(t)
	defer s.session.Close()
	for _, id := range []string{"x\x1b[2J", "../../etc/passwd", s.entry.ID + "\n", strings.ToUpper(s.entry.ID)} {
		forged := s.entry
		forged.ID, forged.File = id, id+".cast"
		about, err := object(forged, 1, "", false, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		s.publish(t, &nats.Msg{Subject: metaSubject(forged.File), Data: about})
	}
	if e := s.only(t); e.Foreign {
		t.Errorf("listed %+v", e)
	}
}
