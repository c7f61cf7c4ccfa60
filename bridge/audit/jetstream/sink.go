package jetstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/deploy/reload"
)

const (
	// writeTimeout bounds a write: a server that restarts is back by then.
	writeTimeout = 10 * time.Second
	// maxUnacknowledged bounds the messages that are on their way at once.
	maxUnacknowledged = 512
	// retryWait is the pause before what was interrupted is sent again.
	retryWait = 100 * time.Millisecond
	// reconnectWait is the pause between two attempts to connect.
	reconnectWait = time.Second
)

// Sink publishes events. It implements the Sink of package sink.
type Sink struct {
	conn    *nats.Conn // nil: that of the shared store
	shared  *shared    // nil: a stream of somebody else's
	js      jetstream.JetStream
	subject string
	files   []reload.Followed
	lost    atomic.Int64 // since when there is no connection, in Unix nanoseconds; 0: there is one
}

var errDisconnected = errors.New("no connection to the NATS servers of the audit stream")

// Open connects to the servers. If none can be reached, it goes on trying: the writes
// fail meanwhile.
func Open(c Config, log *slog.Logger) (*Sink, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s := &Sink{subject: c.Subject}
	if s.subject == "" {
		s.subject = defaultSubject
	}
	s.lost.Store(time.Now().UnixNano())
	var err error
	if s.files, err = follow(c, log); err != nil {
		return nil, err
	}
	if s.conn, err = nats.Connect(strings.Join(c.Servers, ","), s.options(c, log)...); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if s.js, err = jetstream.New(s.conn, jetstream.WithPublishAsyncMaxPending(2*maxUnacknowledged), jetstream.WithPublishAsyncTimeout(store.AckTimeout)); err != nil {
		s.conn.Close()
		return nil, err
	}
	return s, nil
}

func (s *Sink) options(c Config, log *slog.Logger) []nats.Option {
	up := func(conn *nats.Conn) {
		s.lost.Store(0)
		log.Info("connected to the audit stream's server", "server", conn.ConnectedUrlRedacted())
	}
	options := []nats.Option{
		nats.Name("fairlead-bridge audit"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(reconnectWait),
		nats.ConnectHandler(up), nats.ReconnectHandler(up),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			s.lost.CompareAndSwap(0, time.Now().UnixNano())
			if err != nil { // nil: it is being closed
				log.Warn("connection to the audit stream's server lost", "error", err)
			}
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("server of the audit stream", "error", err)
		}),
	}
	for _, f := range []struct {
		path   string
		option func(string) nats.Option
	}{
		{c.Credentials, func(path string) nats.Option { return nats.UserCredentials(path) }},
		{c.CertificateAuthority, func(path string) nats.Option { return nats.RootCAs(path) }},
	} {
		if f.path != "" {
			options = append(options, f.option(f.path))
		}
	}
	return options
}

// Write publishes each line and waits until the stream has acknowledged all. What was
// on its way when the connection was lost is sent again: the stream keeps one of two
// messages with the same id. After an error some of the lines may be in the stream.
func (s *Sink) Write(lines []byte, _ bool) error {
	if s.shared == nil {
		return s.write(lines)
	}
	done := s.shared.store.Observe(store.WriteAudit)
	err := s.write(lines)
	done(err)
	return err
}

func (s *Sink) write(lines []byte) error {
	if since := s.lostSince(); !since.IsZero() && time.Since(since) > writeTimeout {
		return s.explain(errDisconnected)
	}
	timeout := s.timeout()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	for interrupted := s.shared != nil; ; { // whose leader may change at any time
		rest, err := lines, s.shared.open(ctx)
		if err == nil {
			rest, err = s.send(ctx, lines)
		}
		switch {
		case err == nil:
			s.shared.works()
			return nil
		case ctx.Err() != nil:
			return s.explain(fmt.Errorf("not acknowledged within %v: %w", timeout, err))
		case isInterruption(err):
			interrupted = true
		case interrupted && errors.Is(err, jetstream.ErrNoStreamResponse): // a server that has just come back
		case errors.Is(err, store.ErrUnavailable):
		default:
			return err
		}
		lines = rest
		sleep.For(ctx, retryWait)
	}
}

// isInterruption reports whether an error is that of a connection that broke, of which the
// library returns the socket's own until it has noticed, or of a stream whose leader did
// not acknowledge in time and may be another one now.
func isInterruption(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, nats.ErrDisconnected) || errors.Is(err, nats.ErrReconnectBufExceeded) ||
		errors.Is(err, jetstream.ErrAsyncPublishTimeout) || store.Undecided(err) || errors.Is(err, io.EOF)
}

// send publishes the lines and waits for their acknowledgements. With an error it
// returns the lines from the first that was not acknowledged on.
func (s *Sink) send(ctx context.Context, lines []byte) (rest []byte, err error) {
	var window [][]byte
	var acks []jetstream.PubAckFuture
	rest = lines
	for line := range bytes.Lines(lines) {
		ack, err := s.publish(line)
		if err != nil {
			return rest, err
		}
		window, acks = append(window, line), append(acks, ack)
		if len(acks) < maxUnacknowledged {
			continue
		}
		n, err := wait(ctx, acks)
		rest = rest[size(window[:n]):]
		if err != nil {
			return rest, err
		}
		window, acks = window[:0], acks[:0]
	}
	n, err := wait(ctx, acks)
	return rest[size(window[:n]):], err
}

func size(lines [][]byte) (n int) {
	for _, line := range lines {
		n += len(line)
	}
	return n
}

// publish sends one event. The memory of the line is used again.
func (s *Sink) publish(line []byte) (jetstream.PubAckFuture, error) {
	m := nats.NewMsg(s.subject)
	m.Header.Set("Content-Type", "application/cloudevents+json")
	m.Data = bytes.Clone(bytes.TrimSuffix(line, []byte("\n")))
	return s.js.PublishMsgAsync(m, jetstream.WithMsgID(id(line)), jetstream.WithStallWait(writeTimeout))
}

// id is that of an event, whose first two attributes are the version and the id; a
// line that is not one gets none.
func id(line []byte) string {
	_, rest, _ := bytes.Cut(line, []byte(`"id":"`))
	id, _, ok := bytes.Cut(rest, []byte(`"`))
	if !ok {
		return ""
	}
	return string(id)
}

// wait waits for acknowledgements, and returns how many came before the first error.
func wait(ctx context.Context, acks []jetstream.PubAckFuture) (int, error) {
	for i, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return i, err
		case <-ctx.Done():
			return i, context.Cause(ctx)
		}
	}
	return len(acks), nil
}

// Tick implements the Sink of package sink.
func (s *Sink) Tick(time.Time) error { return nil }

// Close closes the connection. Every write has been acknowledged, or has failed.
func (s *Sink) Close() error {
	if s.conn == nil {
		return nil // it is the store's
	}
	s.js.CleanupPublisher()
	s.conn.Close()
	return nil
}
