package operations

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/internal/sleep"
	"github.com/fairlead-io/fairlead/bridge/platform/endpoint"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
)

const (
	// maxKey bounds an Idempotency-Key in bytes: a UUID has 36, the digest of a commit 64.
	maxKey = 255
	// maxCaller bounds in bytes what is kept of who made an operation: a token comes in a
	// header.
	maxCaller = 64 << 10
	// Brokers refuse a second value of a key while most of them do not have the first one
	// yet, when it cannot be read: it is waited for, with pauses that double.
	firstWait = 5 * time.Millisecond
	maxWaits  = 2 * time.Second
)

const example = `{"kind": "apply", "path": "/api/v1/namespaces/default/configmaps/settings", "fieldManager": "ci", "body": {...}}`

// post queues an operation, or answers with the one that was made with the same key.
func (x *exchange) post() *answer.Failure {
	key, f := idempotencyKey(x.r.Header)
	if f != nil {
		return f
	}
	var spec api.OperationSpec
	share, f := x.Caller.Bodies.ReadJSON(x.w, x.r, endpoint.CallerOf(x.rec), &spec, maxSpec, example)
	if f != nil {
		return f
	}
	defer share.End()
	o, f := read(&spec)
	if f != nil {
		return f
	}
	x.rec.Received = int64(len(o.body))
	header := http.Header{"Content-Type": {o.contentType}}
	admission, f := x.Caller.Door.Admit(x.r.Context(), x.rec, x.visit, o.method, o.target, header)
	if f != nil {
		return f
	}
	defer admission.Done()
	v := x.value(o, key, admission)
	x.rec.Notes = []answer.Note{{Key: "operation", Value: v.ID}, {Key: "operation-state", Value: string(api.OperationQueued)}}
	if err := v.seal(x.Tenants); err != nil {
		return answer.Failf(answer.InternalError, "sign the operation: %w", err)
	}
	if b := v.encode(); len(b) > len(o.body)*4/3+maxCaller {
		return bad("the groups, attributes and claims of the caller are larger than %d KiB", maxCaller>>10)
	}
	before, f := x.before(v)
	if f != nil {
		return f
	}
	if before == nil {
		before, f = x.create(v)
	}
	if f != nil {
		return f
	}
	x.w.Header().Set("Location", x.location(before.ID))
	status := http.StatusOK
	if before.Request == v.Request { // this request made it
		status = http.StatusAccepted
	}
	answer.JSON(x.w, x.r, x.rec, status, before.view())
	return nil
}

// location is where an operation of the cluster is, relative to the path of the request.
func (x *exchange) location(id string) string { return "operations/" + id }

// idempotencyKey reads the header that tells one operation of a caller from another. It is
// a string of structured fields (RFC 8941), or its text without the quotation marks.
func idempotencyKey(h http.Header) (string, *answer.Failure) {
	keys := h["Idempotency-Key"]
	if len(keys) != 1 {
		return "", bad("want one header Idempotency-Key: a text of your own for this operation, such as a UUID, that you send again if you get no answer")
	}
	key := strings.TrimSpace(keys[0])
	if strings.HasPrefix(key, `"`) {
		var ok bool
		if key, ok = unquoted(key); !ok {
			return "", bad("Idempotency-Key: it begins with a quotation mark, and is not a string of structured fields (RFC 8941)")
		}
	}
	if key == "" || len(key) > maxKey || strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' }) {
		return "", bad("Idempotency-Key: want between 1 and %d printable characters of ASCII", maxKey)
	}
	return key, nil
}

// unquoted is the text of a string of structured fields.
func unquoted(s string) (text string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), i == len(s)-1
		case c == '\\':
			if i++; i == len(s) || s[i] != '"' && s[i] != '\\' {
				return "", false
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

// value is what is kept of an order.
func (x *exchange) value(o *order, key string, a *access.Admission) *value {
	ref, now := x.visit.Cluster, time.Now().UTC()
	entry, _ := x.Tenants.Entry(ref.Tenant)
	return &value{State: api.OperationQueued, made: made{
		ID: idOf(whoOf(a.Caller), ref, key), Tenant: ref.Tenant, Cluster: ref.Cluster, Account: entry.Account, Key: key, Digest: o.digest(),
		Kind: o.kind, Method: o.method, Path: o.path, Target: o.target, Type: o.contentType, Body: o.body, Version: o.byVersion,
		Grant: a.Decision.Grant, As: a.Decision.As, Caller: callerOf(a.Caller), Remote: x.rec.Remote, Request: x.rec.ID,
		Created: now, Expires: now.Add(o.ttl),
	}}
}

// before returns the operation that the caller has made with the same key; nil: there is
// none.
func (x *exchange) before(v *value) (*value, *answer.Failure) {
	e, err := x.bucket.Get(x.r.Context(), keyOf(v.ref(), v.ID))
	if errors.Is(err, kv.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, storeFailure(err, "nothing was queued")
	}
	before, err := decode(e.Key, e.Value)
	if err != nil {
		return nil, storeFailure(err, "nothing was queued")
	}
	if before.Digest != v.Digest {
		return nil, answer.Failf(answer.KeyReused, "the Idempotency-Key was used for another operation, %s; nothing was queued", before.ID)
	}
	return before, nil
}

// create keeps a new operation.
func (x *exchange) create(v *value) (*value, *answer.Failure) {
	if f := x.known(); f != nil {
		return nil, f
	}
	key, b := keyOf(v.ref(), v.ID), v.encode()
	release, f := x.index.reserve(v.ref(), v.ID, sizeOf(len(key), len(b)))
	if f != nil {
		return nil, f
	}
	defer release()
	began := time.Now()
	for wait := firstWait; ; wait *= 2 {
		revision, err := x.bucket.Create(x.r.Context(), key, b)
		if err == nil {
			x.index.put(entryOf(&kv.Entry{Key: key, Value: b, Revision: revision, Time: time.Now()}, v), false)
			x.tell(v, v.Created)
			return v, nil
		}
		conflict, unknown := errors.Is(err, kv.ErrConflict), errors.Is(err, kv.ErrUnknown)
		if conflict || unknown { // another one was faster, or the answer was lost
			if before, f := x.before(v); f == nil && before != nil {
				return before, nil
			} else if f != nil && f.Kind == answer.KeyReused {
				return nil, f
			}
		}
		switch {
		case unknown:
			return nil, storeFailure(err, "whether the operation was queued is not known: send it again with the same Idempotency-Key")
		case !conflict:
			return nil, storeFailure(err, "nothing was queued")
		case time.Since(began) > maxWaits || !sleep.For(x.r.Context(), wait):
			return nil, storeFailure(err, "another request with this Idempotency-Key is being kept, and this one has queued nothing: send it again")
		}
	}
}
