package vault

import (
	"context"
	"errors"
	"io"

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
	return &record.Archive{Shelf: &shelf{s, st, ctx}}, nil
}

// Close implements [record.Shelf].
func (s *shelf) Close() {}

// List implements [record.Shelf]. What was published first about a session that has ended
// counts: bridges say it once, and what somebody says later with a bridge's key does not
// change it.
func (s *shelf) List() ([]record.Entry, error) {
	var order []string
	known := map[string]record.Entry{}
	for next := uint64(1); ; {
		m, err := s.next(next, prefix+".M.*")
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		next = m.Sequence + 1
		e, deleted, ok := parse(m.Data)
		before, told := known[e.ID]
		switch {
		case !ok || m.Subject != metaSubject(e.File) || !before.End.IsZero():
			continue
		case deleted:
			delete(known, e.ID)
			continue
		case !told:
			order = append(order, e.ID)
		}
		known[e.ID] = e
	}
	all := make([]record.Entry, 0, len(known))
	for _, id := range order {
		if e, ok := known[id]; ok {
			all = append(all, e)
			delete(known, id)
		}
	}
	return all, nil
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
	return &reader{shelf: s, subject: chunkSubject(e.ID), next: 1}, nil
}

// reader reads the messages of one recording, one after the other.
type reader struct {
	shelf   *shelf
	subject string
	next    uint64
	rest    []byte
}

// Read implements [io.Reader].
func (r *reader) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		m, err := r.shelf.next(r.next, r.subject)
		if err != nil {
			return 0, err
		}
		r.next, r.rest = m.Sequence+1, m.Data
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// Close implements [io.Closer].
func (r *reader) Close() error { return nil }
