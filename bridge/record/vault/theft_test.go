package vault

import (
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

// tell publishes something about the session.
func (s *theft) tell(t *testing.T, e record.Entry, deleted bool) {
	t.Helper()
	about, err := object(e, 1, "", deleted, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.thief.Publish(t.Context(), metaSubject(s.entry.File), about); err != nil {
		t.Fatal(err)
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
	if err := m.send(prefix+".C.junk", "taken", []byte("x"), writeTimeout); err != nil {
		t.Fatal(err)
	}
	if err := m.send(prefix+".C.junk", "taken", []byte("y"), writeTimeout); !errors.Is(err, errPreempted) {
		t.Errorf("got %v", err)
	}
}

// What a thief tells about a session that goes on neither hides it nor makes it somebody
// else's, and is told as a contradiction.
func TestStolenKeyCannotForgeRunningSession(t *testing.T) {
	for name, tt := range map[string]struct {
		forge   func(*record.Entry)
		deleted bool
	}{
		"end of somebody else": {func(e *record.Entry) { e.Caller, e.Command, e.End = "alice", []string{"true"}, time.Now().UTC() }, false},
		"end":                  {func(e *record.Entry) { e.End, e.SHA256 = time.Now().UTC(), strings.Repeat("0", 64) }, false},
		"sum without an end":   {func(e *record.Entry) { e.SHA256 = strings.Repeat("0", 64) }, false},
		"somebody else":        {func(e *record.Entry) { e.Caller = "alice" }, false},
		"deleted":              {func(*record.Entry) {}, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := running(t)
			forged := s.entry
			tt.forge(&forged)
			s.tell(t, forged, tt.deleted)
			if _, err := s.session.ToClient(output("evidence")); err != nil {
				t.Fatal(err)
			}
			s.session.Close()
			e := s.only(t)
			if e.Caller != "mallory" || strings.Join(e.Command, " ") != "ls -l" || !e.Conflict || contents(t, s.archive, e) != "evidence" {
				t.Errorf("listed %+v", e)
			}
			if err := s.archive.Verify(e); err == nil || !strings.Contains(err.Error(), "contradictory") {
				t.Errorf("verified: %v", err)
			}
		})
	}
}

// A session whose bridge was killed is not hidden by somebody who says that there was none.
func TestStolenKeyCannotHideInterruptedSession(t *testing.T) {
	s := running(t)
	defer s.session.Close()
	if _, err := s.session.ToClient(output("evidence")); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); contents(t, s.archive, s.entry) == ""; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing was recorded")
		}
	}
	s.tell(t, s.entry, true)
	if e := s.only(t); !e.Conflict {
		t.Errorf("listed %+v", e)
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
		if _, err := s.thief.Publish(t.Context(), metaSubject(forged.File), about); err != nil {
			t.Fatal(err)
		}
	}
	if e := s.only(t); e.Conflict {
		t.Errorf("listed %+v", e)
	}
}
