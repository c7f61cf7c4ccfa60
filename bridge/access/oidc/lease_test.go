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
	end := time.Now().Truncate(time.Second).Add(2 * time.Second)
	token := mint(t, i, map[string]any{"exp": end.Unix()})
	c := accepted(t, a, token)
	door := &access.Door{Authenticator: a, Authorizer: everything{}}
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

	if err := a.Update(Config{one, {Name: "bad"}}); err == nil {
		t.Error("a bad configuration is taken up")
	}
	missing := trusting(startIssuer(t))
	missing.Name, missing.CertificateAuthority = "missing", "/no/such/file"
	if err := a.Update(Config{missing}); err == nil || !strings.Contains(err.Error(), `issuer "missing": certificateAuthority: `) {
		t.Errorf("a file that is missing: %v", err)
	}
	if accepted(t, a, second) != gone {
		t.Error("a configuration that was refused has changed something")
	}
	if err := a.Update(Config{one}); err != nil {
		t.Fatal(err)
	}
	ended(t, gone, "its issuer was removed")
	if _, err := a.Authenticate(request(second)); !errors.Is(err, ErrUnknownIssuer) {
		t.Error(err)
	}
	if accepted(t, a, first) != kept || kept.Lease.Ended() || stays.Requests("/keys") != requests {
		t.Error("an issuer that stays the same is read again")
	}
	one.Username = `"x:" + claims.sub`
	if err := a.Update(Config{one}); err != nil {
		t.Fatal(err)
	}
	ended(t, kept, "its name is another one")
	now := accepted(t, a, first)
	if now.Name != "x:job" {
		t.Errorf("got %+v", now)
	}
	a.Close()
	ended(t, now, "all was closed")
	if _, err := a.Authenticate(request(first)); !errors.Is(err, access.ErrUnrecognized) {
		t.Error(err)
	}
	if a.Update(Config{one}) == nil {
		t.Error("an update after the end")
	}
	waitForgotten(t, a.cache)
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
