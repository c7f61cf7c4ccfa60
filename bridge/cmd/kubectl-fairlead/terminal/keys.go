package terminal

import (
	"bytes"
	"io"
	"sync"
	"time"
)

const (
	// controlC is what a terminal in raw mode sends for Ctrl-C, instead of a signal.
	controlC = 3
	// noticed is how long nobody may have been there to get what is typed before Ctrl-C is
	// meant for this end: whoever has pressed it earlier has meant the session.
	noticed = time.Second
	// maxTyped bounds how many reads are kept that the session has not taken, of at most
	// maxRead bytes each. A key is one of them.
	maxTyped = 1024
	maxRead  = 4 << 10
)

// Keys are what is typed at a terminal in raw mode, for the session. While nobody is there
// to get it, Ctrl-C ends the session from this side: nothing else could. All methods but Read
// may be called by any goroutine.
type Keys struct {
	giveUp func()
	typed  chan []byte
	rest   []byte // of what Read has taken
	err    error  // of the terminal; set before typed is closed
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	begun bool
	lost  time.Time // zero: the other side gets what is typed
}

// ReadKeys reads a terminal, until [Keys.Close] and then for one read more, which nothing
// can end. giveUp is called, once, for a Ctrl-C that nobody else gets.
func ReadKeys(in io.Reader, giveUp func()) *Keys {
	k := &Keys{giveUp: giveUp, typed: make(chan []byte, maxTyped), closed: make(chan struct{})}
	go k.follow(in)
	return k
}

func (k *Keys) follow(in io.Reader) {
	defer close(k.typed)
	for {
		b := make([]byte, maxRead)
		n, err := in.Read(b)
		if bytes.IndexByte(b[:n], controlC) >= 0 && k.alone() {
			k.giveUp()
			k.err = io.EOF
			return
		}
		if n > 0 {
			select {
			case k.typed <- b[:n]:
			case <-k.closed:
				k.err = io.EOF
				return
			}
		}
		if err != nil {
			k.err = err
			return
		}
	}
}

// alone reports whether nobody is there to get what is typed.
func (k *Keys) alone() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.begun || !k.lost.IsZero() && time.Since(k.lost) >= noticed
}

// Read implements [io.Reader]. The first call says that the session has begun.
func (k *Keys) Read(p []byte) (int, error) {
	k.mu.Lock()
	k.begun = true
	k.mu.Unlock()
	if len(k.rest) == 0 {
		var more bool
		if k.rest, more = <-k.typed; !more {
			return 0, k.err
		}
	}
	n := copy(p, k.rest)
	k.rest = k.rest[n:]
	return n, nil
}

// Lost says that the other side gets nothing at the moment, and Back that it does again.
func (k *Keys) Lost() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lost = time.Now()
}

// Back ends what [Keys.Lost] has begun.
func (k *Keys) Back() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lost = time.Time{}
}

// Close says that nobody reads any more. It may be called more than once.
func (k *Keys) Close() { k.once.Do(func() { close(k.closed) }) }
