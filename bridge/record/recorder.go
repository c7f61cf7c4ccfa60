package record

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/fairlead-io/fairlead/bridge/record/cast"
)

// Recorder begins recordings by one configuration, which never changes. It is safe for
// concurrent use.
type Recorder struct {
	log    *slog.Logger
	vault  Vault // for recordings that are shared; nil: there is none
	config Config
	counts *counts
}

// ErrNotConfigured is the error of [Recorder.Begin] where there is no place for it.
var ErrNotConfigured = errors.New("this bridge is not configured to record sessions")

// New returns a recorder without configuration. v is for recordings that bridges share,
// nil where they share none.
func New(v Vault, log *slog.Logger) *Recorder {
	return &Recorder{log: log, vault: v, counts: &counts{}}
}

// With returns a recorder with another configuration. Both may be used.
func (r *Recorder) With(c Config) *Recorder {
	return &Recorder{log: r.log, vault: r.vault, config: c, counts: r.counts}
}

// Meta says what a session is. The fields are those of the index.
type Meta struct {
	Request   string   `json:"request"` // its id in logs and audit
	Caller    string   `json:"caller"`
	Issuer    string   `json:"issuer,omitempty"`
	As        string   `json:"as,omitempty"` // "": as the agent itself
	Grant     string   `json:"grant,omitempty"`
	Cluster   string   `json:"cluster"`
	Kind      string   `json:"kind"` // exec or attach
	Namespace string   `json:"namespace"`
	Pod       string   `json:"pod"`
	Container string   `json:"container,omitempty"`
	Command   []string `json:"command,omitempty"`
	TTY       bool     `json:"tty,omitempty"`
}

// The terminal's size until the client has said it, which it does at once.
const (
	width  = 80
	height = 24
)

// Begin creates the recording of a session. [Session.Close] must be called. An error
// has no path of the bridge, so that callers may see it.
func (r *Recorder) Begin(m Meta) (*Session, error) {
	c := r.config
	if c.Directory == "" && !c.Shared {
		r.counts.refused.Add(1)
		return nil, ErrNotConfigured
	}
	s, err := r.begin(c, m)
	if err != nil {
		r.counts.refused.Add(1)
		r.log.Error("session cannot be recorded", "directory", c.Directory, "error", err)
		return nil, withoutPath(err)
	}
	return s, nil
}

func (r *Recorder) begin(c Config, m Meta) (*Session, error) {
	e := Entry{Meta: m, Start: time.Now().UTC()}
	to, err := r.create(c, &e)
	if err != nil {
		return nil, err
	}
	s := newSession(r, c, to, e)
	if err := s.start(m); err != nil {
		to.Discard()
		to.Close()
		return nil, err
	}
	return s, nil
}

func (r *Recorder) create(c Config, e *Entry) (Medium, error) {
	switch {
	case !c.Shared:
		var b [16]byte
		_, _ = rand.Read(b[:]) // it never fails
		e.Name(b)
		return createFile(c.Directory, e.File)
	case r.vault == nil:
		return nil, ErrNotConfigured
	}
	return r.vault.Create(c, e)
}

// start writes the header, so that a disk that cannot be written is noticed before
// anything is executed.
func (s *Session) start(m Meta) error {
	title := fmt.Sprintf("%s %s %s/%s", m.Kind, m.Cluster, m.Namespace, m.Pod)
	b, err := cast.AppendHeader(nil, cast.Header{
		Width: width, Height: height, Timestamp: s.entry.Start.Unix(), Title: title, Command: quoted(m.Command),
		Extra: extra{ID: s.entry.ID, Meta: m},
	})
	if err != nil {
		return err
	}
	if err := s.write(b); err != nil {
		return err
	}
	if err := s.medium.Sync(); err != nil {
		return err
	}
	s.size = int64(len(b))
	s.recorder.counts.active.Add(1)
	go s.run()
	return nil
}

// extra is what the header of a recording has for the index.
type extra struct {
	ID string `json:"id"`
	Meta
}

const suffix = ".cast"

// Name gives the entry an id of its start and of b, which sorts by time, and a file. b
// must be such that nobody can guess it.
func (e *Entry) Name(b [16]byte) {
	e.ID = e.Start.UTC().Format("20060102T150405Z-") + hex.EncodeToString(b[:])
	e.File = e.ID + suffix
}

// withoutPath is an error without the name of the bridge's file, which is not for
// callers.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}
