package serve

import (
	"sync/atomic"
)

const (
	// maxKept is the announced length, in bytes, up to which a body is kept:
	// the API server's own limit for a request is 3 MiB.
	maxKept = 3 << 20
	// maxAllKept bounds the sum of all kept bytes: ten of the largest bodies at
	// once, or some five hundred of 64 KiB.
	maxAllKept = 32 << 20
	// keptChunk is the size in which memory for a body is taken, as its bytes
	// arrive. A client that announces much and sends little costs little.
	keptChunk = 64 << 10
)

// keepBudget counts the bytes that all bodies keep. It is safe for concurrent
// use.
type keepBudget struct{ used atomic.Int64 }

func (b *keepBudget) take(n int64) bool {
	if b.used.Add(n) > maxAllKept {
		b.used.Add(-n)
		return false
	}
	return true
}

func (b *keepBudget) give(n int64) { b.used.Add(-n) }

// keptBytes are the first bytes of a body, so that they can be sent again. It
// is for one goroutine at a time.
type keptBytes struct {
	budget *keepBudget // nil: nothing is kept, or no longer
	length int64       // of the whole body
	size   int64
	chunks [][]byte // all but the last are full
}

// add keeps p, or gives up all bytes if the budget is used up.
func (k *keptBytes) add(p []byte) {
	for len(p) > 0 && k.budget != nil {
		last := len(k.chunks) - 1
		if last < 0 || len(k.chunks[last]) == cap(k.chunks[last]) {
			n := min(keptChunk, k.length-k.size)
			if n <= 0 || !k.budget.take(n) {
				k.drop()
				return
			}
			k.chunks = append(k.chunks, make([]byte, 0, n))
			last++
		}
		c := k.chunks[last]
		n := min(len(p), cap(c)-len(c))
		k.chunks[last] = append(c, p[:n]...)
		k.size += int64(n)
		p = p[n:]
	}
}

// copyAt copies into p what is kept from the offset at on, as far as one chunk
// goes.
func (k *keptBytes) copyAt(p []byte, at int64) int {
	return copy(p, k.chunks[at/keptChunk][at%keptChunk:])
}

// drop gives the memory back.
func (k *keptBytes) drop() {
	if k.budget == nil {
		return
	}
	for _, c := range k.chunks {
		k.budget.give(int64(cap(c)))
	}
	k.budget, k.chunks, k.size = nil, nil, 0
}
