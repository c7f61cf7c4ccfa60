package vault

import (
	"bufio"
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

// List implements [record.Shelf]. It takes who, where and what of a session from the first
// message about it, and says where a later one contradicts.
func (s *shelf) List() ([]record.Entry, error) {
	var order []*history
	known := map[string]*history{}
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
		if !ok || m.Subject != metaSubject(e.File) {
			continue
		}
		h := known[e.ID]
		if h == nil {
			h = &history{entry: e, deleted: deleted}
			known[e.ID], order = h, append(order, h)
			continue
		}
		h.add(e, deleted)
	}
	all := make([]record.Entry, 0, len(order))
	for _, h := range order {
		hidden, err := s.hidden(h)
		if err != nil {
			return nil, err
		}
		if !hidden {
			all = append(all, h.entry)
		}
	}
	return all, nil
}

// hidden reports whether there was no session. That is believed only while its recording
// has nothing but a header.
func (s *shelf) hidden(h *history) (bool, error) {
	if !h.deleted {
		return false, nil
	}
	r := bufio.NewReader(&reader{shelf: s, subject: chunkSubject(h.entry.ID), next: 1})
	_, err := r.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = r.ReadSlice('\n')
	}
	if err == nil {
		_, err = r.Peek(1)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	if err == nil || !h.entry.End.IsZero() {
		h.entry.Conflict = true
	}
	return !h.entry.Conflict, nil
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
