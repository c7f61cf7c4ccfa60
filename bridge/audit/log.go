package audit

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/audit/jetstream"
	"github.com/fairlead-io/fairlead/bridge/audit/sink"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/deploy/reload"
)

// Log writes events. It is safe for concurrent use. A nil *Log writes none.
type Log struct {
	queues          []*sink.Queue
	required, reads bool
	head            string // of all events
	whos            *whos
	files           []reload.Followed
}

// writeTimeout bounds how long a request waits for its event where audit is required:
// a disk that takes longer for a line does not work.
const writeTimeout = 10 * time.Second

// Output is a sink by the name that it has in metrics and logs.
type Output struct {
	Name string
	Sink sink.Sink
}

// New opens the sinks of c, and returns nil if it has none. shared is the bridge's shared
// store, which outlives the log; nil without one. The registerer may be nil. The log must
// be closed, after the last request has ended.
func New(c Config, shared *store.Store, log *slog.Logger, reg prometheus.Registerer) (*Log, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	outputs, err := open(c, shared, log)
	if err != nil {
		for _, o := range outputs {
			_ = o.Sink.Close()
		}
		return nil, fmt.Errorf("audit: %w", err)
	}
	if len(outputs) == 0 {
		return nil, nil
	}
	return NewLog(c, outputs, log, reg)
}

// open opens the sinks of c, as far as it comes without an error.
func open(c Config, shared *store.Store, log *slog.Logger) (outputs []Output, err error) {
	if c.File != nil {
		f, err := openFile(*c.File, log)
		if err != nil {
			return outputs, err
		}
		outputs = append(outputs, Output{"file", f})
	}
	if c.JetStream != nil {
		s, err := openStream(*c.JetStream, shared, log)
		if err != nil {
			return outputs, fmt.Errorf("jetStream: %w", err)
		}
		outputs = append(outputs, Output{"jetstream", s})
	}
	if c.Stdout {
		outputs = append(outputs, Output{"stdout", sink.Stream{W: os.Stdout}})
	}
	return outputs, nil
}

func openStream(c jetstream.Config, shared *store.Store, log *slog.Logger) (*jetstream.Sink, error) {
	if c.Shared {
		return jetstream.OpenShared(c, shared)
	}
	return jetstream.Open(c, log)
}

// NewLog is [New] with sinks that are open, in place of those of c. It closes them
// with the log, or if it fails.
func NewLog(c Config, outputs []Output, log *slog.Logger, reg prometheus.Registerer) (*Log, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	l := &Log{required: c.Required, reads: c.reads(), head: headOf("urn:fairlead:bridge:" + url.PathEscape(host)), whos: newWhos()}
	m := &counts{}
	for _, o := range outputs {
		q := sink.NewQueue(o.Sink, log.With("sink", o.Name))
		if named, ok := o.Sink.(interface{ Files() []reload.Followed }); ok {
			l.files = append(l.files, named.Files()...)
		}
		l.queues, m.queues, m.names = append(l.queues, q), append(m.queues, q), append(m.names, o.Name)
	}
	if reg != nil {
		if err := reg.Register(m); err != nil {
			return nil, errors.Join(fmt.Errorf("audit: register metrics: %w", err), l.Close())
		}
	}
	return l, nil
}

func openFile(c FileConfig, log *slog.Logger) (*sink.File, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.MaxSizeMiB == 0 {
		c.MaxSizeMiB = defaultMaxSizeMiB
	}
	if c.MaxFiles == 0 {
		c.MaxFiles = defaultMaxFiles
	}
	return sink.OpenFile(sink.FileConfig{
		Path: c.Path, MaxBytes: int64(c.MaxSizeMiB) << 20, MaxFiles: c.MaxFiles, MaxAge: c.MaxAge, Logger: log,
	})
}

// Files are those that the sinks' configurations name, by their keys in an access file.
func (l *Log) Files() []reload.Followed {
	if l == nil {
		return nil
	}
	return l.files
}

// Close writes what waits and closes the sinks, for at most 5 s each.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, q := range l.queues {
		errs = append(errs, q.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// Follow makes the log hear of the stages of a request, which rec is the record of.
// [Followed.End] must be called when the request has ended, and the record's trail must
// not be used from then on. On a nil log rec stays as it is, and End does nothing.
func (l *Log) Follow(r *http.Request, rec *answer.Record) Followed {
	if l == nil {
		return Followed{}
	}
	q := requests.Get().(*Request)
	q.log, q.r, q.rec = l, r, rec
	if agent := r.Header["User-Agent"]; len(agent) > 0 {
		q.userAgent = agent[0]
	}
	_, q.upgrade = r.Header["Upgrade"]
	var b [16]byte
	binary.NativeEndian.PutUint64(b[:8], rand.Uint64())
	binary.NativeEndian.PutUint64(b[8:], rand.Uint64())
	hex.Encode(q.id[:], b[:])
	rec.Trail = q
	return Followed{q, q.use.Load()}
}

// requests are those that have ended, to be used again.
var requests = sync.Pool{New: func() any { return new(Request) }}

// buffers hold events while they are made.
var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 2<<10); return &b }}

// add writes an event, and waits for nothing.
func (l *Log) add(event []byte) {
	for _, q := range l.queues {
		q.Add(event)
	}
}

// commit writes an event to all sinks, and waits until they have it.
func (l *Log) commit(ctx context.Context, event []byte, sync bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, writeTimeout, errSlow)
	defer cancel()
	for _, q := range l.queues {
		if err := q.Commit(ctx, event, sync); err != nil {
			return err
		}
	}
	return nil
}

var errSlow = fmt.Errorf("not written within %v", writeTimeout)
