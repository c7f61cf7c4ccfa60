package pullsecret

import (
	"context"
	"io"

	"golang.org/x/sync/semaphore"
)

const (
	// maxResponse bounds an answer of a cluster in bytes. etcd keeps objects of 1.5 MiB, and
	// most service accounts have 1 KiB.
	maxResponse = 4 << 20
	// freeBytes of an answer are read before it needs a share of the memory: pull secrets,
	// and pages of service accounts, are smaller and never wait.
	freeBytes = 128 << 10
	// largeAtOnce is how many larger answers are read at the same time.
	largeAtOnce = 32
)

// memory bounds what the answers of clusters take together, whoever asks for them. It is
// safe for concurrent use.
type memory struct{ large *semaphore.Weighted }

func newMemory() *memory { return &memory{semaphore.NewWeighted(largeAtOnce)} }

// read reads an answer; more than maxResponse bytes are more than it may have.
func (m *memory) read(ctx context.Context, from io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(from, freeBytes))
	if err != nil || len(b) < freeBytes {
		return b, err
	}
	if err := m.large.Acquire(ctx, 1); err != nil {
		return nil, ended(ctx)
	}
	defer m.large.Release(1)
	rest, err := io.ReadAll(io.LimitReader(from, maxResponse+1-freeBytes))
	return append(b, rest...), err
}
