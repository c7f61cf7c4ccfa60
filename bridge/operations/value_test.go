package operations

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/access"
	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
	"github.com/fairlead-io/fairlead/bridge/call"
	"github.com/fairlead-io/fairlead/bridge/store/kv"
	"github.com/fairlead-io/fairlead/bridge/tunnel"
	"github.com/fairlead-io/fairlead/subjects"
)

var prod = subjects.ClusterRef{Tenant: "acme", Cluster: "prod"}

// queued returns an operation of a cluster that is queued.
func queued(ref subjects.ClusterRef, key string) *value {
	by := caller{Name: "jane", Method: access.MethodOIDC, Issuer: "idp", Groups: []string{"a<b"}, Claims: map[string]any{"n": json.Number("12345678901234567890"), "f": 1.5}}
	now := time.Now().UTC()
	return &value{State: api.OperationQueued, made: made{
		ID: idOf(by.who(), ref, key), Tenant: ref.Tenant, Cluster: ref.Cluster, Key: key, Kind: api.OperationApply, Method: "PATCH", Path: "/p", Target: "/p?x=<&>",
		Body: []byte("body\xff"), Grant: "g", As: &subjects.Identity{User: "jane"}, Caller: by, Remote: "192.0.2.1", Request: "r", Created: now, Expires: now.Add(time.Hour),
	}}
}

// TestSealedTextStays: however often a bridge reads and writes an operation, the text that
// was signed stays as it is, byte for byte. When it ends, what is not needed is dropped.
func TestSealedTextStays(t *testing.T) {
	v := queued(prod, "k")
	b := v.encode()
	signed := slices.Clone(v.Made)
	for i := range 3 {
		again, err := decode(keyOf(prod, v.ID), b)
		if err != nil {
			t.Fatal(err)
		}
		again.State, again.Attempts = api.OperationRunning, i
		again.place(7)
		if b = again.encode(); !bytes.Equal(again.Made, signed) || again.Position != 7 {
			t.Errorf("%s\n%s", again.Made, signed)
		}
	}
	last, err := decode(keyOf(prod, v.ID), b)
	if err != nil {
		t.Fatal(err)
	}
	last.Seal = []byte("x")
	last.end(api.OperationSucceeded, time.Now())
	b = last.encode()
	for _, gone := range []string{"a<b", `a\u003cb`, "192.0.2.1", "1.5", `"body"`, `"seal"`, `"groups"`, `"claims"`} {
		if strings.Contains(string(b), gone) {
			t.Errorf("it has %s: %s", gone, b)
		}
	}
	ended, err := decode(keyOf(prod, v.ID), b)
	if err != nil || ended.Caller.who() != v.Caller.who() || ended.Key != "k" || ended.Path != "/p" || ended.Position != 7 || ended.view().As != "jane" {
		t.Errorf("%+v, %v", ended, err)
	}
}

// TestForeignValues: what is not an operation, or is that of another key.
func TestForeignValues(t *testing.T) {
	v := queued(prod, "k")
	b := string(v.encode())
	for key, text := range map[string]string{
		keyOf(prod, v.ID) + "x":                 b,
		"other.prod." + v.ID:                    b,
		keyOf(prod, idOf(who{}, prod, "other")): b,
		keyOf(prod, v.ID):                       strings.Replace(b, `"state":"queued"`, `"state":"done"`, 1),
		keyOf(prod, v.ID) + "\x00":              `{}`,
		keyOf(subjects.ClusterRef{}, v.ID):      `{"made": {}}`,
		"acme.prod.x":                           `{"state": "queued", "made": {"id": "x", "tenant": "acme", "cluster": "prod"}}`,
		"acme.prod.y":                           `{"state": "queued", "made": "x"}`,
		"acme.prod.z":                           "",
	} {
		if _, err := decode(key, []byte(text)); !errors.Is(err, errForeign) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// FuzzValue: whatever somebody puts into the bucket, a bridge neither panics nor takes it
// for the operation of another cluster.
func FuzzValue(f *testing.F) {
	v := queued(prod, "k")
	key := keyOf(prod, v.ID)
	f.Add(v.encode())
	v.end(api.OperationFailed, time.Now())
	v.Problem = &api.OperationProblem{Code: "x"}
	f.Add(v.encode())
	f.Add([]byte(`{"made": {"id": null, "caller": {"claims": {"a": []}}}, "state": "queued"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := decode(key, b)
		if err != nil {
			return
		}
		if v.ref() != prod || keyOf(v.ref(), v.ID) != key {
			t.Errorf("%+v", v)
		}
		if _, err := json.Marshal(v.view()); err != nil {
			t.Errorf("view: %v", err)
		}
		x := newIndex()
		x.put(entryOf(&kv.Entry{Key: key, Value: b, Revision: 3}, v), true)
		v.place(3)
		if again, err := decode(key, v.encode()); err != nil || !bytes.Equal(again.encode(), v.encode()) {
			t.Errorf("%v: %s", err, v.encode())
		}
		v.end(api.OperationUnknown, time.Now())
		if _, err := decode(key, v.encode()); err != nil {
			t.Error(err)
		}
	})
}

// TestQueueOrder: the queue of a cluster is in the order of its positions, and what this
// bridge has just created waits until all before it was read.
func TestQueueOrder(t *testing.T) {
	x := newIndex()
	put := func(revision uint64, v *value, seen bool) {
		x.put(entryOf(&kv.Entry{Key: keyOf(v.ref(), v.ID), Revision: revision, Time: time.Now()}, v), seen)
	}
	third, second, first := queued(prod, "3"), queued(prod, "2"), queued(prod, "1")
	put(30, third, false) // created here
	if x.head(prod) != nil || len(x.waiting()) != 0 {
		t.Error("an operation is the first before all was read")
	}
	x.known(nil)
	if x.head(prod) != nil {
		t.Error("an operation is the first before those before it were read")
	}
	put(20, second, true)
	put(10, first, true)
	put(30, third, true)
	for _, v := range []*value{first, second, third} {
		head := x.head(prod)
		if head == nil || head.id != v.ID {
			t.Fatalf("%+v, want %s", head, v.ID)
		}
		v.place(head.revision)
		v.State = api.OperationRunning
		put(head.revision+100, v, true)
		if again := x.head(prod); again.id != v.ID {
			t.Error("one that runs is no longer the first")
		}
		v.end(api.OperationFailed, time.Now())
		put(head.revision+200, v, true)
		put(head.revision, v, true) // heard late
	}
	if x.head(prod) != nil || len(x.waiting()) != 0 {
		t.Error("the queue is not empty")
	}
	if some, more := x.page(prod, 0, 2, func(*entry) bool { return true }); len(some) != 2 || !more || some[0].id != third.ID || some[1].id != second.ID {
		t.Errorf("%v, %v", some, more)
	}
	x.forget(time.Now().Add(keptFor + time.Minute))
	if some, _ := x.page(prod, 0, 2, func(*entry) bool { return true }); len(some) != 0 || len(x.tenants) != 0 {
		t.Errorf("after 30 days: %v, %v", some, x.tenants)
	}
}

// TestLimits: of a cluster, of a tenant, of its room; each one's own, also when many ask at
// the same moment.
func TestLimits(t *testing.T) {
	x := newIndex()
	var (
		asking sync.WaitGroup
		mu     sync.Mutex
		let    []func()
	)
	for i := range 3 * maxPerCluster {
		asking.Go(func() {
			release, f := x.reserve(prod, fmt.Sprint(i), 1)
			mu.Lock()
			defer mu.Unlock()
			if f == nil {
				let = append(let, release)
			} else if f.Kind != answer.QueueFull || !strings.Contains(f.Detail, "acme") {
				t.Error(f)
			}
		})
	}
	asking.Wait()
	if len(let) != maxPerCluster {
		t.Errorf("%d were let in", len(let))
	}
	if _, f := x.reserve(subjects.ClusterRef{Tenant: "acme", Cluster: "dev"}, "1", 1); f != nil {
		t.Errorf("another cluster: %v", f)
	}
	for _, release := range let {
		release()
		release() // twice does no harm
	}
	if _, f := x.reserve(prod, "1", maxTenantBytes); f == nil || !strings.Contains(f.Detail, "MiB") {
		t.Errorf("the room of the tenant: %v", f)
	}
	if _, f := x.reserve(subjects.ClusterRef{Tenant: "other", Cluster: "prod"}, "1", maxTenantBytes); f != nil {
		t.Errorf("another tenant: %v", f)
	}
	for i := range maxPerTenant - 1 {
		if _, f := x.reserve(subjects.ClusterRef{Tenant: "acme", Cluster: fmt.Sprint("c", i/maxPerCluster)}, fmt.Sprint(i), 1); f != nil {
			t.Fatalf("%d: %v", i, f)
		}
	}
	if _, f := x.reserve(subjects.ClusterRef{Tenant: "acme", Cluster: "last"}, "1", 1); f == nil || !strings.Contains(f.Detail, "tenant") {
		t.Errorf("the tenant: %v", f)
	}
}

// TestJudge: what an attempt came to, for a first one and for a repetition.
func TestJudge(t *testing.T) {
	response := func(status int) *call.Response {
		return &call.Response{Response: tunnel.Response{Status: status, Body: []byte(`{"kind":"Status"}`)}}
	}
	for name, tt := range map[string]struct {
		r               *call.Response
		f               *answer.Kind
		reached         bool
		first, repeated api.OperationState
	}{
		"200":                  {response(200), nil, true, api.OperationSucceeded, api.OperationSucceeded},
		"404":                  {response(404), nil, true, api.OperationFailed, api.OperationUnknown},
		"409":                  {response(409), nil, true, api.OperationFailed, api.OperationUnknown},
		"429":                  {response(429), nil, true, api.OperationQueued, api.OperationRunning},
		"500":                  {response(500), nil, true, api.OperationRunning, api.OperationRunning},
		"offline":              {nil, answer.Offline, false, api.OperationQueued, api.OperationRunning},
		"no lease":             {nil, answer.StoreUnavailable, false, api.OperationQueued, api.OperationRunning},
		"lost":                 {nil, answer.OutcomeUnknown, true, api.OperationRunning, api.OperationRunning},
		"forbidden":            {nil, answer.Forbidden, false, api.OperationFailed, api.OperationUnknown},
		"withdrawn while sent": {nil, answer.Forbidden, true, api.OperationUnknown, api.OperationUnknown},
		"refused by the owner": {nil, answer.Refused, true, api.OperationFailed, api.OperationUnknown},
	} {
		var f *answer.Failure
		if tt.f != nil {
			f = answer.Failf(tt.f, "because")
		}
		for repeated, want := range map[bool]api.OperationState{false: tt.first, true: tt.repeated} {
			if o := judge(queued(prod, "k"), repeated, tt.r, f, tt.reached); o.state != want || (tt.f != nil) != (o.problem != nil) {
				t.Errorf("%s, repeated %v: %+v, want %s", name, repeated, o, want)
			}
		}
		v := queued(prod, "k")
		v.Sent = maxSent
		if o := judge(v, true, tt.r, f, tt.reached); o.state == api.OperationRunning && o.sent {
			t.Errorf("%s: it is sent again after %d attempts", name, maxSent)
		}
	}
	if len(resultOf(&call.Response{Response: tunnel.Response{Body: bytes.Repeat([]byte("ä"), maxResult)}}).Body) > maxResult {
		t.Error("the answer is kept whole")
	}
}
