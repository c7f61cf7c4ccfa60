package oidc

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/subjects"
)

// TestExpiryEndsRequests: a token is good until its exp and the skew, not longer.
func TestExpiryEndsRequests(t *testing.T) {
	i := startIssuer(t)
	config, skew := trusting(i), time.Second
	config.ClockSkew = &skew
	a := open(t, config)
	end := time.Now().Truncate(time.Second).Add(5 * time.Second) // a busy machine is slow with the first token
	token := mint(t, i, map[string]any{"exp": end.Unix()})
	c := accepted(t, a, token)
	door := &access.Door{Rules: access.Fixed(access.Rules{Authenticator: a, Authorizer: everything{}})}
	admission, f := door.Enter(request(token), &answer.Record{}, "prod", "/api/v1/pods?watch=true")
	if f != nil {
		t.Fatal(f)
	}
	held, release := admission.Hold(t.Context())
	defer release()
	select {
	case <-held.Done():
	case <-time.After(20 * time.Second):
		t.Fatal("the request runs on")
	}
	if late := time.Since(end.Add(skew)); late < 0 || late > 10*time.Second {
		t.Errorf("the request ended %v after the token", late)
	}
	if cause := context.Cause(held).Error(); !strings.Contains(cause, "the credential has expired") {
		t.Errorf("it ended with %q", cause)
	}
	if !c.Lease.Ended() {
		t.Error("the lease goes on")
	}
	if _, err := a.Authenticate(request(token)); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	waitForgotten(t, a.cache)
}

// TestWithdrawnKeyEndsRequests: what an issuer no longer vouches for ends, what
// another key has signed does not.
func TestWithdrawnKeyEndsRequests(t *testing.T) {
	i := startIssuer(t)
	a := open(t, trusting(i))
	old := mint(t, i, nil)
	before := accepted(t, a, old)
	if _, err := i.AddKey("ES256"); err != nil {
		t.Fatal(err)
	}
	kept := mint(t, i, map[string]any{"sub": "kept"})
	after := accepted(t, a, kept) // the keys are read again
	if before.Lease.Ended() {
		t.Fatal("a key that was added ends requests")
	}
	i.WithdrawKey("key-1")
	if _, err := i.AddKey("ES256"); err != nil {
		t.Fatal(err)
	}
	accepted(t, a, mint(t, i, nil)) // again
	ended(t, before, "its key was withdrawn")
	if _, err := a.Authenticate(request(old)); !errors.Is(err, ErrUnknownKey) {
		t.Error(err)
	}
	if after.Lease.Ended() || accepted(t, a, kept) != after {
		t.Error("a token of another key ends too")
	}
}

// TestUpdate: issuers that stay as they are keep their callers.
func TestUpdate(t *testing.T) {
	stays, goes := startIssuer(t), startIssuer(t)
	one, two := trusting(stays), trusting(goes)
	two.Name = "other"
	a := open(t, one, two)
	first, second := mint(t, stays, nil), mint(t, goes, nil)
	kept, gone := accepted(t, a, first), accepted(t, a, second)
	requests := stays.Requests("/keys")

	if _, err := a.Next(Config{one, {Name: "bad"}}); err == nil {
		t.Error("a bad configuration is taken up")
	}
	missing := trusting(startIssuer(t))
	missing.Name, missing.CertificateAuthority = "missing", "/no/such/file"
	if _, err := a.Next(Config{missing}); err == nil || !strings.Contains(err.Error(), `issuer "missing": certificateAuthority: `) {
		t.Errorf("a file that is missing: %v", err)
	}
	if accepted(t, a, second) != gone {
		t.Error("a configuration that was refused has changed something")
	}
	a = update(t, a, one)
	ended(t, gone, "its issuer was removed")
	if _, err := a.Authenticate(request(second)); !errors.Is(err, ErrUnknownIssuer) {
		t.Error(err)
	}
	if accepted(t, a, first) != kept || kept.Lease.Ended() || stays.Requests("/keys") != requests {
		t.Error("an issuer that stays the same is read again")
	}
	one.Username = `"x:" + claims.sub`
	before := a
	a = update(t, a, one)
	ended(t, kept, "its name is another one")
	now := accepted(t, a, first)
	if now.Name != "x:job" || stays.Requests("/keys") != requests {
		t.Errorf("got %+v, and the keys were read %d times more, want 0", now, stays.Requests("/keys")-requests)
	}
	if _, err := before.Authenticate(request(first)); err == nil || now.Lease.Ended() {
		t.Errorf("the configuration of before accepts a token, or ends the caller of this one: %v", err)
	}
	a.Close()
	ended(t, now, "all was closed")
	_, err := a.Authenticate(request(first))
	if f, ok := errors.AsType[*answer.Failure](err); !ok || f.Kind != answer.IssuerUnreachable {
		t.Errorf("after the end: %v", err)
	}
	waitForgotten(t, a.cache)
}

// TestBothVersions: while the configurations of before and of now are both in use, each
// gives a token its own caller. That of now is never ended by the one of before.
func TestBothVersions(t *testing.T) {
	i := startIssuer(t)
	config := trusting(i)
	before := open(t, config)
	token := mint(t, i, nil)
	old := accepted(t, before, token)
	config.Username = `"x:" + claims.sub`
	now, err := before.Next(Config{config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(now.Close)
	if accepted(t, before, token) != old || old.Lease.Ended() {
		t.Fatal("a configuration that is not in use yet has changed something")
	}
	c := accepted(t, now, token)
	if c.Name != "x:job" {
		t.Errorf("got %+v", c)
	}
	ended(t, old, "there is a caller by the new configuration")
	if _, err := before.Authenticate(request(token)); !errors.Is(err, errRetired) {
		t.Errorf("the token by the configuration of before: %v", err)
	}
	before.CloseExcept(now)
	if accepted(t, now, token) != c || c.Lease.Ended() {
		t.Error("the caller has ended with the configuration of before")
	}
	undone, err := now.Next(Config{trusting(i)})
	if err != nil {
		t.Fatal(err)
	}
	undone.CloseExcept(now)
	if accepted(t, now, token) != c || c.Lease.Ended() {
		t.Error("the caller has ended with a configuration that was never in use")
	}
	accepted(t, now, mint(t, i, map[string]any{"sub": "after"})) // the keys are there
}

// TestKeysOutliveTheIssuer: callers whose keys are known do not notice an outage.
func TestKeysOutliveTheIssuer(t *testing.T) {
	i := startIssuer(t)
	a := open(t, trusting(i))
	accepted(t, a, mint(t, i, nil))
	fresh := mint(t, i, map[string]any{"sub": "other"})
	if _, err := i.AddKey("ES256"); err != nil {
		t.Fatal(err)
	}
	rotated := mint(t, i, nil)
	i.Stop()
	accepted(t, a, fresh)
	_, err := a.Authenticate(request(rotated))
	if f, ok := errors.AsType[*answer.Failure](err); !ok || f.Kind != answer.IssuerUnreachable || !strings.Contains(f.Detail, "connection refused") {
		t.Errorf("a key that is not known: %v", err)
	}
	accepted(t, a, fresh)
	if err := i.Start(); err != nil {
		t.Fatal(err)
	}
	waitAccepted(t, a, rotated)
}

// TestSameTokenAtOnce: all requests with one token share its caller.
func TestSameTokenAtOnce(t *testing.T) {
	i := startIssuer(t)
	a := open(t, trusting(i))
	token := mint(t, i, nil)
	callers := make([]*access.Caller, 20)
	var wait sync.WaitGroup
	for n := range callers {
		wait.Go(func() {
			c, err := a.Authenticate(request(token))
			if err != nil {
				t.Error(err)
			}
			callers[n] = c
		})
	}
	wait.Wait()
	for _, c := range callers {
		if c != callers[0] {
			t.Fatal("there are two callers")
		}
	}
	if known, _ := a.cache.len(); known != 1 {
		t.Errorf("%d tokens are known", known)
	}
}

// everything is an authorizer that allows everything.
type everything struct{}

func (everything) Authorize(context.Context, *access.Caller, *access.Request) (*access.Decision, error) {
	return &access.Decision{Grant: "everything"}, nil
}
func (everything) Visible(*access.Caller, subjects.ClusterRef) bool { return true }
func (everything) AuthorizeTenant(*access.Caller, string) bool      { return true }
