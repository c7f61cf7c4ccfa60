package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/test/harness/eventually"
)

// tokens are those that a service knows.
type tokens map[string]authenticationv1.UserInfo

func (k tokens) answer(w http.ResponseWriter, a *asked) {
	spec := a.body["spec"].(map[string]any)
	status := authenticationv1.TokenReviewStatus{Error: "nobody knows it"}
	if user, ok := k[spec["token"].(string)]; ok {
		status = authenticationv1.TokenReviewStatus{Authenticated: true, User: user}
		if wanted, ok := spec["audiences"].([]any); ok {
			status.Audiences = []string{wanted[0].(string)}
		}
	}
	reply(w, a, status)
}

// reply sends the question back with an answer.
func reply(w io.Writer, a *asked, status any) {
	a.body["status"] = status
	_ = json.NewEncoder(w).Encode(a.body)
}

func openTokenReview(t *testing.T, f *fake, change func(*TokenReviewConfig)) *TokenReview {
	t.Helper()
	c := TokenReviewConfig{Kubeconfig: f.kubeconfig}
	if change != nil {
		change(&c)
	}
	x, err := NewTokenReview(c, nil, f.logger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Close)
	return x
}

func request(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://bridge.example/k8s/clusters/prod/api", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestTokenReview(t *testing.T) {
	user := authenticationv1.UserInfo{Username: "alice", UID: "42", Groups: []string{"ops", "dev"},
		Extra: map[string]authenticationv1.ExtraValue{"Scopes": {"a", "b"}}}
	f := newFake(t, tokens{"t-alice": user}.answer)
	x := openTokenReview(t, f, nil)
	var c *access.Caller
	for range 3 {
		again, err := x.Authenticate(request("t-alice"))
		if err != nil || c != nil && again != c {
			t.Fatalf("%v, %v", again, err)
		}
		c = again
	}
	if c.Name != "alice" || c.UID != "42" || !reflect.DeepEqual(c.Groups, user.Groups) || !reflect.DeepEqual(c.Extra, map[string][]string{"scopes": {"a", "b"}}) ||
		c.Method != access.MethodWebhook || c.Issuer != "token-review" || c.Lease.Ended() {
		t.Errorf("%+v", c)
	}
	a := f.last()
	if f.calls() != 1 || a.method != "POST" || a.path != "/review" || a.contentType != "application/json" || a.user != "bridge" {
		t.Errorf("asked %d times, last %+v", f.calls(), a)
	}
	for range 3 {
		if _, err := x.Authenticate(request("other")); !errors.Is(err, ErrDenied) || !errors.Is(err, access.ErrUnrecognized) ||
			err.Error() != "the token review service does not accept the bearer token: nobody knows it" {
			t.Errorf("an unknown token: %v", err)
		}
	}
	if f.calls() != 2 {
		t.Errorf("asked %d times, want once for each token", f.calls())
	}
	if _, err := x.Authenticate(httptest.NewRequest(http.MethodGet, "/", nil)); !errors.Is(err, access.ErrNoCredentials) || f.calls() != 2 {
		t.Errorf("without a token: %v", err)
	}
	x.Close()
	if !c.Lease.Ended() {
		t.Error("closed, and the lease goes on")
	}
	if _, err := x.Authenticate(request("t-alice")); !unreachable(err) {
		t.Errorf("after Close: %v", err)
	}
}

func TestTokenReviewRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		status authenticationv1.TokenReviewStatus
		want   string
	}{
		"no user":         {authenticationv1.TokenReviewStatus{Authenticated: true, Audiences: []string{"fl"}}, "it names no user"},
		"no audience":     {authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: "a"}}, "not for an audience"},
		"other audience":  {authenticationv1.TokenReviewStatus{Authenticated: true, User: authenticationv1.UserInfo{Username: "a"}, Audiences: []string{"x"}}, "not for an audience"},
		"the token shown": {authenticationv1.TokenReviewStatus{Error: "bad token t-secret"}, "does not accept the bearer token"},
		"with a user":     {authenticationv1.TokenReviewStatus{User: authenticationv1.UserInfo{Username: "a"}, Audiences: []string{"fl"}}, "does not accept"},
		"long":            {authenticationv1.TokenReviewStatus{Error: strings.Repeat("x", 10_000)}, "xxx"},
	} {
		f := newFake(t, func(w http.ResponseWriter, a *asked) { reply(w, a, tt.status) })
		x := openTokenReview(t, f, func(c *TokenReviewConfig) { c.Audiences = []string{"fl", "fl2"} })
		_, err := x.Authenticate(request("t-secret"))
		if !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "t-secret") || len(err.Error()) > 1200 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneReviewForABurst: requests with the same token wait for one review. One that
// goes away does not take it from the others.
func TestOneReviewForABurst(t *testing.T) {
	f := newFake(t, tokens{"alice": {Username: "alice"}}.answer)
	f.hold = make(chan struct{})
	x := openTokenReview(t, f, nil)
	first := request("alice")
	gone := make(chan error)
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		_, err := x.Authenticate(first.WithContext(ctx))
		gone <- err
	}()
	eventually.True(t, "the question", func() bool { return f.calls() == 1 })
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if c, err := x.Authenticate(request("alice")); err != nil || c.Name != "alice" {
				t.Errorf("%v, %v", c, err)
			}
		})
	}
	leave()
	if err := <-gone; !unreachable(err) {
		t.Errorf("the one that left: %v", err)
	}
	close(f.hold)
	all.Wait()
	if f.calls() != 1 {
		t.Errorf("asked %d times", f.calls())
	}
}

// TestFloodIsBounded: tokens that nobody knows displace no others.
func TestFloodIsBounded(t *testing.T) {
	f := newFake(t, tokens{"alice": {Username: "alice"}}.answer)
	x := openTokenReview(t, f, nil)
	c, err := x.Authenticate(request("alice"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 * maxTokens {
		x.denied.Add(digest{1: byte(i), 2: byte(i >> 8), 3: byte(i >> 16)}, ErrDenied, time.Minute)
	}
	if n := len(x.denied.Keys()); n > maxTokens {
		t.Errorf("%d denied tokens are kept", n)
	}
	if again, err := x.Authenticate(request("alice")); again != c || err != nil || f.calls() != 1 {
		t.Errorf("%v, asked %d times", err, f.calls())
	}
}

// renewing is a token review with short times.
func renewing(t *testing.T, f *fake) *TokenReview {
	t.Helper()
	x := openTokenReview(t, f, nil)
	x.kept = Cache{Allowed: 50 * time.Millisecond, Denied: 50 * time.Millisecond}
	return x
}

// ended returns a channel with the argument of the end of a lease.
func ended(c *access.Caller) chan *access.Caller {
	next := make(chan *access.Caller, 1)
	c.Lease.OnEnd(func(n *access.Caller) { next <- n })
	return next
}

func TestLeaseGoesOnWithTheSameUser(t *testing.T) {
	f := newFake(t, tokens{"alice": {Username: "alice", Groups: []string{"a"}}}.answer)
	x := renewing(t, f)
	c, err := x.Authenticate(request("alice"))
	if err != nil {
		t.Fatal(err)
	}
	eventually.True(t, "five renewals", func() bool { return f.calls() >= 6 })
	if c.Lease.Ended() {
		t.Error("the lease has ended")
	}
	// Other attributes of the same user: running requests are decided again.
	f.set(tokens{"alice": {Username: "alice", Groups: []string{"b"}}}.answer)
	next := <-ended(c)
	if next == nil || next.Groups[0] != "b" || next.Lease.Ended() {
		t.Fatalf("next %+v", next)
	}
	// Another user: they end.
	f.set(tokens{"alice": {Username: "mallory"}}.answer)
	if n := <-ended(next); n != nil {
		t.Errorf("a request goes on as %+v", n)
	}
}

func TestLeaseEndsWhenTheTokenIsTakenBack(t *testing.T) {
	f := newFake(t, tokens{"alice": {Username: "alice"}}.answer)
	x := renewing(t, f)
	c, err := x.Authenticate(request("alice"))
	if err != nil {
		t.Fatal(err)
	}
	f.set(tokens{}.answer)
	if next := <-ended(c); next != nil {
		t.Errorf("next %+v", next)
	}
	if _, err := x.Authenticate(request("alice")); !errors.Is(err, ErrDenied) {
		t.Errorf("again: %v", err)
	}
	f.set(tokens{"alice": {Username: "alice"}}.answer)
	eventually.True(t, "the token to be accepted again", func() bool { _, err := x.Authenticate(request("alice")); return err == nil })
}

// TestLeaseWithoutAnswer: a service that is down keeps new requests out at once, and
// ends running ones after the time for which an answer is kept, once more.
func TestLeaseWithoutAnswer(t *testing.T) {
	f := newFake(t, tokens{"alice": {Username: "alice"}}.answer)
	x := renewing(t, f)
	x.kept.Allowed = 500 * time.Millisecond
	start := time.Now()
	c, err := x.Authenticate(request("alice"))
	if err != nil {
		t.Fatal(err)
	}
	f.set(status(403))
	end := ended(c)
	eventually.True(t, "a renewal without an answer", func() bool { return f.calls() >= 2 })
	if _, err := x.Authenticate(request("alice")); !unreachable(err) {
		t.Errorf("a new request: %v", err)
	}
	if next := <-end; next != nil {
		t.Errorf("next %+v", next)
	}
	if took := time.Since(start); took < 2*x.kept.Allowed {
		t.Errorf("ended after %v, want %v at least", took, 2*x.kept.Allowed)
	}
}

// TestUnusedTokensAreForgotten: nothing is asked about a token once its callers are
// gone.
func TestUnusedTokensAreForgotten(t *testing.T) {
	known := tokens{}
	for i := range 20 {
		known[fmt.Sprint("t", i)] = authenticationv1.UserInfo{Username: fmt.Sprint("u", i)}
	}
	f := newFake(t, known.answer)
	x := renewing(t, f)
	x.kept.Allowed = 500 * time.Millisecond // longer than a garbage collection of a busy machine
	for token := range known {
		if _, err := x.Authenticate(request(token)); err != nil {
			t.Fatal(err)
		}
	}
	eventually.True(t, "all tokens to be forgotten", func() bool {
		runtime.GC()
		x.mu.Lock()
		defer x.mu.Unlock()
		return len(x.live) == 0
	})
	if n := len(x.allowed.Keys()); n != 0 {
		t.Errorf("%d callers are held", n)
	}
}

// Limits count service accounts by their namespace, since who can make one there can make
// many.
func TestWhatUsersAreCountedBy(t *testing.T) {
	for user, want := range map[string]string{
		"jane":                                 "",
		"system:serviceaccount:shop:ci":        "system:serviceaccounts:shop",
		"system:serviceaccount:shop:ci-2":      "system:serviceaccounts:shop",
		"system:serviceaccount:shop":           "",
		"system:serviceaccount::ci":            "",
		"system:serviceaccount:shop:":          "",
		"x:system:serviceaccount:shop:default": "",
	} {
		if got := toCaller(&authenticationv1.UserInfo{Username: user}).CountBy; got != want {
			t.Errorf("%s is counted by %q, want %q", user, got, want)
		}
	}
}
