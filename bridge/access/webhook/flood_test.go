package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
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
	close(release)
	all.Wait()
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
