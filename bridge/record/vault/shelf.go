package vault

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

// shelf is a [record.Shelf] in the store.
type shelf struct {
	store  *store.Store
	stream jetstream.Stream
	ctx    context.Context
	now    func() time.Time
}

// OpenArchive returns the recordings of a store, which it does not close. The end of ctx
// ends all reading.
func OpenArchive(ctx context.Context, s *store.Store) (*record.Archive, error) {
	asked, cancel := context.WithTimeout(ctx, store.Timeout)
	defer cancel()
	st, err := s.JetStream().Stream(asked, subjects.StoreRecordingsStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, errors.New("no session has been recorded in the shared store")
	}
	if err != nil {
		return nil, s.Explain(err)
	}
	return &record.Archive{Shelf: &shelf{s, st, ctx, time.Now}}, nil
}

// Close implements [record.Shelf].
func (s *shelf) Close() {}

// List implements [record.Shelf]. It believes what the bridge of a session has sealed. One
// without an end goes on for as long as its bridge says so.
func (s *shelf) List() ([]record.Entry, error) {
	found := newHistories()
	err := s.each(prefix+".M.*", func(m *jetstream.RawStreamMsg) { found.add(m) })
	if err != nil {
		return nil, err
	}
	all := found.sessions()
	for i := range all {
		if !all[i].End.IsZero() {
			continue
		}
		if err := s.listen(&all[i]); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// each calls f with all messages of a subject.
func (s *shelf) each(subject string, f func(*jetstream.RawStreamMsg)) error {
	for next := uint64(1); ; {
		m, err := s.next(next, subject)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		next = m.Sequence + 1
		f(m)
	}
}

// next returns the first message of a subject from a sequence on, io.EOF if there is none.
func (s *shelf) next(from uint64, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(s.ctx, store.Timeout)
	defer cancel()
	m, err := s.stream.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, io.EOF
	}
	return m, s.store.Explain(err)
}

// Open implements [record.Shelf].
func (s *shelf) Open(e record.Entry) (io.ReadCloser, error) {
	return &reader{shelf: s, entry: e, next: 1}, nil
}

// reader reads the messages of one recording, one after the other. It skips those that
// its bridge did not seal, and those that are there already.
type reader struct {
	shelf *shelf
	entry record.Entry
	next  uint64 // in the stream
	parts int64  // that were read
	rest  []byte
}

// errGap says that a message is missing, which no bridge can remove.
var errGap = errors.New("a part of the recording is missing in the store")

// Read implements [io.Reader].
func (r *reader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.shelf.next(r.next, chunkSubject(r.entry.ID))
		if err != nil {
			return 0, err
		}
		r.next = m.Sequence + 1
		number, _, ok := unseal(m.Header, m.Data, keyOf(&r.entry), part, r.entry.ID)
		if !ok || number <= r.parts {
			continue
		}
		if number != r.parts+1 {
			return 0, errGap
		}
		r.parts, r.rest = number, m.Data
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (r *reader) Close() error { return nil }
