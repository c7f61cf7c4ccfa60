package requestinfo

import (
	"hash/maphash"
	"sync/atomic"
)

// Bounds of the results that are kept, which take about 2 MiB at most.
const (
	memoSize  = 1024
	maxTarget = 512 // bytes of a target
	maxMethod = 32  // bytes of a method
)

// memo keeps the last results of [Parse], each in the slot that its target's hash
// gives: many clients send the same few requests again and again. A result depends on
// method and target alone, so that it is never out of date.
type memo struct {
	seed  maphash.Seed
	slots [memoSize]atomic.Pointer[parsed]
}

// parsed is a result. It is never changed.
type parsed struct {
	method, target string
	info           *Info
}

func newMemo() *memo { return &memo{seed: maphash.MakeSeed()} }

func (m *memo) slot(target string) *atomic.Pointer[parsed] {
	return &m.slots[maphash.String(m.seed, target)%memoSize]
}

// get returns nil if the result is not kept.
func (m *memo) get(method, target string) *Info {
	if len(target) > maxTarget {
		return nil
	}
	p := m.slot(target).Load()
	if p == nil || p.target != target || p.method != method {
		return nil
	}
	return p.info
}

// put keeps a result, unless its target may have what should not stay in memory: the
// command lines of exec are in targets of subresources, and so are the paths behind a
// proxy. info must not refer to more memory than that of method and target.
func (m *memo) put(method, target string, info *Info) {
	if len(target) <= maxTarget && len(method) <= maxMethod && info.Subresource == "" && info.Verb != "proxy" {
		m.slot(target).Store(&parsed{method, target, info})
	}
}
