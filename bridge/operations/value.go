package operations

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/tenant"
	"github.com/fairlead-io/fairlead/subjects"
)

// value is an operation as the bucket has it.
type value struct {
	made `json:"-"`
	// Made is the text of made, of which Seal is the signature, with the key by which
	// bridges reach the tenants: whoever can write to the bucket alone cannot make an
	// operation. Both are gone once it has ended; then Made has what is still told.
	Made json.RawMessage `json:"made"`
	Seal []byte          `json:"seal,omitempty"`

	State   api.OperationState `json:"state"`
	Started time.Time          `json:"started,omitzero"`
	Ended   time.Time          `json:"ended,omitzero"`

	// Position is the revision with which it was created: its place in the queue. 0: the
	// value has not been changed since.
	Position uint64 `json:"position,omitempty"`
	// Fence and Bridge are of the lease under which it was changed last.
	Fence  uint64 `json:"fence,omitempty"`
	Bridge string `json:"bridge,omitempty"`
	// Attempts is how often it was begun, and Sent how many of these may have reached the
	// API server.
	Attempts int `json:"attempts,omitempty"`
	Sent     int `json:"sent,omitempty"`

	CanceledBy string                `json:"canceledBy,omitempty"`
	Result     *api.OperationResult  `json:"result,omitempty"`
	Problem    *api.OperationProblem `json:"problem,omitempty"`
}

// made is what does not change of an operation before it ends.
type made struct {
	ID      string             `json:"id"`
	Tenant  string             `json:"tenant"`
	Cluster string             `json:"cluster"`
	Account string             `json:"account"` // of the tenant when it was accepted
	Key     string             `json:"key"`     // Idempotency-Key
	Digest  string             `json:"digest"`
	Kind    api.OperationKind  `json:"kind"`
	Method  string             `json:"method"`
	Path    string             `json:"path"`
	Target  string             `json:"target"`
	Type    string             `json:"type"`           // of the body
	Body    []byte             `json:"body,omitempty"` // until it has ended
	Version bool               `json:"version,omitempty"`
	Grant   string             `json:"grant"`
	As      *subjects.Identity `json:"as,omitempty"`
	Caller  caller             `json:"caller"`
	Remote  string             `json:"remote,omitempty"`
	Request string             `json:"request"` // the id of the request that made it
	Created time.Time          `json:"created"`
	Expires time.Time          `json:"expires"`
}

// caller is who made an operation, as grants look at it. Once it has ended, only the
// first three are kept.
type caller struct {
	Name    string              `json:"name"`
	Method  access.Method       `json:"method"`
	Issuer  string              `json:"issuer,omitempty"`
	Groups  []string            `json:"groups,omitempty"`
	UID     string              `json:"uid,omitempty"`
	Extra   map[string][]string `json:"extra,omitempty"`
	CountBy string              `json:"countBy,omitempty"`
	Claims  map[string]any      `json:"claims,omitempty"`
	Expires time.Time           `json:"expires,omitzero"` // of a client certificate
}

func callerOf(c *access.Caller) caller {
	k := caller{Name: c.Name, Method: c.Method, Issuer: c.Issuer, Groups: c.Groups, UID: c.UID, Extra: c.Extra, CountBy: c.CountBy, Claims: c.Claims}
	if c.Method == access.MethodCertificate {
		k.Expires = c.Expires
	}
	return k
}

// absent is the caller to whom a later request is put down.
func (c *caller) absent(as *subjects.Identity) access.Absent {
	return access.Absent{As: as, Caller: &access.Caller{
		Name: c.Name, Method: c.Method, Issuer: c.Issuer, Groups: c.Groups, UID: c.UID, Extra: c.Extra, CountBy: c.CountBy, Claims: c.Claims, Expires: c.Expires,
	}}
}

// who tells one caller from another.
type who struct {
	method access.Method
	issuer string
	name   string
}

func (c *caller) who() who { return who{c.Method, c.Issuer, c.Name} }

func whoOf(c *access.Caller) who { return who{c.Method, c.Issuer, c.Name} }

// alphabet is that of ids: a part of a key, and of a path.
var alphabet = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// idLength is that of 120 bits.
const idLength = 24

// idOf is the id of the operation that a caller makes with a key: the same for each
// repetition, at whatever bridge.
func idOf(w who, ref subjects.ClusterRef, key string) string {
	h := sha256.New()
	for _, part := range []string{string(w.method), w.issuer, w.name, ref.Tenant, ref.Cluster, key} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return alphabet.EncodeToString(h.Sum(nil)[:15])
}

// isID reports whether a text may be an id.
func isID(s string) bool {
	return len(s) == idLength && !strings.ContainsFunc(s, func(c rune) bool { return (c < '0' || c > '9') && (c < 'a' || c > 'v') })
}

// keyOf is where an operation is in the bucket.
func keyOf(ref subjects.ClusterRef, id string) string { return prefixOf(ref) + id }

func prefixOf(ref subjects.ClusterRef) string { return ref.Tenant + "." + ref.Cluster + "." }

func (v *value) ref() subjects.ClusterRef {
	return subjects.ClusterRef{Tenant: v.Tenant, Cluster: v.Cluster}
}

func (v *value) encode() []byte {
	if v.Made == nil {
		v.Made = mustJSON(&v.made)
	}
	return mustJSON(v)
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // claims are as encoding/json decoded them
		panic("operations: " + err.Error())
	}
	return b
}

// errForeign says that a value is not that of an operation of its key.
var errForeign = errors.New("the value is not that of an operation of its key")

// decode reads a value of the bucket. One that was put elsewhere than it belongs, as from
// an edited backup, is none.
func decode(key string, b []byte) (*value, error) {
	var v value
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	if err := json.Unmarshal(v.Made, &v.made); err != nil {
		return nil, fmt.Errorf("%w: %w", errForeign, err)
	}
	if !isID(v.ID) || keyOf(v.ref(), v.ID) != key || !slices.Contains(states, v.State) {
		return nil, errForeign
	}
	return &v, nil
}

// sealed says what the seal of an operation is for: the same key signs users of NATS too.
const sealed = "fairlead-operation"

// seal signs an operation that is complete.
func (v *value) seal(p *tenant.Pool) (err error) {
	v.Made = mustJSON(&v.made)
	v.Seal, err = p.Sign(sealed, v.Made)
	return err
}

// open reports whether an operation in a state has not ended.
func open(s api.OperationState) bool { return s == api.OperationQueued || s == api.OperationRunning }

// end gives an operation a final state, and drops what is not needed from then on: the
// body, and what grants look at.
func (v *value) end(s api.OperationState, now time.Time) {
	v.State, v.Ended = s, now.UTC()
	v.Body, v.Remote = nil, ""
	v.Caller = caller{Name: v.Caller.Name, Method: v.Caller.Method, Issuer: v.Caller.Issuer}
	v.Made, v.Seal = nil, nil // its text is made again
}

// place keeps the place in the queue of an operation that is changed: that of the
// revision with which it was created.
func (v *value) place(revision uint64) {
	if v.Position == 0 {
		v.Position = revision
	}
}

// view is an operation as the API shows it.
func (v *value) view() api.Operation {
	o := api.Operation{
		ID: v.ID, Name: v.ref().String(), Tenant: v.Tenant, Cluster: v.Cluster, Kind: v.Kind, Path: v.Path, State: v.State,
		IdempotencyKey: v.Key, Created: v.Created, Expires: v.Expires, Started: timeOf(v.Started), Ended: timeOf(v.Ended), Attempts: v.Attempts,
		Caller: v.Caller.Name, Issuer: v.Caller.Issuer, Grant: v.Grant, CanceledBy: v.CanceledBy, Result: v.Result, Problem: v.Problem,
	}
	if v.As != nil {
		o.As = v.As.User
	}
	return o
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
