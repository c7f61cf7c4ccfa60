package oidc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// published is an issuer in memory: the keys that it publishes, and how it fails.
type published struct {
	mu      sync.Mutex
	private map[string]*ecdsa.PrivateKey
	keys    []*key
	err     error
	delay   time.Duration // of an answer
	reads   []time.Time
}

func (p *published) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

// add publishes a key. It makes a new object for a key that there is, as a reading
// does.
func (p *published) add(id string) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	p.set(func() {
		p.private[id] = k
		p.keys = append(p.keys, &key{id: id, thumbprint: id, public: k.Public()})
	})
}

func (p *published) fetch(ctx context.Context) ([]*key, error) {
	p.mu.Lock()
	p.reads = append(p.reads, time.Now())
	delay := p.delay
	p.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var keys []*key
	for _, k := range p.keys {
		copied := *k
		keys = append(keys, &copied)
	}
	return keys, p.err
}

func (p *published) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.reads)
}

// token returns a token that names a key; signed with another one if there is none.
func (p *published) token(t *testing.T, id string) *jose.JSONWebSignature {
	t.Helper()
	p.mu.Lock()
	private := p.private[id]
	p.mu.Unlock()
	if private == nil {
		var err error
		if private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: private, KeyID: id}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	return jws
}

// inBubble runs a test with a keyring in fake time. Gone counts its calls of gone.
func inBubble(t *testing.T, test func(t *testing.T, p *published, k *keyring, gone func() int)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := &published{private: map[string]*ecdsa.PrivateKey{}}
		p.add("one")
		var mu sync.Mutex
		calls := 0
		k := startKeyring(p.fetch, func() {
			mu.Lock()
			defer mu.Unlock()
			calls++
		}, slog.New(slog.DiscardHandler))
		defer k.close()
		test(t, p, k, func() int {
			mu.Lock()
			defer mu.Unlock()
			return calls
		})
	})
}

func verify(t *testing.T, k *keyring, jws *jose.JSONWebSignature) (took time.Duration, err error) {
	t.Helper()
	before := time.Now()
	_, _, err = k.verify(t.Context(), jws)
	return time.Since(before), err
}

func TestRotation(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, gone func() int) {
		if _, err := verify(t, k, p.token(t, "one")); err != nil {
			t.Fatal(err)
		}
		p.add("two")
		if took, err := verify(t, k, p.token(t, "two")); err != nil || took > 0 {
			t.Errorf("a new key: %v after %v, want no error at once", err, took)
		}
		if n := p.count(); n != 2 {
			t.Errorf("the keys were read %d times, want 2", n)
		}
		_, one, err := k.verify(t.Context(), p.token(t, "one"))
		if err != nil {
			t.Fatal(err)
		}
		p.set(func() { p.keys = p.keys[1:] })
		time.Sleep(refreshEvery + time.Millisecond)
		synctest.Wait()
		if k.has(one) || gone() != 1 {
			t.Errorf("a key that was withdrawn is known: %v; %d calls", k.has(one), gone())
		}
		if _, err := verify(t, k, p.token(t, "one")); !errors.Is(err, ErrUnknownKey) {
			t.Errorf("its token: %v", err)
		}
		_, two, err := k.verify(t.Context(), p.token(t, "two"))
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * refreshEvery)
		synctest.Wait()
		if !k.has(two) || gone() != 1 {
			t.Errorf("a key that is published is known: %v; %d calls", k.has(two), gone())
		}
	})
}

// TestUnknownKeysDoNotHammer: whoever sends tokens with keys of their own invention
// makes us read the keys once in askEvery, and does not keep a rotation from us.
func TestUnknownKeysDoNotHammer(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, _ func() int) {
		forged := p.token(t, "forged")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		var attackers sync.WaitGroup
		for range 20 {
			attackers.Go(func() {
				for ctx.Err() == nil {
					_, _, err := k.verify(ctx, forged)
					if !errors.Is(err, ErrUnknownKey) && ctx.Err() == nil {
						t.Error(err)
					}
				}
			})
		}
		time.Sleep(30 * time.Second)
		p.add("two")
		if took, err := verify(t, k, p.token(t, "two")); err != nil || took > maxWait {
			t.Errorf("a new key during the attack: %v after %v", err, took)
		}
		if took, err := verify(t, k, p.token(t, "one")); err != nil || took > 0 {
			t.Errorf("a known key during the attack: %v after %v", err, took)
		}
		<-ctx.Done()
		cancel()
		attackers.Wait()
		if n, most := p.count(), 1+askBurst+int(time.Minute/askEvery); n > most {
			t.Errorf("the keys were read %d times in a minute, at most %d allowed", n, most)
		}
	})
}

// TestOutage: known keys go on; others fail with the reason; the pauses grow.
func TestOutage(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, gone func() int) {
		synctest.Wait()
		p.set(func() { p.err = fmt.Errorf("read the keys: %w", context.DeadlineExceeded) })
		p.add("two")
		for range 3 {
			took, err := verify(t, k, p.token(t, "two"))
			down, ok := errors.AsType[*downError](err)
			if !ok || down.why != "cannot be reached: it did not answer in time" || took > 0 {
				t.Errorf("an unknown key: %v after %v", err, took)
			}
		}
		if n := p.count(); n != 2 {
			t.Errorf("the keys were read %d times, want 2: a failure is the answer for a while", n)
		}
		time.Sleep(time.Hour)
		if took, err := verify(t, k, p.token(t, "one")); err != nil || took > 0 || gone() != 0 {
			t.Errorf("a known key: %v after %v; %d calls", err, took, gone())
		}
		if n := p.count(); n < 60 || n > 75 {
			t.Errorf("the keys were read %d times in an hour, want one a minute", n)
		}
		p.set(func() { p.err = nil })
		if took, err := verify(t, k, p.token(t, "two")); err != nil || took > maxWait {
			t.Errorf("after the outage: %v after %v", err, took)
		}
	})
}

// TestSlowIssuer: a request waits for maxWait, and what comes later is of use.
func TestSlowIssuer(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, _ func() int) {
		synctest.Wait()
		p.set(func() { p.delay = 8 * time.Second })
		p.add("two")
		took, err := verify(t, k, p.token(t, "two"))
		if down, ok := errors.AsType[*downError](err); !ok || took != maxWait {
			t.Errorf("%v after %v", down, took)
		}
		if took, err := verify(t, k, p.token(t, "two")); err != nil || took != 3*time.Second {
			t.Errorf("the reading that was under way: %v after %v", err, took)
		}
	})
}

func TestFirstReadingIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &published{private: map[string]*ecdsa.PrivateKey{}, delay: time.Second}
		p.add("one")
		k := startKeyring(p.fetch, func() {}, slog.New(slog.DiscardHandler))
		defer k.close()
		if took, err := verify(t, k, p.token(t, "one")); err != nil || took != time.Second {
			t.Errorf("%v after %v", err, took)
		}
		if _, err := verify(t, k, p.token(t, "forged")); !errors.Is(err, ErrUnknownKey) {
			t.Error(err)
		}
		if n := p.count(); n != 2 {
			t.Errorf("the keys were read %d times, want 2", n)
		}
	})
}

func TestWaitersAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, _ func() int) {
		synctest.Wait()
		p.set(func() { p.delay = time.Second })
		forged := p.token(t, "forged")
		var waiters sync.WaitGroup
		var mu sync.Mutex
		unknown, down := 0, 0
		for range maxWaiting + 10 {
			waiters.Go(func() {
				_, _, err := k.verify(t.Context(), forged)
				mu.Lock()
				defer mu.Unlock()
				if errors.Is(err, ErrUnknownKey) {
					unknown++
				} else if _, ok := errors.AsType[*downError](err); ok {
					down++
				}
			})
		}
		waiters.Wait()
		if unknown != maxWaiting || down != 10 || k.waiting != 0 {
			t.Errorf("%d unknown, %d told to come back, %d still wait", unknown, down, k.waiting)
		}
	})
}

// TestCloseEndsWaiting: nobody waits for an issuer that is no longer configured.
func TestCloseEndsWaiting(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, gone func() int) {
		synctest.Wait()
		p.set(func() { p.delay = time.Hour })
		forged := p.token(t, "forged")
		end := make(chan error)
		go func() {
			_, _, err := k.verify(t.Context(), forged)
			end <- err
		}()
		synctest.Wait()
		k.close()
		if err := <-end; err != error(errClosed) {
			t.Error(err)
		}
		if _, err := verify(t, k, p.token(t, "one")); err != error(errClosed) || gone() != 1 {
			t.Errorf("after the end: %v; %d calls", err, gone())
		}
	})
}

// TestTokenWithoutKeyID: every key is tried.
func TestTokenWithoutKeyID(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, _ func() int) {
		p.add("two")
		p.set(func() { p.private[""] = p.private["two"] })
		if _, err := verify(t, k, p.token(t, "")); err != nil {
			t.Error(err)
		}
		p.set(func() { delete(p.private, "") })
		if _, err := verify(t, k, p.token(t, "")); !errors.Is(err, ErrUnknownKey) {
			t.Error(err)
		}
		p.set(func() { delete(p.private, "two") })
		before := p.count()
		if took, err := verify(t, k, p.token(t, "two")); !errors.Is(err, ErrSignature) || took > 0 || p.count() != before {
			t.Errorf("a known key that has not signed: %v after %v", err, took)
		}
	})
}

// TestKeyOfAnotherAlgorithm: a key is used as its issuer says only.
func TestKeyOfAnotherAlgorithm(t *testing.T) {
	inBubble(t, func(t *testing.T, p *published, k *keyring, _ func() int) {
		p.add("two")
		p.set(func() { p.keys[0].algorithm, p.keys[1].algorithm = "ES256", "RS256" })
		time.Sleep(refreshEvery + time.Millisecond)
		synctest.Wait()
		if _, err := verify(t, k, p.token(t, "one")); err != nil {
			t.Error(err)
		}
		if _, err := verify(t, k, p.token(t, "two")); !errors.Is(err, ErrSignature) {
			t.Error(err)
		}
	})
}
