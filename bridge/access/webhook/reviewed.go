package webhook

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
	"weak"

	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/fairlead-io/fairlead/bridge/access"
)

// retryRenewal is when a renewal is tried again that had no answer.
const retryRenewal = 5 * time.Second

var errNotReviewed = errors.New("the token could not be reviewed again, as the token review service gave no answer,")

// reviewed is a token whose caller is in use. It must not refer to the caller.
type reviewed struct {
	token  string
	caller weak.Pointer[access.Caller]
	lease  *access.Lease
	until  time.Time   // the answer is kept until then
	timer  *time.Timer // renews it
}

// current returns the caller of a token about which there is an answer; nil: it must
// be reviewed.
func (t *TokenReview) current(d digest) *access.Caller {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.live[d]
	if e == nil || !time.Now().Before(e.until) || e.lease.Ended() {
		return nil
	}
	return e.caller.Value()
}

// settle makes an answer take effect. It returns the caller, or the error. An answer
// that the service did not give changes nothing.
func (t *TokenReview) settle(d digest, token string, user *authenticationv1.UserInfo, err error) (*access.Caller, error) {
	if err != nil && !errors.Is(err, ErrDenied) {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrDenied
	}
	e := t.live[d]
	var before *access.Caller
	if e != nil && !e.lease.Ended() {
		before = e.caller.Value()
	}
	if err != nil {
		t.drop(d, e, nil)
		t.accepted.Remove(d)
		t.denied.Add(d, err, t.kept.Denied)
		return nil, err
	}
	t.accepted.Add(d, nil, acceptedFor)
	caller := toCaller(user)
	if before != nil && same(before, caller) {
		e.until = time.Now().Add(t.kept.Allowed)
		e.timer.Reset(t.kept.Allowed)
		return before, nil
	}
	caller.Lease = access.NewLease()
	if before != nil && before.Name == caller.Name && before.UID == caller.UID {
		t.drop(d, e, caller)
	} else {
		t.drop(d, e, nil)
	}
	e = &reviewed{token: token, caller: weak.Make(caller), lease: caller.Lease, until: time.Now().Add(t.kept.Allowed)}
	e.timer = time.AfterFunc(t.kept.Allowed, func() { t.renew(d, e) })
	t.live[d] = e
	return caller, nil
}

// drop forgets an entry, if there is one, and ends its lease. The caller holds mu.
func (t *TokenReview) drop(d digest, e *reviewed, next *access.Caller) {
	if e == nil {
		return
	}
	e.timer.Stop()
	delete(t.live, d)
	t.allowed.Remove(d)
	e.lease.End(next)
}

// renew reviews a token again if its caller is still in use. It runs when the answer
// about it is no longer kept.
func (t *TokenReview) renew(d digest, e *reviewed) {
	if !t.begin() {
		return
	}
	defer t.running.Done()
	t.mu.Lock()
	left := time.Until(e.until)
	switch {
	case t.live[d] != e:
		t.mu.Unlock()
		return
	case left > 0: // a request has had it reviewed
		e.timer.Reset(left)
		t.mu.Unlock()
		return
	}
	t.allowed.Remove(d)
	used := e.caller.Value() != nil
	if !used {
		t.drop(d, e, nil)
	}
	t.mu.Unlock()
	if !used {
		return
	}
	_, err := t.review(t.ctx, d, e.token, false)
	if err == nil || errors.Is(err, ErrDenied) {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.live[d] != e || time.Now().Before(e.until) {
		return
	}
	if left := time.Until(e.until.Add(t.kept.Allowed)); left > 0 && !t.closed {
		e.timer.Reset(min(left, retryRenewal))
		return
	}
	e.lease.EndBecause(errNotReviewed)
	t.drop(d, e, nil)
}

func toCaller(u *authenticationv1.UserInfo) *access.Caller {
	c := &access.Caller{Name: u.Username, Groups: slices.Clone(u.Groups), UID: u.UID, Method: access.MethodWebhook, Issuer: TokenReviewIssuer}
	for k, v := range u.Extra {
		if c.Extra == nil {
			c.Extra = make(map[string][]string, len(u.Extra))
		}
		k = strings.ToLower(k)
		c.Extra[k] = append(c.Extra[k], v...)
	}
	c.CountBy = countBy(u.Username)
	return c
}

// countBy is what limits count a user by: a service account by its namespace, since who
// can make one there can make many; "" for everybody else.
func countBy(user string) string {
	rest, ok := strings.CutPrefix(user, "system:serviceaccount:")
	namespace, name, two := strings.Cut(rest, ":")
	if !ok || !two || namespace == "" || name == "" {
		return ""
	}
	return "system:serviceaccounts:" + namespace // the group that they have in common
}

func same(c, other *access.Caller) bool {
	return c.Name == other.Name && c.UID == other.UID && slices.Equal(c.Groups, other.Groups) &&
		maps.EqualFunc(c.Extra, other.Extra, slices.Equal)
}
