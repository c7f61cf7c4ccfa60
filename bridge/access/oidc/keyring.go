package oidc

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

// Bounds of what a keyring asks of its issuer.
const (
	// refreshEvery is how long a key that the issuer has withdrawn may be used, at
	// most, while the issuer can be reached; Kubernetes and go-oidc never notice.
	refreshEvery = 5 * time.Minute
	// retryFirst and retryMax are the pauses after failures; each is twice the one
	// before.
	retryFirst, retryMax = time.Second, time.Minute
	// askEvery and askBurst bound how often unknown keys make us read the keys,
	// whatever tokens are sent. A rotation needs one reading. askEvery and the time
	// of a reading are within maxWait, so that a key that is new is found whatever
	// others send.
	askEvery, askBurst = 4 * time.Second, 3
	// maxWait is how long a request waits for keys. kubectl, which shows nothing
	// meanwhile, gives up after 10 s or more.
	maxWait = 5 * time.Second
	// maxWaiting bounds the requests that wait for keys of one issuer. Those that
	// send tokens of other keys are not concerned.
	maxWaiting = 256
	// failureHolds is for how long a failure is the answer to all that would have
	// to wait.
	failureHolds = 5 * time.Second
)

// keyring keeps the keys of an issuer. It is safe for concurrent use.
type keyring struct {
	log  *slog.Logger
	gone func() // called without locks when a key is gone
	stop context.CancelFunc
	done chan struct{} // closed when run has returned
	ask  chan struct{} // capacity 1: read the keys as soon as that is allowed

	mu      sync.Mutex    // guards the rest
	keys    []*key        // nil: never read
	err     *downError    // of the last reading
	ended   time.Time     // when it ended
	begun   int           // how many readings have begun
	over    int           // how many of them have ended: one less, or as many
	changed chan struct{} // closed when a reading ends
	waiting int
	closed  bool
}

// startKeyring makes a keyring that reads keys by fetch, which must be bounded.
func startKeyring(fetch func(context.Context) ([]*key, error), gone func(), log *slog.Logger) *keyring {
	ctx, stop := context.WithCancel(context.Background())
	k := &keyring{log: log, gone: gone, stop: stop,
		done: make(chan struct{}), ask: make(chan struct{}, 1), changed: make(chan struct{})}
	k.begin()
	go func() {
		defer close(k.done)
		k.run(ctx, fetch)
	}()
	return k
}

// close ends the keyring: it has no keys from now on.
func (k *keyring) close() {
	k.mu.Lock()
	k.closed, k.keys = true, nil
	k.signal()
	k.mu.Unlock()
	k.stop()
	<-k.done
	k.gone()
}

func (k *keyring) run(ctx context.Context, fetch func(context.Context) ([]*key, error)) {
	limit := rate.NewLimiter(rate.Every(askEvery), askBurst)
	pause := retryFirst
	for {
		keys, err := fetch(ctx)
		if ctx.Err() != nil {
			return
		}
		k.end(keys, err)
		next := refreshEvery
		if err != nil {
			next, pause = pause, min(2*pause, retryMax)
		} else {
			pause = retryFirst
		}
		timer := time.NewTimer(next)
		select {
		case <-timer.C:
		case <-k.ask:
			timer.Stop()
			if limit.Wait(ctx) != nil {
				return
			}
		case <-ctx.Done():
			timer.Stop()
			return
		}
		k.begin()
	}
}

// begin notes that a reading begins, for all that have asked.
func (k *keyring) begin() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.begun++
	select {
	case <-k.ask:
	default:
	}
}

// end notes the outcome of a reading. Keys that there were before stay the same
// objects; after a failure all of them stay.
func (k *keyring) end(keys []*key, err error) {
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return
	}
	failed, withdrawn := k.err != nil, false
	if err == nil {
		k.err, withdrawn = nil, k.replace(keys)
	} else {
		k.err = &downError{explain(err)}
	}
	k.ended, k.over = time.Now(), k.begun
	known := len(k.keys)
	k.signal()
	k.mu.Unlock()

	switch {
	case err != nil && !failed:
		k.log.Warn("cannot read the issuer's keys; keeping those that are known", append(causeOf(err), "error", answer.Clip(err.Error()), "keys", known)...)
	case err != nil:
		k.log.Debug("cannot read the issuer's keys", "error", answer.Clip(err.Error()))
	case failed:
		k.log.Info("read the issuer's keys", "keys", known)
	}
	if withdrawn {
		k.log.Info("the issuer has withdrawn a key; its tokens are no longer accepted")
		k.gone()
	}
}

// replace takes up keys, and reports whether one is gone. The caller holds mu.
func (k *keyring) replace(keys []*key) (withdrawn bool) {
	before := k.keys
	for n, now := range keys {
		if at := slices.IndexFunc(before, now.same); at >= 0 {
			keys[n] = before[at]
		}
	}
	k.keys = keys
	return slices.ContainsFunc(before, func(b *key) bool { return !slices.Contains(keys, b) })
}

// signal wakes those who wait. The caller holds mu.
func (k *keyring) signal() {
	close(k.changed)
	k.changed = make(chan struct{})
}

// has reports whether a key is one of the issuer's still.
func (k *keyring) has(one *key) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.keys, one)
}

var errClosed = &downError{"is being removed from the configuration"}

// current returns the keys, and the number of the reading that must have ended before
// a key counts as unknown.
func (k *keyring) current() (keys []*key, need int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return nil, 0, errClosed
	case k.keys == nil && k.begun > k.over:
		return nil, k.begun, nil // the first reading is as good as the next
	}
	return k.keys, k.begun + 1, nil
}

// await waits until a reading ends or ctx does, and returns the keys. last reports
// that it was number need or a later one. An error is a [downError] or wraps
// [ErrUnknownKey].
func (k *keyring) await(ctx context.Context, id string, need int) (keys []*key, last bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case k.closed:
		return nil, false, errClosed
	case k.over >= need:
		return k.keys, true, nil
	case k.err != nil && time.Since(k.ended) < failureHolds:
		return nil, false, k.err
	case k.waiting >= maxWaiting:
		return nil, false, &downError{"has yet to say which keys it has, and too many requests wait for that"}
	}
	if k.begun == k.over {
		select {
		case k.ask <- struct{}{}:
		default: // another request has asked
		}
	}
	k.waiting++
	changed := k.changed
	k.mu.Unlock()
	select {
	case <-changed:
	case <-ctx.Done():
	}
	k.mu.Lock()
	k.waiting--
	switch {
	case k.closed:
		return nil, false, errClosed
	case ctx.Err() != nil && k.begun == k.over:
		return nil, false, unknownKey(id) // so many tokens have asked that we may not
	case ctx.Err() != nil:
		return nil, false, &downError{fmt.Sprintf("did not say within %v which keys it has", maxWait)}
	case k.err != nil:
		return nil, false, k.err
	}
	return k.keys, k.over >= need, nil
}
