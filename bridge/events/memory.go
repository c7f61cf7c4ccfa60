package events

import (
	"context"
	"sync"
	"time"
)

// dedupeWindow is for how long the same event is known by its dedupe key, as that of the
// store's stream.
const dedupeWindow = 2 * time.Minute

// Memory is a log of the newest 1,024 events, of one bridge. It is safe for concurrent
// use, and needs no goroutine.
type Memory struct {
	ring ring

	mu   sync.Mutex
	seen map[string]time.Time // dedupe keys, and when they were seen
	keys []string             // of seen, oldest first
}

// NewMemory returns an empty log.
func NewMemory() *Memory {
	m := &Memory{seen: map[string]time.Time{}}
	m.ring.reset(uint64(time.Now().UnixMicro()), 0)
	return m
}

// Append implements [Log].
func (m *Memory) Append(_ context.Context, e Event, dedupe string) error {
	now := time.Now()
	e, err := prepare(e, now)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if dedupe != "" && m.known(dedupeKey(&e, dedupe), now) {
		return nil
	}
	m.ring.next(e)
	return nil
}

// known reports whether a key was seen within the window, and notes it. It knows as many
// keys as the ring has events. The caller holds mu.
func (m *Memory) known(key string, now time.Time) bool {
	for len(m.keys) > 0 && (len(m.keys) >= ringSize || now.Sub(m.seen[m.keys[0]]) > dedupeWindow) {
		delete(m.seen, m.keys[0])
		m.keys = m.keys[1:]
	}
	if _, ok := m.seen[key]; ok {
		return true
	}
	m.seen[key] = now
	m.keys = append(m.keys, key)
	return false
}

// Read implements [Log].
func (m *Memory) Read(_ context.Context, after string, f *Filter, most int) (Page, error) {
	at, err := parsePosition(after)
	if err != nil {
		return Page{}, err
	}
	if after == "" {
		at = m.ring.oldest()
	}
	for reset := false; ; reset = true {
		if p, ok := m.ring.read(at, f, most); ok {
			p.Reset = reset
			return p, nil
		}
		at = m.ring.oldest()
	}
}

// Moved implements [Log]: nothing is moved into memory.
func (m *Memory) Moved(context.Context, string, func(*Event) bool) (string, bool, error) {
	return "", false, nil
}

// Recent implements [Log].
func (m *Memory) Recent(f *Filter, most int) []Event { return m.ring.recent(f, most) }

// End implements [Log].
func (m *Memory) End(context.Context) (string, error) { return m.ring.position().String(), nil }

// Subscribe implements [Log].
func (m *Memory) Subscribe() (heard <-chan struct{}, stop func()) { return m.ring.subscribe() }
