package webhook

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/fairlead-io/fairlead/bridge/events"
	"github.com/fairlead-io/fairlead/bridge/store"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/store/lease"
)

// lookInterval is how often the file is looked at.
const lookInterval = time.Second

// Sender sends the events of a log to the webhooks of a file. It is safe for concurrent use.
type Sender struct {
	file    *File
	log     events.Log
	keeper  *lease.Keeper
	cursors *kv.Bucket
	logger  *slog.Logger
	times   times

	mu      sync.Mutex
	runners map[string]*runner // by name
}

// NewSender returns a sender of the bridge with an id. events is the log of all bridges, in
// the same store.
func NewSender(f *File, log events.Log, s *store.Store, bridge string, logger *slog.Logger) *Sender {
	logger = logger.With("part", "webhooks")
	return &Sender{
		file: f, log: log, keeper: lease.New(s, bridge, logger), cursors: kv.New(s, store.Leases()),
		logger: logger, times: production, runners: map[string]*runner{},
	}
}

// Run sends until ctx ends, and returns when the last request has ended.
func (s *Sender) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer s.follow(ctx, nil) // waits for all
	defer stop()
	look := time.NewTicker(lookInterval)
	defer look.Stop()
	for seen := []*target(nil); ; {
		if now := s.file.file.Get(); !slices.Equal(now, seen) {
			s.follow(ctx, now)
			seen = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-look.C:
		}
	}
}

// follow makes the webhooks those of a list. It waits for those that end.
func (s *Sender) follow(ctx context.Context, list []*target) {
	gone := s.running()
	for _, t := range list {
		if r := gone[t.Name]; r != nil {
			delete(gone, t.Name)
			r.change(t)
			continue
		}
		r := newRunner(s, t)
		s.mu.Lock()
		s.runners[t.Name] = r
		s.mu.Unlock()
		r.start(ctx)
	}
	for _, r := range gone {
		r.stop()
	}
	for name, r := range gone {
		<-r.ended
		s.mu.Lock()
		delete(s.runners, name)
		s.mu.Unlock()
	}
}

// running returns the runners by name.
func (s *Sender) running() map[string]*runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make(map[string]*runner, len(s.runners))
	for name, r := range s.runners {
		all[name] = r
	}
	return all
}
