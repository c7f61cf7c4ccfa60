package vault

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/record"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/subjects"
)

const (
	// maxChunk bounds a message of a recording: as much as other clients put into one.
	maxChunk = 128 << 10
	// writeTimeout bounds a write, less than what a session waits for its disk: a stream
	// whose leader was lost has another by then.
	writeTimeout = 9 * time.Second
	// retryWait is the pause before what was not acknowledged is sent again.
	retryWait = 100 * time.Millisecond
	// farewellTimeout bounds the message about a recording of which there was no session.
	farewellTimeout = time.Second
	// aliveEvery is how often a bridge says that it still has a session, and aliveTimeout
	// bounds one attempt, during which output waits.
	aliveEvery   = 30 * time.Second
	aliveTimeout = 3 * time.Second
	// aliveMost is for how long it may fail to say so before the session ends: well before
	// goneAfter, when others take the session for interrupted. What is left between them
	// is for clocks that differ.
	aliveMost = 75 * time.Second
	goneAfter = 2 * time.Minute
)

// Vault is a [record.Vault]. It is safe for concurrent use.
type Vault struct{ store *store.Store }

// New returns a vault in a store, which outlives it.
func New(s *store.Store) *Vault { return &Vault{s} }

// Create implements [record.Vault].
func (v *Vault) Create(c record.Config, e *record.Entry) (record.Medium, error) {
	most := int64(c.MaxTotal)
	if most == 0 {
		most = subjects.StoreRecordingsBytes
	}
	if _, err := v.store.Stream(context.Background(), store.Recordings(most, c.Retention)); err != nil {
		return nil, err
	}
	m := &medium{store: v.store, key: newKey(e), heard: time.Now()}
	m.entry = *e
	if err := m.describe(*e, "", false, writeTimeout); err != nil {
		return nil, err
	}
	return m, nil
}

// medium is a recording that is being written.
type medium struct {
	store  *store.Store
	key    ed25519.PrivateKey // seals all messages
	entry  record.Entry
	chunks uint32
	alive  int64     // the number of the last message that it goes on
	heard  time.Time // when others heard last that the session goes on
}

// Write implements [record.Medium].
func (m *medium) Write(b []byte) (n int, err error) {
	for n < len(b) {
		chunk := b[n:min(len(b), n+maxChunk)]
		if err := m.publish(chunkSubject(m.entry.ID), part, int64(m.chunks)+1, chunk, writeTimeout); err != nil {
			return n, err
		}
		m.chunks++
		n += len(chunk)
	}
	return n, nil
}

// Sync implements [record.Medium]: what was written is on disk.
func (m *medium) Sync() error { return nil }

// Present implements [record.Medium]: nobody but the stream's operator can remove it. It
// says from time to time that the bridge still has the session.
func (m *medium) Present() error {
	now := time.Now()
	silent := now.Sub(m.heard)
	if silent < aliveEvery {
		return nil
	}
	m.alive++ // whether it arrives or not
	err := m.publish(aliveSubject(m.entry.ID), alive, m.alive, nil, aliveTimeout)
	if err == nil {
		m.heard = now
	}
	if silent < aliveMost {
		return nil // it is tried again soon
	}
	return err
}

// Finish implements [record.Medium].
func (m *medium) Finish(e record.Entry) error {
	sum, err := hex.DecodeString(e.SHA256)
	if err != nil {
		return err
	}
	return m.describe(e, "SHA-256="+base64.URLEncoding.EncodeToString(sum), false, writeTimeout)
}

// Discard implements [record.Medium]. The recording, which has a header alone, is marked
// as deleted.
func (m *medium) Discard() { _ = m.describe(m.entry, "", true, farewellTimeout) }

// Close implements [record.Medium].
func (m *medium) Close() {}

// describe publishes what the object is.
func (m *medium) describe(e record.Entry, digest string, deleted bool, timeout time.Duration) error {
	b, err := object(e, m.chunks, digest, deleted, time.Now())
	if err != nil {
		return err
	}
	return m.publish(metaSubject(e.File), about, 0, b, timeout)
}

// errPreempted says that the stream already had a message with an id that was just made.
var errPreempted = errors.New("the store took the message for a repeated one, and did not keep it")

// publish seals a message and sends it under an id of its own. Ids are random: whoever
// could guess one would make the stream drop the message as a repeated one.
func (m *medium) publish(subject, kind string, number int64, data []byte, timeout time.Duration) error {
	msg := &nats.Msg{Subject: subject, Header: nats.Header{}, Data: data}
	seal(msg, m.key, kind, m.entry.ID, number)
	done := m.store.Observe(store.WriteRecord)
	err := m.send(msg, rand.Text(), timeout)
	done(err)
	return err
}

// send sends a message until it is acknowledged. The stream keeps one of several with the
// same id.
func (m *medium) send(msg *nats.Msg, id string, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for first := true; ; first = false {
		ack, err := m.attempt(ctx, msg, id)
		if err == nil && first && ack.Duplicate {
			return errPreempted
		}
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || !passing(err) {
			return m.store.Explain(err)
		}
		sleep.For(ctx, retryWait)
	}
}

func (m *medium) attempt(ctx context.Context, msg *nats.Msg, id string) (*jetstream.PubAck, error) {
	ctx, cancel := context.WithTimeout(ctx, store.AckTimeout)
	defer cancel()
	return m.store.JetStream().PublishMsg(ctx, msg, jetstream.WithMsgID(id), jetstream.WithExpectStream(subjects.StoreRecordingsStream))
}

// passing reports whether an error may be over in a moment: the connection is made again,
// or the stream gets another leader.
func passing(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || store.Undecided(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, jetstream.ErrNoStreamResponse) ||
		errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, io.EOF)
}
