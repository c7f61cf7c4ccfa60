package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// TestFloodKeepsNobodyOut: strangers with tokens that take the service's time do not keep
// the tokens of callers that it has accepted from being reviewed again.
func TestFloodKeepsNobodyOut(t *testing.T) {
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo() // the service's server waits for its handlers
	var strangers, renewals atomic.Int64
	known := tokens{"alice": {Username: "alice"}}
	f := newFake(t, func(w http.ResponseWriter, a *asked) {
		if strings.HasPrefix(a.body["spec"].(map[string]any)["token"].(string), "stranger") {
			strangers.Add(1)
			<-release
		} else {
			renewals.Add(1)
		}
		known.answer(w, a)
	})
	x := renewing(t, f)
	x.kept.Allowed = 200 * time.Millisecond
	c, err := x.Authenticate(request("alice"))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	ctx, leave := context.WithCancel(t.Context())
	for i := range 2 * maxReviews {
		all.Go(func() { _, _ = x.Authenticate(request(fmt.Sprint("stranger", i)).WithContext(ctx)) })
	}
	eventually.True(t, "the flood", func() bool { return strangers.Load() >= maxReviews })
	before := renewals.Load()
	began := time.Now()
	eventually.True(t, "renewals", func() bool { return renewals.Load() >= before+3 || c.Lease.Ended() })
	if took := time.Since(began); c.Lease.Ended() || took > reviewTimeout/2 {
		t.Errorf("three renewals took %v; the caller has ended: %v", took, c.Lease.Ended())
	}
	if again, err := x.Authenticate(request("alice")); again != c || err != nil {
		t.Errorf("the caller's next request: %v", err)
	}
	leave()
	letGo()
	all.Wait()
}

// TestPausedCallerComesBackDuringFlood: a caller whose token was accepted, and whose answer
// is no longer kept since it has paused, does not wait behind strangers.
func TestPausedCallerComesBackDuringFlood(t *testing.T) {
	release := make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	defer letGo() // the service's server waits for its handlers
	var strangers atomic.Int64
	known := tokens{"alice": {Username: "alice"}}
	f := newFake(t, func(w http.ResponseWriter, a *asked) {
		if strings.HasPrefix(a.body["spec"].(map[string]any)["token"].(string), "stranger") {
			strangers.Add(1)
			<-release
		}
		known.answer(w, a)
	})
	x := renewing(t, f)
	x.kept.Allowed = 50 * time.Millisecond
	if _, err := x.Authenticate(request("alice")); err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "alice to be forgotten", func() bool {
		runtime.GC() // nothing refers to the caller any more
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.live) == 0
	})
	var all sync.WaitGroup
	ctx, leave := context.WithCancel(t.Context())
	for i := range 2 * maxReviews {
		all.Go(func() { _, _ = x.Authenticate(request(fmt.Sprint("stranger", i)).WithContext(ctx)) })
	}
	eventually.True(t, "the flood", func() bool { return strangers.Load() >= maxReviews })
	began := time.Now()
	_, err := x.Authenticate(request("alice"))
	if took := time.Since(began); err != nil || took > reviewTimeout/2 {
		t.Errorf("alice waited %v: %v", took, err)
	}
	leave()
	letGo()
	all.Wait()
}

// TestRefusedTokenIsNoLongerKnown: a token that was taken back has no turn before strangers,
// and those that are remembered are bounded.
func TestRefusedTokenIsNoLongerKnown(t *testing.T) {
	x := openTokenReview(t, newFake(t, func(http.ResponseWriter, *asked) {}), nil)
	d := digest{1}
	if x.gate(d) != x.service.new {
		t.Error("a token that nobody knows is taken for a known one")
	}
	if _, err := x.settle(d, "token", &authenticationv1.UserInfo{Username: "alice"}, nil); err != nil || x.gate(d) != x.service.known {
		t.Errorf("a token that was accepted is not known: %v", err)
	}
	if _, err := x.settle(d, "token", nil, ErrDenied); !errors.Is(err, ErrDenied) || x.gate(d) != x.service.new {
		t.Errorf("a token that was taken back is known: %v", err)
	}
	for i := range maxAccepted + 1 {
		x.accepted.Add(digest{byte(i), byte(i >> 8), byte(i >> 16), 1}, nil, acceptedFor)
	}
	if n := len(x.accepted.Keys()); n != maxAccepted {
		t.Errorf("%d are remembered, want %d", n, maxAccepted)
	}
}

// TestWaitingReviewsAreBounded: who comes when too many wait is refused at once, and turns
// are taken again once some have left.
func TestWaitingReviewsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		ctx, cancel := context.WithCancel(t.Context())
		for range maxReviews {
			if !g.enter(ctx) {
				t.Fatal("no turn for one of the first")
			}
		}
		var all sync.WaitGroup
		var entered atomic.Int64
		for range maxWaiting {
			all.Go(func() {
				if g.enter(ctx) {
					entered.Add(1)
				}
			})
		}
		synctest.Wait()
		if g.enter(t.Context()) {
			t.Error("one more than may wait has a turn")
		}
		g.leave()
		synctest.Wait()
		if entered.Load() != 1 {
			t.Errorf("%d have a turn after one has left", entered.Load())
		}
		cancel()
		all.Wait()
		if len(g.waiting) != 0 || len(g.running) != maxReviews {
			t.Errorf("%d wait and %d run in the end", len(g.waiting), len(g.running))
		}
	})
}

// TestEchoOfToken: a service that shows what it was asked brings no token into a refusal.
func TestEchoOfToken(t *testing.T) {
	const token = "opaque-0123456789abcdef"
	for _, shown := range []string{token, base64.StdEncoding.EncodeToString([]byte("x" + token)), strings.ToUpper(token), token[:15] + "..."} {
		f := newFake(t, func(w http.ResponseWriter, a *asked) {
			reply(w, a, authenticationv1.TokenReviewStatus{Error: "no such token: " + shown})
		})
		_, err := openTokenReview(t, f, nil).Authenticate(request(token))
		if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "no such token") || strings.Contains(err.Error(), shown[4:12]) {
			t.Errorf("%q: %v", shown, err)
		}
	}
}
