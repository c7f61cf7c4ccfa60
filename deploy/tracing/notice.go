package tracing

import (
	"log/slog"
	"sync"
	"time"
)

const (
	// noticeEvery is how often a failing collector is logged.
	noticeEvery = time.Minute
	// maxNotice bounds what is logged, in bytes: it may be what a collector answered.
	maxNotice = 512
)

// notice logs that spans cannot be exported, at most once in noticeEvery. It is safe
// for concurrent use.
type notice struct {
	log *slog.Logger

	mu   sync.Mutex // guards the rest
	said time.Time
	more int // that were not logged since
}

func (n *notice) say(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if now := time.Now(); n.said.IsZero() || now.Sub(n.said) >= noticeEvery {
		text := err.Error()
		n.log.Warn("traces could not be exported; further failures are not logged for a minute",
			"error", text[:min(len(text), maxNotice)], "not_logged", n.more)
		n.said, n.more = now, 0
		return
	}
	n.more++
}
