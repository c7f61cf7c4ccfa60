package watch

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/goleak"

	"github.com/fairlead-io/fairlead/bridge/answer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// FuzzReadQuery: whatever is asked for is refused, or is the list of a resource.
func FuzzReadQuery(f *testing.F) {
	for _, seed := range []string{
		"clusters=a,b.c&path=/api/v1/pods", "selector=a%3Db&tenant=x&state=online&path=/apis/apps/v1/namespaces/x/deployments%3FfieldSelector%3Da", "clusters=a&from=a:7&path=/api/v1/pods",
		"clusters=a&path=/api/v1/pods%3Fwatch%3D1", "clusters=a&path=/api/v1/pods%26watch=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, failed := readQuery(raw)
		if failed != nil {
			if failed.Kind.Status != 400 || failed.Detail == "" {
				t.Fatalf("%q: %v", raw, failed)
			}
			return
		}
		path, parameters, _ := strings.Cut(q.path, "?")
		if !strings.HasPrefix(path, "/api") || strings.Contains(path, "..") || parameters != "" && !strings.HasSuffix(parameters, "&") ||
			strings.Contains("&"+parameters, "&watch=") || len(q.named) == 0 && q.selection == nil || len(q.named) > maxClusters {
			t.Fatalf("%q: %+v", raw, q)
		}
	})
}

// TestMemoryOfEvents: of a response there is one value in memory, a larger one takes a
// share of the pool until it was used, and one over the bound is refused.
func TestMemoryOfEvents(t *testing.T) {
	small, large := `{"a":1}`, `{"b":"`+strings.Repeat("x", 3*freeBytes)+`"}`
	text := strings.Repeat(small+"\n", 20000) + large + small + large + strings.Repeat(small, 20000)
	pool := newPool()
	m := &meter{ctx: t.Context(), from: iotest.OneByteReader(strings.NewReader(text)), pool: pool}
	for range 2 {
		v, n := newValues(m), 0
		for {
			var raw json.RawMessage
			err := v.Decode(&raw)
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := len(raw) > freeBytes; m.taken != want {
				t.Fatalf("value %d of %d bytes: taken %v", n, len(raw), m.taken)
			}
			n++
			v.used(true)
			if m.taken || m.held > 2*freeBytes {
				t.Fatalf("value %d: %d bytes held, taken %v", n, m.held, m.taken)
			}
		}
		if n != 40003 {
			t.Errorf("%d values", n)
		}
		m = &meter{ctx: t.Context(), from: strings.NewReader(text), pool: pool} // read in large parts
	}
	m = &meter{ctx: t.Context(), from: bytes.NewReader(bytes.Repeat([]byte("["), 2*maxEvent)), pool: pool}
	_, err := io.ReadAll(m)
	if f, ok := errors.AsType[*answer.Failure](err); !ok || f.Kind != answer.ResponseTooLarge {
		t.Errorf("too large: %v", err)
	}
	m.give()
	if !pool.TryAcquire(poolBytes) {
		t.Error("a share was not given back")
	}
}

// TestTyped: objects of a list get the kind that they lack.
func TestTyped(t *testing.T) {
	p := &page{kind: "PodList", apiVersion: "v1"}
	for in, want := range map[string]string{
		`{}`:                     `{"apiVersion":"v1","kind":"Pod"}`,
		`{ "metadata":{}}`:       `{"apiVersion":"v1","kind":"Pod","metadata":{}}`,
		`{"kind":"Other","a":1}`: `{"kind":"Other","a":1}`,
		`[]`:                     "",
		`null`:                   "",
		`{"kind":7}`:             "",
	} {
		got, err := p.typed(json.RawMessage(in))
		if string(got) != want || (err == nil) == (want == "") {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
}
