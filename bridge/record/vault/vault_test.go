package vault

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/internal/natstest"
	"github.com/fairlead-io/fairlead/bridge/internal/storetest"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/record/cast"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, b *storetest.Brokers) *store.Store {
	t.Helper()
	s, err := store.Open(store.Config{ID: subjects.NewID('b'), Account: b.Account, Key: b.Key, Broker: natstest.Broker(t, b.URLs()...), Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	eventually.Nil(t, "a connection to the store", s.Err)
	return s
}

func begin(t *testing.T, s *store.Store, caller string, most record.Size) *record.Session {
	t.Helper()
	r := record.New(New(s), slog.New(slog.NewTextHandler(t.Output(), nil))).With(record.Config{Shared: true, MaxTotal: most})
	session, err := r.Begin(record.Meta{Caller: caller, Cluster: "prod.acme", Kind: "exec", Namespace: "shop", Pod: "web", Command: []string{"ls", "-l"}})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// output is what a client gets: a WebSocket message of at most 125 bytes on the channel of
// standard output.
func output(text string) []byte {
	return append([]byte{0x82, byte(len(text) + 1), 1}, text...)
}

func archive(t *testing.T, s *store.Store) *record.Archive {
	t.Helper()
	a, err := OpenArchive(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// contents is the output of a recording.
func contents(t *testing.T, a *record.Archive, e record.Entry) string {
	t.Helper()
	f, err := a.Open(e)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := cast.NewReader(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for {
		event, err := r.Next()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		text.Write(event.Data)
	}
}

// What a bridge records another one can list, verify and play, also while it goes on; of a
// session that never was nothing is listed.
func TestRecordings(t *testing.T) {
	b := storetest.Start(t, 1)
	one, two := open(t, b), open(t, b)
	if _, err := OpenArchive(t.Context(), two); err == nil || !strings.Contains(err.Error(), "no session has been recorded") {
		t.Errorf("before any: %v", err)
	}
	never := begin(t, one, "never", 0)
	never.Close()
	done := begin(t, one, "jane", 0)
	runs := begin(t, one, "ci", 0)
	defer runs.Close()
	var want strings.Builder
	for _, s := range []*record.Session{done, runs} {
		if err := s.Switched("websocket", http.Header{}); err != nil {
			t.Fatal(err)
		}
		want.Reset()
		for i := range 3000 {
			line := fmt.Sprintf("line %d of a session that is longer than a message\n", i)
			want.WriteString(line)
			if _, err := s.ToClient(output(line)); err != nil {
				t.Fatal(err)
			}
		}
	}
	done.Close()
	a := archive(t, two)
	all, err := a.List()
	if err != nil || len(all) != 2 || all[0].Caller != "jane" || all[1].Caller != "ci" || all[0].End.IsZero() || !all[1].End.IsZero() {
		t.Fatalf("listed %+v, %v", all, err)
	}
	if err := a.Verify(all[0]); err != nil {
		t.Error(err)
	}
	if got := contents(t, a, all[0]); got != want.String() {
		t.Errorf("the recording has %d bytes of %d", len(got), want.Len())
	}
	if err := a.Verify(all[1]); err == nil {
		t.Error("a session that goes on is verified")
	}
	// As any client of object stores reads it, which may use consumers.
	objects, err := b.Admin(0).ObjectStore(t.Context(), subjects.StoreRecordings)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := objects.GetBytes(t.Context(), all[0].File)
	if sum := sha256.Sum256(whole); err != nil || hex.EncodeToString(sum[:]) != all[0].SHA256 {
		t.Errorf("as an object: %d bytes, %v", len(whole), err)
	}
}

// A stolen key neither changes what is recorded nor hides it.
func TestStolenKeyCannotForgeRecordings(t *testing.T) {
	b := storetest.Start(t, 1)
	s := open(t, b)
	session := begin(t, s, "jane", 0)
	if err := session.Switched("websocket", http.Header{}); err != nil {
		t.Fatal(err)
	}
	if _, err := session.ToClient(output("evidence")); err != nil {
		t.Fatal(err)
	}
	session.Close()
	a := archive(t, s)
	e, err := a.Find("2")
	if err != nil {
		t.Fatal(err)
	}
	thief := b.As(0, "b-thief")
	forged := e
	forged.Caller, forged.SHA256 = "somebody-else", strings.Repeat("0", 64)
	for _, deleted := range []bool{false, true} {
		about, err := object(forged, 0, "", deleted, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		m := nats.NewMsg(metaSubject(e.File))
		m.Data = about
		m.Header.Set("Nats-Rollup", "sub")
		if _, err := thief.PublishMsg(t.Context(), m); err == nil {
			t.Error("a roll-up is taken")
		}
		if _, err := thief.Publish(t.Context(), metaSubject(e.File), about); err != nil {
			t.Fatal(err)
		}
	}
	all, err := a.List()
	if err != nil || len(all) != 1 || all[0].Caller != "jane" || all[0].SHA256 != e.SHA256 || !all[0].Foreign {
		t.Errorf("listed %+v, %v", all, err)
	}
	if _, err := thief.Publish(t.Context(), chunkSubject(e.ID), []byte("[9.0, \"o\", \"forged\"]\n")); err != nil {
		t.Fatal(err)
	}
	if err := a.Verify(all[0]); err != nil || contents(t, a, all[0]) != "evidence" {
		t.Errorf("what was recorded has changed: %v", err)
	}
}

// A stream without room ends the session, and refuses the next.
func TestStoreIsFull(t *testing.T) {
	b := storetest.Start(t, 1)
	s := open(t, b)
	session := begin(t, s, "jane", 1<<20)
	if err := session.Switched("websocket", http.Header{}); err != nil {
		t.Fatal(err)
	}
	var err error
	for i := 0; err == nil && i < 1<<20; i++ {
		_, err = session.ToClient(output(strings.Repeat("x", 120)))
	}
	if err == nil || !strings.Contains(err.Error(), "cannot be written") || !strings.Contains(err.Error(), "maximum bytes exceeded") {
		t.Errorf("got %v", err)
	}
	session.Close()
	r := record.New(New(s), slog.New(slog.DiscardHandler)).With(record.Config{Shared: true, MaxTotal: 1 << 20})
	for range 100 { // what is left is small
		if next, begun := r.Begin(record.Meta{Caller: strings.Repeat("y", 10<<10)}); begun != nil {
			err = begun
			break
		} else {
			next.Close()
		}
	}
	if err == nil || !strings.Contains(err.Error(), "maximum bytes exceeded") {
		t.Errorf("the next session: %v", err)
	}
}

// A session outlives the loss of one of three brokers, without a gap; without a quorum it
// ends within its bound, and a new one is refused with the reason.
func TestBrokersAreKilled(t *testing.T) {
	b := storetest.Start(t, 3)
	s := open(t, b)
	session := begin(t, s, "jane", 64<<20)
	if err := session.Switched("websocket", http.Header{}); err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for i := range 200 {
		if i == 50 {
			b.KillLeader(subjects.StoreRecordingsStream)
		}
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if _, err := session.ToClient(output(line)); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
	}
	session.Close()
	a := archive(t, s)
	e, err := a.Find("2")
	if err != nil || a.Verify(e) != nil || contents(t, a, e) != want.String() {
		t.Fatalf("%+v, %v", e, err)
	}
	second := begin(t, s, "ci", 64<<20)
	defer second.Close()
	if err := second.Switched("websocket", http.Header{}); err != nil {
		t.Fatal(err)
	}
	b.KillLeader(subjects.StoreRecordingsStream)
	before := time.Now()
	if _, err := second.ToClient(output("lost")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-second.Failed().Done():
	case <-time.After(writeTimeout + 5*time.Second):
		t.Error("a session goes on that nobody records")
	}
	t.Logf("the session ended after %v", time.Since(before))
	r := record.New(New(s), slog.New(slog.DiscardHandler)).With(record.Config{Shared: true})
	before = time.Now()
	_, err = r.Begin(record.Meta{Caller: "late"})
	if took := time.Since(before); !errors.Is(err, store.ErrUnavailable) || took > writeTimeout+2*time.Second {
		t.Errorf("a new session: %v after %v", err, took)
	}
}
