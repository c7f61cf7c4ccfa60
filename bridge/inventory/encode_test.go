package inventory

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fairlead-io/fairlead/bridge/answer"
	"github.com/fairlead-io/fairlead/bridge/api"
)

// TestEncode: a list that is encoded piece by piece is what package json makes of all of it,
// byte by byte, with any field of any type set or not.
func TestEncode(t *testing.T) {
	for seed := range uint64(300) {
		wantEncoded(t, seed, "a")
	}
}

func FuzzEncode(f *testing.F) {
	for _, text := range texts {
		f.Add(uint64(1), text)
	}
	f.Fuzz(wantEncoded)
}

// texts are such as are written with escapes, and others.
var texts = []string{"", "a", "c0001.acme", `"`, `\`, "\x00\x1f\x7f", "\b\f\n\r\t", "<a&b>", "ü", "\u0085\u2028\u2029\ufffd", "\xff", "a\xc3", "{", "[", ",", strings.Repeat("x", 500)}

func wantEncoded(t *testing.T, seed uint64, text string) {
	list := api.ClusterList{Clusters: []api.Cluster{}}
	fill(t, rand.New(rand.NewPCG(seed, 0)), text, reflect.ValueOf(&list).Elem())
	var want bytes.Buffer
	j := json.NewEncoder(&want)
	j.SetEscapeHTML(false)
	if err := j.Encode(list); err != nil {
		t.Fatal(err)
	}
	l := lister{further: api.ClusterList{Continue: list.Continue, Unavailable: list.Unavailable}}
	var body answer.Body
	end := l.encode(&body)
	for i := range list.Clusters {
		l.take(&list.Clusters[i])
		l.n++
	}
	end()
	w := httptest.NewRecorder()
	answer.JSONBody(w, httptest.NewRequest("GET", "/v1/clusters", http.NoBody), &answer.Record{}, http.StatusOK, &body)
	if got := w.Body.Bytes(); !bytes.Equal(got, want.Bytes()) {
		t.Errorf("seed %d:\n got %s\nwant %s", seed, got, want.Bytes())
	}
}

// fill sets v, of whatever type it is, but leaves each part of it as it is in one of three
// cases: a field that is new in the API, and not to the encoder, is noticed.
func fill(t *testing.T, r *rand.Rand, text string, v reflect.Value) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		at := time.Unix(r.Int64N(253402200000), r.Int64N(2)*r.Int64N(1e9))
		v.Set(reflect.ValueOf(at.In([]*time.Location{time.UTC, time.FixedZone("", 3600)}[r.IntN(2)])))
		return
	}
	if v.Kind() != reflect.Struct && r.IntN(3) == 0 {
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, r, text, v.Field(i))
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, r, text, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(t, r, text, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range r.IntN(4) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(t, r, text, key)
			fill(t, r, text, value)
			v.SetMapIndex(key, value)
		}
	case reflect.String:
		v.SetString(append(texts, text)[r.IntN(len(texts)+1)])
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64() >> r.IntN(64) * (1 - 2*r.Int64N(2)))
	default:
		t.Fatalf("%s: neither this test nor the encoder knows such fields", v.Type())
	}
}

func BenchmarkEncode(b *testing.B) {
	at := time.Now().UTC()
	c := api.Cluster{Name: "c0001.acme", Tenant: "acme", Cluster: "c0001", State: "connected", LastSeen: &at, Labels: map[string]string{"env": "prod", "region": "eu"},
		Kubernetes: "v1.34.4", Platform: "linux/amd64", Instances: []api.Instance{{Name: "aabcdefgh", State: "up", Started: &at, LastSeen: at, Pod: "fairlead-agent-c0001", RTTMicroseconds: 300}}}
	b.Run("this", func(b *testing.B) {
		var e encoder
		b.ReportAllocs()
		for b.Loop() {
			e.b = e.b[:0]
			e.cluster(&c)
		}
	})
	b.Run("package json", func(b *testing.B) {
		j := json.NewEncoder(io.Discard)
		b.ReportAllocs()
		for b.Loop() {
			_ = j.Encode(&c)
		}
	})
}
