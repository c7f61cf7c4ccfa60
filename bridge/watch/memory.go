package watch

import (
	"context"
	"io"

	"golang.org/x/sync/semaphore"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

const (
	// freeBytes of an event are read before it needs a share of the pool: most are smaller,
	// and never wait.
	freeBytes = 64 << 10
	// maxEvent bounds an event in bytes: etcd keeps objects of 1.5 MiB, which JSON makes
	// larger. It is the share of the pool of an event over freeBytes.
	maxEvent = 4 << 20
	// maxRead bounds what is read beyond the end of an event.
	maxRead = 16 << 10
	// poolBytes is what the larger events of a watch may take together.
	poolBytes = 32 << 20
)

func newPool() *semaphore.Weighted { return semaphore.NewWeighted(poolBytes) }

// meter reads a response, and bounds what of it is in memory: what was read beyond the end
// of the last value. It is used by one goroutine.
type meter struct {
	ctx   context.Context
	from  io.Reader
	pool  *semaphore.Weighted
	held  int64 // bytes that are in memory
	taken bool  // of the pool
}

// Read implements [io.Reader].
func (m *meter) Read(p []byte) (int, error) {
	if m.held > freeBytes && !m.taken {
		if m.pool.Acquire(m.ctx, maxEvent) != nil {
			return 0, context.Cause(m.ctx)
		}
		m.taken = true
	}
	if m.held > maxEvent {
		return 0, answer.Failf(answer.ResponseTooLarge, "the cluster has sent an object of more than %d bytes", maxEvent)
	}
	n, err := m.from.Read(p[:min(len(p), maxRead)])
	m.held += int64(n)
	return n, err
}

// done says that a value was used: rest bytes are in memory from now on. Inside of a list
// the share is kept: the decoder keeps the buffer of the largest object.
func (m *meter) done(rest int64, top bool) {
	m.held = rest
	if top {
		m.give()
	}
}

// give gives the share of the pool back.
func (m *meter) give() {
	if m.taken {
		m.taken = false
		m.pool.Release(maxEvent)
	}
}
